//go:build unix

package proxy_test

import (
	"context"
	"io"
	"path/filepath"
	"reflect"
	"testing"
	"time"

	"github.com/tcpctl/tcpctl/proxy"
)

// generations are engines that take over from each other, on one socket, in front of
// one server.
type generations struct {
	testing.TB
	cfg  proxy.Config
	last *visit
}

// next starts an engine that takes over; name is what it calls the previous one.
func (g *generations) next(name string) *visit {
	g.Helper()
	sockets, err := proxy.HandoverOf(g.last.Engine).Sockets()
	g.must("", err)
	g.cfg.InheritedSockets = sockets
	e, err := proxy.New(g.cfg)
	g.must("", err)
	g.must("", proxy.HandoverOf(e).Open())
	g.Cleanup(func() { e.Close() })
	proxy.HandoverOf(g.last.Engine).StopListening()
	proxy.HandoverOf(e).TakeOver(overTheWire(g, proxy.HandoverOf(g.last.Engine).State(name)))
	g.must("", e.Start())
	v := &visit{TB: g.TB, Engine: e, Operator: e.Operator(), svc: e.Service("db")}
	g.last = v
	return v
}

func (g *generations) must(_ string, err error) {
	g.Helper()
	if err != nil {
		g.Fatal(err)
	}
}

// TestOneEngineFollowsAnother on the same sockets: clients of the first are served
// there, later ones by the second, after them, and never more than one at a time.
func TestOneEngineFollowsAnother(t *testing.T) {
	eachRelay(t, func(t *testing.T, relay string) {
		a := newServer(t, "a")
		socket := "unix:" + filepath.Join(t.TempDir(), "db.sock")
		c := proxy.ServiceConfig{Name: "db", Relay: relay, Listen: []string{"127.0.0.1:0", socket}, Lock: proxy.LockConfig{Slots: 1},
			Backends: []proxy.BackendConfig{a.backend()}}
		old := start(t, c)
		one := old.dial("one")
		one.hears("a one")
		two := old.queue("two")
		addr := old.addr()
		if proxy.HandoverOf(old.Engine).Ready() != nil {
			t.Fatal(proxy.HandoverOf(old.Engine).Ready())
		}
		g := &generations{t, proxy.Config{Services: []proxy.ServiceConfig{c}}, old}
		next := g.next("first")
		if i := old.svc.Info(); i.State != proxy.StateOpen || i.Listen[0] != addr {
			t.Errorf("the first is %s on %v", i.State, i.Listen)
		}
		three := next.dialAt(addr, "three")
		if i := next.until("three waits", func(i proxy.ServiceInfo) bool { return i.Queue.Waiting == 2 && len(next.svc.Waiters()) == 1 }); i.Lock.InUse != 1 {
			t.Errorf("%+v, %+v", i.Lock, i.Queue)
		}
		if w := next.svc.Waiters(); w[0].Reason != "upgrade" {
			t.Errorf("%+v", w)
		}
		if two, all := old.svc.Info().Queue.OldestSeconds, next.svc.Info().Queue.OldestSeconds; all < two {
			t.Errorf("the oldest of both processes has waited %vs, and the one at the first %vs", all, two)
		}
		if _, err := old.svc.StartListening("", ""); err == nil {
			t.Error("the first engine opened again")
		}
		next.must(next.svc.Pause(proxy.PauseOptions{Max: time.Minute}))
		if err := proxy.HandoverOf(next.Engine).Ready(); err == nil {
			t.Error("a paused engine may be followed")
		}
		follow := func() {
			now := proxy.HandoverOf(old.Engine).Remaining(true)
			proxy.HandoverOf(next.Engine).Follow("first", &now)
		}
		one.fin()
		two.hears("a two")
		follow()
		if i := next.svc.Info(); i.State != proxy.StatePausing || i.Lock.InUse != 1 {
			t.Errorf("while two is at the first: %s, %+v", i.State, i.Lock)
		}
		two.fin()
		old.untilIdle()
		follow()
		next.untilState(proxy.StatePaused)
		next.must(next.svc.Resume(proxy.ResumeOptions{}))
		three.hears("a three")
		three.fin()
		next.untilIdle()
		if a.most.Load() != 1 {
			t.Errorf("%d sessions at once", a.most.Load())
		}
		old.Close()
		proxy.HandoverOf(next.Engine).Follow("first", nil)
		// The first engine has not removed the socket's file.
		four := next.dialAt(socket, "four")
		four.hears("a four")
	})
}

