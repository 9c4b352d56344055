package fleet

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/tcpctl/tcpctl/cmd/tcpctl/internal/config"
	"github.com/tcpctl/tcpctl/mesh"
	"github.com/tcpctl/tcpctl/proxy"
	"github.com/tcpctl/tcpctl/proxy/api"
	"github.com/tcpctl/tcpctl/proxy/proxytest"
)

func TestMain(m *testing.M) {
	proxytest.SetUp(8, 4)
	electionWait = patience // 5 s is not always enough for an election here
	goleak.VerifyTestMain(m)
}

// patience is generous: it only catches hangs.
const patience = time.Minute

// startNode starts an engine with one service of that name, in a mesh on loopback that has a
// secret, or is open if that is "".
func startNode(t *testing.T, name, secret string, join ...string) (*Fleet, *api.Local) {
	t.Helper()
	engine, err := proxy.New(proxy.Config{Services: []proxy.ServiceConfig{{Name: name, Listen: []string{"127.0.0.1:0"},
		Backends: []proxy.BackendConfig{{Name: "a", Addr: "127.0.0.1:1"}}, Check: proxy.CheckConfig{Type: "none"}}}})
	if err == nil {
		err = engine.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { engine.Close() })
	c := Config{Listen: "127.0.0.1:0", Version: "1.2.3", Log: slog.New(slog.DiscardHandler),
		Mesh: mesh.Config{Name: "test", Node: name, Join: join, NoMDNS: true}}
	if secret != "" {
		c.Mesh.Secrets = []string{secret}
	}
	source := &api.Local{Engine: engine, By: "ana@" + name, Node: api.Node{Name: name}}
	f, err := Start(context.Background(), c, source)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(f.Close)
	return f, source
}

// until waits for a condition.
func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !ok(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("timeout waiting for: %s", what)
		}
	}
}

// knows waits until a node has the record of a peer, which names its service.
func knows(t *testing.T, f *Fleet, peer string) {
	t.Helper()
	until(t, peer+"'s record", func() bool {
		for _, p := range f.status().Peers {
			if p.Name == peer && p.State == "alive" && len(p.Services) == 1 && p.Services[0].Name == peer {
				return true
			}
		}
		return false
	})
}

// TestPeersAreAskedByName: a request for a node reaches that node, or this one by its own name;
// errors say why.
func TestPeersAreAskedByName(t *testing.T) {
	t.Parallel()
	secret := mesh.NewSecret()
	a, source := startNode(t, "edge-01", secret)
	b, other := startNode(t, "edge-02", secret, a.Addr().String())
	knows(t, a, "edge-02")
	knows(t, b, "edge-01")
	for _, c := range []struct {
		method, path string
		status       int
		has          string
	}{
		{"GET", "/v1/peers/edge-01/v1/status", 200, `"name": "edge-01"`},
		{"GET", "/v1/peers/edge-02/v1/status", 200, `"name": "edge-02"`},
		{"GET", "/v1/peers/" + url.PathEscape(b.node.ID()) + "/v1/status", 200, `"name": "edge-02"`},
		{"GET", "/v1/peers/" + url.PathEscape(a.node.ID()) + "/v1/status", 200, `"name": "edge-01"`},
		{"GET", "/v1/peers/edge-02/v1/services/edge-02/queue", 200, "[]"},
		{"GET", "/v1/peers/edge-02/v1/services/db/queue", 404, "db"},
		{"GET", "/v1/peers/edge-02/v1/nothing", 404, "there is no GET /v1/nothing"},
		{"GET", "/v1/peers/edge-03/v1/status", 502, "edge-03 is unreachable"},
		{"POST", "/v1/peers/edge-03/v1/acts/stop", 502, "nothing was done"},
	} {
		w := httptest.NewRecorder()
		a.ServeHTTP(w, httptest.NewRequest(c.method, c.path, strings.NewReader("")))
		if w.Code != c.status || !strings.Contains(w.Body.String(), c.has) {
			t.Errorf("%s %s: %d %s, want %d and %q", c.method, c.path, w.Code, w.Body, c.status, c.has)
		}
	}
	// The events of an act through the mesh name the operator on both nodes.
	if _, err := source.Peer("edge-02").Do(context.Background(), api.Request{Act: "drain", Targets: []string{"edge-02/a"}, Options: api.Options{Force: true}}); err != nil {
		t.Fatal(err)
	}
	if s := other.Engine.Service("edge-02").Info().Backends[0]; s.Admin != proxy.AdminDrain {
		t.Errorf("the backend of the peer is %q after a drain", s.Admin)
	}
	until(t, "the act in the events of this node", func() bool {
		page, _ := source.Engine.Operator().Events(0)
		for _, ev := range page.Events {
			if ev.Kind == proxy.EventOperator && ev.Peer == "edge-02" && ev.By == "ana@edge-01" {
				return true
			}
		}
		return false
	})
}

