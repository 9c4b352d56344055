package history

import (
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tcpctl/tcpctl/proxy"
	"github.com/tcpctl/tcpctl/proxy/api"
)

// TestResumeAfterSuspend: after a handover that failed at once, recording goes on.
func TestResumeAfterSuspend(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := &engine{services: []proxy.ServiceInfo{service("db", "a")}}
		r := New(Config{File: Memory}, slog.New(slog.DiscardHandler))
		defer r.Close()
		r.Start(e, e.Note)
		time.Sleep(1500 * time.Millisecond)
		for range 100 {
			r.Suspend()
			r.Resume()
		}
		time.Sleep(time.Second)
		e.mu.Lock()
		grow(&e.services[0], 100, 0, 0)
		e.mu.Unlock()
		time.Sleep(3 * time.Second)
		i := must(r.Incident(ctx, api.Stretch{Since: time.Now().Add(-time.Minute), Until: time.Now()}))(t)
		if i.Impact.Clients != 100 {
			t.Errorf("%d clients were recorded, not 100", i.Impact.Clients)
		}
	})
}

// TestTwoProcessesNameAThing: a process that has the file open before another one has written its
// first second loses none.
func TestTwoProcessesNameAThing(t *testing.T) {
	t.Parallel()
	file := tempFile(t)
	e := &engine{now: start, services: []proxy.ServiceInfo{service("db", "a")}}
	old, next := newTape(t, file, e), newTape(t, file, e)
	for range 3 {
		old.second(nil)
		old.flush()
		next.second(nil)
		next.flush()
	}
	if old.LostSeconds() != 0 || next.LostSeconds() != 0 {
		t.Errorf("%d and %d seconds are lost: %s", old.LostSeconds(), next.LostSeconds(), must(next.Remembered(ctx))(t).Failed)
	}
}
