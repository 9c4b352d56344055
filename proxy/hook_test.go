package proxy_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/tcpctl/tcpctl/proxy"
)

// diary is a hook that records its calls.
type diary struct {
	mu    sync.Mutex
	calls []proxy.HookCall
	fail  int // how many of the first calls fail
	then  func()
}

func (d *diary) hook(ctx context.Context, c proxy.HookCall) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.calls = append(d.calls, c)
	if d.then != nil {
		d.then()
	}
	if len(d.calls) <= d.fail {
		return errors.New("not today")
	}
	return nil
}

func (d *diary) counts() (n []int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, c := range d.calls {
		n = append(n, c.Count)
	}
	return n
}

func TestBeforeNextRunsEveryNthTime(t *testing.T) {
	t.Parallel()
	for every, want := range map[int][]int{1: {1, 2, 3, 4, 5, 6}, 3: {3, 6}} {
		d := &diary{}
		s := newServer(t, "a")
		v := start(t, proxy.ServiceConfig{Lock: proxy.LockConfig{Slots: 1},
			Hooks: proxy.Hooks{BeforeNext: proxy.Hook{Func: d.hook, Every: every}, Ready: proxy.ReadyConnect}}, s)
		for n := range 6 {
			c := v.dial(fmt.Sprint(n))
			c.hears(fmt.Sprint("a ", n))
			c.Close()
		}
		if got := d.counts(); !slices.Equal(got, want) {
			t.Errorf("every %d: it ran before %v, want %v", every, got, want)
		}
	}
}

// TestHooksDoNotFillTheEvents: the checks after each hook pass, which is one event in ten seconds.
func TestHooksDoNotFillTheEvents(t *testing.T) {
	t.Parallel()
	began, d := time.Now(), &diary{}
	v := start(t, proxy.ServiceConfig{Lock: proxy.LockConfig{Slots: 1}, Check: proxy.CheckConfig{Interval: 10 * time.Millisecond, Rise: 1},
		Hooks: proxy.Hooks{BeforeNext: proxy.Hook{Func: d.hook}}}, newServer(t, "a"))
	for n := range 6 {
		c := v.dial(fmt.Sprint(n))
		c.hears(fmt.Sprint("a ", n))
		c.Close()
	}
	page, _ := v.Events(0)
	if n := countEvents(page, proxy.EventBackendUp, "backend db/a is up"); len(d.counts()) != 6 || n > 2+int(time.Since(began)/(10*time.Second)) {
		t.Errorf("%d hooks, %d times it was up", len(d.counts()), n)
	}
}

func TestOneHookAtATimeAndAlone(t *testing.T) {
	t.Parallel()
	s := newServer(t, "a")
	var mu sync.Mutex
	running, together, live := 0, 0, int32(0)
	hook := func(ctx context.Context, c proxy.HookCall) error {
		mu.Lock()
		running++
		together = max(together, running)
		live = max(live, s.open())
		mu.Unlock()
		time.Sleep(2 * time.Millisecond)
		mu.Lock()
		running--
		mu.Unlock()
		return nil
	}
	v := start(t, proxy.ServiceConfig{Lock: proxy.LockConfig{Slots: 3},
		Hooks: proxy.Hooks{BeforeNext: proxy.Hook{Func: hook, Every: 2}, Ready: proxy.ReadyNone}}, s)
	var wg sync.WaitGroup
	for n := range 20 {
		wg.Go(func() {
			c := v.dial(fmt.Sprint(n))
			c.hears(fmt.Sprint("a ", n))
			c.Close()
		})
	}
	wg.Wait()
	mu.Lock() // the next client's hook may already run
	defer mu.Unlock()
	if together != 1 || live != 0 {
		t.Errorf("%d hooks at a time, beside %d live sessions", together, live)
	}
}

func TestAHookThatFailsLosesNoSlot(t *testing.T) {
	t.Parallel()
	for _, onError := range []string{proxy.OnErrorHold, proxy.OnErrorReject, proxy.OnErrorIgnore} {
		d := &diary{fail: 1}
		v := start(t, proxy.ServiceConfig{Lock: proxy.LockConfig{Slots: 1},
			Hooks: proxy.Hooks{BeforeNext: proxy.Hook{Func: d.hook, OnError: onError}, Ready: proxy.ReadyNone}}, newServer(t, "a"))
		if onError == proxy.OnErrorReject {
			v.turnedAway()
		} else {
			first := v.dial("first")
			first.hears("a first")
			first.Close()
		}
		second := v.dial("second")
		second.hears("a second")
		second.Close()
		v.until("every slot is free", func(i proxy.ServiceInfo) bool { return i.Lock.InUse == 0 })
	}
}

func TestAHookThatPanicsOrHangsLosesNoSlot(t *testing.T) {
	t.Parallel()
	n := 0
	hook := func(ctx context.Context, c proxy.HookCall) error {
		switch n++; n {
		case 1:
			panic("no")
		case 2:
			<-ctx.Done()
			return ctx.Err()
		}
		return nil
	}
	v := start(t, proxy.ServiceConfig{Lock: proxy.LockConfig{Slots: 1}, Hooks: proxy.Hooks{
		BeforeNext: proxy.Hook{Func: hook, OnError: proxy.OnErrorIgnore, Timeout: 20 * time.Millisecond}, Ready: proxy.ReadyNone}}, newServer(t, "a"))
	for n := range 3 {
		c := v.dial(fmt.Sprint(n))
		c.hears(fmt.Sprint("a ", n))
		c.Close()
	}
}