// TestOpenMeshTrustsNoPeer: without a secret, nodes see each other but cannot ask each other.
func TestOpenMeshTrustsNoPeer(t *testing.T) {
	t.Parallel()
	a, _ := startNode(t, "edge-01", "")
	startNode(t, "edge-02", "", a.Addr().String())
	knows(t, a, "edge-02")
	w := httptest.NewRecorder()
	a.ServeHTTP(w, httptest.NewRequest("GET", "/v1/peers/edge-02/v1/status", nil))
	if want := api.NoSecret(); w.Code != want.Status || !strings.Contains(w.Body.String(), want.Text) {
		t.Errorf("%d %s, want %d %s", w.Code, w.Body, want.Status, want.Text)
	}
}

// TestTwoNodesOfOneName: neither can be asked by the name, and the error says how to name each.
func TestTwoNodesOfOneName(t *testing.T) {
	t.Parallel()
	secret := mesh.NewSecret()
	a, _ := startNode(t, "edge", secret)
	b, _ := startNode(t, "edge", secret, a.Addr().String())
	knows(t, a, "edge")
	w := httptest.NewRecorder()
	a.ServeHTTP(w, httptest.NewRequest("GET", "/v1/peers/edge/v1/status", nil))
	if w.Code != http.StatusBadRequest || !strings.Contains(w.Body.String(), api.Label("edge", a.node.ID())) || !strings.Contains(w.Body.String(), api.Label("edge", b.node.ID())) {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	for _, n := range []*Fleet{a, b} {
		w := httptest.NewRecorder()
		a.ServeHTTP(w, httptest.NewRequest("GET", "/v1/peers/"+url.PathEscape(api.Label("edge", n.node.ID()))+"/v1/status", nil))
		if w.Code != http.StatusOK {
			t.Errorf("by its label: %d %s", w.Code, w.Body)
		}
	}
}

// TestDepartureIsAnEvent: there are events when a peer comes and departs.
func TestDepartureIsAnEvent(t *testing.T) {
	t.Parallel()
	secret := mesh.NewSecret()
	a, source := startNode(t, "edge-01", secret)
	b, _ := startNode(t, "edge-02", secret, a.Addr().String())
	knows(t, a, "edge-02")
	b.Close()
	until(t, "two events of the peer", func() bool {
		page, _ := source.Engine.Operator().Events(0)
		var levels []string
		for _, ev := range page.Events {
			if ev.Kind == proxy.EventPeer && ev.Peer == "edge-02" {
				levels = append(levels, ev.Level)
			}
		}
		return len(levels) == 2 && levels[0] == proxy.LevelGood && levels[1] != proxy.LevelWarn
	})
	w := httptest.NewRecorder()
	a.ServeHTTP(w, httptest.NewRequest("GET", "/v1/peers/edge-02/v1/status", nil))
	if w.Code != http.StatusBadGateway || !strings.Contains(w.Body.String(), "edge-02 is ") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

func TestFromFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	secret := mesh.NewSecret()
	for name, c := range map[string]struct {
		mesh    config.Mesh
		node    string
		secrets int
		fails   string // "": no error
	}{
		"no name":         {config.Mesh{Name: "m"}, HostName(), 0, ""},
		"a name":          {config.Mesh{Name: "m", Node: "edge-01"}, "edge-01", 0, ""},
		"a secret":        {config.Mesh{Name: "m", Node: "n", SecretFile: file("one", secret+"\n")}, "n", 1, ""},
		"two secrets":     {config.Mesh{Name: "m", Node: "n", SecretFile: file("two", secret+"\n"+mesh.NewSecret()+"\n")}, "n", 2, ""},
		"no secret in it": {config.Mesh{Name: "m", Node: "n", SecretFile: file("bad", "short")}, "", 0, filepath.Join(dir, "bad")},
		"no such file":    {config.Mesh{Name: "m", Node: "n", SecretFile: filepath.Join(dir, "none")}, "", 0, filepath.Join(dir, "none")},
	} {
		got, err := FromFile(&c.mesh)
		if c.fails != "" {
			if err == nil || !strings.Contains(err.Error(), c.fails) {
				t.Errorf("%s: %v, want an error that names %s", name, err, c.fails)
			}
			continue
		}
		if err != nil || got.Mesh.Node != c.node || len(got.Mesh.Secrets) != c.secrets || got.Mesh.NoMDNS == c.mesh.MDNS {
			t.Errorf("%s: %+v, %v", name, got.Mesh, err)
		}
	}
}

// TestNotAskedSaysWhy: the error of a request that was not sent.
func TestNotAskedSaysWhy(t *testing.T) {
	t.Parallel()
	f, _ := startNode(t, "edge-01", mesh.NewSecret())
	for _, c := range []struct {
		method string
		err    error
		says   string
		hint   string
	}{
		{"GET", mesh.ErrUntrusted, api.NoSecret().Text, ""},
		{"GET", mesh.ErrNoPeer, "edge-09 is unreachable: no such peer is connected", "tcpctl peers"},
		{"POST", errors.New("mesh: the stream was reset"), "edge-09 is unreachable: the stream was reset", "nothing was done"},
	} {
		got := f.notAsked(httptest.NewRequest(c.method, "/", nil), "edge-09", c.err)
		if got.Text != c.says || !strings.Contains(got.Hint, c.hint) {
			t.Errorf("%v: %q, %q; want %q, %q", c.err, got.Text, got.Hint, c.says, c.hint)
		}
	}
}
