package proxy_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tcpctl/tcpctl/proxy"
)

var srv = proxy.DiscoverySource{Name: "discover", Kind: "srv", From: "_db._tcp.example.com"}

// discovering is the configuration of a service whose backends a source finds.
func discovering() proxy.ServiceConfig {
	return proxy.ServiceConfig{Discover: []proxy.DiscoverySource{srv}, Check: proxy.CheckConfig{Interval: 50 * time.Millisecond, Rise: 1}}
}

// found is an answer of the source.
func (v *visit) found(servers ...*server) []string {
	var all []proxy.BackendConfig
	for _, s := range servers {
		all = append(all, foundAt(s, 1))
	}
	return v.discovered(all...)
}

func (v *visit) discovered(all ...proxy.BackendConfig) []string {
	at := time.Now()
	return v.svc.SetDiscovered(proxy.Discovered{Source: proxy.DiscoveryInfo{DiscoverySource: srv, At: &at}, Backends: all})
}

func foundAt(s *server, weight int) proxy.BackendConfig {
	c := s.backend()
	c.Weight, c.FoundBy = weight, srv.Kind
	return c
}

// names describes the backends: "a b/drain c=7".
func (v *visit) names() string {
	var words []string
	for _, b := range v.svc.Info().Backends {
		w := b.Name
		if b.Weight != 1 {
			w += fmt.Sprintf("=%d", b.Weight)
		}
		if b.Admin != proxy.AdminReady {
			w += "/" + b.Admin
		}
		words = append(words, w)
	}
	slices.Sort(words)
	return strings.Join(words, " ")
}

func (v *visit) untilNames(want string) {
	v.Helper()
	v.until("backends "+want, func(proxy.ServiceInfo) bool { return v.names() == want })
}

// A new backend is checked and serves, one that is gone drains and is removed, and its
// live sessions stay.
func TestRule40BackendsComeAndGo(t *testing.T) {
	eachRelay(t, func(t *testing.T, relay string) {
		a, b := newServer(t, "a"), newServer(t, "b")
		c := discovering()
		c.Relay = relay
		v := start(t, c)
		early := v.queue("early") // it waits for the first answer
		v.found(a)
		early.hears("a early")
		i := v.svc.Info()
		if d := i.Discovery; len(d) != 1 || d[0].Backends != 1 || !strings.HasPrefix(d[0].Text(time.Now()), "found by srv, ") || i.Backends[0].FoundBy != "srv" {
			t.Errorf("status says %+v", i)
		}
		if what := strings.Join(v.found(b), "; "); what != "backend b is new; backend a drains and is removed" {
			t.Errorf("the changes are %q", what)
		}
		v.untilHealth("b", proxy.StateUp)
		v.dial("next").hears("b next")
		fmt.Fprintln(early, "still here")
		early.hears("still here")
		if info := v.backend("a"); info.Reason != "removing" || info.Drain == nil || info.Drain.By != "srv" || info.Active != 1 {
			t.Errorf("the backend that is gone: %+v", info)
		}
		early.Close()
		v.untilNames("b")
		if what := v.found(b); len(what) != 0 {
			t.Errorf("the same answer changes %q", what)
		}
	})
}

// TestRule40OfWhatIsGivenToo: an invalid backend is left out; one without FoundBy still
// belongs to the source, and is removed with it.
func TestRule40OfWhatIsGivenToo(t *testing.T) {
	v := start(t, discovering())
	a := newServer(t, "a").backend()
	v.discovered(a, proxy.BackendConfig{Name: "b", Addr: "nowhere"}, proxy.BackendConfig{Name: "c/d", Addr: "127.0.0.1:1"})
	v.untilNames("a")
	if b := v.backend("a"); b.FoundBy != srv.Kind {
		t.Errorf("found by %q", b.FoundBy)
	}
	left := 0
	page, _ := v.Events(0)
	for _, ev := range page.Events {
		if ev.Kind == proxy.EventDiscovery && strings.Contains(ev.Text, "is left out") {
			left++
		}
	}
	if left != 2 {
		t.Errorf("%d events for two that are left out: %+v", left, page.Events)
	}
	v.discovered([]proxy.BackendConfig{}...)
	v.untilNames("")
}

// A backend that comes back while it still drains is taken back, with its sessions: names
// do not pile up while a source wavers.
func TestRule40ComesBackWhileItDrains(t *testing.T) {
	t.Parallel()
	a, b := newServer(t, "a"), newServer(t, "b")
	v := start(t, discovering())
	v.found(a, b)
	v.untilUp()
	var live []*client
	for range 8 {
		live = append(live, v.dial("live"))
		live[len(live)-1].hear()
	}
	for range 20 {
		v.found(b)
		v.found(a, b)
	}
	if got := v.names(); got != "a b" {
		t.Errorf("the backends are %s", got)
	}
	if i := v.svc.Info(); i.Sessions.Active != len(live) {
		t.Errorf("%d of %d sessions remain", i.Sessions.Active, len(live))
	}
	v.untilUp()
}

