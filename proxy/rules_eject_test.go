package proxy_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tcpctl/tcpctl/proxy"
	"github.com/tcpctl/tcpctl/proxy/proxytest"
)

// moody is a backend that reads a line, and then answers it or does what its mood says.
// A connection that sends nothing is a check.
type moody struct {
	name string
	addr string
	mood atomic.Value // answer, reset, close
	met  atomic.Int32 // lines read
}

func newMoody(t testing.TB, name, mood string) *moody {
	t.Helper()
	m := &moody{name: name}
	m.mood.Store(mood)
	m.addr = proxytest.Serve(t, m.serve)
	return m
}

func (m *moody) serve(c net.Conn) {
	r := bufio.NewReader(c)
	line, err := r.ReadString('\n')
	if err != nil {
		return
	}
	m.met.Add(1)
	switch m.mood.Load() {
	case "answer":
		fmt.Fprintf(c, "%s %s", m.name, line)
		io.Copy(io.Discard, r)
	case "answer then reset":
		fmt.Fprintf(c, "%s %s", m.name, line)
		if _, err := r.ReadByte(); err == nil {
			c.(*net.TCPConn).SetLinger(0)
		}
	case "reset":
		c.(*net.TCPConn).SetLinger(0)
	case "close":
	case "hang":
		io.Copy(io.Discard, r)
	}
}

func (m *moody) backend() proxy.BackendConfig {
	return proxy.BackendConfig{Name: m.name, Addr: m.addr}
}

// ejecting is a service that ejects for an hour after three failures.
func ejecting(relay string, backends ...proxy.BackendConfig) proxy.ServiceConfig {
	return proxy.ServiceConfig{Name: "db", Relay: relay, Listen: []string{"127.0.0.1:0"}, Balance: "roundrobin", Check: quick(2, 3),
		Backends: backends, Passive: proxy.PassiveConfig{Failures: 3, Window: time.Minute, Eject: time.Hour}}
}

// fails connects a client, and fails the test unless its session is reset.
func (v *visit) fails() {
	v.Helper()
	c := v.dial("hello")
	c.isReset()
	c.Close()
	v.record()
}

func (v *visit) answered() (by string) {
	v.Helper()
	c := v.dial("hello")
	by, _, _ = strings.Cut(c.hear(), " ")
	c.leaves()
	v.record()
	return by
}

func (v *visit) untilEjected(name string) { v.Helper(); v.untilHealth(name, proxy.StateEjected) }

// TestRule45ABackendThatResetsIsEjected: the third client is the last one that reaches
// it, and its checks continue to pass.
func TestRule45ABackendThatResetsIsEjected(t *testing.T) {
	eachRelay(t, func(t *testing.T, relay string) {
		a, b := newMoody(t, "a", "reset"), newMoody(t, "b", "answer")
		v := start(t, ejecting(relay, a.backend(), b.backend()))
		v.untilUp()
		for range 6 {
			c := v.dial("hello")
			c.hear()
			c.Close()
			v.record()
		}
		i := v.backend("a")
		if i.State != proxy.StateEjected || i.Eligible || i.Reason != "ejected" || i.Ejections != 1 || i.Ejected == nil {
			t.Fatalf("it is %+v", i)
		}
		if e := i.Ejected; e.Reason != proxy.ReasonReset || e.Times != 1 || e.Until.Sub(e.Since) != time.Hour {
			t.Errorf("the ejection is %+v", e)
		}
		for range 10 {
			if by := v.answered(); by != "b" {
				t.Errorf("answered by %q", by)
			}
		}
		if n := a.met.Load(); n != 3 {
			t.Errorf("%d clients reached it", n)
		}
		page, _ := v.Events(0)
		if n := countEvents(page, proxy.EventEjected, "backend db/a is ejected for 1h0m0s: resets clients before its first byte (3 of 3 sessions failed)"); n != 1 {
			t.Errorf("%d such events: %+v", n, page.Events)
		}
		if text := i.Ejected.Text(i.Ejected.Until.Add(-24 * time.Second)); text != "resets clients before its first byte; back in 24s" {
			t.Error(text)
		}
	})
}

