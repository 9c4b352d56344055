package api

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// A body is one JSON object: the fields of a Request or WindowCall, and the options
// that are set.

func (r Request) MarshalJSON() ([]byte, error) {
	type plain Request
	return encodeBody(plain(r), &r.Options)
}

func (r *Request) UnmarshalJSON(text []byte) error {
	type plain Request
	return decodeBody(text, (*plain)(r), &r.Options, "act", "targets", "args", "expect")
}

func (c WindowCall) MarshalJSON() ([]byte, error) {
	type plain WindowCall
	return encodeBody(plain(c), &c.Options)
}

func (c *WindowCall) UnmarshalJSON(text []byte) error {
	type plain WindowCall
	return decodeBody(text, (*plain)(c), &c.Options, "service", "id", "token", "pid", "ended", "failed")
}

func encodeBody(own any, o *Options) ([]byte, error) {
	text, err := json.Marshal(own)
	if err != nil {
		return nil, err
	}
	all := map[string]any{}
	if err := json.Unmarshal(text, &all); err != nil {
		return nil, err
	}
	for _, p := range params {
		if _, taken := all[p.Key()]; !taken && p.Text(o) != "" {
			all[p.Key()] = p.jsonValue(o)
		}
	}
	return json.Marshal(all)
}

// decodeBody reads the fields of own, and then the options. An error says which field
// is wrong and how.
func decodeBody(text []byte, own any, o *Options, fields ...string) error {
	var all map[string]json.RawMessage
	if err := json.Unmarshal(text, &all); err != nil {
		return Wrong("the body is not a JSON object: "+err.Error(), `send one like {"targets": ["db/a"]}`)
	}
	for _, key := range slices.Sorted(maps.Keys(all)) {
		if slices.Contains(fields, key) {
			continue
		}
		i := slices.IndexFunc(params, func(p Param) bool { return p.Key() == key })
		if i < 0 {
			return Wrong(fmt.Sprintf("the body has an unknown field %q", key), "it may have "+strings.Join(append(slices.Clone(fields), paramKeys()...), ", "))
		}
		if err := params[i].setJSON(o, all[key]); err != nil {
			return err
		}
		delete(all, key)
	}
	for _, key := range fields {
		one, given := all[key]
		if !given {
			continue
		}
		// One at a time, so that an error is about this one.
		if json.Unmarshal(bytes.Join([][]byte{[]byte(`{"` + key + `":`), one, []byte("}")}, nil), own) != nil {
			return notJSON(key, bodyKinds[key], one)
		}
	}
	return nil
}

// bodyKinds says what a field must be, for the error about another value.
var bodyKinds = map[string]string{"act": "a text", "targets": "a list of texts", "args": "a list of texts", "expect": "a text",
	"service": "a text", "id": "a text", "token": "a text", "pid": "a whole number", "ended": "true or false", "failed": "a text"}

func paramKeys() (keys []string) {
	for _, p := range params {
		keys = append(keys, p.Key())
	}
	return keys
}
