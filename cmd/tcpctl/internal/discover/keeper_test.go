package discover

import (
	"os"
	"path/filepath"
	"reflect"
	"testing"
	"time"

	"github.com/tcpctl/tcpctl/proxy"
)

// TestRule40fKeptSets: a saved set is in force again, with the current configuration's settings;
// answers to another query, and unreadable files, are ignored.
func TestRule40fKeptSets(t *testing.T) {
	t.Parallel()
	at := time.Now().Add(-time.Hour).Round(0)
	spec := Spec{Name: "discover", From: "srv:_db._tcp.example", Backend: proxy.BackendConfig{Restart: []string{"old"}}}
	set := Set{At: at, Backends: []proxy.BackendConfig{
		{Name: "a", Addr: "10.0.0.1:1", Weight: 3, Priority: 1, MaxSessions: 7, Restart: []string{"old"}, FoundBy: "srv"},
		{Name: "b", Addr: "10.0.0.2:1", Weight: -1, Restart: []string{"old"}, FoundBy: "srv"},
	}}
	now := spec
	now.Backend.Restart = []string{"new"}
	other := now
	other.From = "srv:_other._tcp.example"
	other.Name = spec.Name
	half := []byte(`{"db": {"disc`)
	for name, c := range map[string]struct {
		spec     Spec
		text     []byte // the file's text, in place of what was written
		found    int
		warnings int
	}{"the same question": {now, nil, 2, 0}, "another question": {other, nil, 0, 0}, "half a file": {now, half, 0, 1},
		"no backend": {now, []byte(`{"db": {"discover": {"from": "[\"srv:_db._tcp.example\",null,\"\"]", "at": "2026-01-01T00:00:00Z", "backends": [{"name": "a", "addr": "nowhere"}]}}}`), 0, 1}} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "found")
			warnings := 0
			warn := func(error) { warnings++ }
			(&Manager{keep: &keeper{path: path, warn: warn, sets: map[string]map[string]keptSet{}}}).keep.put(key{"db", "discover"}, &spec, &set)
			if c.text != nil {
				if err := os.WriteFile(path, c.text, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			engine, err := proxy.New(proxy.Config{Services: []proxy.ServiceConfig{{Name: "db", Listen: []string{"127.0.0.1:0"},
				Discover: []proxy.DiscoverySource{{Name: "discover", Kind: "srv"}}}}})
			if err != nil {
				t.Fatal(err)
			}
			defer engine.Close()
			m := NewManager(engine)
			m.Keep(path, warn)
			m.Restore(map[string][]Spec{"db": {c.spec}})
			got := engine.Service("db").Discovered("discover")
			if len(got.Backends) != c.found || warnings != c.warnings {
				t.Fatalf("%d warnings, restored %+v", warnings, got)
			}
			if c.found == 0 {
				return
			}
			if a := got.Backends[0]; !got.Source.At.Equal(at) || a.Weight != 3 || a.Priority != 1 || a.MaxSessions != 7 || !reflect.DeepEqual(a.Restart, []string{"new"}) {
				t.Errorf("restored %+v of %v", got.Backends, got.Source.At)
			}
			again := inForce(got)
			if again.Backends[1].Weight != -1 {
				t.Errorf("a weight of 0 was restored as %d", again.Backends[1].Weight)
			}
		})
	}
}
