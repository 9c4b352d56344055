package proxy_test

import (
	"context"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/tcpctl/tcpctl/proxy"
)

// stuck is a handler that blocks until it is freed.
type stuck struct {
	free chan struct{}
	mu   sync.Mutex
	got  []string
}

func (h *stuck) Enabled(context.Context, slog.Level) bool { return true } // also for the lines of sessions
func (h *stuck) WithAttrs([]slog.Attr) slog.Handler       { return h }
func (h *stuck) WithGroup(string) slog.Handler            { return h }
func (h *stuck) Handle(_ context.Context, r slog.Record) error {
	<-h.free
	h.mu.Lock()
	defer h.mu.Unlock()
	if r.Level >= slog.LevelInfo {
		h.got = append(h.got, r.Message)
	}
	return nil
}

// TestAStuckLogDelaysNobody: clients come, wait, are refused and go, operators act, and
// Shutdown returns, all while nothing is logged.
func TestAStuckLogDelaysNobody(t *testing.T) {
	eachRelay(t, func(t *testing.T, relay string) {
		h := &stuck{free: make(chan struct{})}
		free := sync.OnceFunc(func() { close(h.free) })
		defer free()
		srv := newServer(t, "a")
		e, err := proxy.New(proxy.Config{Log: slog.New(h), Services: []proxy.ServiceConfig{{Name: "db", Relay: relay,
			Listen: []string{"127.0.0.1:0"}, Backends: []proxy.BackendConfig{srv.backend()}}}})
		if err != nil {
			t.Fatal(err)
		}
		if err := e.Start(); err != nil {
			t.Fatal(err)
		}
		defer e.Close()
		v := &visit{TB: t, Engine: e, Operator: e.Operator(), svc: e.Service("db")}
		v.untilUp()
		one := v.dial("one")
		one.hears("a one")
		if _, err := v.svc.Pause(proxy.PauseOptions{By: "ana"}); err != nil {
			t.Fatal(err)
		}
		two := v.queue("two")
		one.leaves()
		v.untilState(proxy.StatePaused)
		if _, err := v.svc.Resume(proxy.ResumeOptions{By: "ana"}); err != nil {
			t.Fatal(err)
		}
		two.hears("a two")
		two.leaves()
		v.untilIdle()
		if err := e.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
		page, _ := e.Operator().Events(0)
		if last := page.Events[len(page.Events)-1]; last.Text != "stopped" {
			t.Errorf("the last event is %+v", last)
		}
		free()
		for began := time.Now(); ; time.Sleep(time.Millisecond) {
			h.mu.Lock()
			got := len(h.got)
			h.mu.Unlock()
			if got == len(page.Events) {
				break
			}
			if time.Since(began) > patience {
				t.Fatalf("%d of %d events were logged in the end", got, len(page.Events))
			}
		}
	})
}
