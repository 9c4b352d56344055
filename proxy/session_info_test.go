package proxy_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/tcpctl/tcpctl/proxy"
)

// TestLookingHoldsUpNobody: in the middle of a list of hundreds of sessions clients
// come, are served and go, and no session that stays is listed twice or skipped.
func TestLookingHoldsUpNobody(t *testing.T) {
	eachRelay(t, func(t *testing.T, relay string) {
		const n = 700 // several pages
		v := start(t, proxy.ServiceConfig{Relay: relay}, newServer(t, "a"))
		v.untilUp()
		var clients []*client
		for range n {
			c := v.dial("x")
			c.hears("a x")
			clients = append(clients, c)
		}
		v.until("all are there", func(i proxy.ServiceInfo) bool { return i.Sessions.Active == n })
		seen := map[string]int{}
		for s := range v.Live() {
			seen[s.Client]++
			if len(seen) == n/2 {
				for i := 0; i < n; i += 10 { // before and after the current position
					clients[i].leaves()
				}
				v.until("a tenth is gone", func(i proxy.ServiceInfo) bool { return i.Sessions.Active == n-n/10 })
				late := v.dial("late")
				late.hears("a late")
				defer late.leaves()
			}
		}
		for i, c := range clients {
			if times := seen[c.LocalAddr().String()]; times > 1 || times == 0 && i%10 != 0 {
				t.Errorf("client %d was listed %d times", i, times)
			}
		}
		for range v.Live() {
			break // which leaves nothing behind
		}
		if i := v.svc.Info(); i.BytesIn < n {
			t.Errorf("%d bytes came in", i.BytesIn)
		}
		for i, c := range clients {
			if i%10 != 0 {
				c.leaves()
			}
		}
	})
}

// TestAllWaitersAreListed in order, and their waits are in the percentiles; so are
// holders of a slot.
func TestAllWaitersAreListed(t *testing.T) {
	eachRelay(t, func(t *testing.T, relay string) {
		const n = 600
		v := start(t, oneSlot(relay), newServer(t, "a"))
		live := v.dial("live")
		live.hears("a live")
		var want []string
		for i := range n {
			c := v.dial(fmt.Sprint(i))
			want = append(want, c.LocalAddr().String())
			if i%100 == 0 {
				v.untilWaiting(i + 1) // otherwise the kernel may return them in another order
			}
		}
		i := func() proxy.ServiceInfo { v.untilWaiting(n); return v.svc.Info() }()
		var got []string
		for pos, w := range v.svc.Waiters() {
			got = append(got, w.Client)
			if w.Position != pos+1 || w.Reason != proxy.ReasonSlots || (w.State == proxy.WaiterNext) != (pos == 0) {
				t.Errorf("at %d: %+v", pos, w)
			}
		}
		slices.Sort(got)
		slices.Sort(want)
		if !slices.Equal(got, want) {
			t.Errorf("%d of %d are listed", len(got), n)
		}
		if i.Queue.WaitP50Seconds <= 0 || i.Queue.WaitP99Seconds > i.Queue.OldestSeconds+1 {
			t.Errorf("%+v", i.Queue)
		}
		if h := i.Lock.Holders; len(h) != 1 || h[0].Client != live.LocalAddr().String() || h[0].HeldSeconds <= 0 {
			t.Errorf("holders %+v", h)
		}
	})
}
