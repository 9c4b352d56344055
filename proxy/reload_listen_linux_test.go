package proxy_test

import (
	"fmt"
	"net"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/tcpctl/tcpctl/proxy"
	"github.com/tcpctl/tcpctl/proxy/proxytest"
)

// load is clients that come one after another, and must all be served.
type load struct {
	*visit
	end    func()
	served atomic.Int32
}

// loadAt visits addresses that are all open the whole time.
func (v *visit) loadAt(addrs ...string) *load {
	l := &load{visit: v}
	l.end = proxytest.Repeat(v, 3, func() bool {
		for _, addr := range addrs {
			if err := visitOnce(addr, "", fmt.Sprint(l.served.Load())); err != nil {
				l.Errorf("%s: %v", addr, err)
				return false
			}
			l.served.Add(1)
		}
		return true
	})
	return l
}

// more waits until some more have been served.
func (l *load) more() {
	l.Helper()
	before := l.served.Load()
	l.eventually("more are served", func() bool { return l.Failed() || l.served.Load() > before+10 })
}

// TestRule22aReloadsMoveAddresses: whatever a reload does with addresses, no client at
// one that stays is refused or reset, and afterwards each address belongs to the
// service that the configuration names.
func TestRule22aReloadsMoveAddresses(t *testing.T) {
	eachRelay(t, func(t *testing.T, relay string) {
		a, b := newServer(t, "a"), newServer(t, "b")
		at := func(s *server, name string, listen ...string) proxy.ServiceConfig {
			c := service(name, listen[0], s)
			c.Listen, c.Relay = listen, relay
			return c
		}
		one := proxytest.FreePort(t)
		two := proxytest.FreePort(t)
		dir := t.TempDir()
		path, abstract := "unix:"+filepath.Join(dir, "s"), "unix:@tcpctl-"+filepath.Base(dir)+relay
		wide := func(addr string) string { return strings.Replace(addr, "127.0.0.1", "0.0.0.0", 1) }
		v := start(t, at(a, "one", one))
		v.apply(at(a, "one", one), at(b, "two", two))
		l := v.loadAt(one, two)
		for _, step := range []struct {
			what string
			at   map[string]string // which backend answers where
			cfg  []proxy.ServiceConfig
		}{
			{"as it is", map[string]string{one: "a", two: "b"}, []proxy.ServiceConfig{at(a, "one", one), at(b, "two", two)}},
			{"change places", map[string]string{one: "b", two: "a"}, []proxy.ServiceConfig{at(a, "one", two), at(b, "two", one)}},
			{"other names", map[string]string{one: "b", two: "a"}, []proxy.ServiceConfig{at(a, "uno", two), at(b, "due", one)}},
			{"all to one", map[string]string{one: "b", two: "b"}, []proxy.ServiceConfig{at(b, "due", one, two)}},
			{"all to another", map[string]string{one: "a", two: "a"}, []proxy.ServiceConfig{at(a, "one", two, one)}},
			{"one wider", map[string]string{one: "a", two: "b"}, []proxy.ServiceConfig{at(a, "one", wide(one)), at(b, "two", two)}},
			{"the other wider, and change places", map[string]string{one: "b", two: "a"}, []proxy.ServiceConfig{at(a, "one", wide(two)), at(b, "two", wide(one))}},
			{"both narrower", map[string]string{one: "b", two: "a"}, []proxy.ServiceConfig{at(a, "one", two), at(b, "two", one)}},
			{"narrower and wider with another name", map[string]string{one: "a", two: "b"}, []proxy.ServiceConfig{at(a, "x", wide(one)), at(b, "y", wide(two))}},
			{"Unix sockets come", map[string]string{one: "a", two: "b", path: "a", abstract: "b"}, []proxy.ServiceConfig{at(a, "x", one, path), at(b, "y", two, abstract)}},
			{"Unix sockets move", map[string]string{one: "a", two: "b", path: "b", abstract: "a"}, []proxy.ServiceConfig{at(a, "x", one, abstract), at(b, "y", two, path)}},
			{"Unix sockets go", map[string]string{one: "a", two: "b"}, []proxy.ServiceConfig{at(a, "x", one), at(b, "y", two)}},
		} {
			l.more()
			v.apply(step.cfg...)
			for addr, name := range step.at {
				if err := visitOnce(addr, name, "hello"); err != nil {
					t.Errorf("%s: at %s: %v", step.what, addr, err)
				}
			}
			if _, open := step.at[path]; !open {
				if c, err := net.Dial("unix", strings.TrimPrefix(path, "unix:")); err == nil {
					c.Close()
					t.Errorf("%s: %s is open", step.what, path)
				}
			}
			if t.Failed() {
				t.Fatalf("after %q", step.what)
			}
		}
		l.end()
		t.Logf("%d clients were served", l.served.Load())
	})
}