// TestSlotsOverGenerations: three processes, each with clients of a lock with two
// slots: never more than two are at the server, and they are served in order of
// arrival, whichever process they came to.
func TestSlotsOverGenerations(t *testing.T) {
	eachRelay(t, func(t *testing.T, relay string) {
		a := newServer(t, "a")
		c := proxy.ServiceConfig{Name: "db", Relay: relay, Listen: []string{"127.0.0.1:0"}, Lock: proxy.LockConfig{Slots: 2},
			Backends: []proxy.BackendConfig{a.backend()}}
		one := start(t, c)
		addr := one.addr()
		g := &generations{t, proxy.Config{Services: []proxy.ServiceConfig{c}}, one}
		clients := []*client{one.dial("0"), one.dial("1")}
		clients[0].hears("a 0")
		clients[1].hears("a 1")
		clients = append(clients, one.queue("2"), one.queue("3"))
		two := g.next("one")
		come := func(v *visit, n int, texts ...string) {
			for _, text := range texts {
				clients = append(clients, v.dialAt(addr, text))
				n++
				v.until(text+" waits", func(proxy.ServiceInfo) bool { return len(v.svc.Waiters()) == n })
			}
		}
		come(two, 0, "4", "5")
		three := g.next("two")
		come(three, 0, "6", "7")
		follow := func() {
			ones, twos := proxy.HandoverOf(one.Engine).Remaining(true), proxy.HandoverOf(two.Engine).Remaining(true)
			proxy.HandoverOf(two.Engine).Follow("one", &ones)
			proxy.HandoverOf(three.Engine).Follow("one", &ones)
			proxy.HandoverOf(three.Engine).Follow("two", &twos)
		}
		for n := range clients {
			three.until("the last sees all", func(i proxy.ServiceInfo) bool {
				follow()
				return i.Lock.InUse == min(2, len(clients)-n) && i.Sessions.Active == i.Lock.InUse && i.Queue.Waiting == max(0, len(clients)-n-2)
			})
			clients[n].fin()
			if n+2 < len(clients) {
				for began := time.Now(); int(a.accepted.Load()) < n+3; time.Sleep(time.Millisecond) {
					follow()
					if time.Since(began) > patience {
						t.Fatalf("client %d never came", n+2)
					}
				}
				clients[n+2].hears("a " + string(rune('0'+n+2)))
			}
		}
		if a.most.Load() != 2 {
			t.Errorf("%d sessions at once", a.most.Load())
		}
	})
}

