package main

import (
	"encoding"
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/tcpctl/tcpctl/cmd/tcpctl/internal/build"
	"github.com/tcpctl/tcpctl/cmd/tcpctl/internal/process"
	"github.com/tcpctl/tcpctl/mesh"
	"github.com/tcpctl/tcpctl/proxy"
	"github.com/tcpctl/tcpctl/proxy/api"
)

// Each of the tests below reads a reference as an operator does, and compares it, in both
// directions, with the program itself, not with the source from which the reference is generated.

// tableOf returns the first cells of the tables below a heading of a reference, or of all tables if
// heading is "".
func tableOf(t *testing.T, file, heading string) (cells []string) {
	t.Helper()
	text, err := references.ReadFile("docs/" + file)
	if err != nil {
		t.Fatal(err)
	}
	row := regexp.MustCompile("^\\| `([^`]+)` \\|")
	at := heading == ""
	for line := range strings.Lines(string(text)) {
		if title, ok := strings.CutPrefix(line, "## "); ok && heading != "" {
			at = strings.TrimSpace(title) == heading
		}
		if m := row.FindStringSubmatch(line); m != nil && at {
			cells = append(cells, m[1])
		}
	}
	if len(cells) == 0 {
		t.Fatalf("docs/%s has no table below %q", file, heading)
	}
	return cells
}

// bothWays reports entries that only one of the lists has.
func bothWays(t *testing.T, file string, said, is []string) {
	t.Helper()
	if len(is) == 0 {
		t.Fatalf("nothing to compare docs/%s with", file)
	}
	for _, name := range is {
		if !slices.Contains(said, name) {
			t.Errorf("docs/%s has no %s", file, name)
		}
	}
	for _, name := range said {
		if !slices.Contains(is, name) {
			t.Errorf("docs/%s has %s, which the program does not have", file, name)
		}
	}
}

func TestReferenceHasEachCommand(t *testing.T) {
	var is []string
	for _, c := range rootCommand().Commands() {
		for _, one := range append(c.Commands(), c) {
			if one.IsAvailableCommand() && one.Name() != "help" {
				is = append(is, one.CommandPath())
			}
		}
	}
	text, _ := references.ReadFile("docs/commands.md")
	list, _, _ := strings.Cut(string(text), "\n## ")
	var said []string
	for _, m := range regexp.MustCompile("(?m)^\\| `(tcpctl [^`]+)` \\|").FindAllStringSubmatch(list, -1) {
		said = append(said, m[1])
	}
	bothWays(t, "commands.md", said, is)
}

func TestReferenceHasEachAct(t *testing.T) {
	var is []string
	for i := range api.Acts {
		is = append(is, api.Acts[i].Name)
	}
	var said []string
	for _, use := range tableOf(t, "api.md", "Acts") {
		said = append(said, strings.Fields(use)[0])
	}
	bothWays(t, "api.md", said, is)
	said = nil
	for path := range openAPI(t).Paths {
		if name, ok := strings.CutPrefix(path, "/v1/acts/"); ok {
			said = append(said, name)
		}
	}
	bothWays(t, "openapi.json", said, is)
	for _, name := range is {
		if cmd, _, err := rootCommand().Find([]string{name}); err != nil || cmd.Name() != name {
			t.Errorf("there is no command %s", name)
		}
	}
}

func TestReferenceHasEachEvent(t *testing.T) {
	bothWays(t, "events.md", tableOf(t, "events.md", "Kinds"), proxy.EventKinds)
	var event []string
	fieldsOf(reflect.TypeFor[proxy.Event](), func(key string, _ reflect.Type) { event = append(event, key) })
	text, _ := references.ReadFile("docs/events.md")
	before, _, _ := strings.Cut(string(text), "\n## ")
	var said []string
	for _, m := range regexp.MustCompile("(?m)^\\| `([^`]+)` \\|").FindAllStringSubmatch(before, -1) {
		said = append(said, m[1])
	}
	bothWays(t, "events.md", said, event)
}

// TestReferenceHasEachReason that the engine and its TLS client define.
func TestReferenceHasEachReason(t *testing.T) {
	reason := regexp.MustCompile(`(?m)^\s+\w+\s+(?:lock\.)?Reason = "(\w+)"|Reason\w*\s+=\s+(?:lock\.)?Reason\("(\w+)"\)`)
	var is []string
	files, _ := filepath.Glob("../../proxy/*.go")
	files = append(files, "../../proxy/internal/tlsclient/error.go")
	for _, f := range files {
		if strings.HasSuffix(f, "_test.go") {
			continue
		}
		for _, m := range reason.FindAllStringSubmatch(readFile(t, f), -1) {
			is = append(is, m[1]+m[2])
		}
	}
	bothWays(t, "events.md", tableOf(t, "events.md", "Reasons"), is)
}

