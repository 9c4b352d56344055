package config

import (
	"io/fs"
	"net/netip"
	"reflect"
	"strconv"
	"strings"
	"sync"
	"time"
)

// field is one key of a table, as it is declared.
type field struct {
	key   string
	tag   reflect.StructTag
	index []int // the struct field's index, through embedded ones
}

// declared caches fieldsOf: reading the tags again for each of a thousand services would take most
// of the time of a reload.
var declared sync.Map // of []field, by reflect.Type

// fieldsOf returns the keys of a table in the order of declaration, including those of embedded
// structs.
func fieldsOf(table reflect.Type) []field {
	if known, ok := declared.Load(table); ok {
		return known.([]field)
	}
	var all []field
	for _, f := range reflect.VisibleFields(table) {
		if key := f.Tag.Get("toml"); key != "" {
			all = append(all, field{key, f.Tag, f.Index})
		}
	}
	declared.Store(table, all)
	return all
}

// keysOf returns the names of the keys of a table.
func keysOf(table reflect.Type) (all []string) {
	for _, f := range fieldsOf(table) {
		all = append(all, f.key)
	}
	return all
}

// New is a file that says nothing.
func New() *File {
	f := &File{}
	setDefaults(reflect.ValueOf(f).Elem())
	return f
}

// NewService is a service of which only the name is known.
func (f *File) NewService(name string) Service {
	s := usualService
	s.Name, s.Defaults = name, f.Defaults
	return s
}

// NewWS is a [services.NAME.ws] with nothing in it.
func NewWS() WS { return usual[WS]() }

// usualService and usualBackend have the default values.
var (
	usualService = usual[Service]()
	usualBackend = usual[Backend]()
)

func usual[T any]() (t T) {
	setDefaults(reflect.ValueOf(&t).Elem())
	return t
}

// setDefaults sets everything below a table to the defaults in its tags. Absent tables stay absent.
// An invalid tag is a bug in this package, and the first test finds it.
func setDefaults(table reflect.Value) {
	for _, f := range fieldsOf(table.Type()) {
		value := table.FieldByIndex(f.index)
		if value.Kind() == reflect.Struct {
			setDefaults(value)
			continue
		}
		if text := f.tag.Get("default"); text != "" {
			if err := setText(value, text); err != nil {
				panic("config: default of " + f.key + ": " + err.Error())
			}
		}
	}
}

// setText sets a value from the text of a tag.
func setText(v reflect.Value, text string) (err error) {
	switch p := v.Addr().Interface().(type) {
	case *string:
		*p = text
	case *[]string:
		*p = strings.Fields(text)
	case *bool:
		*p, err = strconv.ParseBool(text)
	case *int:
		*p, err = strconv.Atoi(text)
	default:
		_, err = setUnit(p, text)
	}
	return err
}

// setUnit parses a value that is a string in the file and a number with a unit here. It returns the
// name of its kind, "" for other values.
func setUnit(p any, text string) (what string, err error) {
	switch p := p.(type) {
	case *time.Duration:
		what = "duration"
		*p, err = ParseDuration(text)
	case *Size:
		what = "size"
		*p, err = ParseSize(text)
	case *Rate:
		what = "rate"
		*p, err = ParseRate(text)
	case *ByteRate:
		what = "rate"
		*p, err = ParseByteRate(text)
	case *fs.FileMode:
		what = "file mode"
		*p, err = parseMode(text)
	case *netip.Prefix:
		what = "network"
		*p, err = ParsePrefix(text)
	case *netip.Addr:
		what = "local address"
		*p, err = parseSource(text)
	}
	return what, err
}
