package config

import (
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// decoder puts what the TOML decoder has read into the structs of this
// package. It goes on after an error, so that all of them are told at once.
type decoder struct {
	report
	dir   string // relative paths start here
	exist bool   // files must be there
	file  *File
}

// table fills a struct. It is not ok when raw is no table at all.
func (d *decoder) table(path string, raw any, table reflect.Value) (ok bool) {
	m, ok := raw.(map[string]any)
	if !ok {
		if _, list := raw.([]map[string]any); list {
			d.wrong(path, "write ["+path+"]", "%s is one table, not a list of them", path)
		} else {
			d.wrong(path, "write ["+path+"]", "%s is a table, not %s", path, kind(raw))
		}
		return false
	}
	known := map[string]bool{}
	var names []string
	for f := range fields(table) {
		known[f.key] = true
		names = append(names, f.key)
		if v, ok := m[f.key]; ok {
			d.field(join(path, f.key), v, f)
		}
	}
	for key, v := range m {
		if !known[key] {
			d.unknown(path, key, v, names, table)
		}
	}
	return true
}

// unknown tells of a key that no table has, or another.
func (d *decoder) unknown(path, key string, raw any, names []string, table reflect.Value) {
	what, where := "key "+strconv.Quote(key), " in ["+path+"]"
	if _, ok := raw.(map[string]any); ok {
		what, where = "table ["+join(path, key)+"]", ""
	} else if path == "" {
		where = ""
	}
	if of, n, ok := strings.Cut(strings.TrimSuffix(path, "]"), "backends["); ok {
		i, _ := strconv.Atoi(n)
		where = fmt.Sprintf(" in backend %d of [%s]", i+1, strings.TrimSuffix(of, "."))
	}
	hint := suggest(key, names)
	if nearest(key, names) == "" {
		for f := range fields(table) { // timeout in [services.db] is probably the queue's
			if inner := inside(f.value); inner.IsValid() {
				for g := range fields(inner) {
					if g.key == key {
						hint = fmt.Sprintf("there is one in [%s]", join(path, f.key))
					}
				}
			}
		}
	}
	d.wrong(join(path, key), hint, "unknown %s%s", what, where)
}

// inside is the struct of a table that may not be there.
func inside(v reflect.Value) reflect.Value {
	switch {
	case v.Kind() == reflect.Struct:
		return v
	case v.Kind() == reflect.Pointer:
		return reflect.New(v.Type().Elem()).Elem()
	}
	return reflect.Value{}
}

// services keeps the order of the file, which a map has lost.
func (d *decoder) services(path string, raw any, all *[]Service) {
	m, ok := raw.(map[string]any)
	if !ok {
		d.wrong(path, "write [services.NAME]", "services is a table of services, not %s", kind(raw))
		return
	}
	for name, v := range m {
		s := d.file.NewService(name)
		if d.table(join(path, name), v, reflect.ValueOf(&s).Elem()) {
			*all = append(*all, s)
		}
	}
	slices.SortFunc(*all, func(a, b Service) int {
		if x, y := d.lines.find(join(path, a.Name)), d.lines.find(join(path, b.Name)); x != y {
			return x.compare(y)
		}
		return strings.Compare(a.Name, b.Name)
	})
}

// backends takes plain strings and tables.
func (d *decoder) backends(path string, raw any, all *[]Backend) {
	*all = []Backend{} // also where the list is empty: it has been said
	for _, e := range d.list(path, raw) {
		b := usualBackend
		if addr, plain := e.raw.(string); plain {
			b.Addr = addr
		} else if !d.table(e.path, e.raw, reflect.ValueOf(&b).Elem()) {
			continue
		}
		if b.Name == "" {
			b.Name = b.Addr + b.DNS
		}
		*all = append(*all, b)
	}
}

// words fills a table of strings whose keys are not known here.
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
