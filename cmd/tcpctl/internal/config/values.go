package config

import (
	"fmt"
	"io/fs"
	"math"
	"net/netip"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
)

// field sets one value of any kind.
func (d *decoder) field(path string, raw any, tag reflect.StructTag, value reflect.Value) {
	switch p := value.Addr().Interface().(type) {
	case *[]Service:
		d.services(path, raw, p)
	case *[]Backend:
		d.backends(path, raw, p)
	case **Discover:
		d.discover(path, raw, p)
	case *map[string]string:
		d.words(path, raw, p)
	case *[]string:
		d.strings(path, raw, p, tag)
	case *[]netip.Prefix:
		*p = unitsOf[netip.Prefix](d, path, raw)
	case *[]netip.Addr:
		*p = unitsOf[netip.Addr](d, path, raw)
	case *string:
		d.text(path, raw, p, tag)
	case *bool:
		if b, ok := raw.(bool); ok {
			*p = b
		} else {
			d.wrong(path, "write true or false", "%s is true or false, not %s", last(path), kind(raw))
		}
	case *int:
		d.number(path, raw, p, tag)
	case *time.Duration, *Size, *Rate, *ByteRate, *fs.FileMode:
		d.unit(path, raw, p)
	default:
		if value.Kind() == reflect.Pointer { // the presence of the table enables it
			value.Set(reflect.New(value.Type().Elem()))
			value = value.Elem()
			setDefaults(value)
		}
		d.table(path, raw, value)
	}
}

// strings reads a list of strings, or a single one if the tag allows that.
func (d *decoder) strings(path string, raw any, p *[]string, tag reflect.StructTag) {
	if tag.Get("single") != "" {
		if kindOf := reflect.TypeOf(raw).Kind(); kindOf != reflect.Slice && kindOf != reflect.Map {
			raw = []any{raw}
		}
	}
	*p = []string{}
	for _, e := range d.list(path, raw) {
		var s string
		d.text(e.path, e.raw, &s, tag)
		*p = append(*p, s)
	}
	if tag.Get("argv") != "" && len(*p) > 0 {
		d.program(path, *p)
	}
}

// unitsOf reads a list of values that are written as strings.
func unitsOf[T any](d *decoder, path string, raw any) (all []T) {
	for _, e := range d.list(path, raw) {
		var v T
		if d.unit(e.path, e.raw, &v) {
			all = append(all, v)
		}
	}
	return all
}

type element struct {
	path string
	raw  any
}

// list returns the elements of a list.
func (d *decoder) list(path string, raw any) (all []element) {
	switch list := raw.(type) {
	case []any:
		for i, v := range list {
			all = append(all, element{fmt.Sprintf("%s[%d]", path, i), v})
		}
	case []map[string]any: // [[services.db.backends]]
		for i, v := range list {
			all = append(all, element{fmt.Sprintf("%s[%d]", path, i), v})
		}
	default:
		d.wrong(path, fmt.Sprintf("write %s = [%q]", last(path), fmt.Sprint(raw)), "%s is a list, not %s", last(path), kind(raw))
	}
	return all
}

func (d *decoder) text(path string, raw any, p *string, tag reflect.StructTag) {
	s, ok := raw.(string)
	if use := tag.Get("addr"); use != "" && !ok {
		d.wrong(path, addressHint(raw, use == "listen"), "%s is an address in quotes, not %s", last(path), kind(raw))
		return
	}
	if !ok {
		d.wrong(path, "write "+last(path)+` = "…"`, "%s is a string, not %s", last(path), kind(raw))
		return
	}
	*p = s
	if words := strings.Fields(tag.Get("oneof")); len(words) > 0 && !slices.Contains(words, s) && (s != "" || tag.Get("default") != "") {
		d.wrong(path, suggest(s, words), "unknown %s %q", last(path), s)
	}
	if kinds := strings.Fields(tag.Get("kinds")); len(kinds) > 0 && s != "" {
		kind, file, _ := strings.Cut(s, ":")
		if !slices.Contains(kinds, kind) || file == "" {
			d.wrong(path, "write one of "+strings.Join(kinds, ", ")+", and a file behind it: \""+kinds[0]+":FILE\"", "%s does not name a kind and a file", last(path))
			return
		}
		*p = kind + ":" + d.path(path, file, "file")
	}
	if want := tag.Get("file"); want != "" && s != "" && !slices.Contains(strings.Fields(tag.Get("words")), s) {
		*p = d.path(path, s, want)
	}
}

func (d *decoder) number(path string, raw any, p *int, tag reflect.StructTag) {
	n, ok := raw.(int64)
	if !ok {
		d.wrong(path, "write it without quotes, unit or point", "%s is a whole number, not %s", last(path), kind(raw))
		return
	}
	least, err := strconv.Atoi(tag.Get("min"))
	if err != nil {
		least = math.MinInt32
	}
	most, err := strconv.Atoi(tag.Get("max"))
	if err != nil {
		most = math.MaxInt
	}
	if n < int64(least) || n > int64(most) {
		hint := fmt.Sprintf("it is a number from %d to %d", least, most)
		if most == math.MaxInt && n < int64(least) {
			hint = fmt.Sprintf("it is a number from %d", least)
		}
		d.wrong(path, hint, "%s = %d is out of range", last(path), n)
		return
	}
	*p = int(n)
}

// unit reads a string that stands for a number with a unit.
func (d *decoder) unit(path string, raw any, p any) bool {
	s, ok := raw.(string)
	what, err := setUnit(p, s)
	if !ok {
		hint := `write it in quotes: "…"`
		if n, whole := raw.(int64); whole {
			hint = fmt.Sprintf(`write it in quotes: "%d"`, n)
			if _, err := setUnit(p, strconv.FormatInt(n, 10)); err != nil {
				hint = err.(Error).Hint
			}
		}
		d.wrong(path, hint, "%s is a %s in quotes, not %s", last(path), what, kind(raw))
		return false
	}
	if err != nil {
		e := err.(Error)
		d.wrong(path, e.Hint, "%s = %s", last(path), e.Text)
	}
	return err == nil
}

// last returns the key at the end of a path, for messages.
func last(path string) string {
	if i := strings.LastIndexByte(path, '['); i > 0 && strings.HasSuffix(path, "]") {
		path = path[:i]
	}
	return path[strings.LastIndexByte(path, '.')+1:]
}

// kind describes a TOML value in words.
func kind(raw any) string {
	switch v := raw.(type) {
	case string:
		return "the string " + strconv.Quote(v)
	case int64, float64:
		return fmt.Sprintf("the number %v", v)
	case bool:
		return strconv.FormatBool(v)
	case time.Time:
		return "a date"
	case map[string]any:
		return "a table"
	}
	return "a list"
}