// TestCountersOverGenerations: counters continue across processes that still serve and
// those that have ended, and nothing counts twice.
func TestCountersOverGenerations(t *testing.T) {
	t.Parallel()
	a := newServer(t, "a")
	c := proxy.ServiceConfig{Name: "db", Listen: []string{"127.0.0.1:0"}, Backends: []proxy.BackendConfig{a.backend()}}
	one := start(t, c)
	addr := one.addr()
	g := &generations{t, proxy.Config{Services: []proxy.ServiceConfig{c}}, one}
	comes := func(v *visit, text string) *client {
		c := v.dialAt(addr, text)
		c.hears("a " + text)
		return c
	}
	ends := func(v *visit, c *client) {
		c.leaves()
		v.eventually("it is counted, and not as live", func() bool {
			return proxy.HandoverOf(v.Engine).Remaining(true).Services["db"].Active == 0 && len(v.Sessions(false)) == 0
		})
	}
	ends(one, comes(one, "one"))
	left := comes(one, "left")
	two := g.next("one")
	ends(two, comes(two, "two"))
	three := g.next("two")
	sees := func(when string, total, in int64, active int) {
		t.Helper()
		ones, twos := proxy.HandoverOf(one.Engine).Remaining(true), proxy.HandoverOf(two.Engine).Remaining(true)
		if ones.Services != nil {
			proxy.HandoverOf(three.Engine).Follow("one", &ones)
		}
		proxy.HandoverOf(three.Engine).Follow("two", &twos)
		i := three.svc.Info()
		b := i.Backends[0]
		if i.Sessions.Total != total || i.Sessions.Active != active || b.Total != total || b.Active != active || i.BytesIn != in || b.BytesIn != in {
			t.Errorf("%s: %+v, %d bytes; backend %d active, %d of %d, %d bytes", when, i.Sessions, i.BytesIn, b.Active, b.Total, total, b.BytesIn)
		}
		ended := int64(0)
		for _, e := range i.Endings {
			ended += e.Count
		}
		if ended != total-int64(active) || i.Times.Session.Count() != ended || i.Times.Connect.Count() != total {
			t.Errorf("%s: %+v, %+v", when, i.Endings, i.Times)
		}
	}
	sees("at first", 3, 4+5+4, 1)
	left.says(" more")
	one.until("it has come", func(i proxy.ServiceInfo) bool { return i.BytesIn == 4+5+6 })
	left.hears("more")
	sees("while it lasts", 3, 4+5+6+4, 1)
	ends(one, left)
	one.until("it is not counted as live", func(i proxy.ServiceInfo) bool { return i.Sessions.Active == 0 && i.Backends[0].Active == 0 })
	sees("at its end", 3, 19, 0)
	proxy.HandoverOf(three.Engine).Follow("one", nil)
	proxy.HandoverOf(three.Engine).Follow("one", nil)
	if i := three.svc.Info(); i.Sessions.Total != 3 || i.BytesIn != 19 {
		t.Errorf("after the end of one: %+v, %d", i.Sessions, i.BytesIn)
	}
	ends(three, comes(three, "three"))
	if i := three.svc.Info(); i.Sessions.Total != 4 || i.BytesIn != 25 {
		t.Errorf("with its own: %+v, %d", i.Sessions, i.BytesIn)
	}
	// A fourth engine fails after it has served one client: the third continues, and
	// has that client in its counters.
	sockets, err := proxy.HandoverOf(three.Engine).Sockets()
	if err != nil {
		t.Fatal(err)
	}
	four := g.next("three")
	last := comes(four, "four")
	number := four.Sessions(false)[0].ID
	ends(four, last)
	told := overTheWire(t, proxy.HandoverOf(four.Engine).Remaining(true))
	proxy.HandoverOf(four.Engine).StopListening() // like a crash; Close would refuse clients at the socket
	four.Close()
	proxy.HandoverOf(three.Engine).Follow("four", &proxy.Remaining{Counters: told.Counters, Sessions: told.Sessions})
	proxy.HandoverOf(three.Engine).Follow("four", nil)
	if err := proxy.HandoverOf(three.Engine).StartListening(sockets); err != nil {
		t.Fatal(err)
	}
	if i := three.svc.Info(); i.Sessions.Total != 5 || i.BytesIn != 30 || i.State != proxy.StateOpen || i.Listen[0] != addr {
		t.Errorf("after the fourth: %+v, %d bytes, %s on %v", i.Sessions, i.BytesIn, i.State, i.Listen)
	}
	again := comes(three, "again")
	if id := three.Sessions(false)[0].ID; id == number {
		t.Errorf("two sessions are %s", id)
	}
	ends(three, again)
}

