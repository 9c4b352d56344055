package proxy_test

import (
	"io"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tcpctl/tcpctl/proxy"
	"github.com/tcpctl/tcpctl/proxy/proxytest"
)

func TestASessionsWholeWay(t *testing.T) {
	eachRelay(t, func(t *testing.T, relay string) {
		v := start(t, proxy.ServiceConfig{Relay: relay}, newServer(t, "a"))
		c := v.dial("hello")
		c.hears("a hello")
		c.says("again")
		c.hears("again")
		c.fin()
		if rest, err := io.ReadAll(c.r); err != nil || len(rest) != 0 {
			t.Errorf("after the end: %q, %v", rest, err)
		}
		r := v.record()
		if r.Phase != proxy.PhaseRelay || r.Reason != proxy.ReasonFIN || r.Backend != "a" || !r.Served {
			t.Errorf("record %+v", r)
		}
		if r.BytesIn != int64(len("hello\nagain\n")) || r.BytesOut != int64(len("a hello\nagain\n")) {
			t.Errorf("%d bytes in, %d out", r.BytesIn, r.BytesOut)
		}
		if r.Dials != 1 || r.Client != c.LocalAddr().String() || r.Ended.Before(r.Opened) {
			t.Errorf("record %+v", r)
		}
	})
}

func TestManyAddresses(t *testing.T) {
	eachRelay(t, func(t *testing.T, relay string) {
		listen := []string{"127.0.0.1:0", "unix:" + filepath.Join(t.TempDir(), "s")}
		if ln, err := net.Listen("tcp", "[::1]:0"); err == nil {
			ln.Close()
			listen = append(listen, "[::1]:0")
		}
		v := start(t, proxy.ServiceConfig{Relay: relay, Listen: listen}, newServer(t, "a"))
		addrs := v.svc.Info().Listen
		if len(addrs) != len(listen) {
			t.Fatalf("listens on %v", addrs)
		}
		for _, addr := range addrs {
			c := v.dialAt(addr, "hello")
			c.hears("a hello")
			c.fin()
			c.isClosed()
			if r := v.record(); r.Reason != proxy.ReasonFIN || r.BytesOut != int64(len("a hello\n")) {
				t.Errorf("over %s: %+v", addr, r)
			}
		}
	})
}

func TestABackendOnAUnixSocket(t *testing.T) {
	eachRelay(t, func(t *testing.T, relay string) {
		path := filepath.Join(t.TempDir(), "b")
		ln, err := net.Listen("unix", path)
		if err != nil {
			t.Fatal(err)
		}
		s := serveOn(t, "a", ln)
		v := start(t, proxy.ServiceConfig{Relay: relay, Backends: []proxy.BackendConfig{{Name: "a", Addr: "unix:" + path}}})
		c := v.dial("hello")
		c.hears("a hello")
		c.leaves()
		if s.accepted.Load() != 1 {
			t.Errorf("%d came", s.accepted.Load())
		}
	})
}

