package proxy_test

import (
	"context"
	"errors"
	"net"
	"syscall"
	"testing"
	"time"

	"github.com/tcpctl/tcpctl/proxy"
)

// TestRule23ShutdownServesThoseWhoAreThere: live sessions and waiters.
func TestRule23ShutdownServesThoseWhoAreThere(t *testing.T) {
	eachRelay(t, func(t *testing.T, relay string) {
		v := start(t, oneSlot(relay), newServer(t, "a"))
		v.untilUp()
		live := v.dial("live")
		live.hears("a live")
		one, two := v.queue("one"), v.queue("two")
		addr := v.addr()
		done := make(chan error)
		go func() {
			ctx, cancel := context.WithTimeout(context.Background(), patience)
			defer cancel()
			done <- v.Shutdown(ctx)
		}()
		v.untilState(proxy.StateClosed)
		if c, err := net.Dial("tcp", addr); !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("a new client: %v, %v", c, err)
		}
		live.says("still here")
		live.hears("still here")
		live.leaves()
		one.hears("a one")
		one.leaves()
		two.hears("a two")
		if _, err := v.svc.StartListening("ana", ""); err == nil {
			t.Error("a service was opened during a shutdown")
		}
		two.leaves()
		if err := <-done; err != nil {
			t.Error(err)
		}
		if i := v.svc.Info(); i.Sessions.Failed+i.Sessions.Cut != 0 || i.Sessions.Total != 3 {
			t.Errorf("counted %+v", i)
		}
		if len(v.records) != 3 {
			t.Errorf("%d records", len(v.records))
		}
	})
}

// TestRule23ShutdownResetsTheRest, and counts them: live sessions as cut, waiters as
// failed, even during a pause.
func TestRule23ShutdownResetsTheRest(t *testing.T) {
	eachRelay(t, func(t *testing.T, relay string) {
		v := start(t, proxy.ServiceConfig{Relay: relay}, newServer(t, "a"))
		live := v.dial("live")
		live.hears("a live")
		v.must(v.svc.Pause(proxy.PauseOptions{By: "ana"}))
		waiting := v.queue("waiting")
		ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
		defer cancel()
		if err := v.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("shutdown: %v", err)
		}
		live.isReset()
		waiting.isReset()
		for range 2 {
			want := proxy.PhaseRelay
			r := v.record()
			if r.Client == waiting.LocalAddr().String() {
				want = proxy.PhaseQueue
			}
			if r.Reason != proxy.ReasonShutdown || r.By != proxy.ByProxy || r.Phase != want {
				t.Errorf("record %+v", r)
			}
		}
		if i := v.svc.Info(); i.Sessions.Cut != 1 || i.Sessions.Failed != 1 || i.State != proxy.StateClosed {
			t.Errorf("counted %+v", i)
		}
	})
}

// TestRule23NothingRunsAfterwards: all records have arrived when Shutdown returns.
func TestRule23NothingRunsAfterwards(t *testing.T) {
	eachRelay(t, func(t *testing.T, relay string) {
		for range 10 {
			v := start(t, oneSlot(relay), newServer(t, "a"))
			for range 20 {
				v.dial("x")
			}
			v.until("all came", func(i proxy.ServiceInfo) bool { return i.Sessions.Total == 20 })
			v.Close()
			if len(v.records) != 20 {
				t.Fatalf("%d records", len(v.records))
			}
			if i := v.svc.Info(); i.Sessions.Active != 0 || i.Queue.Waiting != 0 || i.Sessions.Failed+i.Sessions.Cut != 20 {
				t.Fatalf("counted %+v", i)
			}
		}
	})
}