// TestNobodyFollows: an engine that has stopped listening listens again, on the same
// sockets: a client that came meanwhile is served.
func TestNobodyFollows(t *testing.T) {
	eachRelay(t, func(t *testing.T, relay string) {
		socket := "unix:" + filepath.Join(t.TempDir(), "db.sock")
		v := start(t, proxy.ServiceConfig{Relay: relay, Listen: []string{"127.0.0.1:0", socket}}, newServer(t, "a"))
		sockets, err := proxy.HandoverOf(v.Engine).Sockets()
		if err != nil {
			t.Fatal(err)
		}
		listen := v.svc.Info().Listen
		proxy.HandoverOf(v.Engine).StopListening()
		between, other := v.dial("between"), v.dialAt(socket, "other")
		if err := proxy.HandoverOf(v.Engine).StartListening(sockets); err != nil {
			t.Fatal(err)
		}
		between.hears("a between")
		other.hears("a other")
		if now := v.svc.Info().Listen; !reflect.DeepEqual(now, listen) {
			t.Errorf("on %v, not %v", now, listen)
		}
	})
}

// TestHistogramsOfOtherBounds: another version may use other buckets.
func TestHistogramsOfOtherBounds(t *testing.T) {
	t.Parallel()
	v := start(t, proxy.ServiceConfig{Listen: []string{"127.0.0.1:0"}}, newServer(t, "a"))
	bounds := v.svc.Info().Times.Connect.Bounds
	h := proxy.Histogram{Bounds: []float64{0.0007, 1, 1000}, Counts: []int64{1, 2, 3, 4}, Sum: 9}
	proxy.HandoverOf(v.Engine).Follow("old", &proxy.Remaining{Counters: []proxy.ServiceInfo{{Name: "db", Times: proxy.TimesInfo{Connect: h}}}})
	got := v.svc.Info().Times.Connect
	if got.Count() != 10 || got.Sum != 9 || !reflect.DeepEqual(got.Bounds, bounds) {
		t.Errorf("%+v", got)
	}
	if got.Counts[1] != 1 || got.Counts[len(got.Counts)-1] != 7 {
		t.Errorf("%+v", got)
	}
}

// TestCountersThatAreOvertaken: an answer with counters that arrives after a later
// message without them updates the counters, but not the sessions.
func TestCountersThatAreOvertaken(t *testing.T) {
	t.Parallel()
	v := start(t, proxy.ServiceConfig{Listen: []string{"127.0.0.1:0"}}, newServer(t, "a"))
	follow := func(number uint64, active int, total int64) {
		now := &proxy.Remaining{Services: map[string]proxy.RemainingSessions{"db": {Active: active}}, Number: number}
		if total > 0 {
			now.CountersNumber = number
			now.Counters = []proxy.ServiceInfo{{Name: "db", Sessions: proxy.SessionCounts{Total: total}}}
		}
		proxy.HandoverOf(v.Engine).Follow("old", now)
	}
	for _, step := range []struct {
		number        uint64
		active        int
		total         int64
		sees, counted int64
	}{
		{1, 3, 10, 3, 10},
		{4, 1, 0, 1, 10},  // without counters
		{3, 2, 12, 1, 12}, // overtaken by 4
		{2, 5, 11, 1, 12}, // overtaken by both
		{5, 0, 0, 0, 12},
	} {
		follow(step.number, step.active, step.total)
		if now := v.svc.Info().Sessions; int64(now.Active) != step.sees || now.Total != step.counted {
			t.Errorf("after %d: %d active, %d counted; want %d, %d", step.number, now.Active, now.Total, step.sees, step.counted)
		}
	}
	proxy.HandoverOf(v.Engine).Follow("old", nil)
}

