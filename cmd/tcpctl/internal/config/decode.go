package config

import (
	"fmt"
	"reflect"
	"slices"
	"sort"
	"strconv"
	"strings"

	"github.com/tcpctl/tcpctl/proxy/text"
)

// decoder converts what the TOML decoder has read into this package's structs. It continues after
// an error, so that all errors are reported at once.
type decoder struct {
	report
	dir   string // relative paths start here
	exist bool   // files must exist
	file  *File
}

// table fills a struct. It returns false if raw is no table.
func (d *decoder) table(path string, raw any, table reflect.Value) (ok bool) {
	m, ok := raw.(map[string]any)
	if !ok {
		if _, list := raw.([]map[string]any); list {
			d.mistype(path, "write ["+path+"]", "%s is one table, not a list of them", path)
		} else {
			d.mistype(path, "write ["+path+"]", "%s is a table, not %s", path, kind(raw))
		}
		return false
	}
	for _, f := range fieldsOf(table.Type()) {
		if v, ok := m[f.key]; ok {
			d.field(join(path, f.key), v, f.tag, table.FieldByIndex(f.index))
		}
	}
	for key, v := range m {
		if !slices.ContainsFunc(fieldsOf(table.Type()), func(f field) bool { return f.key == key }) {
			d.unknown(path, key, v, table.Type())
		}
	}
	return true
}

// unknown reports a key that the table does not have.
func (d *decoder) unknown(path, key string, raw any, table reflect.Type) {
	what, where := "key "+strconv.Quote(key), " in ["+path+"]"
	if _, ok := raw.(map[string]any); ok {
		what, where = "table ["+join(path, key)+"]", ""
	} else if path == "" {
		where = ""
	}
	if of, n, ok := strings.Cut(strings.TrimSuffix(path, "]"), ".backends["); ok {
		i, _ := strconv.Atoi(n)
		where = fmt.Sprintf(" in backend %d of [%s]", i+1, of)
	}
	hint := suggest(key, keysOf(table))
	switch ofService := reflect.TypeFor[Service](); {
	case text.Nearest(key, keysOf(table)) != "":
	case path == "" && slices.Contains(keysOf(ofService), key):
		hint = "write it below [services.NAME], with a name of yours"
	case path == "" && looksLike(raw, ofService):
		hint = "write [" + join("services", key) + "]"
	default:
		for _, f := range fieldsOf(table) { // for example, timeout in [services.db] is probably the queue's
			inner := table.FieldByIndex(f.index).Type
			if inner.Kind() == reflect.Pointer {
				inner = inner.Elem()
			}
			if inner.Kind() == reflect.Struct && slices.Contains(keysOf(inner), key) {
				hint = fmt.Sprintf("there is one in [%s]", join(path, f.key))
				break
			}
		}
	}
	d.wrong(join(path, key), hint, "unknown %s%s", what, where)
}

// looksLike reports whether raw has a key of another kind of table.
func looksLike(raw any, table reflect.Type) bool {
	m, _ := raw.(map[string]any)
	return slices.ContainsFunc(keysOf(table), func(key string) bool { _, has := m[key]; return has })
}

// services restores the file's order, which a map has lost.
func (d *decoder) services(path string, raw any, all *[]Service) {
	m, ok := raw.(map[string]any)
	if !ok {
		name := "NAME"
		if list, ok := raw.([]map[string]any); ok && len(list) > 0 {
			if s, ok := list[0]["name"].(string); ok {
				name = s
			}
		}
		d.wrong(path, "write ["+join(path, name)+"]", "services is a table of services, not %s", kind(raw))
		return
	}
	for name, v := range m {
		if _, table := v.(map[string]any); !table && slices.Contains(keysOf(reflect.TypeFor[Service]()), name) {
			d.wrong(join(path, name), "write [services.NAME] above it, with a name of yours", "%s is of no service", name)
			continue
		}
		s := d.file.NewService(name)
		if d.table(join(path, name), v, reflect.ValueOf(&s).Elem()) {
			*all = append(*all, s)
		}
	}
	sort.Slice(*all, func(i, j int) bool {
		a, b := (*all)[i].Name, (*all)[j].Name
		if x, y := d.lines.find(join(path, a)), d.lines.find(join(path, b)); x != y {
			return x.compare(y) < 0
		}
		return a < b
	})
}

// backends reads a list of strings and tables.
func (d *decoder) backends(path string, raw any, all *[]Backend) {
	*all = []Backend{} // not nil even if the list is empty: it was given
	if m, table := raw.(map[string]any); table {
		d.wrong(path, d.backendsHint(path, m), "backends is a list, not a table")
		return
	}
	if n, number := raw.(int64); number {
		d.wrong(path, fmt.Sprintf(`write backends = ["127.0.0.1:%d"], or another host before the port`, n), "backends is a list, not the number %d", n)
		return
	}
	for _, e := range d.list(path, raw) {
		b := usualBackend
		if addr, plain := e.raw.(string); plain {
			b.Addr = addr
		} else if _, table := e.raw.(map[string]any); !table {
			d.mistype(e.path, addressHint(e.raw, false), "a backend is an address in quotes or a table, not %s", kind(e.raw))
		} else {
			d.table(e.path, e.raw, reflect.ValueOf(&b).Elem())
		}
		if b.Name == "" {
			if b.Name = b.Addr + b.DNS; b.Name == "" {
				d.skip(e.path) // else two bad addresses would also be reported as two backends without a name
			}
		}
		*all = append(*all, b)
	}
}

// backendsHint suggests how to write [services.db.backends.a], or one without a name.
func (d *decoder) backendsHint(path string, m map[string]any) string {
	hint, first := "write [["+path+"]]", place{}
	for name, v := range m {
		if _, table := v.(map[string]any); !table {
			continue
		}
		if at := d.lines.find(join(path, name)); first == (place{}) || at.compare(first) < 0 {
			hint, first = fmt.Sprintf("write [[%s]] and below it name = %q", path, name), at
		}
	}
	return hint
}

// words reads a table of strings with arbitrary keys.
func (d *decoder) words(path string, raw any, all *map[string]string) {
	m, ok := raw.(map[string]any)
	if !ok {
		d.wrong(path, "write ["+path+"]", "%s is a table, not %s", path, kind(raw))
		return
	}
	*all = map[string]string{}
	for key, v := range m {
		if s, ok := v.(string); ok {
			(*all)[key] = s
		} else {
			d.wrong(join(path, key), "write it in quotes", "%s is a string, not %s", key, kind(v))
		}
	}
}
