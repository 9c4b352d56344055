package proxy_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/tcpctl/tcpctl/proxy"
	"github.com/tcpctl/tcpctl/proxy/proxytest"
)

// TestCountersOnlyGrow and are exact in the end, while sessions come and go and the
// status is read continuously.
func TestCountersOnlyGrow(t *testing.T) {
	eachRelay(t, func(t *testing.T, relay string) {
		const clients, turns = 8, 30
		v := start(t, proxy.ServiceConfig{Relay: relay}, newServer(t, "a"), newServer(t, "b"))
		v.untilUp()
		var before proxy.ServiceInfo
		stop := proxytest.Repeat(t, 1, func() bool {
			for range 10 {
				i := v.svc.Info()
				if was, is := counters(before), counters(i); !grown(was, is) {
					t.Errorf("%v follows %v", is, was)
					return false
				}
				before = i
			}
			return true
		})
		var all sync.WaitGroup
		for n := range clients {
			all.Go(func() {
				for turn := range turns {
					name := strings.Repeat("x", 1+n*turn)
					c := v.dial(name)
					if got := c.hear(); got != "a "+name && got != "b "+name {
						t.Errorf("got %q", got)
						return
					}
					if turn%3 == 0 {
						c.reset()
					} else {
						c.leaves()
					}
				}
			})
		}
		all.Wait()
		i := v.untilIdle()
		stop()
		var in, out, byBackend int64
		for range clients * turns {
			r := v.record()
			in += r.BytesIn
			out += r.BytesOut
		}
		v.noMore()
		want := int64(0)
		for n := range clients {
			for turn := range turns {
				want += int64(len(fmt.Sprintln(strings.Repeat("x", 1+n*turn))))
			}
		}
		total := int64(0)
		for _, b := range i.Backends {
			byBackend += b.BytesIn
			total += b.Total
		}
		if i.BytesIn != want || in != want || byBackend != want || i.BytesOut != want+2*clients*turns || out != i.BytesOut {
			t.Errorf("in: %d, records %d, backends %d, want %d; out: %d, records %d", i.BytesIn, in, byBackend, want, i.BytesOut, out)
		}
		if i.Sessions.Total != clients*turns || total != clients*turns {
			t.Errorf("%d sessions, %d at backends", i.Sessions.Total, total)
		}
	})
}

func counters(i proxy.ServiceInfo) []int64 {
	s, q := i.Sessions, i.Queue
	all := []int64{s.Total, s.Failed, s.Cut, s.Rejected, q.Granted, q.Abandoned, q.TimedOut, q.Kicked, i.BytesIn, i.BytesOut}
	for _, b := range i.Backends {
		all = append(all, b.Total, b.Failed, b.BytesIn, b.BytesOut, b.Transitions, int64(b.Peak))
	}
	return all
}

func grown(was, is []int64) bool {
	for n := range was {
		if n < len(is) && is[n] < was[n] {
			return false
		}
	}
	return true
}