// TestHooksOverGenerations: every second client is still the second one.
func TestHooksOverGenerations(t *testing.T) {
	t.Parallel()
	a := newServer(t, "a")
	ran := make(chan int, 10)
	c := proxy.ServiceConfig{Name: "db", Listen: []string{"127.0.0.1:0"}, Lock: proxy.LockConfig{Slots: 1}, Backends: []proxy.BackendConfig{a.backend()},
		Hooks: proxy.Hooks{Ready: proxy.ReadyNone, BeforeNext: proxy.Hook{Every: 2, Func: func(_ context.Context, call proxy.HookCall) error {
			ran <- call.Count
			return nil
		}}}}
	v := start(t, c)
	addr := v.addr()
	g := &generations{t, proxy.Config{Services: []proxy.ServiceConfig{c}}, v}
	for n := range 4 {
		one := v.dialAt(addr, "x")
		one.hears("a x")
		one.leaves()
		v.untilIdle()
		if n == 0 || n == 2 {
			old := v
			v = g.next("old")
			now := proxy.HandoverOf(old.Engine).Remaining(true)
			proxy.HandoverOf(v.Engine).Follow("old", &now)
			proxy.HandoverOf(v.Engine).Follow("old", nil)
		}
	}
	close(ran)
	var counts []int
	for n := range ran {
		counts = append(counts, n)
	}
	if !reflect.DeepEqual(counts, []int{2, 4}) {
		t.Errorf("it ran for %v", counts)
	}
}

// TestThePredecessorsLastSessionOfARemovedBackend ends, and the backend is gone here; the
// one behind it in the list is still there.
func TestThePredecessorsLastSessionOfARemovedBackend(t *testing.T) {
	v := start(t, proxy.ServiceConfig{}, newServer(t, "a"), newServer(t, "b"))
	v.untilUp()
	next := proxy.HandoverOf(v.Engine)
	next.Follow("old", &proxy.Remaining{Number: 1, Services: map[string]proxy.RemainingSessions{"db": {Active: 2, Backends: map[string]int{"a": 1, "b": 1}}}})
	v.must(v.svc.Backend("a").Remove(proxy.DrainOptions{By: "ana"}))
	next.Follow("old", &proxy.Remaining{Number: 2, Services: map[string]proxy.RemainingSessions{"db": {Active: 1, Backends: map[string]int{"b": 1}}}})
	if all := v.svc.Info().Backends; len(all) != 1 || all[0].Name != "b" || all[0].Active != 1 {
		t.Errorf("the backends are %+v", all)
	}
	next.Follow("old", nil)
	if all := v.svc.Info().Backends; len(all) != 1 || all[0].Active != 0 {
		t.Errorf("after its end they are %+v", all)
	}
}

// dbAt is a service whose backend x is s.
func dbAt(s *server) proxy.ServiceConfig {
	c := service("db", "127.0.0.1:0")
	c.Backends = []proxy.BackendConfig{{Name: "x", Addr: s.backend().Addr}}
	return c
}

// TestHandoverOfReplacedNames: a reload has removed a service, which still has a client, and added
// another of its name. The next process gets the state of the new one, and counts the client.
func TestHandoverOfReplacedNames(t *testing.T) {
	a, b := newServer(t, "a"), newServer(t, "b")
	v := start(t, dbAt(a))
	live := v.dial("live")
	live.hears("a live")
	v.must(v.svc.Backend("x").Drain(proxy.DrainOptions{By: "ana"}))
	v.apply(service("other", "127.0.0.1:0", a))
	v.apply(dbAt(b))
	v.svc = v.Service("db")
	v.untilUp()
	h := proxy.HandoverOf(v.Engine)
	state := h.State("first")
	if len(state.Closed) > 0 || len(state.Saved) > 0 || state.Up["db"]["x"] != b.backend().Addr {
		t.Errorf("closed %v, saved %v, up %v", state.Closed, state.Saved, state.Up)
	}
	fresh := v.dial("fresh")
	fresh.hears("b fresh")
	if r := h.Remaining(false).Services["db"]; r.Active != 2 || r.Backends["x"] != 2 {
		t.Errorf("%+v", r)
	}
	next := (&generations{t, proxy.Config{Services: []proxy.ServiceConfig{dbAt(b)}}, v}).next("first")
	next.dial("new").hears("b new")
}