// TestRule45ABackendThatRefusesIsEjected, although no check notices.
func TestRule45ABackendThatRefusesIsEjected(t *testing.T) {
	eachRelay(t, func(t *testing.T, relay string) {
		a, b := newServer(t, "a"), newServer(t, "b")
		c := ejecting(relay, a.backend(), b.backend())
		c.Check = proxy.CheckConfig{Type: "none"}
		v := start(t, c)
		a.kill()
		for range 6 { // each gets to b
			one := v.dial("one")
			one.hears("b one")
			one.leaves()
			v.untilIdle()
		}
		v.untilEjected("a")
		if i := v.backend("a"); i.Failed != 3 || i.Ejected.Reason != proxy.ReasonConnect || i.Ejected.Detail != "connection refused" {
			t.Errorf("it is %+v, %+v", i, i.Ejected)
		}
	})
}

// TestRule45OnlyTheBackendsErrorsCount: none of these is the backend's fault.
func TestRule45OnlyTheBackendsErrorsCount(t *testing.T) {
	eachRelay(t, func(t *testing.T, relay string) {
		a, b := newMoody(t, "a", "hang"), newMoody(t, "b", "hang")
		c := ejecting(relay, a.backend(), b.backend())
		c.Balance, c.Passive.Failures = "first", 1
		v := start(t, c)
		v.untilUp()
		live := func() *client {
			met := a.met.Load()
			c := v.dial("hello")
			v.eventually("its request has arrived", func() bool { return a.met.Load() > met })
			return c
		}
		for name, end := range map[string]func(*client){
			"the client resets": (*client).reset,
			"the client closes": func(c *client) { c.Close() },
			"kicked": func(c *client) {
				for _, s := range v.Sessions(false) {
					if n := v.Kick("ana", "", s.ID); n != 1 {
						v.Errorf("kicked %d", n)
					}
				}
			},
			"the pause's limit": func(c *client) {
				v.must(v.svc.Pause(proxy.PauseOptions{By: "ana", Limit: time.Millisecond, Then: proxy.ThenCut}))
				v.untilState(proxy.StatePaused)
				v.must(v.svc.Resume(proxy.ResumeOptions{By: "ana"}))
			},
			"the drain's limit": func(c *client) {
				v.must(v.svc.Backend("a").Drain(proxy.DrainOptions{By: "ana", Limit: time.Millisecond, Then: proxy.ThenCut}))
				v.untilIdle()
				v.must(v.svc.Backend("a").Ready("ana", ""))
			},
		} {
			end(live())
			v.untilIdle()
			if i := v.backend("a"); i.Ejections != 0 || !i.Eligible {
				t.Errorf("%s: %+v", name, i)
			}
		}
		for name, client := range map[string]func(){
			"ended cleanly": func() {
				a.mood.Store("close")
				c := v.dial("hello")
				c.isClosed()
				c.Close()
			},
			"reset after its first byte": func() {
				a.mood.Store("answer then reset")
				c := v.dial("hello")
				c.hears("a hello")
				c.says("more")
				c.isReset()
			},
			"a scan that ended without a byte": func() {
				c := v.dial("")
				c.Close()
			},
		} {
			client()
			v.untilIdle()
			if i := v.backend("a"); i.Ejections != 0 || !i.Eligible {
				t.Errorf("%s: %+v", name, i)
			}
		}
		a.mood.Store("hang")
		c.Source = nobodys
		v.apply(c)
		one := v.queue("one")
		v.until("we lack an address", func(i proxy.ServiceInfo) bool { return i.Reason == proxy.ReasonLocalLimit })
		if i := v.backend("a"); i.Ejections != 0 || !i.Eligible {
			t.Errorf("what we lack: %+v", i)
		}
		one.Close()
	})
}

// TestRule45AnsweredHalfClosed: a request followed by a FIN counts.
func TestRule45AnsweredHalfClosed(t *testing.T) {
	eachRelay(t, func(t *testing.T, relay string) {
		a, b := newMoody(t, "a", "reset"), newMoody(t, "b", "answer")
		c := ejecting(relay, a.backend(), b.backend())
		c.Balance = "first"
		v := start(t, c)
		v.untilUp()
		for range 3 {
			c := v.dial("hello")
			c.fin()
			c.isReset()
			v.record()
		}
		v.untilEjected("a")
	})
}

