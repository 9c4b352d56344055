package proxy_test

import (
	"context"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/tcpctl/tcpctl/proxy"
)

// shortTTL ends a session on a busy machine perhaps before the answer.
const shortTTL = 250 * time.Millisecond

// hearsInTime reports whether the answer comes before a reset, and fails the test if another answer does.
func (c *client) hearsInTime(want string) bool {
	c.Helper()
	got := c.hear()
	if got != want && !strings.Contains(got, "reset") {
		c.Fatalf("got %q, want %q", got, want)
	}
	return got == want
}

// leavesInTime is hearsInTime for a client that then leaves, and whose session has ended.
func (v *visit) leavesInTime(c *client, want string) bool {
	v.Helper()
	if !c.hearsInTime(want) {
		return false
	}
	c.fin()
	for {
		if r := v.record(); r.Client == c.LocalAddr().String() {
			return r.Reason != proxy.ReasonTTL
		}
	}
}

func withTTL(relay string, ttl time.Duration) proxy.ServiceConfig {
	c := oneSlot(relay)
	c.Lock.TTL = ttl
	return c
}

// TestRule06TheTTLRunsFromTheGrant, whether or not anybody waits; at its end both sides
// are reset and the slot goes to the next.
func TestRule06TheTTLRunsFromTheGrant(t *testing.T) {
	eachRelay(t, func(t *testing.T, relay string) {
		untilInTime(t, shortTTL, func(ttl time.Duration) bool {
			a := newServer(t, "a")
			v := start(t, withTTL(relay, ttl), a)
			v.untilUp()
			one := v.dial("one")
			if !one.hearsInTime("a one") {
				return false
			}
			one.isReset()
			v.eventually("the backend sees a reset", func() bool { return a.resets.Load() == 1 })
			r := v.record()
			if r.Reason != proxy.ReasonTTL || r.By != proxy.ByProxy || r.Phase != proxy.PhaseRelay || r.DurationSeconds < ttl.Seconds() {
				t.Errorf("record %+v", r)
			}
			two := v.dial("two")
			if !two.hearsInTime("a two") {
				return false
			}
			three := v.dial("three")
			two.isReset()
			if !v.leavesInTime(three, "a three") {
				return false
			}
			if i := v.untilIdle(); i.Sessions.Cut != 2 || i.Sessions.Failed != 0 || i.Backends[0].Peak != 1 {
				t.Errorf("counted %+v", i)
			}
			return true
		})
	})
}

// TestRule06TheTTLRunsDuringAPause, and completes it.
func TestRule06TheTTLRunsDuringAPause(t *testing.T) {
	eachRelay(t, func(t *testing.T, relay string) {
		untilInTime(t, shortTTL, func(ttl time.Duration) bool {
			v := start(t, withTTL(relay, ttl), newServer(t, "a"))
			one := v.dial("one")
			if !one.hearsInTime("a one") {
				return false
			}
			v.must(v.svc.Pause(proxy.PauseOptions{By: "ana"}))
			two := v.dial("two")
			one.isReset()
			v.untilState(proxy.StatePaused)
			v.must(v.svc.Resume(proxy.ResumeOptions{By: "ana"}))
			return two.hearsInTime("a two")
		})
	})
}

// TestRule06TheTTLRunsWhileDialling: it counts as long as the slot is held.
func TestRule06TheTTLRunsWhileDialling(t *testing.T) {
	t.Parallel()
	c := withTTL("stream", 100*time.Millisecond)
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
