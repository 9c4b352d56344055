package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/miekg/dns"

	"github.com/tcpctl/tcpctl/cmd/tcpctl/internal/discover/discovertest"
	"github.com/tcpctl/tcpctl/proxy"
)

// origin is a source that a test changes: set sets its backends, and another function makes its
// answers invalid.
type origin struct {
	key  string // the service's configuration for it
	set  func(backends ...*backend)
	fail func()
}

// origins makes one source of each kind, which writes its set as the real one would.
var origins = map[string]func(t *testing.T) origin{
	"dns": func(t *testing.T) origin {
		s := discovertest.NewNameServer(t)
		set := func(backends ...*backend) {
			var lines []string
			for _, b := range backends {
				host, _, _ := net.SplitHostPort(b.addr)
				lines = append(lines, "db.example. 1 IN A "+host)
			}
			s.Change(func(s *discovertest.NameServer) { s.Rcode = 0 })
			s.Set("db.example", "A", lines...)
		}
		return origin{"backends = [{ dns = \"db.example:PORT\", dns_server = \"" + s.Addr + "\", refresh = \"1s\", hold = \"1m\" }]", set,
			func() { s.Change(func(s *discovertest.NameServer) { s.Rcode = dns.RcodeServerFailure }) }}
	},
	"srv": func(t *testing.T) origin {
		s := discovertest.NewNameServer(t)
		const name = "_db._tcp.example"
		set := func(backends ...*backend) {
			var lines []string
			for _, b := range backends {
				host, port, _ := net.SplitHostPort(b.addr)
				lines = append(lines, fmt.Sprintf("%s. 1 IN SRV 0 5 %s %s.example.", name, port, b.name))
				s.Set(b.name+".example", "A", b.name+".example. 1 IN A "+host)
			}
			s.Change(func(s *discovertest.NameServer) { s.Rcode, s.Cut = 0, true }) // truncated, so that each query uses TCP
			s.Set(name, "SRV", lines...)
		}
		return origin{"discover = { from = \"srv:" + name + "\", dns_server = \"" + s.Addr + "\", refresh = \"1s\", hold = \"1m\" }", set,
			func() { s.Change(func(s *discovertest.NameServer) { s.Rcode = dns.RcodeServerFailure }) }}
	},
	"consul": func(t *testing.T) origin {
		a := discovertest.NewAgent(t)
		index := uint64(10)
		set := func(backends ...*backend) {
			var all []string
			for _, b := range backends {
				host, port, _ := net.SplitHostPort(b.addr)
				var n int
				fmt.Sscan(port, &n)
				all = append(all, discovertest.Instance(b.name, host, "db", "", n, 1))
			}
			index++
			a.Set(index, "["+strings.Join(all, ",")+"]")
		}
		return origin{"discover = { from = \"consul:db?addr=" + a.URL + "\", refresh = \"1s\", hold = \"1m\" }", set,
			func() { a.Change(func(a *discovertest.Agent) { a.Status = 500 }) }}
	},
	"exec": func(t *testing.T) origin {
		dir := t.TempDir()
		list, program := filepath.Join(dir, "list"), filepath.Join(dir, "program")
		writeProgram(t, program, "#!/bin/sh\nexec cat "+list+"\n")
		return origin{"discover = { from = \"exec:" + program + "\", refresh = \"1s\", hold = \"1m\" }", func(backends ...*backend) { replaceList(t, list, backends) },
			func() { os.Remove(list) }}
	},
	"file": func(t *testing.T) origin {
		list := filepath.Join(t.TempDir(), "list.json")
		return origin{"discover = { from = \"file:" + list + "\", hold = \"1m\" }", func(backends ...*backend) { replaceList(t, list, backends) },
			func() { write(t, list, "[{\"name\": \"a\", ") }}
	},
}

func replaceList(t *testing.T, path string, backends []*backend) {
	t.Helper()
	all := []map[string]string{}
	for _, b := range backends {
		all = append(all, map[string]string{"name": b.name, "addr": b.addr})
	}
	text, _ := json.Marshal(all)
	write(t, path+".new", string(text))
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
}

