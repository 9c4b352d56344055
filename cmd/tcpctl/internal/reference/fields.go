package reference

import (
	"cmp"
	"fmt"
	"go/ast"
	"slices"
	"strings"
)

// shape describes a type in JSON.
type shape struct {
	kind     string // string, boolean, integer, number, time, object, any, list, map
	of       *shape // of lists and maps
	name     string // of an object: "proxy.Record"
	optional bool   // a pointer
}

// text returns the shape in words, with a link to an object.
func (t shape) text() string {
	switch t.kind {
	case "list":
		return "list of " + t.of.text()
	case "map":
		return "object of " + t.of.text()
	case "object":
		return fmt.Sprintf("[%s](#%s)", last(t.name), strings.ToLower(last(t.name)))
	}
	return t.kind
}

var basic = map[string]string{"string": "string", "bool": "boolean", "float64": "number", "float32": "number", "any": "any", "error": "string",
	"time.Time": "time", "time.Duration": "integer", "json.RawMessage": "any", "netip.Addr": "string", "netip.Prefix": "string"}

// shape returns what encoding/json makes of a type.
func (s *source) shape(pkg string, e ast.Expr) (shape, error) {
	switch e := e.(type) {
	case *ast.StarExpr:
		t, err := s.shape(pkg, e.X)
		t.optional = true
		return t, err
	case *ast.ArrayType:
		if i, ok := e.Elt.(*ast.Ident); ok && i.Name == "byte" {
			return shape{kind: "string"}, nil
		}
		of, err := s.shape(pkg, e.Elt)
		return shape{kind: "list", of: &of}, err
	case *ast.MapType:
		of, err := s.shape(pkg, e.Value)
		return shape{kind: "map", of: &of}, err
	case *ast.InterfaceType:
		return shape{kind: "any"}, nil
	case *ast.StructType: // unnamed, as in api.ErrorBody
		return shape{kind: "any"}, nil
	}
	name := s.name(pkg, e)
	if kind := basic[name]; kind != "" {
		return shape{kind: kind}, nil
	}
	if strings.HasPrefix(name, "int") || strings.HasPrefix(name, "uint") {
		return shape{kind: "integer"}, nil
	}
	d := s.types[name]
	if d == nil {
		return shape{}, fmt.Errorf("there is no type %s", name)
	}
	if _, ok := d.expr.(*ast.StructType); ok {
		return shape{kind: "object", name: name}, nil
	}
	return s.shape(d.pkg, d.expr)
}

// named returns the shape of a named type, or of a list of it if name begins with [].
func (s *source) named(name string) (shape, error) {
	if of, list := strings.CutPrefix(name, "[]"); list {
		t, err := s.named(of)
		return shape{kind: "list", of: &t}, err
	}
	if s.types[name] == nil {
		return shape{}, fmt.Errorf("there is no type %s", name)
	}
	return shape{kind: "object", name: name}, nil
}

// reach adds the objects that a shape refers to, in the order of their first mention.
func (s *source) reach(t shape, all *[]string) error {
	for t.of != nil {
		t = *t.of
	}
	if t.kind != "object" || slices.Contains(*all, t.name) {
		return nil
	}
	*all = append(*all, t.name)
	return s.printed(t.name, func(_ *member, inner shape) error { return s.reach(inner, all) })
}

// reached returns the shape of a type, and adds the objects that it refers to.
func (s *source) reached(name string, all *[]string) (shape, error) {
	t, err := s.named(name)
	if err != nil {
		return t, err
	}
	return t, s.reach(t, all)
}

// fields describes what is printed with --json, and each object in it.
func (s *source) fields(documents []Document) ([]byte, error) {
	m := newMarkdown("JSON", "The JSON that commands print with `--json` and that the control socket sends. Names end in their unit (`_seconds`); "+
		"times are in RFC 3339 format; a field marked *optional* is absent if it is empty or does not apply; lists are `[]`, never `null`. "+
		"Fields may be added but are not renamed: ignore unknown fields. With `--follow` or `--watch`, a command prints one document per line. "+
		"With `--peer all`, each element has the field `node` first.")
	var rows [][]string
	var objects []string
	for _, d := range documents {
		t, err := s.reached(d.Type, &objects)
		if err != nil {
			return nil, err
		}
		rows = append(rows, []string{code(d.Name), t.text()})
	}
	m.table([]string{"Document", "Is"}, rows)
	for _, r := range routes { // api.md links to them
		if r.answer == "" {
			continue
		}
		if _, err := s.reached(r.answer, &objects); err != nil {
			return nil, err
		}
	}
	for _, name := range objects {
		if err := s.object(m, name); err != nil {
			return nil, err
		}
	}
	return m.Bytes(), nil
}

// object writes the fields of one object.
func (s *source) object(m *markdown, name string) error {
	m.heading(2, last(name))
	m.text(sentence(s.types[name].doc))
	rows, err := s.rows(name)
	m.table([]string{"Field", "Type", "Meaning"}, rows)
	return err
}

func (s *source) rows(name string) (rows [][]string, err error) {
	err = s.printed(name, func(f *member, t shape) error {
		kind := t.text()
		if f.omit || t.optional {
			kind += ", optional"
		}
		text := f.doc
		if t.kind != "object" && t.of == nil {
			text = cmp.Or(text, usualMeaning[f.json])
		} else if text == "" {
			for t.of != nil {
				t = *t.of
			}
			if t.kind == "object" {
				text, _, _ = strings.Cut(s.types[t.name].doc, ". ")
			}
		}
		rows = append(rows, []string{code(f.json), kind, sentence(text)})
		return nil
	})
	if s.hasOptions(name) {
		for _, p := range options() {
			rows = append(rows, []string{code(p.Key()), optionType(&p) + ", optional", optionHelp(&p)})
		}
	}
	return rows, err
}