// TestRule45InARowAndWithinTheWindow: an answer in between clears earlier failures, and
// so does time.
func TestRule45InARowAndWithinTheWindow(t *testing.T) {
	eachRelay(t, func(t *testing.T, relay string) {
		a, b := newMoody(t, "a", "reset"), newMoody(t, "b", "answer")
		c := ejecting(relay, a.backend(), b.backend())
		c.Balance = "first"
		v := start(t, c)
		v.untilUp()
		for range 3 {
			a.mood.Store("reset")
			v.fails()
			v.fails()
			a.mood.Store("answer")
			if by := v.answered(); by != "a" {
				t.Errorf("answered by %q", by)
			}
		}
		c.Passive.Window = 20 * time.Millisecond
		v.apply(c)
		a.mood.Store("reset")
		for range 4 {
			v.fails()
			time.Sleep(15 * time.Millisecond)
		}
		if i := v.backend("a"); i.Ejections != 0 {
			t.Errorf("it is %+v", i)
		}
	})
}

// TestRule45ALiveSessionThatWasAnsweredCounts, although it has not ended: the backend
// fails only for some clients.
func TestRule45ALiveSessionThatWasAnsweredCounts(t *testing.T) {
	eachRelay(t, func(t *testing.T, relay string) {
		a, b := newMoody(t, "a", "reset"), newMoody(t, "b", "answer")
		c := ejecting(relay, a.backend(), b.backend())
		c.Balance = "first"
		v := start(t, c)
		v.untilUp()
		for range 4 {
			a.mood.Store("reset")
			v.fails()
			a.mood.Store("answer")
			v.dial("stays").hears("a stays")
		}
		if i := v.backend("a"); i.Ejections != 0 {
			t.Errorf("it is %+v", i)
		}
		a.mood.Store("reset")
		for range 3 {
			v.fails()
		}
		v.untilEjected("a")
	})
}

// TestRule45aOneOfTwoStaysIn: with half of them as the limit, not two of three are
// ejected, nor the only backend of a service.
func TestRule45aOneOfTwoStaysIn(t *testing.T) {
	eachRelay(t, func(t *testing.T, relay string) {
		a, b, c := newMoody(t, "a", "reset"), newMoody(t, "b", "reset"), newMoody(t, "c", "answer")
		v := start(t, ejecting(relay, a.backend(), b.backend(), c.backend()))
		v.untilUp()
		for range 30 {
			one := v.dial("hello")
			one.hear()
			one.Close()
			v.record()
		}
		ejected := 0
		for _, name := range []string{"a", "b", "c"} {
			if v.backend(name).State == proxy.StateEjected {
				ejected++
			}
		}
		if ejected != 1 || v.backend("c").State != proxy.StateUp {
			t.Errorf("%d are ejected; c is %s", ejected, v.backend("c").State)
		}
		page, _ := v.Events(0)
		if n := countEvents(page, proxy.EventEjected, "stays in service: max_ejected_percent = 50 allows no more of db"); n == 0 {
			t.Errorf("no event: %+v", page.Events)
		}
		alone := start(t, ejecting(relay, a.backend()))
		alone.untilUp()
		for range 5 {
			alone.fails()
		}
		if i := alone.backend("a"); i.State == proxy.StateEjected {
			t.Errorf("the only backend is %+v", i)
		}
	})
}

// TestRule45aComesBackWhenTheOthersGo: a backend that fails for some clients is better
// than none.
func TestRule45aComesBackWhenTheOthersGo(t *testing.T) {
	eachRelay(t, func(t *testing.T, relay string) {
		a, b := newMoody(t, "a", "reset"), newMoody(t, "b", "answer")
		c := ejecting(relay, a.backend(), b.backend())
		c.Balance = "first"
		v := start(t, c)
		v.untilUp()
		for range 3 {
			v.fails()
		}
		v.untilEjected("a")
		v.must(v.svc.Backend("b").Drain(proxy.DrainOptions{By: "ana"}))
		v.untilBackend("a", "eligible", func(b proxy.BackendInfo) bool { return b.Eligible && b.Ejected == nil })
		a.mood.Store("answer")
		if by := v.answered(); by != "a" {
			t.Errorf("answered by %q", by)
		}
	})
}

func TestRule45aItsTimeEndsIt(t *testing.T) {
	t.Parallel()
	a, b := newMoody(t, "a", "reset"), newMoody(t, "b", "answer")
	c := ejecting("auto", a.backend(), b.backend())
	c.Balance, c.Passive.Failures, c.Passive.Eject = "first", 1, 20*time.Millisecond
	v := start(t, c)
	v.untilUp()
	v.fails()
	v.until("in again", func(proxy.ServiceInfo) bool { i := v.backend("a"); return i.Ejections == 1 && i.Eligible })
	page, _ := v.Events(0)
	if n := countEvents(page, proxy.EventReturned, "backend db/a is no longer ejected: its time has passed"); n != 1 {
		t.Errorf("%d such events", n)
	}
	a.mood.Store("answer")
	if by := v.answered(); by != "a" {
		t.Errorf("answered by %q", by)
	}
}