// changing is an instance whose set of backends changes.
type changing struct {
	*configured
	shuffled
	o       origin
	a, b, c *backend
}

// TestRule40NoClientFails changes a service's set of backends through every kind of source while
// clients come and some stay: it grows, shrinks, is empty by mistake, is replaced, its source fails
// and recovers, the program is upgraded. No client fails, no session is moved, and the set is what
// rule 40 says.
func TestRule40NoClientFails(t *testing.T) {
	t.Parallel()
	sideBySide(t, slices.Collect(maps.Keys(origins)), func(t *testing.T, kind string) {
		s := &changing{o: origins[kind](t)}
		s.shuffled.t, s.stop = t, make(chan struct{})
		s.a, s.b, s.c = newBackendAt(t, "a", "127.0.0.2:0"), nil, nil
		_, port, _ := net.SplitHostPort(s.a.addr)
		s.b, s.c = newBackendAt(t, "b", "127.0.0.3:"+port), newBackendAt(t, "c", "127.0.0.4:"+port)
		s.o.set(s.a, s.b)
		s.configured = runConfigured(t, "[services.db]\nlisten = \"127.0.0.1:0\"\ncheck.interval = \"200ms\"\n"+strings.Replace(s.o.key, "PORT", port, 1))
		s.untilServing(s.a, s.b)
		s.story(t, kind)
	})
}

func newBackendAt(t *testing.T, name, addr string) *backend {
	t.Helper()
	b := &backend{name: name, addr: addr, conns: map[net.Conn]bool{}}
	if err := b.start(); err != nil {
		t.Fatal(err)
	}
	b.addr = b.ln.Addr().String()
	t.Cleanup(b.die)
	return b
}

func (s *changing) story(t *testing.T, kind string) {
	addr := s.addr()
	s.clients.Go(func() { s.come(addr) })
	for range 2 { // one at each backend
		s.clients.Go(func() { s.stay(addr) })
	}
	defer func() {
		close(s.stop)
		s.clients.Wait()
		t.Logf("%s: %d clients served", kind, s.served.Load())
	}()
	step := func(what string, how func()) {
		t.Helper()
		how()
		if t.Failed() {
			t.Fatalf("%s: %s:\n%s", kind, what, s.tcpctl("status"))
		}
	}
	step("one comes", func() { s.o.set(s.a, s.b, s.c); s.untilServing(s.a, s.b, s.c) })
	step("one goes", func() { s.o.set(s.b, s.c); s.untilServing(s.b, s.c) })
	step("all go, by mistake", func() {
		s.o.set()
		s.until("a held answer", func(i *proxy.ServiceInfo) bool { return i.Discovery[0].Held != nil })
		s.serving(s.b, s.c)
		if out := s.tcpctl("status"); !strings.Contains(out, "! found by "+kind+", ") || !strings.Contains(out, "the answer leaves out 2 of 2: ") {
			t.Errorf("status says\n%s", out)
		}
	})
	step("they are back", func() {
		s.o.set(s.b, s.c)
		s.until("no held answer", func(i *proxy.ServiceInfo) bool { return i.Discovery[0].Held == nil })
		s.serving(s.b, s.c)
	})
	step("the source fails", func() {
		s.o.fail()
		s.until("a failure", func(i *proxy.ServiceInfo) bool { return i.Discovery[0].Error != "" })
		s.serving(s.b, s.c)
		if out := s.tcpctl("status"); !strings.Contains(out, "! found by "+kind+", ") || !strings.Contains(out, "no answer since then: ") {
			t.Errorf("status says\n%s", out)
		}
	})
	step("an upgrade meanwhile", func() {
		s.tcpctl("upgrade")
		s.serving(s.b, s.c)
	})
	step("the source is back, with one fewer", func() { s.o.set(s.c); s.untilServing(s.c) })
	step("an operator drains; a reload", func() {
		s.o.set(s.b, s.c)
		s.untilServing(s.b, s.c)
		s.tcpctl("drain", "db/"+s.nameOf(s.b), "--reason", "disk")
		s.serving(s.c)
		s.tcpctl("reload")
		s.serving(s.c)
	})
	step("all are replaced", func() {
		s.o.set(s.a, s.b)
		s.untilServing(s.a)
		s.tcpctl("ready", "db/"+s.nameOf(s.b))
		s.untilServing(s.a, s.b)
	})
	out := s.tcpctl("status")
	if !strings.Contains(out, "found by "+kind+", ") || strings.Contains(out, "! found by") {
		t.Errorf("status says\n%s", out)
	}
	s.until("no session has failed", func(i *proxy.ServiceInfo) bool {
		return i.Sessions.Failed == 0 && i.Sessions.Cut == 0 && i.Sessions.Rejected == 0
	})
}