// usualMeaning describes fields that mean the same everywhere.
var usualMeaning = map[string]string{
	"abandoned":            "clients that went away before they were admitted",
	"about":                "one line about it",
	"act":                  "name of the act",
	"active":               "live sessions",
	"addr":                 "address",
	"admin":                "admin state that operators set: ready, drain or maint",
	"age_seconds":          "time since it was accepted or began",
	"arch":                 "processor architecture",
	"at":                   "time",
	"backend":              "name of the backend",
	"backends":             "number of backends",
	"balance":              "how a backend is chosen",
	"before":               "value before",
	"by":                   "operator who acted",
	"bypass":               "whether it bypasses pauses",
	"bytes_in":             "bytes from the client",
	"bytes_out":            "bytes to the client",
	"client":               "address of the client",
	"code":                 "code",
	"collections":          "garbage collections",
	"config_hash":          "hash of the running configuration, to compare nodes",
	"connect_seconds":      "how long the connect to the backend took",
	"count":                "number of them",
	"cpus":                 "processors of the machine",
	"cut":                  "live sessions that tcpctl or the death of their backend ended",
	"detail":               "free text beside the fixed word",
	"dials":                "attempts to connect to a backend",
	"duration_seconds":     "time from accept to end",
	"eligible":             "whether it can get new sessions",
	"ended":                "end time",
	"ended_by":             "side that ended the session: client, backend, proxy or operator",
	"error":                "error; see ErrorBody",
	"failed":               "number that failed",
	"failing_since":        "when it began to fail",
	"fails":                "number of failed runs",
	"file":                 "path of the file",
	"first":                "time of the first one",
	"go":                   "version of Go",
	"goroutines":           "number of goroutines",
	"group":                "what the rows are: client, net or service",
	"hard":                 "highest value to which the soft limit can be set",
	"held_seconds":         "how long the session has held its slot",
	"hint":                 "what to try next",
	"id":                   "id",
	"idle_seconds":         "time since the last byte",
	"in_use":               "slots that sessions hold",
	"kicked":               "clients that an operator kicked",
	"kind":                 "kind",
	"last":                 "time of the last one",
	"level":                "severity: info, good, warn or alarm",
	"listen":               "listen addresses",
	"longest_seconds":      "longest time",
	"longest_wait_seconds": "longest wait of a client",
	"lost_events":          "events that could not be written",
	"max_procs":            "processors that Go uses (GOMAXPROCS)",
	"max_sessions":         "most live sessions; absent without a limit",
	"mesh":                 "name of the mesh",
	"message":              "what is wrong, and with what",
	"missing":              "what is missing",
	"name":                 "name",
	"new":                  "new value, as TOML",
	"next_try":             "time of the next attempt",
	"node":                 "name of the node",
	"ok":                   "whether it is OK",
	"oldest_seconds":       "how long the first client has waited",
	"ongoing":              "always true",
	"opened":               "time when the client was accepted",
	"os":                   "operating system",
	"owner":                "operator who began it",
	"p50_seconds":          "median",
	"p99_seconds":          "99th percentile",
	"path":                 "path",
	"peak":                 "most sessions at a time",
	"peak_active":          "most live sessions at a time",
	"peak_waiting":         "most waiting clients at a time",
	"phase":                "how far the session came: queue, connect or relay",
	"pid":                  "process id",
	"priority":             "a backend of priority 1 serves when none of priority 0 is up and ready",
	"problem":              "what is wrong; absent if nothing is",
	"queue":                "clients in the queue",
	"reason":               "fixed word; see events",
	"rejected":             "clients refused before they were queued",
	"relay":                "how its data is copied: loop or stream",
	"released":             "waiters that were admitted afterwards",
	"remaining":            "number still waited for",
	"rtt_seconds":          "connect time of the last passed check",
	"runs":                 "number of runs",
	"seconds":              "how long it took",
	"service":              "name of the service",
	"session":              "id of the session",
	"since":                "start time",
	"slots":                "slots of the lock",
	"soft":                 "limit in force",
	"started":              "start time",
	"started_with":         "live sessions at its start",
	"state":                "state",
	"step_seconds":         "time between two values",
	"subprotocol":          "subprotocol of the WebSocket",
	"target":               "what the act applies to",
	"targets":              "what the act applies to",
	"text":                 "sentence for people",
	"then":                 "what happens at the limit: abort, cut or keep",
	"time":                 "time",
	"timed_out":            "clients that reached the queue timeout",
	"token":                "secret that proves the owner of a window",
	"total":                "total so far",
	"ttl_seconds":          "how long a session may hold a slot",
	"until":                "end time",
	"value":                "value",
	"version":              "version of tcpctl",
	"via":                  "how the client connected: tcp, tls or ws",
	"wait_p99_seconds":     "99th percentile of the waits of clients",
	"waited_seconds":       "how long the client has waited to be admitted",
	"waiting":              "clients in the queue",
	"waiting_seconds":      "sum of the waits of clients",
	"weight":               "share of new sessions",
	"what":                 "added, removed or changed",
}