func TestAWaiterThatHasLeftGetsNoHook(t *testing.T) {
	t.Parallel()
	d := &diary{}
	v := start(t, proxy.ServiceConfig{Lock: proxy.LockConfig{Slots: 1},
		Hooks: proxy.Hooks{BeforeNext: proxy.Hook{Func: d.hook}, Ready: proxy.ReadyNone}}, newServer(t, "a"))
	holder := v.dial("holder")
	holder.hears("a holder")
	var gone []*client
	for range 5 {
		gone = append(gone, v.dial(""))
	}
	v.untilWaiting(5)
	last := v.dial("last")
	v.untilWaiting(6)
	for _, c := range gone {
		c.reset()
	}
	v.untilWaiting(1)
	holder.Close()
	last.hears("a last")
	if got := d.counts(); !slices.Equal(got, []int{1, 2}) {
		t.Errorf("hooks before %v", got)
	}
}

// TestAHookLooksAtAClientOverTLS, from the goroutine that admits it, while the loop that has
// it may read its end.
func TestAHookLooksAtAClientOverTLS(t *testing.T) {
	onEach(t, func(t *testing.T) {
		d := &diary{}
		c := oneSlot(onRunner(t))
		c.TLS = &tls.Config{Certificates: []tls.Certificate{certificate(t)}}
		c.Queue.OnClientFin = proxy.FinKeep
		c.Hooks = proxy.Hooks{BeforeNext: proxy.Hook{Func: d.hook}, Ready: proxy.ReadyNone}
		v := start(t, c, newServer(t, "a"))
		for n := range 20 {
			v.must(v.svc.Pause(proxy.PauseOptions{By: "ana"}))
			one := v.speaks(nil, nil)
			one.says("one")
			v.untilWaiting(1)
			if n%2 == 1 {
				one.fin()
				one.Conn.(*tls.Conn).NetConn().(*net.TCPConn).CloseWrite()
			}
			v.must(v.svc.Resume(proxy.ResumeOptions{By: "ana"}))
			one.hears("a one")
			one.Close()
			v.untilIdle()
		}
	})
}

func TestRule06TheSlotIsFreeAfterOnTTL(t *testing.T) {
	t.Parallel()
	s := newServer(t, "a")
	release := make(chan struct{})
	var reasons []string
	var mu sync.Mutex
	hook := func(ctx context.Context, c proxy.HookCall) error {
		mu.Lock()
		reasons = append(reasons, c.Reason)
		mu.Unlock()
		if c.Reason == "on_ttl" {
			<-release
		}
		return nil
	}
	v := start(t, proxy.ServiceConfig{Lock: proxy.LockConfig{Slots: 1, TTL: 200 * time.Millisecond}, Hooks: proxy.Hooks{
		OnTTL: proxy.Hook{Func: hook}, BeforeNext: proxy.Hook{Func: hook, Every: 100}}}, s)
	end := sync.OnceFunc(func() { close(release) })
	t.Cleanup(end) // before the engine is closed, as that waits for the hook
	v.dial("slow").isReset()
	v.withoutTTL()
	next := v.dial("next")
	i := v.until("on_ttl runs, and one waits", func(i proxy.ServiceInfo) bool {
		return i.Hook.State == "running" && i.Hook.Name == "on_ttl" && i.Queue.Waiting == 1
	})
	if i.Reason != "slots" && i.Reason != "hook" {
		t.Errorf("while it runs: %d wait, why %q", i.Queue.Waiting, i.Reason)
	}
	end()
	next.hears("a next")
	mu.Lock()
	defer mu.Unlock()
	if !slices.Equal(reasons, []string{"on_ttl", "before_next"}) {
		t.Errorf("hooks %v: after a TTL cut before_next runs for the next client, too", reasons)
	}
}

func TestRule11OnlyChecksAfterAHookCount(t *testing.T) {
	t.Parallel()
	s := newServer(t, "a")
	d := &diary{then: func() {
		s.kill()
		go func() { // the backend takes a while to come back
			time.Sleep(100 * time.Millisecond)
			s.restart(t)
		}()
	}}
	v := start(t, proxy.ServiceConfig{Lock: proxy.LockConfig{Slots: 1}, Check: proxy.CheckConfig{Interval: time.Hour, Rise: 2},
		Hooks: proxy.Hooks{BeforeNext: proxy.Hook{Func: d.hook}}}, s)
	v.untilUp()
	v.dial("after").hears("a after")
	if i := v.svc.Info(); i.Backends[0].Failed != 0 {
		t.Errorf("%d dials failed: a client was admitted before the backend was back", i.Backends[0].Failed)
	}
}

func TestRule21NoHookDuringAPause(t *testing.T) {
	t.Parallel()
	d := &diary{}
	v := start(t, proxy.ServiceConfig{Lock: proxy.LockConfig{Slots: 1},
		Hooks: proxy.Hooks{BeforeNext: proxy.Hook{Func: d.hook}, Ready: proxy.ReadyNone}}, newServer(t, "a"))
	v.untilUp()
	v.must(v.svc.Pause(proxy.PauseOptions{By: "ana"}))
	c := v.dial("held")
	v.untilWaiting(1)
	if n := d.counts(); len(n) != 0 {
		t.Errorf("a hook ran during the pause: %v", n)
	}
	v.must(v.svc.Resume(proxy.ResumeOptions{By: "ana"}))
	c.hears("a held")
	if n := d.counts(); len(n) != 1 {
		t.Errorf("hooks %v after the pause", n)
	}
}
