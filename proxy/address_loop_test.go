package proxy_test

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tcpctl/tcpctl/proxy"
)

// TestRingsAreRefused: a backend that leads back to its own service is refused, however
// it is written, but nothing that only looks like it.
func TestRingsAreRefused(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.Symlink(dir, filepath.Join(dir, "link")); err != nil {
		t.Skip(err)
	}
	sock, linked := "unix:"+filepath.Join(dir, "s"), "unix:"+filepath.Join(dir, "link", "s")
	host := "127.0.0.1"
	addrs, _ := net.InterfaceAddrs()
	for _, a := range addrs {
		if n, ok := a.(*net.IPNet); ok && n.IP.To4() != nil && !n.IP.IsLoopback() {
			host = n.IP.String()
		}
	}
	svc := func(name, listen string, backends ...string) proxy.ServiceConfig {
		c := proxy.ServiceConfig{Name: name, Listen: strings.Fields(listen)}
		for _, b := range backends {
			c.Backends = append(c.Backends, proxy.BackendConfig{Addr: b})
		}
		return c
	}
	for _, c := range []struct {
		what     string
		refused  string // "SERVICE KEY" of each error
		services []proxy.ServiceConfig
	}{
		{"itself", "a backends[0].addr", []proxy.ServiceConfig{svc("a", "127.0.0.1:9", "127.0.0.1:9")}},
		{"by name", "a backends[1].addr", []proxy.ServiceConfig{svc("a", "127.0.0.1:9", "127.0.0.1:8", "localhost:9")}},
		{"by name on IPv6", "a backends[0].addr", []proxy.ServiceConfig{svc("a", "[::1]:9", "LOCALHOST:9")}},
		{"a wildcard", "a backends[0].addr", []proxy.ServiceConfig{svc("a", ":9", "127.0.0.1:9")}},
		{"a wildcard by any loopback address", "a backends[0].addr", []proxy.ServiceConfig{svc("a", "0.0.0.0:9", "127.3.4.5:9")}},
		{"a wildcard by the host's address", "a backends[0].addr", []proxy.ServiceConfig{svc("a", "[::]:9", host+":9")}},
		{"a wildcard by a wildcard", "a backends[0].addr", []proxy.ServiceConfig{svc("a", "0.0.0.0:9", "[::]:9")}},
		{"loopback by a wildcard", "a backends[0].addr", []proxy.ServiceConfig{svc("a", "127.0.0.1:9", "0.0.0.0:9")}},
		{"mapped", "a backends[0].addr", []proxy.ServiceConfig{svc("a", "127.0.0.1:9", "[::ffff:127.0.0.1]:9")}},
		{"the second address", "a backends[0].addr", []proxy.ServiceConfig{svc("a", "127.0.0.1:8 127.0.0.1:9", "127.0.0.1:9")}},
		{"a Unix socket", "a backends[0].addr", []proxy.ServiceConfig{svc("a", sock, sock)}},
		{"a Unix socket by a link", "a backends[0].addr", []proxy.ServiceConfig{svc("a", sock, linked)}},
		{"an abstract name", "a backends[0].addr", []proxy.ServiceConfig{svc("a", "unix:@s", "unix:@s")}},
		{"two", "a backends[0].addr, b backends[0].addr", []proxy.ServiceConfig{svc("a", ":8", "localhost:9"), svc("b", "127.0.0.1:9", "127.0.0.1:8")}},
		{"three", "a backends[0].addr, b backends[0].addr, c backends[1].addr",
			[]proxy.ServiceConfig{svc("a", ":7", "localhost:8"), svc("b", ":8", "localhost:9"), svc("c", ":9", "10.0.0.1:7", "localhost:7")}},

		{"one in front of another", "", []proxy.ServiceConfig{svc("a", ":8", "127.0.0.1:9"), svc("b", ":9", "10.0.0.1:9")}},
		{"two in front of a third", "", []proxy.ServiceConfig{svc("a", ":7", "127.0.0.1:9"), svc("b", ":8", "127.0.0.1:9"), svc("c", ":9", "10.0.0.1:9")}},
		{"another port", "", []proxy.ServiceConfig{svc("a", ":8", "127.0.0.1:9")}},
		{"another loopback address", "", []proxy.ServiceConfig{svc("a", "127.0.0.1:9", "127.0.0.2:9")}},
		{"another host", "", []proxy.ServiceConfig{svc("a", ":9", "192.0.2.1:9")}},
		{"an unknown name", "", []proxy.ServiceConfig{svc("a", ":9", "no-such-host.invalid:9")}},
		{"another Unix socket", "", []proxy.ServiceConfig{svc("a", sock, sock+"2")}},
		{"an address twice", "b listen[0]", []proxy.ServiceConfig{svc("a", "localhost:8"), svc("b", ":8")}},
	} {
		var got []string
		for _, e := range (proxy.Config{Services: c.services}).CheckAddresses() {
			got = append(got, e.Service+" "+e.Key)
		}
		if got := strings.Join(got, ", "); got != c.refused {
			t.Errorf("%s: refused %q, want %q", c.what, got, c.refused)
		}
		if _, err := proxy.New(proxy.Config{Services: c.services}); (err != nil) != (c.refused != "") {
			t.Errorf("%s: New: %v", c.what, err)
		}
	}
}

// TestRingsAreRefusedAtRunTime, even if the system has chosen the ports.
func TestRingsAreRefusedAtRunTime(t *testing.T) {
	t.Parallel()
	a := newServer(t, "a")
	v := start(t, service("one", "127.0.0.1:0", a))
	v.apply(service("one", "127.0.0.1:0", a), service("two", "127.0.0.1:0", a))
	one, two := v.addr(), v.Service("two").Info().Listen[0]
	if _, err := v.svc.Add(proxy.BackendConfig{Addr: one}, "ana", ""); err == nil || !strings.Contains(err.Error(), "itself listens") {
		t.Errorf("a backend that is the service: %v", err)
	}
	v.must(v.svc.Add(proxy.BackendConfig{Addr: two}, "ana", ""))
	if _, err := v.Service("two").Add(proxy.BackendConfig{Addr: one}, "ana", ""); err == nil || !strings.Contains(err.Error(), "lead back") {
		t.Errorf("two services in a ring: %v", err)
	}
	ring := service("two", "127.0.0.1:0", a)
	ring.Backends = append(ring.Backends, proxy.BackendConfig{Addr: one})
	if _, err := v.Apply(proxy.Config{Services: []proxy.ServiceConfig{service("one", "127.0.0.1:0", a), ring}}); err == nil {
		t.Error("a ring with an added backend was applied")
	}
	if n := len(v.Service("two").Info().Backends); n != 1 {
		t.Errorf("%d backends", n)
	}
}