// TestRule45bReadyEndsIt: operators win.
func TestRule45bReadyEndsIt(t *testing.T) {
	t.Parallel()
	a, b := newMoody(t, "a", "reset"), newMoody(t, "b", "answer")
	c := ejecting("auto", a.backend(), b.backend())
	c.Balance, c.Passive.Failures = "first", 1
	v := start(t, c)
	v.untilUp()
	v.fails()
	v.untilEjected("a")
	if text, err := v.svc.Backend("a").Ready("ana", ""); err != nil || text != "ready db/a: up, no longer ejected" {
		t.Errorf("%q, %v", text, err)
	}
	v.fails()
	if i := v.backend("a"); i.Ejected == nil || i.Ejected.Times != 1 {
		t.Errorf("after ready: %+v, %+v", i, i.Ejected)
	}
	v.must(v.svc.Backend("a").Drain(proxy.DrainOptions{By: "ana"}))
	// The session that failed may end a moment after its client has seen the end.
	v.untilBackend("a", "ejected and drained", func(b proxy.BackendInfo) bool { return b.State == proxy.StateEjected && b.Reason == "drained" })
	v.must(v.svc.Backend("a").Ready("ana", ""))
	if i := v.backend("a"); i.State != proxy.StateUp || !i.Eligible {
		t.Errorf("ready, it is %+v", i)
	}
}

// TestRule45bChecksDoNotEndIt: they have passed all along, but an operator's probe
// does.
func TestRule45bChecksDoNotEndIt(t *testing.T) {
	t.Parallel()
	a, b := newMoody(t, "a", "reset"), newMoody(t, "b", "answer")
	c := ejecting("auto", a.backend(), b.backend())
	c.Balance, c.Passive.Failures = "first", 1
	v := start(t, c)
	v.untilUp()
	v.fails()
	v.untilEjected("a")
	since := v.backend("a").Check.At
	v.untilBackend("a", "checked again", func(b proxy.BackendInfo) bool { return b.Check.At.After(since) })
	v.must(v.svc.Backend("a").Probe())
	if i := v.backend("a"); i.State != proxy.StateEjected || !i.Check.OK {
		t.Errorf("it is %+v", i)
	}
}

// TestRule45bDownAndUpEndsIt: the checks have then seen the end of the trouble.
func TestRule45bDownAndUpEndsIt(t *testing.T) {
	t.Parallel()
	a, b := newServer(t, "a"), newServer(t, "b")
	c := ejecting("auto", a.backend(), b.backend())
	c.Balance, c.Passive.Failures, c.Check = "first", 1, quick(1, 100)
	v := start(t, c)
	v.untilUp()
	a.kill()
	one := v.dial("one")
	one.hears("b one")
	v.untilEjected("a")
	v.untilHealth("a", proxy.StateDown)
	a.restart(t)
	v.untilHealth("a", proxy.StateUp)
	if i := v.backend("a"); i.Ejected != nil || i.Ejections != 1 {
		t.Errorf("it is %+v", i)
	}
}

// TestRule45bAReloadEndsIt, if the table is gone or allows none.
func TestRule45bAReloadEndsIt(t *testing.T) {
	t.Parallel()
	a, b := newMoody(t, "a", "reset"), newMoody(t, "b", "answer")
	c := ejecting("auto", a.backend(), b.backend())
	c.Balance, c.Passive.Failures = "first", 1
	v := start(t, c)
	v.untilUp()
	for _, change := range []proxy.PassiveConfig{{}, {Failures: 1, Window: time.Minute, Eject: time.Hour, MaxEjectedPercent: -1}} {
		with := c.Passive
		v.fails()
		v.untilEjected("a")
		c.Passive = change
		if changes := v.apply(c); len(changes) != 1 || !strings.Contains(changes[0], "passive changes") {
			t.Errorf("the reload said %q", changes)
		}
		if i := v.backend("a"); i.Ejected != nil || !i.Eligible {
			t.Errorf("it is %+v", i)
		}
		v.fails()
		if i := v.backend("a"); i.Ejected != nil {
			t.Errorf("it is %+v", i)
		}
		c.Passive = with
		v.apply(c)
	}
}