// TestRule40AnotherAddressMoves: sessions stay at the old address.
func TestRule40AnotherAddressMoves(t *testing.T) {
	t.Parallel()
	a, b := newServer(t, "a"), newServer(t, "b")
	v := start(t, discovering())
	v.found(a)
	v.untilUp()
	v.must(v.svc.Backend("a").SetWeight(7, "ana", ""))
	live := v.dial("live")
	live.hears("a live")
	moved := foundAt(b, 1)
	moved.Name = "a"
	v.discovered(moved)
	v.until("it has moved", func(i proxy.ServiceInfo) bool {
		return slices.ContainsFunc(i.Backends, func(i proxy.BackendInfo) bool { return i.Addr == b.addr() && i.Eligible && i.Weight == 7 })
	})
	v.dial("next").hears("b next")
	fmt.Fprintln(live, "still here")
	live.hears("still here")
}

// The configuration's own backends stay whatever a source says, and keep their names;
// an unknown source is ignored.
func TestRule40BesideConfiguredBackends(t *testing.T) {
	t.Parallel()
	a, b := newServer(t, "a"), newServer(t, "b")
	c := discovering()
	c.Backends = []proxy.BackendConfig{a.backend()}
	v := start(t, c)
	other := foundAt(b, 3)
	other.Name = "a"
	v.discovered(other, foundAt(b, 1))
	v.untilNames("a b")
	if v.backend("a").Addr != a.addr() || v.backend("a").FoundBy != "" {
		t.Errorf("a is %+v", v.backend("a"))
	}
	v.found()
	v.untilNames("a")
	at := time.Now()
	v.svc.SetDiscovered(proxy.Discovered{Source: proxy.DiscoveryInfo{DiscoverySource: proxy.DiscoverySource{Name: "other"}, At: &at}, Backends: []proxy.BackendConfig{foundAt(b, 1)}})
	if got := v.names(); got != "a" {
		t.Errorf("the backends are %s", got)
	}
}

// An answer with the service's own address would make sessions loop.
func TestRule40NoLoops(t *testing.T) {
	t.Parallel()
	a := newServer(t, "a")
	v := start(t, discovering())
	itself := proxy.BackendConfig{Name: "itself", Addr: v.addr(), FoundBy: "srv"}
	if err := v.svc.CheckAdded(foundAt(a, 1), itself); err == nil {
		t.Error("its own address is not an error")
	}
	if err := v.svc.CheckAdded(proxy.BackendConfig{Name: "x", Addr: "no port"}); err == nil {
		t.Error("a missing port is not an error")
	}
	if err := v.svc.CheckAdded(foundAt(a, 1)); err != nil {
		t.Error(err)
	}
}

// What operators do outlives answers, even those without the backend.
func TestRule40aOperatorsWin(t *testing.T) {
	t.Parallel()
	a, b, c := newServer(t, "a"), newServer(t, "b"), newServer(t, "c")
	v := start(t, discovering())
	v.found(a, b, c)
	v.untilUp()
	v.must(v.svc.Backend("a").Drain(proxy.DrainOptions{By: "ana", Reason: "disk"}))
	v.must(v.svc.Backend("b").SetWeight(5, "ana", ""))
	v.must(v.svc.Backend("c").Remove(proxy.DrainOptions{By: "ana"}))
	v.untilNames("a/drain b=5")
	v.discovered(foundAt(a, 2), foundAt(b, 3), foundAt(c, 4))
	v.untilNames("a=2/drain b=5")
	v.found()
	v.untilNames("")
	v.found(a, b)
	v.untilNames("a/drain b=5")
	if d := v.svc.Backend("a").Info(); d.Admin != proxy.AdminDrain {
		t.Errorf("a is %+v", d)
	}
	v.found(a, b, c) // it was gone meanwhile: whoever registers it again wants it
	v.untilNames("a/drain b=5 c")
	v.must(v.svc.Backend("a").Ready("ana", ""))
	v.must(v.svc.Backend("b").SetWeight(1, "ana", ""))
	v.found()
	v.untilNames("")
	v.found(a, b, c)
	v.untilNames("a b c")
}

