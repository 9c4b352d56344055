package proxy_test

import (
	"context"
	"errors"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/tcpctl/tcpctl/proxy"
	"github.com/tcpctl/tcpctl/proxy/proxytest"
)

// within waits for a call that must return.
func within(t testing.TB, what string, call func() error) error {
	t.Helper()
	done := make(chan error, 1)
	go func() { done <- call() }()
	select {
	case err := <-done:
		return err
	case <-time.After(patience):
		t.Fatalf("%s does not return", what)
		return nil
	}
}

// TestCloseDuringShutdown ends sessions and waiters at once that Shutdown would have
// served for an hour, and both calls return.
func TestCloseDuringShutdown(t *testing.T) {
	eachRelay(t, func(t *testing.T, relay string) {
		v := start(t, oneSlot(relay), newServer(t, "a"))
		live := v.dial("live")
		live.hears("a live")
		waiter := v.queue("waiter")
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		var shut sync.WaitGroup
		for range 2 {
			shut.Go(func() {
				if err := v.Shutdown(ctx); !errors.Is(err, proxy.ErrClosed) {
					t.Errorf("shutdown: %v", err)
				}
			})
		}
		v.untilState(proxy.StateClosed)
		if err := within(t, "Close", v.Close); err != nil {
			t.Errorf("close: %v", err)
		}
		live.isReset()
		waiter.isReset()
		within(t, "Shutdown", func() error { shut.Wait(); return nil })
		if len(v.records) != 2 {
			t.Errorf("%d records", len(v.records))
		}
		for range 2 { // also after Shutdown
			if err := within(t, "Close", v.Close); err != nil {
				t.Errorf("close again: %v", err)
			}
		}
		if err := v.Start(); !errors.Is(err, proxy.ErrClosed) {
			t.Errorf("start: %v", err)
		}
		if _, err := v.svc.StartWindow(proxy.PlanOptions{}); !errors.Is(err, proxy.ErrClosed) {
			t.Errorf("a window: %v", err)
		}
		if _, err := v.Apply(proxy.Config{}); !errors.Is(err, proxy.ErrClosed) {
			t.Errorf("apply: %v", err)
		}
		if err := v.Engine.Operator().KickSlowly("ana", "", 1, "s1"); !errors.Is(err, proxy.ErrClosed) {
			t.Errorf("kicks: %v", err)
		}
	})
}

// TestTheFirstContextThatEndsEndsAll of several shutdowns.
func TestTheFirstContextThatEndsEndsAll(t *testing.T) {
	t.Parallel()
	v := start(t, proxy.ServiceConfig{}, newServer(t, "a"))
	live := v.dial("live")
	live.hears("a live")
	long := make(chan error, 1)
	go func() { long <- v.Shutdown(context.Background()) }()
	v.untilState(proxy.StateClosed)
	short, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if err := within(t, "Shutdown", func() error { return v.Shutdown(short) }); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("the short one: %v", err)
	}
	live.isReset()
	if err := within(t, "Shutdown", func() error { return <-long }); !errors.Is(err, proxy.ErrClosed) {
		t.Errorf("the long one: %v", err)
	}
	if err := v.Shutdown(t.Context()); !errors.Is(err, proxy.ErrClosed) {
		t.Errorf("afterwards: %v", err)
	}
}

// TestCloseWhileClientsCome: a client that was accepted just before is ended, too.
func TestCloseWhileClientsCome(t *testing.T) {
	eachRelay(t, func(t *testing.T, relay string) {
		for range 10 {
			v := start(t, oneSlot(relay), newServer(t, "a"))
			addr := v.addr()
			stop := proxytest.Repeat(t, 8, func() bool {
				if c, err := net.Dial("tcp", addr); err == nil {
					c.Write([]byte("x"))
					t.Cleanup(func() { c.Close() })
				}
				return true
			})
			v.until("they come", func(i proxy.ServiceInfo) bool { return i.Sessions.Total > 20 })
			within(t, "Close", v.Close)
			stop()
			if i := v.svc.Info(); int64(len(v.records)) != i.Sessions.Total {
				t.Errorf("%d records of %d sessions", len(v.records), i.Sessions.Total)
			}
		}
	})
}