// TestThePredecessorsSessionsOfReplacedNames count once, and not below zero.
func TestThePredecessorsSessionsOfReplacedNames(t *testing.T) {
	a, b := newServer(t, "a"), newServer(t, "b")
	v := start(t, dbAt(a))
	next := proxy.HandoverOf(v.Engine)
	rest := &proxy.Remaining{Number: 1, Services: map[string]proxy.RemainingSessions{"db": {Active: 2, Backends: map[string]int{"x": 2}}}}
	next.Follow("old", rest)
	v.apply(dbAt(b))
	if all := v.svc.Info().Backends; len(all) != 2 || all[0].Active != 2 || all[1].Active != 0 {
		t.Errorf("at another address: %+v", all)
	}
	rest = &proxy.Remaining{Number: 2, Services: map[string]proxy.RemainingSessions{"db": {Active: 1, Backends: map[string]int{"x": 1}}}}
	next.Follow("old", rest)
	if all := v.svc.Info().Backends; len(all) != 2 || all[0].Active != 1 || all[1].Active != 0 {
		t.Errorf("with one left: %+v", all)
	}
	v.apply(service("other", "127.0.0.1:0", a))
	v.apply(dbAt(b))
	next.Follow("old", rest)
	for end := time.Now().Add(patience); ; time.Sleep(time.Millisecond) {
		services := v.Operator.Services()
		if len(services) == 1 && services[0].Sessions.Active == 1 && services[0].Backends[0].Active == 1 {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("the new one has %+v", services)
		}
	}
	next.Follow("old", nil)
	if i := v.Service("db").Info(); i.Sessions.Active != 0 || i.Backends[0].Active != 0 {
		t.Errorf("after its end: %+v", i)
	}
}

// TestADrainOnAllEnginesOfAReplacedName: the predecessor's session at the backend that a
// reload has replaced is not subtracted from those that its successor has here.
func TestADrainOnAllEnginesOfAReplacedName(t *testing.T) {
	a, b := newServer(t, "a"), newServer(t, "b")
	var user proxy.ClusterUser
	at := func(s *server) proxy.ServiceConfig {
		c := dbAt(s)
		c.Scope, c.Cluster = proxy.ScopeCluster, func(u proxy.ClusterUser) io.Closer { user = u; return io.NopCloser(nil) }
		return c
	}
	v := start(t, at(a))
	user.Follow(proxy.ClusterFacts{})
	proxy.HandoverOf(v.Engine).Follow("old", &proxy.Remaining{Number: 1, Services: map[string]proxy.RemainingSessions{"db": {Active: 1, Backends: map[string]int{"x": 1}}}})
	v.apply(at(b))
	live := v.dial("live")
	live.hears("b live")
	user.Follow(proxy.ClusterFacts{Pause: proxy.ClusterPause{ID: 1, Backend: "x", By: "ana", Max: time.Hour}})
	if r, _ := user.Report(); r.Live != 1 {
		t.Errorf("a plan waits for %d sessions", r.Live)
	}
	drain := proxy.ClusterBackend{Name: "x", Admin: proxy.AdminDrain, Weight: -1, DrainOptions: proxy.DrainOptions{By: "ana"}}
	user.Follow(proxy.ClusterFacts{Backends: []proxy.ClusterBackend{drain}})
	if d := user.Drains(); len(d) != 1 || d[0].Live != 1 || d[0].State != proxy.DrainRuns {
		t.Errorf("a drain waits for %+v", d)
	}
	drain.Limit, drain.Then = time.Millisecond, proxy.ThenCut
	user.Follow(proxy.ClusterFacts{Backends: []proxy.ClusterBackend{drain}})
	live.isReset()
	if d := user.Drains(); len(d) != 1 || d[0].Cut != 1 {
		t.Errorf("it has cut %+v", d)
	}
}
