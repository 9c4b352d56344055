package instance

import (
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/tcpctl/tcpctl/proxy"
	"github.com/tcpctl/tcpctl/proxy/api"
)

// manyBackends returns an instance that has only an engine, and a state file that does not exist
// yet.
func manyBackends(t *testing.T, n int) *Instance {
	t.Helper()
	c := proxy.ServiceConfig{Name: "db", Listen: []string{"127.0.0.1:0"}}
	for i := range n {
		c.Backends = append(c.Backends, proxy.BackendConfig{Name: fmt.Sprint(i), Addr: "127.0.0.1:1"})
	}
	engine, err := proxy.New(proxy.Config{Services: []proxy.ServiceConfig{c}})
	if err != nil {
		t.Fatal(err)
	}
	return &Instance{engine: engine, state: stateFile{filepath.Join(t.TempDir(), "tcpctl.toml.state"), engine}}
}

func TestSavesAtOnceLoseNone(t *testing.T) {
	const n = 20
	in := manyBackends(t, n)
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			name := fmt.Sprint(i)
			if _, err := in.engine.Service("db").Backend(name).SetWeight(i+2, "ana", ""); err != nil {
				t.Error(err)
			}
			if err := in.save("db/"+name, &api.Request{Act: "weight"}); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	saved, _, err := readState(in.state.path)
	if err != nil {
		t.Fatal(err)
	}
	for i := range n {
		if w := saved["db"][fmt.Sprint(i)].Weight; w == nil || *w != i+2 {
			t.Errorf("the weight of %d is not saved: %+v", i, saved["db"])
		}
	}
}

// TestStateIsWrittenWholeOrNotAtAll: if a new file cannot be written the old one stays, and nothing
// else is left behind.
func TestStateIsWrittenWholeOrNotAtAll(t *testing.T) {
	in := manyBackends(t, 2)
	if err := in.save("db/0", &api.Request{Act: "weight"}); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(in.state.path); err == nil {
		t.Error("an empty state has a state file")
	}
	if err := os.WriteFile(in.state.path, []byte(`{"db": {"0": {"admin": "drain"}}}`), 0o600); err != nil {
		t.Fatal(err)
	}
	// A folder with that name cannot be replaced by a file.
	blocked := in.state.path + "d"
	if err := os.MkdirAll(filepath.Join(blocked, "x"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := writeState(blocked, proxy.Saved{"db": {"0": {Admin: "drain"}}}); err == nil {
		t.Error("a folder was replaced")
	}
	if _, err := in.engine.Service("db").Backend("1").Maint(proxy.DrainOptions{By: "ana"}); err != nil {
		t.Fatal(err)
	}
	if err := in.save("db/1", &api.Request{Act: "maint"}); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(in.state.path)
	if want := `{
  "db": {
    "0": {
      "admin": "drain"
    },
    "1": {
      "admin": "maint",
      "by": "ana"
    }
  }
}
`; err != nil || string(text) != want {
		t.Errorf("%v\n%s", err, text)
	}
	if left, err := filepath.Glob(in.state.path + ".*"); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
	if left, err := filepath.Glob(blocked + ".*"); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

// TestWhatSaveKeeps: every act that accepts --save has its aspect.
func TestWhatSaveKeeps(t *testing.T) {
	for _, a := range api.Acts {
		if _, ok := aspects[a.Name]; ok != a.Takes("save") {
			t.Errorf("%s: takes --save: %v, keeps an aspect: %v", a.Name, a.Takes("save"), ok)
		}
	}
}
