package config

import (
	"io/fs"
	"net/netip"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// Key is one key or table that a file may have, as the decoder takes it.
type Key struct {
	Path     string // services.*.backends.*.weight; * stands for a name, or any element of a list
	Kind     Kind
	Default  string   // as TOML writes it; "": there is none, or it is of [defaults]
	Choices  []string // the only words there are
	Words    []string // words that a path may be instead
	Min, Max string   // of a whole number; "": no bound
	Since    string   // the version that has it first
	Text     string   // init.toml's comment on it; "": none
	Example  string   // a value, as TOML writes it
	Owner    string   // the struct that declares it: "Service"
	Field    string   // and its field: "Balance"
	Optional bool     // a table that switches something on by being there
}

// Kind is what the values of a key look like.
type Kind string

// The kinds there are.
const (
	KindTable    Kind = "table"
	KindTables   Kind = "tables, by name"
	KindBackends Kind = "list of strings or tables"
	KindKeys     Kind = "table of strings"
	KindString   Kind = "string"
	KindChoice   Kind = "word"
	KindPath     Kind = "path"
	KindAddress  Kind = "address"
	KindBool     Kind = "boolean"
	KindInt      Kind = "whole number"
	KindDuration Kind = "duration"
	KindSize     Kind = "size"
	KindRate     Kind = "rate"
	KindByteRate Kind = "bytes a second"
	KindMode     Kind = "file mode"
	KindStrings  Kind = "list of strings"
	KindArgv     Kind = "command"
	KindAddrs    Kind = "list of addresses"
	KindNetworks Kind = "list of networks"
)

// firstVersion is the version of keys without a tag "since".
const firstVersion = "0.1.0"

// Keys are all keys and tables of a file, in the order of their declaration.
// What this version refuses (see later) is not among them.
func Keys() []Key {
	w := &keyWalk{said: readInit(string(initial))}
	w.table("", reflect.TypeFor[File](), reflect.ValueOf(New()).Elem())
	return w.all
}

type keyWalk struct {
	all  []Key
	said map[string]comment
}

func (w *keyWalk) table(path string, t reflect.Type, usual reflect.Value) {
	for _, f := range fieldsOf(t) {
		declared := t.FieldByIndex(f.index)
		k := Key{Path: strings.TrimPrefix(path+"."+f.key, "."), Field: declared.Name, Owner: ownerOf(t, f.index).Name(), Since: firstVersion}
		if since := f.tag.Get("since"); since != "" {
			k.Since = since
		}
		w.key(k, f, declared.Type, usual.FieldByIndex(f.index))
	}
}

// key adds one key, and those below it.
func (w *keyWalk) key(k Key, f field, t reflect.Type, usual reflect.Value) {
	k.Kind = kindOf(t, f.tag)
	k.Choices, k.Words = strings.Fields(f.tag.Get("oneof")), strings.Fields(f.tag.Get("words"))
	k.Min, k.Max = f.tag.Get("min"), f.tag.Get("max")
	said, ok := w.said[k.Path]
	if !ok {
		said = w.said["services.*."+strings.TrimPrefix(k.Path, "defaults.")]
	}
	if inherits := strings.TrimPrefix(k.Path, "services.*."); k.Owner == "Defaults" && inherits != k.Path {
		said = w.said["defaults."+inherits]
	} else if !isTable(k.Kind) {
		k.Default = literal(usual.Interface())
	}
	k.Text, k.Example = said.text, said.example
	if example := f.tag.Get("example"); example != "" {
		k.Example = example
	} else if k.Example == "" {
		k.Example = k.Default
	}
	switch t.Kind() {
	case reflect.Struct:
		if k.Kind == KindTable {
			w.all = append(w.all, k)
			w.table(k.Path, t, usual)
			return
		}
	case reflect.Pointer:
		k.Optional = true
		w.all = append(w.all, k)
		below := reflect.New(t.Elem()).Elem()
		setDefaults(below)
		w.table(k.Path, t.Elem(), below)
		return
	}
	w.all = append(w.all, k)
	switch k.Kind {
	case KindTables:
		w.table(k.Path+".*", reflect.TypeFor[Service](), reflect.ValueOf(&usualService).Elem())
	case KindBackends:
		w.table(k.Path+".*", reflect.TypeFor[Backend](), reflect.ValueOf(&usualBackend).Elem())
	}
}

func isTable(k Kind) bool {
	return k == KindTable || k == KindTables || k == KindBackends || k == KindKeys
}

// ownerOf returns the struct that declares a field, which may be an embedded one.
func ownerOf(t reflect.Type, index []int) reflect.Type {
	for _, i := range index[:len(index)-1] {
		t = t.Field(i).Type
	}
	return t
}

// kindOf returns the kind of a field, by its type as in decoder.field and by its tags.
func kindOf(t reflect.Type, tag reflect.StructTag) Kind {
	switch reflect.New(t).Interface().(type) {
	case *[]Service:
		return KindTables
	case *[]Backend:
		return KindBackends
	case *map[string]string:
		return KindKeys
	case *[]string:
		switch {
		case tag.Get("argv") != "":
			return KindArgv
		case tag.Get("addr") != "":
			return KindAddrs
		}
		return KindStrings
	case *[]netip.Prefix:
		return KindNetworks
	case *[]netip.Addr:
		return KindAddrs
	case *string:
		switch {
		case tag.Get("oneof") != "":
			return KindChoice
		case tag.Get("file") != "":
			return KindPath
		case tag.Get("addr") != "":
			return KindAddress
		}
		return KindString
	case *bool:
		return KindBool
	case *int:
		return KindInt
	case *time.Duration:
		return KindDuration
	case *Size:
		return KindSize
	case *Rate:
		return KindRate
	case *ByteRate:
		return KindByteRate
	case *fs.FileMode:
		return KindMode
	}
	return KindTable
}

// comment is what init.toml says about a key.
type comment struct{ text, example string }

var (
	initTable   = regexp.MustCompile(`^#?\[([^\[\]]+)\]\s*(?:# *(.*))?$`)
	initKey     = regexp.MustCompile(`^#?(\w+)\s*=\s*(.*)$`)
	initExample = regexp.MustCompile(`(?:, )?(?:or )?e\.g\. (?:\w+ = )?(\[[^\]]*\]|"[^"]*")`)
	initService = regexp.MustCompile(`^services\.[^.]+`)
)

// readInit returns the comments of init.toml, by path. Keys inside an inline table have no comments
// of their own.
func readInit(text string) map[string]comment {
	all, table := map[string]comment{}, ""
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\n")
		if m := initTable.FindStringSubmatch(line); m != nil {
			table = initService.ReplaceAllString(m[1], "services.*")
			if m[2] != "" {
				all[table] = comment{text: m[2]}
			}
			continue
		}
		m := initKey.FindStringSubmatch(line)
		if m == nil {
			continue
		}
		value, text := cutComment(m[2])
		c := comment{text: text, example: value}
		if e := initExample.FindStringSubmatchIndex(text); e != nil {
			c.example = text[e[2]:e[3]]
			c.text = strings.TrimSpace(strings.TrimLeft(text[:e[0]]+text[e[1]:], ":;, "))
		}
		path := strings.TrimPrefix(table+"."+m[1], ".")
		if _, first := all[path]; !first {
			all[path] = c
		}
	}
	return all
}

// cutComment separates a value from the comment after it.
func cutComment(s string) (value, text string) {
	quoted := false
	for i := range len(s) {
		switch {
		case s[i] == '"' && (i == 0 || s[i-1] != '\\'):
			quoted = !quoted
		case s[i] == '#' && !quoted:
			return strings.TrimSpace(s[:i]), strings.TrimSpace(s[i+1:])
		}
	}
	return strings.TrimSpace(s), ""
}

// Allowed says in a few words what values a key takes besides its kind; "" when
// the kind says it all.
func (k *Key) Allowed() string {
	switch {
	case len(k.Choices) > 0:
		return strings.Join(k.Choices, ", ")
	case len(k.Words) > 0:
		return "or " + strings.Join(k.Words, ", ")
	case k.Max != "":
		return k.Min + " to " + k.Max
	case k.Min != "":
		if n, err := strconv.Atoi(k.Min); err == nil {
			return "from " + strconv.Itoa(n)
		}
	}
	return ""
}
