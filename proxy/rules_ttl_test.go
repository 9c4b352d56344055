package proxy_test

import (
	"context"
	"net"
	"testing"
	"time"

	"github.com/tcpctl/tcpctl/proxy"
)

// ttl is long enough for an answer on a busy machine.
const ttl = 2 * time.Second

func withTTL(relay string) proxy.ServiceConfig {
	c := oneSlot(relay)
	c.Lock.TTL = ttl
	return c
}

// TestRule06TheTTLRunsFromTheGrant, whether or not anybody waits; at its end both sides
// are reset and the slot goes to the next.
func TestRule06TheTTLRunsFromTheGrant(t *testing.T) {
	eachRelay(t, func(t *testing.T, relay string) {
		a := newServer(t, "a")
		v := start(t, withTTL(relay), a)
		v.untilUp()
		one := v.dial("one")
		one.hears("a one")
		one.isReset()
		v.eventually("the backend sees a reset", func() bool { return a.resets.Load() == 1 })
		r := v.record()
		if r.Reason != proxy.ReasonTTL || r.By != proxy.ByProxy || r.Phase != proxy.PhaseRelay || r.DurationSeconds < ttl.Seconds() {
			t.Errorf("record %+v", r)
		}
		two := v.dial("two")
		two.hears("a two")
		three := v.queue("three")
		two.isReset()
		three.hears("a three")
		three.leaves()
		if i := v.untilIdle(); i.Sessions.Cut != 2 || i.Sessions.Failed != 0 || i.Backends[0].Peak != 1 {
			t.Errorf("counted %+v", i)
		}
	})
}

// TestRule06TheTTLRunsDuringAPause, and completes it.
func TestRule06TheTTLRunsDuringAPause(t *testing.T) {
	eachRelay(t, func(t *testing.T, relay string) {
		v := start(t, withTTL(relay), newServer(t, "a"))
		one := v.dial("one")
		one.hears("a one")
		v.must(v.svc.Pause(proxy.PauseOptions{By: "ana"}))
		two := v.dial("two")
		one.isReset()
		v.untilState(proxy.StatePaused)
		v.must(v.svc.Resume(proxy.ResumeOptions{By: "ana"}))
		two.hears("a two")
	})
}

// TestRule06TheTTLRunsWhileDialling: it counts as long as the slot is held.
func TestRule06TheTTLRunsWhileDialling(t *testing.T) {
	t.Parallel()
	c := withTTL("stream")
	c.ConnectTimeout, c.Check.Type = time.Hour, "none"
	c.Dial = func(ctx context.Context, _, _ string) (net.Conn, error) {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	v := start(t, c, newServer(t, "a"))
	v.dial("one").isReset()
	if r := v.record(); r.Reason != proxy.ReasonTTL || r.Phase != proxy.PhaseConnect || r.Served {
		t.Errorf("record %+v", r)
	}
	if i := v.untilIdle(); i.Sessions.Failed != 1 || i.Lock.InUse != 0 {
		t.Errorf("counted %+v", i)
	}
}
