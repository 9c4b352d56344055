package reference

import (
	"strings"

	"github.com/tcpctl/tcpctl/proxy/api"
)

// openAPI describes the control API in OpenAPI 3.1.
func (s *source) openAPI() ([]byte, error) {
	routes, err := s.allRoutes()
	if err != nil {
		return nil, err
	}
	var objects []string
	paths := object{}
	for _, r := range routes {
		operation, err := s.operation(&r, &objects)
		if err != nil {
			return nil, err
		}
		if paths[r.path] == nil {
			paths[r.path] = object{}
		}
		paths[r.path].(object)[strings.ToLower(r.method)] = operation
	}
	if err := s.reach(shape{kind: "object", name: "api.ErrorBody"}, &objects); err != nil {
		return nil, err
	}
	schemas := object{}
	for _, name := range objects {
		if schemas[last(name)], err = s.objectSchema(name); err != nil {
			return nil, err
		}
	}
	// The struct inside it has no name in Go.
	schemas["ErrorBody"] = object{"type": "object", "required": []string{"error"}, "properties": object{"error": object{"type": "object", "required": []string{"code", "message"},
		"properties": object{"code": object{"type": "string"}, "message": object{"type": "string"}, "hint": object{"type": "string"}, "file": object{"type": "string"}, "line": object{"type": "integer"}}}}}
	return indented(object{
		"openapi":    "3.1.0",
		"info":       object{"title": "tcpctl's control API", "version": "1", "description": "HTTP on the Unix socket that [control] configures. The operator is the user that the system reports for the connection."},
		"servers":    []any{object{"url": "http://tcpctl", "description": "the control socket: curl --unix-socket /run/tcpctl/tcpctl.sock"}},
		"paths":      paths,
		"components": object{"schemas": schemas},
	})
}

func (s *source) operation(r *route, objects *[]string) (object, error) {
	answer := object{"description": r.about}
	if r.answer != "" {
		t, err := s.reached(r.answer, objects)
		if err != nil {
			return nil, err
		}
		answer["content"] = jsonContent(schemaOf(t))
	} else {
		answer["content"] = object{"application/octet-stream": object{}}
	}
	id := strings.ToLower(r.method) + strings.NewReplacer("/v1/", "_", "/", "_", "{", "", "}", "", "-", "_").Replace(r.path)
	o := object{"summary": r.about, "operationId": id, "responses": object{"200": answer,
		"default": object{"description": "An error.", "content": jsonContent(reference("ErrorBody"))}}}
	if params := queryOf(r); len(params) > 0 {
		o["parameters"] = params
	}
	if name, act := strings.CutPrefix(r.body, "act "); act {
		o["requestBody"] = object{"content": jsonContent(actBody(api.Lookup(name)))}
	} else if r.body != "" {
		t, err := s.reached(r.body, objects)
		if err != nil {
			return nil, err
		}
		o["requestBody"] = object{"required": true, "content": jsonContent(schemaOf(t))}
	}
	return o, nil
}

func queryOf(r *route) (all []any) {
	for _, part := range strings.Split(r.path, "/") {
		if name, ok := strings.CutPrefix(part, "{"); ok {
			all = append(all, object{"name": strings.TrimSuffix(name, "}"), "in": "path", "required": true, "schema": object{"type": "string"}})
		}
	}
	for _, key := range r.query {
		p := parameters[key]
		one := object{"name": p.name, "in": "query", "description": sentence(p.about), "schema": basicSchema(p.kind)}
		if strings.HasSuffix(p.about, "; required") {
			one["required"] = true
		}
		all = append(all, one)
	}
	return all
}

// actBody describes the request body of an act.
func actBody(a *api.Act) object {
	texts := object{"type": "array", "items": object{"type": "string"}}
	properties := object{"expect": object{"type": "string", "description": "The stamp that the target had: refused when it has changed since."}}
	if a.On != api.OnNothing {
		properties["targets"] = texts
	}
	if a.Args != "" {
		properties["args"] = texts
	}
	for _, p := range a.Params {
		if key := p.Key(); key != "" {
			properties[key] = optionSchema(&p)
		}
	}
	return object{"type": "object", "properties": properties, "additionalProperties": false}
}

func jsonContent(schema object) object { return object{"application/json": object{"schema": schema}} }
func reference(name string) object     { return object{"$ref": "#/components/schemas/" + name} }

func schemaOf(t shape) object {
	switch t.kind {
	case "list":
		return object{"type": "array", "items": schemaOf(*t.of)}
	case "map":
		return object{"type": "object", "additionalProperties": schemaOf(*t.of)}
	case "object":
		return reference(last(t.name))
	}
	return basicSchema(t.kind)
}

func basicSchema(kind string) object {
	switch kind {
	case "any":
		return object{}
	case "time":
		return object{"type": "string", "format": "date-time"}
	case "flag":
		return object{"type": "string", "enum": []string{"1"}}
	}
	return object{"type": kind}
}

func (s *source) objectSchema(name string) (object, error) {
	properties, required := object{}, []string{}
	err := s.printed(name, func(f *member, t shape) error {
		p := schemaOf(t)
		if f.doc != "" && p["$ref"] == nil {
			p["description"] = sentence(f.doc)
		}
		properties[f.json] = p
		if !f.omit && !t.optional {
			required = append(required, f.json)
		}
		return nil
	})
	if s.hasOptions(name) {
		for _, p := range options() {
			properties[p.Key()] = optionSchema(&p)
		}
	}
	all := object{"type": "object", "description": sentence(s.types[name].doc), "properties": properties}
	if len(required) > 0 {
		all["required"] = required
	}
	return all, err
}