// servingNow returns the addresses of the backends that get new sessions.
func servingNow(i *proxy.ServiceInfo) (all []string) {
	for _, b := range i.Backends {
		if b.Eligible {
			all = append(all, b.Addr)
		}
	}
	slices.Sort(all)
	return all
}

func addrsOf(backends []*backend) (all []string) {
	for _, b := range backends {
		all = append(all, b.addr)
	}
	slices.Sort(all)
	return all
}

func (s *changing) untilServing(backends ...*backend) {
	s.shuffled.t.Helper()
	want := addrsOf(backends)
	s.until("serving are "+strings.Join(want, " "), func(i *proxy.ServiceInfo) bool { return slices.Equal(servingNow(i), want) })
}

func (s *changing) serving(backends ...*backend) {
	s.shuffled.t.Helper()
	if got, want := servingNow(s.service()), addrsOf(backends); !slices.Equal(got, want) {
		s.shuffled.t.Errorf("serving are %v, not %v", got, want)
	}
}

// nameOf returns a backend's name, which its source gives.
func (s *changing) nameOf(b *backend) string {
	for _, i := range s.service().Backends {
		if i.Addr == b.addr && !i.Removing {
			return i.Name
		}
	}
	s.shuffled.t.Errorf("there is no backend at %s", b.addr)
	return ""
}

// TestRule40eARollMeetsItsSource: a source that notices each restart, as Consul does by its checks,
// omits the backend meanwhile. The roll completes, the backend stays the same one, and no client
// fails.
func TestRule40eARollMeetsItsSource(t *testing.T) {
	t.Parallel()
	s := &changing{}
	s.shuffled.t, s.stop = t, make(chan struct{})
	s.a, s.b = newBackendAt(t, "a", "127.0.0.1:0"), newBackendAt(t, "b", "127.0.0.1:0")
	dir := t.TempDir()
	list, restart := filepath.Join(dir, "list"), filepath.Join(dir, "restart")
	replaceList(t, list, []*backend{s.a, s.b})
	replaceList(t, list+".all", []*backend{s.a, s.b})
	replaceList(t, list+".without.a", []*backend{s.b})
	replaceList(t, list+".without.b", []*backend{s.a})
	script := "#!/bin/sh\ncp " + list + ".without.$TCPCTL_BACKEND " + list + ".new && mv " + list + ".new " + list +
		"\nsleep 2.5\ncp " + list + ".all " + list + ".new && mv " + list + ".new " + list + "\n"
	writeProgram(t, restart, script)
	s.configured = runConfigured(t, "[services.db]\nlisten = \"127.0.0.1:0\"\ncheck.interval = \"200ms\"\n[services.db.discover]\nfrom = \"file:"+list+"\"\nhold = \"1m\"\nrestart = [\""+restart+"\"]\n")
	s.untilServing(s.a, s.b)
	addr := s.addr()
	s.clients.Go(func() { s.come(addr) })
	out := s.tcpctl("roll", "db", "--limit", "5s", "--then", "keep")
	close(s.stop)
	s.clients.Wait()
	s.untilServing(s.a, s.b)
	if events := s.tcpctl("events"); strings.Contains(events, "db/a is removed") || strings.Contains(events, "db/b is removed") || strings.Count(events, "they stay until the maintenance has ended") != 2 {
		t.Errorf("the roll said\n%s\nwhat happened:\n%s", out, events)
	}
}
