package reference

import (
	"bytes"
	"encoding/json"
	"strconv"
	"strings"

	"github.com/BurntSushi/toml"

	"github.com/tcpctl/tcpctl/cmd/tcpctl/internal/config"
)

// object is a JSON object whose keys are sorted by encoding/json.
type object = map[string]any

// patterns are regular expressions for kinds that are strings in TOML.
var patterns = map[config.Kind]string{
	config.KindDuration: `^([0-9.]+(ns|us|µs|ms|s|m|h|d))+$`,
	config.KindSize:     `^[0-9.]+([KMGT]i?)?B$`,
	config.KindRate:     `^[0-9.]+/[smh]$`,
	config.KindByteRate: `^(0|[0-9.]+([KMGT]i?)?B)/[smh]$`,
	config.KindMode:     `^0?[0-7]{3,4}$`,
}

// schema returns the JSON schema of the configuration, for editors.
func schema(s *source) ([]byte, error) {
	root := table("tcpctl's configuration")
	root["$schema"] = "http://json-schema.org/draft-07/schema#"
	tables := map[string]object{"": root}
	for _, k := range config.Keys() {
		path, name := "", k.Path
		if i := strings.LastIndexByte(k.Path, '.'); i >= 0 {
			path, name = k.Path[:i], k.Path[i+1:]
		}
		text, err := s.meaning(&k)
		if err != nil {
			return nil, err
		}
		text = sentence(text)
		var this object
		switch {
		case k.Kind == config.KindTables:
			one := table("one service")
			this = object{"type": "object", "description": text, "additionalProperties": one}
			tables[k.Path+".*"] = one
		case k.Kind == config.KindBackends:
			one := table("one backend")
			this = object{"type": "array", "description": text, "items": object{"anyOf": []any{object{"type": "string"}, one}}}
			tables[k.Path+".*"] = one
		case k.Kind == config.KindKeys:
			this = object{"type": "object", "description": text, "additionalProperties": object{"type": "string"}}
		case k.Kind == config.KindTable:
			one := table(text)
			tables[k.Path], this = one, one
			if k.Field == "Discover" {
				this = object{"anyOf": []any{object{"type": "string"}, one}}
			}
		default:
			this = value(&k, text)
		}
		tables[path]["properties"].(object)[name] = this
	}
	return indented(root)
}

func table(text string) object {
	return object{"type": "object", "description": text, "additionalProperties": false, "properties": object{}}
}

func value(k *config.Key, text string) object {
	v := object{"description": text}
	if def, ok := parsed(k.Default); ok {
		v["default"] = def
	}
	if example, ok := parsed(k.Example); ok {
		v["examples"] = []any{example}
	}
	switch k.Kind {
	case config.KindBool:
		v["type"] = "boolean"
	case config.KindInt:
		v["type"] = "integer"
		if n, err := strconv.Atoi(k.Min); err == nil {
			v["minimum"] = n
		}
		if n, err := strconv.Atoi(k.Max); err == nil {
			v["maximum"] = n
		}
	case config.KindStrings, config.KindArgv, config.KindAddrs, config.KindNetworks:
		v["type"], v["items"] = "array", object{"type": "string"}
		if k.Field == "Listen" && k.Kind == config.KindAddrs { // or a single one
			v["type"] = []string{"string", "array"}
		}
	default:
		v["type"] = "string"
		if p := patterns[k.Kind]; p != "" {
			v["pattern"] = p
		}
		if len(k.Choices) > 0 {
			v["enum"] = k.Choices
			if k.Default == `""` {
				v["enum"] = append([]string{""}, k.Choices...)
			}
		}
	}
	return v
}

// parsed parses a TOML value.
func parsed(text string) (any, bool) {
	var doc struct{ V any }
	if text == "" {
		return nil, false
	}
	_, err := toml.Decode("V = "+text, &doc)
	return doc.V, err == nil
}

func indented(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	err := enc.Encode(v)
	return b.Bytes(), err
}