// TestBadConfigurationsAreRefused, each with an error that names what is wrong.
func TestBadConfigurationsAreRefused(t *testing.T) {
	t.Parallel()
	good := func() proxy.ServiceConfig {
		return proxy.ServiceConfig{Name: "db", Listen: []string{"127.0.0.1:0"}, Backends: []proxy.BackendConfig{{Addr: "127.0.0.1:1"}}}
	}
	for want, spoil := range map[string]func(*proxy.ServiceConfig){
		"no name":            func(c *proxy.ServiceConfig) { c.Name = "" },
		"no slash":           func(c *proxy.ServiceConfig) { c.Name = "a/b" },
		"to listen on":       func(c *proxy.ServiceConfig) { c.Listen = nil },
		"not HOST:PORT":      func(c *proxy.ServiceConfig) { c.Listen = []string{"here"} },
		`no port "70000"`:    func(c *proxy.ServiceConfig) { c.Backends[0].Addr = "127.0.0.1:70000" },
		`balance "best"`:     func(c *proxy.ServiceConfig) { c.Balance = "best" },
		`relay "warp"`:       func(c *proxy.ServiceConfig) { c.Relay = "warp" },
		`no_backend "cry"`:   func(c *proxy.ServiceConfig) { c.NoBackend = "cry" },
		"on_client_fin":      func(c *proxy.ServiceConfig) { c.Queue.OnClientFin = "guess" },
		"check.type":         func(c *proxy.ServiceConfig) { c.Check.Type = "look" },
		"check.interval":     func(c *proxy.ServiceConfig) { c.Check.Interval = -time.Second },
		"connect_timeout":    func(c *proxy.ServiceConfig) { c.ConnectTimeout = -1 },
		"pause.then":         func(c *proxy.ServiceConfig) { c.Pause.Then = "pray" },
		"pause.max":          func(c *proxy.ServiceConfig) { c.Pause.Max = -1 },
		"pause.on_max":       func(c *proxy.ServiceConfig) { c.Pause.OnMax = "keep" },
		"two backends":       func(c *proxy.ServiceConfig) { c.Backends = append(c.Backends, c.Backends[0]) },
		"a name has no spac": func(c *proxy.ServiceConfig) { c.Backends[0].Name = "a b" },
	} {
		c := good()
		spoil(&c)
		if _, err := proxy.New(proxy.Config{Services: []proxy.ServiceConfig{c}}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", want, err)
		}
	}
	if _, err := proxy.New(proxy.Config{Services: []proxy.ServiceConfig{good(), good()}}); err == nil {
		t.Error("two services with one name")
	}
}

// TestStartOpensAllOrNone: if one address is taken, the others are free again.
func TestStartOpensAllOrNone(t *testing.T) {
	t.Parallel()
	taken := proxytest.Listen(t)
	addr := proxytest.FreePort(t)
	e, err := proxy.New(proxy.Config{Services: []proxy.ServiceConfig{
		{Name: "one", Listen: []string{addr}}, {Name: "two", Listen: []string{taken.Addr().String()}}}})
	if err != nil {
		t.Fatal(err)
	}
	if err := e.Start(); err == nil || !strings.Contains(err.Error(), `service "two"`) {
		t.Fatalf("start: %v", err)
	}
	if c, err := net.Dial("tcp", addr); err == nil {
		c.Close()
		t.Error("the first address is still open")
	}
	taken.Close()
	if err := e.Start(); err == nil || !strings.Contains(err.Error(), `service "two"`) {
		t.Errorf("a second Start: %v", err)
	}
	e.Close()
}

// TestScopesWithoutTheirFunction are refused, and so are functions without their scope.
func TestScopesWithoutTheirFunction(t *testing.T) {
	t.Parallel()
	for want, c := range map[string]proxy.ServiceConfig{
		`Scope is "cluster", and Cluster is nil; set`:     {Scope: proxy.ScopeCluster},
		`Cluster is set, and Scope is "node"; make`:       {Cluster: func(proxy.ClusterUser) io.Closer { return nil }},
		`Lock.Scope is "cluster", and Shared is nil; set`: {Lock: proxy.LockConfig{Slots: 1, Scope: proxy.ScopeCluster}},
		`Shared is set, and Lock.Scope is "node"; make`:   {Shared: func(proxy.SharedUser) proxy.Shared { return nil }},
	} {
		c.Name, c.Listen = "db", []string{"127.0.0.1:0"}
		if _, err := proxy.New(proxy.Config{Services: []proxy.ServiceConfig{c}}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", want, err)
		}
	}
}

// TestAFolderThatIsNotThere: its error says what is missing for a Unix socket.
func TestAFolderThatIsNotThere(t *testing.T) {
	t.Parallel()
	e, err := proxy.New(proxy.Config{Services: []proxy.ServiceConfig{{Name: "db", Listen: []string{"unix:" + filepath.Join(t.TempDir(), "none", "s")}}}})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	if err := e.Start(); err == nil || !strings.Contains(err.Error(), "; make the folder of unix:/") {
		t.Error(err)
	}
}