// TestRule22aAnotherRunnerRefusesNobody, nor does another setup of the sockets.
func TestRule22aAnotherRunnerRefusesNobody(t *testing.T) {
	t.Parallel()
	a := newServer(t, "a")
	addr := proxytest.FreePort(t)
	v := start(t, service("one", addr, a))
	l := v.loadAt(addr)
	for n := range 30 {
		c := service("one", addr, a)
		c.Relay = []string{"stream", "loop"}[n%2]
		c.Sock.Backlog = 100 + n/2%3
		l.more()
		v.apply(c)
	}
}

// TestRule22aAReloadThatFailsMovesNothing, including what was bound beside the existing
// addresses.
func TestRule22aAReloadThatFailsMovesNothing(t *testing.T) {
	eachRelay(t, func(t *testing.T, relay string) {
		a, b := newServer(t, "a"), newServer(t, "b")
		narrow := proxytest.FreePort(t)
		wide := strings.Replace(narrow, "127.0.0.1", "0.0.0.0", 1)
		c := service("one", wide, a)
		c.Relay = relay
		v := start(t, c)
		l := v.loadAt(narrow)
		taken := proxytest.Listen(t)
		for range 10 {
			l.more()
			_, err := v.Apply(proxy.Config{Services: []proxy.ServiceConfig{service("two", narrow, b), service("three", taken.Addr().String(), b)}})
			if err == nil {
				t.Fatal("a taken port was applied")
			}
			if err := visitOnce(narrow, "a", "hello"); err != nil {
				t.Fatal(err)
			}
			if ln, err := net.Listen("tcp", narrow); err == nil {
				ln.Close()
				t.Fatal("its port is free for any socket")
			}
		}
	})
}

// TestRule23aWhoHasComeIsServed: clients in the kernel's backlog when a service is
// closed or removed by a reload, or the engine stops.
func TestRule23aWhoHasComeIsServed(t *testing.T) {
	eachRelay(t, func(t *testing.T, relay string) {
		for what, end := range map[string]func(*visit){
			"close":    func(v *visit) { v.must(v.svc.StopListening("ana", "")) },
			"reload":   func(v *visit) { v.apply(service("other", "127.0.0.1:0", newServer(t, "x"))) },
			"shutdown": func(v *visit) { go v.Shutdown(t.Context()) },
		} {
			t.Run(what, func(t *testing.T) {
				c := proxy.ServiceConfig{Relay: relay}
				v := startWithin(t, 1, c, newServer(t, "a"))
				v.untilUp()
				addr := v.addr()
				first := v.dial("first")
				first.hears("a first")
				var rest []*client
				for n := range 10 { // the budget has one session
					rest = append(rest, v.dial(fmt.Sprint(n)))
				}
				end(v)
				v.eventually("new clients are refused", func() bool {
					c, err := net.Dial("tcp", addr)
					if err == nil {
						c.Close()
					}
					return err != nil
				})
				first.leaves()
				for n, c := range rest {
					c.hears(fmt.Sprint("a ", n))
					c.leaves()
				}
				v.eventually("the session has ended", func() bool { return v.svc.Info().Sessions.Active == 0 })
			})
		}
	})
}

// TestCloseAndOpenResetNobody: each client that gets a connection is served.
func TestCloseAndOpenResetNobody(t *testing.T) {
	eachRelay(t, func(t *testing.T, relay string) {
		addr := proxytest.FreePort(t)
		c := service("db", addr, newServer(t, "a"))
		c.Relay = relay
		v := start(t, c)
		v.untilUp()
		var served atomic.Int32
		proxytest.Repeat(t, 4, func() bool {
			if c, err := net.DialTimeout("tcp", addr, patience); err != nil {
				return true
			} else if err := converse(c, "a", "hello"); err != nil {
				t.Error("connected and not served:", err)
			} else {
				served.Add(1)
			}
			return true
		})
		for range 25 {
			before := served.Load()
			v.eventually("some are served", func() bool { return served.Load() > before+4 || t.Failed() })
			v.must(v.svc.StopListening("ana", ""))
			v.must(v.svc.StartListening("ana", ""))
		}
	})
}
