package reference

import (
	"cmp"
	"fmt"
	"go/ast"
	"slices"
	"strings"
)

// shape is what a type is in JSON.
type shape struct {
	kind     string // string, boolean, integer, number, time, object, any, list, map
	of       *shape // of lists and maps
	name     string // of an object: "proxy.Record"
	optional bool   // a pointer
}

// text says it in words, with a link where it is an object.
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

// shape reads a type as encoding/json does.
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
	case *ast.StructType: // without a name: errors have one
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

// named reads a type by its name, with [] before it for a list.
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

// reach notes the objects that a shape leads to, in the order of their first mention.
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

// fields describes what is printed with --json, and each object in it.
func (s *source) fields(documents []Document) ([]byte, error) {
	m := newMarkdown("JSON", "What commands print with `--json`, and what the control socket sends. Names end in their unit (`_seconds`); "+
		"times are of RFC 3339; a field that is marked *optional* is absent when it is empty or does not apply; lists are `[]`, never `null`. "+
		"Fields are added and not renamed: skip what you do not know. A command that follows something (`--follow`, `--watch`) prints one document a line. "+
		"With `--peer all` each element begins with `node`.")
	var rows [][]string
	var objects []string
	for _, d := range documents {
		t, err := s.named(d.Type)
		if err != nil {
			return nil, err
		}
		rows = append(rows, []string{code(d.Name), t.text()})
		if err := s.reach(t, &objects); err != nil {
			return nil, err
		}
	}
	m.table([]string{"Document", "Is"}, rows)
	for _, r := range routes { // api.md links to them
		if r.answer == "" {
			continue
		}
		t, err := s.named(r.answer)
		if err == nil {
			err = s.reach(t, &objects)
		}
		if err != nil {
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

// object writes one object's fields.
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

// usualMeaning is of fields that mean the same everywhere.
var usualMeaning = map[string]string{
	"node": "the node's name", "service": "the service's name", "backend": "the backend's name", "name": "its name", "version": "of tcpctl", "time": "when it happened",
	"text": "a sentence for an operator", "client": "the client's address", "started": "when it started", "pid": "the process's id", "id": "its id", "bytes_in": "from the client",
	"state":                "the word for what it is in",
	"since":                "since when",
	"until":                "up to when",
	"phase":                "how far it got: queue, connect, relay",
	"file":                 "its path",
	"waiting":              "clients in the queue",
	"waited_seconds":       "how long the client waited until it was admitted",
	"via":                  "how the client connected: tcp, tls or ws",
	"kind":                 "which kind of thing it is",
	"ended_by":             "the side that ended it: client, backend or proxy",
	"detail":               "free text beside the fixed word",
	"count":                "how many",
	"addr":                 "its address",
	"active":               "live sessions",
	"timed_out":            "clients that timed out in the queue",
	"then":                 "what happens at the limit: abort, cut or keep",
	"subprotocol":          "of the WebSocket",
	"step_seconds":         "the time between two values",
	"seconds":              "how long it took",
	"rtt_seconds":          "how long the connect of the last passed check took",
	"rejected":             "clients refused before they were queued",
	"problem":              "what is wrong; absent when nothing is",
	"peak_waiting":         "the most clients that waited at a time",
	"peak_active":          "the most live sessions at a time",
	"owner":                "who began it",
	"os":                   "the operating system",
	"arch":                 "the processor's architecture",
	"go":                   "the version of Go",
	"opened":               "when the client was accepted",
	"longest_wait_seconds": "how long a client waited at most",
	"level":                "how much it matters: info, good, warn, alarm",
	"idle_seconds":         "since its last byte",
	"failed":               "that did not succeed",
	"ended":                "when it ended",
	"duration_seconds":     "from accept to end",
	"dials":                "connections that were tried to backends",
	"cut":                  "live sessions that were ended",
	"connect_seconds":      "how long connecting to the backend took",
	"backends":             "how many backends",
	"abandoned":            "clients that went away before they were let in",
	"weight":               "its share of new sessions",
	"priority":             "those of 1 serve when none of 0 is up and ready",
	"waiting_seconds":      "how long clients waited, together",
	"value":                "the value",
	"total":                "all so far",
	"targets":              "what it is done to",
	"target":               "what it is done to",
	"slots":                "of the lock",
	"remaining":            "how many are still waited for",
	"queue":                "clients in the queue",
	"ok":                   "whether it is right",
	"next_try":             "when it is tried again",
	"max_sessions":         "the most live sessions; absent without a limit",
	"kicked":               "that an operator has ended",
	"listen":               "the addresses that it listens on",
	"eligible":             "whether it gets new sessions",
	"peak":                 "the most at a time",
	"balance":              "how a backend is chosen",
	"by":                   "who acted",
	"code":                 "the code",
	"mesh":                 "the mesh's name",
	"last":                 "the last one",
	"first":                "the first one",
	"config_hash":          "of the configuration that runs, to compare nodes",
	"bypass":               "whether no pause holds it",
	"oldest_seconds":       "how long the first has waited",
	"in_use":               "slots that sessions hold",
	"runs":                 "how often it has run",
	"fails":                "how often it has failed",
	"held_seconds":         "how long its session has held a slot",
	"ttl_seconds":          "how long a session may hold a slot",
	"relay":                "what moves its bytes: loop or stream",
	"ongoing":              "always true",
	"p50_seconds":          "half took at most so long",
	"p99_seconds":          "99 of 100 took at most so long",
	"wait_p99_seconds":     "99 of 100 clients waited at most so long",
	"goroutines":           "how many there are",
	"what":                 "added, removed or changed",
	"path":                 "its path",
	"released":             "waiters that were let in afterwards",
	"error":                "see ErrorBody",
	"token":                "what proves the owner of a window",
	"failing_since":        "since when it has failed",
	"lost_events":          "that could not be written",
	"hard":                 "the most that the soft limit can be set to",
	"soft":                 "the limit that holds",
	"cpus":                 "of the machine",
	"max_procs":            "that Go uses",
	"collections":          "of the garbage collector",
	"group":                "what the rows are: client, net or user",
	"missing":              "what is not there",
	"new":                  "as TOML writes it",
	"before":               "as it was before",
	"started_with":         "live sessions when it began",
	"longest_seconds":      "the longest",
	"bytes_out":            "to the client",
	"age_seconds":          "since it was accepted or began", "admin": "what operators want: ready, drain or maint", "act": "the name of an act", "about": "one line about it", "at": "when", "hint": "what to try next", "message": "what is wrong, and with what", "reason": "one word; see events", "session": "the session's id",
}