// TestCloseBeforeStart prevents a later Start, and closes the given listeners.
func TestCloseBeforeStart(t *testing.T) {
	t.Parallel()
	ln := proxytest.Listen(t)
	e, err := proxy.New(proxy.Config{Services: []proxy.ServiceConfig{{Name: "db", Listeners: []net.Listener{ln}}}})
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := e.Close(); err != nil {
			t.Error(err)
		}
		if err := e.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
	}
	if err := e.Start(); !errors.Is(err, proxy.ErrClosed) {
		t.Errorf("start: %v", err)
	}
	if err := proxy.HandoverOf(e).Open(); !errors.Is(err, proxy.ErrClosed) {
		t.Errorf("open: %v", err)
	}
	if _, err := ln.Accept(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("the given listener: %v", err)
	}
}

// TestActsBeforeStart begin nothing that a Close without a Start would leave behind, as
// the end of all tests shows. Their changes apply once the engine runs.
func TestActsBeforeStart(t *testing.T) {
	t.Parallel()
	for _, started := range []bool{false, true} {
		e, err := proxy.New(proxy.Config{Services: []proxy.ServiceConfig{{Name: "db", Listen: []string{"127.0.0.1:0"},
			Backends: []proxy.BackendConfig{{Name: "a", Addr: "127.0.0.1:1", Restart: []string{"true"}}}}}})
		if err != nil {
			t.Fatal(err)
		}
		s := e.Service("db")
		_, restart := s.Backend("a").StartRestart(proxy.PlanOptions{})
		_, window := s.StartWindow(proxy.PlanOptions{})
		_, listen := s.StartListening("ana", "")
		_, apply := e.Apply(proxy.Config{})
		for what, err := range map[string]error{"restart": restart, "window": window, "open": listen, "reload": apply} {
			if err == nil || err.Error() != "proxy: the engine is not running" {
				t.Errorf("%s: %v", what, err)
			}
		}
		if _, err := s.Add(proxy.BackendConfig{Name: "b", Addr: newServer(t, "b").addr()}, "ana", ""); err != nil {
			t.Error(err)
		}
		if started {
			if err := e.Start(); err != nil {
				t.Fatal(err)
			}
			(&visit{TB: t, svc: s}).untilHealth("b", proxy.StateUp)
		}
		e.Close()
	}
}

// TestWhatBeginsWhileTheEngineEnds is waited for, or refused.
func TestWhatBeginsWhileTheEngineEnds(t *testing.T) {
	t.Parallel()
	for range 200 {
		e, err := proxy.New(proxy.Config{Services: []proxy.ServiceConfig{{Name: "db", Listen: []string{"127.0.0.1:0"},
			Backends: []proxy.BackendConfig{{Name: "a", Addr: "127.0.0.1:1"}}}}})
		if err != nil {
			t.Fatal(err)
		}
		if err := e.Start(); err != nil {
			t.Fatal(err)
		}
		s := e.Service("db")
		var wg sync.WaitGroup
		for _, do := range []func(){
			func() { e.Close() },
			func() { s.StartWindow(proxy.PlanOptions{}) },
			func() { s.Add(proxy.BackendConfig{Addr: "127.0.0.1:2"}, "ana", "") },
		} {
			wg.Go(do)
		}
		wg.Wait()
	}
}

// TestACheckOfWhatIsAddedDuringAReload reads a service that goes meanwhile only under its
// lock.
func TestACheckOfWhatIsAddedDuringAReload(t *testing.T) {
	t.Parallel()
	one := proxy.ServiceConfig{Name: "one", Listen: []string{"127.0.0.1:0"}}
	both := proxy.Config{Services: []proxy.ServiceConfig{one, {Name: "two", Listen: []string{"127.0.0.1:0"}}}}
	e, err := proxy.New(both)
	if err != nil {
		t.Fatal(err)
	}
	if err := e.Start(); err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	var wg sync.WaitGroup
	wg.Go(func() {
		for range 200 {
			if _, err := e.Apply(proxy.Config{Services: []proxy.ServiceConfig{one}}); err != nil {
				t.Error(err)
			}
			if _, err := e.Apply(both); err != nil {
				t.Error(err)
			}
		}
	})
	wg.Go(func() {
		for range 5000 {
			if err := e.Service("one").CheckAdded(proxy.BackendConfig{Addr: "127.0.0.1:1"}); err != nil {
				t.Error(err)
			}
		}
	})
	wg.Wait()
}