// TestRule45bAnUpgradeKeepsIt, its end and its length.
func TestRule45bAnUpgradeKeepsIt(t *testing.T) {
	t.Parallel()
	a, b := newMoody(t, "a", "reset"), newMoody(t, "b", "answer")
	c := ejecting("auto", a.backend(), b.backend())
	c.Balance, c.Passive.Failures = "first", 1
	v := start(t, c)
	v.untilUp()
	v.fails()
	v.untilEjected("a")
	state := proxy.HandoverOf(v.Engine).State("old")
	e, err := proxy.New(proxy.Config{Services: []proxy.ServiceConfig{c}})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	if err = proxy.HandoverOf(e).Open(); err == nil {
		proxy.HandoverOf(e).TakeOver(overTheWire(t, state))
		err = e.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	next := &visit{TB: t, Engine: e, Operator: e.Operator(), svc: e.Service("db")}
	was, is := v.backend("a"), next.backend("a")
	if is.State != proxy.StateEjected || is.Ejected == nil || !is.Ejected.Until.Equal(was.Ejected.Until) || is.Ejected.Reason != proxy.ReasonReset {
		t.Errorf("it is %+v, %+v, was %+v", is, is.Ejected, was.Ejected)
	}
	if one := next.dial("one"); one.hear() != "b one" {
		t.Error("the ejected backend got a client")
	}
}

// TestRule45aPriorityOneServesMeanwhile: half of four may be ejected, here both of
// priority 0.
func TestRule45aPriorityOneServesMeanwhile(t *testing.T) {
	eachRelay(t, func(t *testing.T, relay string) {
		a, b, c, d := newMoody(t, "a", "reset"), newMoody(t, "b", "reset"), newMoody(t, "c", "answer"), newMoody(t, "d", "answer")
		spare, other := c.backend(), d.backend()
		spare.Priority, other.Priority = 1, 1
		cfg := ejecting(relay, a.backend(), b.backend(), spare, other)
		v := start(t, cfg)
		v.untilUp()
		for range 6 {
			v.fails()
		}
		v.untilEjected("a")
		v.untilEjected("b")
		if by := v.answered(); by != "c" && by != "d" {
			t.Errorf("answered by %q", by)
		}
	})
}

// TestRule45bRemovedAndAddedAgain: a new backend of the same name starts afresh.
func TestRule45bRemovedAndAddedAgain(t *testing.T) {
	t.Parallel()
	a, b := newMoody(t, "a", "reset"), newMoody(t, "b", "answer")
	c := ejecting("auto", a.backend(), b.backend())
	c.Balance, c.Passive.Failures = "first", 1
	v := start(t, c)
	v.untilUp()
	v.fails()
	v.untilEjected("a")
	v.must(v.svc.Backend("a").Remove(proxy.DrainOptions{By: "ana"}))
	v.until("it is gone", func(i proxy.ServiceInfo) bool { return len(i.Backends) == 1 })
	v.must(v.svc.Add(a.backend(), "ana", ""))
	v.untilBackend("a", "eligible", func(b proxy.BackendInfo) bool { return b.Eligible && b.Ejections == 0 && b.State == proxy.StateUp })
}

// TestRule45FailuresWhileEjectedChangeNothing: sessions that were in progress at its
// ejection do not count.
func TestRule45FailuresWhileEjectedChangeNothing(t *testing.T) {
	eachRelay(t, func(t *testing.T, relay string) {
		a, b := newMoody(t, "a", "reset"), newMoody(t, "b", "answer")
		c := ejecting(relay, a.backend(), b.backend())
		c.Balance, c.Passive.Failures = "first", 1
		v := start(t, c)
		v.untilUp()
		var waiting []*client
		for range 5 {
			waiting = append(waiting, v.dial("")) // each has connected, and sends its request later
		}
		v.untilBackend("a", "connected", func(b proxy.BackendInfo) bool { return b.Total == 5 })
		for _, c := range waiting {
			c.says("hello")
			c.isReset()
			v.record()
		}
		if i := v.backend("a"); i.Ejections != 1 || i.Ejected == nil || i.Ejected.Times != 1 || i.Ejected.Until.Sub(i.Ejected.Since) != time.Hour {
			t.Errorf("it is %+v, %+v", i, i.Ejected)
		}
	})
}