// The source cannot remove what an operator has added, and a backend that the source
// has left out belongs to the operator who takes it back.
func TestRule40aAddedAndTakenBack(t *testing.T) {
	t.Parallel()
	a, b := newServer(t, "a"), newServer(t, "b")
	v := start(t, discovering())
	v.found(a)
	v.untilUp()
	v.must(v.svc.Add(b.backend(), "ana", ""))
	other := foundAt(a, 1)
	other.Name = "b"
	v.discovered(foundAt(a, 1), other)
	if v.backend("b").Addr != b.addr() {
		t.Error("the source has moved a backend that an operator added")
	}
	live := v.dial("live")
	for live.hear() != "a live" {
		live.Close()
		live = v.dial("live")
	}
	v.found()
	v.untilNames("a/drain b")
	v.must(v.svc.Backend("a").Ready("ana", ""))
	v.found(b)
	v.found()
	live.Close()
	v.untilIdle()
	v.untilNames("a")
	if text, err := v.svc.Backend("a").Ready("ana", ""); !errors.Is(err, proxy.ErrAlready) {
		t.Errorf("ready again: %q, %v", text, err)
	}
}

// A reload keeps what its sources have found, and drops what other sources have found;
// what operators did meanwhile is kept as for all backends (rule 13).
func TestRule40dReload(t *testing.T) {
	t.Parallel()
	a, b := newServer(t, "a"), newServer(t, "b")
	c := service("db", "127.0.0.1:0", a)
	c.Discover = []proxy.DiscoverySource{srv}
	v := start(t, c)
	v.found(b)
	v.untilUp()
	v.must(v.svc.Backend("b").Maint(proxy.DrainOptions{By: "ana"}))
	c.IdleTimeout = time.Hour
	v.apply(c)
	v.untilNames("a b/maint")
	c.Discover[0].From = "_other._tcp.example.com" // the set stays until the new source has answered
	v.apply(c)
	v.untilNames("a b/maint")
	if got := v.svc.Info().Discovery[0]; got.From != "_other._tcp.example.com" || got.Backends != 1 {
		t.Errorf("status says %+v", got)
	}
	c.Discover = nil
	v.apply(c)
	v.untilNames("a")
	c.Discover = []proxy.DiscoverySource{srv}
	v.apply(c)
	if d := v.svc.Discovered("discover"); len(d.Backends) != 0 {
		t.Errorf("a removed source has %+v", d)
	}
	v.found(b)
	v.untilNames("a b/maint")
}

// Until a source has answered there may be backends, even under reject; after it has
// failed there are none.
func TestRule40cTheFirstAnswerIsWaitedFor(t *testing.T) {
	t.Parallel()
	a := newServer(t, "a")
	c := discovering()
	c.NoBackend = proxy.Reject
	v := start(t, c)
	early := v.queue("early")
	v.found(a)
	early.hears("a early")
	early.Close()
	v.untilIdle()

	v = start(t, c)
	early = v.queue("early")
	v.svc.SetDiscovered(proxy.Discovered{Source: proxy.DiscoveryInfo{DiscoverySource: srv, Error: "SERVFAIL"}})
	if r := v.record(); r.Reason != proxy.ReasonNoBackend {
		t.Errorf("the client that waited: %+v", r)
	}
	if text := v.svc.Info().Discovery[0].Text(time.Now()); text != "! srv _db._tcp.example.com: SERVFAIL" {
		t.Errorf("status says %q", text)
	}
	early.Close()
}

// Answers apply during a pause, but do not end it.
func TestRule40ePause(t *testing.T) {
	t.Parallel()
	a, b := newServer(t, "a"), newServer(t, "b")
	v := start(t, discovering())
	v.found(a)
	v.untilUp()
	v.must(v.svc.Pause(proxy.PauseOptions{By: "ana"}))
	waiter := v.queue("waiter")
	v.found(b)
	v.untilNames("b")
	v.untilUp()
	if i := v.svc.Info(); i.Pause == nil || i.Queue.Waiting != 1 {
		t.Errorf("after the answer: %+v", i)
	}
	v.must(v.svc.Resume(proxy.ResumeOptions{By: "ana"}))
	waiter.hears("b waiter")
}

func TestDiscoveryText(t *testing.T) {
	t.Parallel()
	now := time.Now()
	at := now.Add(-12 * time.Second)
	d := proxy.DiscoveryInfo{DiscoverySource: srv}
	for _, c := range []struct {
		change func()
		want   string
	}{
		{func() {}, "? srv _db._tcp.example.com: no answer yet"},
		{func() { d.At = &at }, "! found by srv, 12s ago: no backends"},
		{func() { d.Backends = 3 }, "found by srv, 12s ago"},
		{func() { d.Error = "SERVFAIL" }, "! found by srv, 12s ago; no answer since then: SERVFAIL"},
	} {
		c.change()
		if got := d.Text(now); got != c.want {
			t.Errorf("got %q, want %q", got, c.want)
		}
	}
	d.Error, d.Held = "", &proxy.DiscoveryHeld{Missing: strings.Fields("a b c d e f"), Until: now}
	if got := d.Text(now); !strings.HasPrefix(got, "! found by srv, 12s ago; the answer leaves out 6 of 3: a, b, c, d and 2 more stay until ") {
		t.Errorf("got %q", got)
	}
}
