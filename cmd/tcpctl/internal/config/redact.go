package config

import (
	"fmt"
	"reflect"
	"strings"
)

// takenOut replaces what may be secret.
const takenOut = "(taken out)"

// Redact lists what a file says other than the defaults, one value a line, for
// eyes that may not see its secrets: the arguments of commands and what checks
// send and expect are not in it, nor are comments. Files with secrets are named
// in a configuration, and never read for this. What was taken out is returned,
// so that it can be taken out of other texts, too.
func Redact(name, text string) (listing string, secrets []string, err error) {
	f, err := parse(name, []byte(text), false)
	if err != nil {
		return "", nil, err
	}
	r := &redaction{}
	r.table(reflect.ValueOf(f).Elem())
	var b strings.Builder
	for _, l := range f.unusual() {
		if l.table {
			fmt.Fprintf(&b, "[%s]\n", l.path)
		} else {
			fmt.Fprintf(&b, "%s = %s\n", l.path, l.text)
		}
	}
	return b.String(), r.secrets, nil
}

type redaction struct{ secrets []string }

// secret returns the part of a string that is not secret, by its tag.
func (r *redaction) secret(text, tag string) string {
	seen := ""
	switch tag {
	case "":
		return text
	case "query":
		at := strings.IndexByte(text, '?') + 1
		if at == 0 {
			return text
		}
		seen, text = text[:at], text[at:]
	}
	if text == "" {
		return seen
	}
	r.secrets = append(r.secrets, text)
	return seen + takenOut
}

// table removes the secrets from a table and all below it.
func (r *redaction) table(v reflect.Value) {
	for _, f := range fieldsOf(v.Type()) {
		value := v.FieldByIndex(f.index)
		switch p := value.Addr().Interface().(type) {
		case *[]Service:
			for i := range *p {
				r.table(reflect.ValueOf(&(*p)[i]).Elem())
			}
			continue
		case *[]Backend:
			for i := range *p {
				r.table(reflect.ValueOf(&(*p)[i]).Elem())
			}
			continue
		case *[]string:
			if f.tag.Get("argv") != "" && len(*p) > 1 {
				r.secrets = append(r.secrets, (*p)[1:]...)
				*p = []string{(*p)[0], fmt.Sprintf("(arguments taken out: %d)", len(*p)-1)}
			}
			continue
		case *string:
			*p = r.secret(*p, f.tag.Get("secret"))
			continue
		}
		switch value.Kind() {
		case reflect.Struct:
			r.table(value)
		case reflect.Pointer:
			if !value.IsNil() {
				r.table(value.Elem())
			}
		}
	}
}