// TestReferenceHasEachMetric: that is in the golden file of package metrics, the scrape of an
// instance in which everything applies.
func TestReferenceHasEachMetric(t *testing.T) {
	var is, said []string
	for _, m := range regexp.MustCompile(`(?m)^# TYPE (\S+) `).FindAllStringSubmatch(readFile(t, "internal/metrics/testdata/metrics.golden"), -1) {
		is = append(is, m[1])
	}
	text, _ := references.ReadFile("docs/metrics.md")
	for _, m := range regexp.MustCompile("(?m)^\\| `(tcpctl_[^`]+)` \\|").FindAllStringSubmatch(string(text), -1) {
		said = append(said, m[1])
	}
	bothWays(t, "metrics.md", said, is)
}

// printed has a value of each type that is printed as JSON.
var printed = []any{api.Status{}, proxy.SessionInfo{}, proxy.WaiterInfo{}, proxy.Event{}, api.Top{}, proxy.Report{}, api.Incident{}, mesh.Diagnosis{}, api.ClusterDiagnosis{}, checked{}, themeInfo{},
	build.Binary{}, api.Result{}, api.ErrorBody{}, // of commands; the rest is of the control socket:
	api.Line{}, api.NodeLine{}, api.ConfigText{}, proxy.EventPage{}, api.HistoryInfo{}, api.Moment{}, api.Series{}, api.WindowAnswer{}, process.Info{}}

// TestReferenceHasEachJSONField: of each object that is printed.
func TestReferenceHasEachJSONField(t *testing.T) {
	text, _ := references.ReadFile("docs/json.md")
	sections := map[string]bool{} // true: compared
	for _, m := range regexp.MustCompile(`(?m)^## (\S+)$`).FindAllStringSubmatch(string(text), -1) {
		sections[m[1]] = false
	}
	var compare func(of reflect.Type)
	compare = func(of reflect.Type) {
		for of.Kind() == reflect.Pointer || of.Kind() == reflect.Slice || of.Kind() == reflect.Map {
			of = of.Elem()
		}
		request := of == reflect.TypeFor[api.Request]()
		ownForm := of.Implements(reflect.TypeFor[json.Marshaler]()) || of.Implements(reflect.TypeFor[encoding.TextMarshaler]()) // as time.Time has
		if of.Kind() != reflect.Struct || of.Name() == "" || ownForm && !request || sections[of.Name()] {
			return
		}
		if _, ok := sections[of.Name()]; !ok {
			t.Errorf("docs/json.md has no object %s", of.Name())
			return
		}
		sections[of.Name()] = true
		var is []string
		fieldsOf(of, func(key string, below reflect.Type) {
			is = append(is, key)
			compare(below)
		})
		if request { // options marshal themselves
			for i := range api.Acts {
				for _, p := range api.Acts[i].Params {
					if key := p.Key(); key != "" && !slices.Contains(is, key) {
						is = append(is, key)
					}
				}
			}
		}
		bothWays(t, "json.md, "+of.Name(), tableOf(t, "json.md", of.Name()), is)
	}
	for _, v := range printed {
		compare(reflect.TypeOf(v))
	}
	for name, done := range sections {
		if !done {
			t.Errorf("docs/json.md has an object %s that nothing prints", name)
		}
	}
}

// fieldsOf calls take with each key that encoding/json writes for a struct, and its type.
func fieldsOf(of reflect.Type, take func(key string, below reflect.Type)) {
	if of.Kind() == reflect.Pointer {
		of = of.Elem()
	}
	for i := range of.NumField() {
		f := of.Field(i)
		key, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		switch {
		case f.Anonymous && key == "":
			fieldsOf(f.Type, take)
		case key != "" && key != "-":
			take(key, f.Type)
		case key == "" && f.IsExported():
			take(f.Name, f.Type)
		}
	}
}

// described is the part of an OpenAPI description that the tests read.
type described struct {
	Paths      map[string]map[string]operation
	Components struct{ Schemas map[string]map[string]any }
}

type operation struct {
	Responses map[string]struct {
		Content map[string]struct{ Schema map[string]any }
	}
	RequestBody struct {
		Content map[string]struct{ Schema map[string]any }
	}
}

func openAPI(t *testing.T) (d described) {
	t.Helper()
	text, err := os.ReadFile("docs/openapi.json")
	if err == nil {
		err = json.Unmarshal(text, &d)
	}
	if err != nil {
		t.Fatal(err)
	}
	return d
}
