package config

import (
	"fmt"
	"io/fs"
	"maps"
	"net/netip"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tcpctl/tcpctl/proxy/text"
)

// leaf is one value of a file, as text, to be compared, hashed and shown.
type leaf struct {
	path    string // services.db.backends[0].weight
	pattern string // services.*.backends.*.weight
	key     string // backends[0].weight: the path within its service
	text    string // as TOML writes it
	usual   string // its default, as text
	table   bool   // it only says that an optional table is present
}

// leaves returns all values of f in the order of declaration.
func (f *File) leaves() []leaf { return f.walk(&walk{}) }

// unusual returns the values that differ from their defaults, and the optional tables that are
// present.
func (f *File) unusual() []leaf { return f.walk(&walk{unusual: true}) }

func (f *File) walk(w *walk) []leaf {
	w.fields("", "", reflect.ValueOf(f).Elem(), reflect.ValueOf(New()).Elem())
	return w.all
}

type walk struct {
	all     []leaf
	unusual bool   // omit values that have their default
	prefix  string // of the service being walked
}

// fields walks a table and its default side by side.
func (w *walk) fields(path, pattern string, table, usual reflect.Value) {
	for _, f := range fieldsOf(table.Type()) {
		v, u := table.FieldByIndex(f.index), usual.FieldByIndex(f.index)
		if w.unusual && v.Comparable() && v.Equal(u) {
			continue // nearly all values of a large file: skip before any text is made
		}
		w.value(join(path, f.key), strings.TrimPrefix(pattern+"."+f.key, "."), v, u)
	}
}

func (w *walk) value(path, pattern string, v, usual reflect.Value) {
	switch p := v.Addr().Interface().(type) {
	case *[]Service:
		for i := range *p {
			w.service(join(path, (*p)[i].Name), &(*p)[i])
		}
		return
	case *[]Backend:
		for i := range *p {
			w.backend(fmt.Sprintf("%s[%d]", path, i), &(*p)[i])
		}
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		w.fields(path, pattern, v, usual)
	case reflect.Pointer:
		if !v.IsNil() {
			w.add(leaf{path: path, pattern: pattern, text: "there", table: true})
			usual := reflect.New(v.Type().Elem()).Elem()
			setDefaults(usual)
			w.fields(path, pattern, v.Elem(), usual)
		}
	default:
		w.add(leaf{path: path, pattern: pattern, text: literal(v.Interface()), usual: literal(usual.Interface())})
	}
}

func (w *walk) service(path string, s *Service) {
	w.prefix = path + "."
	w.fields(path, "services.*", reflect.ValueOf(s).Elem(), reflect.ValueOf(&usualService).Elem())
	w.prefix = ""
}

func (w *walk) backend(path string, b *Backend) {
	w.fields(path, "services.*.backends.*", reflect.ValueOf(b).Elem(), reflect.ValueOf(&usualBackend).Elem())
}

func (w *walk) add(l leaf) {
	if w.unusual && l.text == l.usual {
		return // a list, which cannot be compared as a value
	}
	l.key = strings.TrimPrefix(l.path, w.prefix)
	w.all = append(w.all, l)
}

// literal writes a value as TOML does.
func literal(v any) string {
	switch v := v.(type) {
	case time.Duration:
		if day := 24 * time.Hour; v >= 2*day && v%day == 0 {
			return fmt.Sprintf(`"%dd"`, v/day)
		}
		return strconv.Quote(text.Duration(v))
	case fs.FileMode:
		return fmt.Sprintf(`"%04o"`, uint32(v))
	case fmt.Stringer:
		return strconv.Quote(v.String())
	case string:
		return strconv.Quote(v)
	case []string:
		all := make([]string, len(v))
		for i := range v {
			all[i] = strconv.Quote(v[i])
		}
		return "[" + strings.Join(all, ", ") + "]"
	case []netip.Prefix:
		return literals(v)
	case []netip.Addr:
		return literals(v)
	case map[string]string:
		all := []string{}
		for _, k := range slices.Sorted(maps.Keys(v)) {
			all = append(all, join("", k)+" = "+strconv.Quote(v[k]))
		}
		return "{" + strings.Join(all, ", ") + "}"
	}
	return fmt.Sprint(v)
}

func literals[T fmt.Stringer](v []T) string {
	all := make([]string, len(v))
	for i := range v {
		all[i] = strconv.Quote(v[i].String())
	}
	return "[" + strings.Join(all, ", ") + "]"
}
