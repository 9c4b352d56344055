package member_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/tcpctl/tcpctl/cmd/tcpctl/internal/member"
	"github.com/tcpctl/tcpctl/proxy"
	"github.com/tcpctl/tcpctl/proxy/proxytest"
)

// newSharing makes a rig whose nodes grant slots by themselves, each from its share.
func newSharing(t *testing.T, lease time.Duration, relay string, c proxy.ServiceConfig) *rig {
	t.Helper()
	c.Lock.Order = proxy.OrderShares
	r := newRig(t, lease, relay, c, nil)
	for _, n := range r.nodes {
		n.until("it has a share", func(i proxy.ServiceInfo) bool { return i.Lock.Order == proxy.OrderShares && i.Lock.Share > 0 })
	}
	return r
}

// TestRule25eNoRoundTrip: a client has its slot at once, even while there is no leader.
func TestRule25eNoRoundTrip(t *testing.T) {
	eachRelay(t, func(t *testing.T, relay string) {
		r := newSharing(t, 30*second, relay, proxy.ServiceConfig{Lock: proxy.LockConfig{Slots: 30}})
		r.stop(true)
		for _, n := range r.nodes {
			for range 3 { // use the same slots more than once
				var all []*visitor
				for i := range n.svc.Info().Lock.Share {
					v := n.dial(fmt.Sprint("client-", i))
					v.hears("a")
					all = append(all, v)
				}
				for _, v := range all {
					if v.leaves() {
						t.Fatalf("%s was reset as it left, %s after it came", v.name, time.Since(v.came))
					}
				}
			}
		}
		r.stop(false)
		r.records()
		r.backend.atMost(30)
	})
}

// TestRule25eTwoServicesOfOneName: a slot that one of them has freed goes to the first client of either at once, as in a
// reload or with a check that waits for a slot.
func TestRule25eTwoServicesOfOneName(t *testing.T) {
	eachRelay(t, func(t *testing.T, relay string) {
		r := newSharing(t, 10*second, relay, proxy.ServiceConfig{Lock: proxy.LockConfig{Slots: 30}})
		old := r.nodes[0]
		now := &node{T: t, id: old.id, hub: old.hub, member: old.member, config: old.config}
		now.config.Listen = []string{proxytest.FreePort(t)}
		now.config.Shared = old.member.Share("db", member.ValuesOf(&now.config))
		e, err := proxy.New(proxy.Config{Services: []proxy.ServiceConfig{now.config}})
		if err == nil {
			err = e.Start()
		}
		if err != nil {
			t.Fatal(err)
		}
		defer e.Close()
		now.engine, now.svc = e, e.Service("db")
		r.stop(true)
		var all []*visitor
		for i := range old.svc.Info().Lock.Share {
			v := old.dial(fmt.Sprint("client-", i))
			v.hears("a")
			all = append(all, v)
		}
		waits := func(n *node) {
			n.until("it waits", func(i proxy.ServiceInfo) bool { return i.Queue.Waiting == 1 })
		}
		first := now.dial("first")
		waits(now)
		second := old.dial("second")
		waits(old)
		began := time.Now()
		all[0].leaves()
		first.hears("a")
		all[1].leaves()
		second.hears("a")
		if old.member.Lease() == 0 {
			t.Errorf("it took until the lease was over, %v", time.Since(began))
		}
		for _, v := range append(all[2:], first, second) {
			v.leaves()
		}
		r.stop(false)
	})
}

// TestRule25eSlotsMove: they move to where clients wait, and there are never more holders than slots.
func TestRule25eSlotsMove(t *testing.T) {
	eachRelay(t, func(t *testing.T, relay string) {
		r := newSharing(t, 10*second, relay, proxy.ServiceConfig{Lock: proxy.LockConfig{Slots: 30}})
		var all []*visitor
		for i := range 30 {
			v := r.nodes[0].dial(fmt.Sprint("client-", i))
			v.hears("a")
			all = append(all, v)
		}
		next := r.nodes[1].dial("next")
		r.nodes[1].until("it waits", func(i proxy.ServiceInfo) bool { return i.Queue.Waiting == 1 && i.Reason == proxy.ReasonCluster })
		all[7].leaves()
		next.hears("a")
		for _, v := range append(all[:7], append(all[8:], next)...) {
			v.leaves()
		}
		r.records()
		r.backend.atMost(30)
	})
}

// churn makes clients come to all nodes, stay, leave and give up, for a while.
func churn(r *rig, each func()) {
	var wg sync.WaitGroup
	for i := range 60 {
		wg.Go(func() {
			for range 10 {
				n, gives := r.nodes[i*i%3], rand.IntN(5) == 0
				v := n.dial(fmt.Sprint("client-", i))
				if gives {
					time.Sleep(time.Duration(rand.IntN(5)) * time.Millisecond)
					v.Conn.(*net.TCPConn).SetLinger(0) // a FIN after bytes would be verified
					v.Close()
					continue
				}
				v.hears("a")
				if rand.IntN(10) == 0 {
					time.Sleep(time.Duration(rand.IntN(40)) * time.Millisecond)
				}
				v.leaves()
			}
		})
	}
	if each != nil {
		each()
	}
	wg.Wait()
}

// TestRule25eTokens: however clients come and go, there are never more than slots, and each has a
// unique token.
func TestRule25eTokens(t *testing.T) {
	eachRelay(t, func(t *testing.T, relay string) {
		r := newSharing(t, 10*second, relay, proxy.ServiceConfig{Lock: proxy.LockConfig{Slots: 12}})
		churn(r, nil)
		r.tokensOnce()
		r.backend.atMost(12)
	})
}

// TestRule25eALostNode: its sessions are ended before its slots move, and on_expire runs
// before they are used.
func TestRule25eALostNode(t *testing.T) {
	t.Parallel()
	ran := make(chan uint64, 100)
	hook := proxy.Hook{Func: func(_ context.Context, call proxy.HookCall) error {
		ran <- call.Token
		return nil
	}}
	r := newSharing(t, lostLease, "stream", proxy.ServiceConfig{Lock: proxy.LockConfig{Slots: 12}, Hooks: proxy.Hooks{OnExpire: hook, Ready: proxy.ReadyNone}})
	lost := r.nodes[2]
	holder := lost.dial("holder")
	holder.hears("a")
	share := lost.svc.Info().Lock.Share
	r.link(3, false)
	if !holder.ends() {
		t.Error("the holder saw no reset")
	}
	if rec := lost.record(); rec.By != proxy.ByProxy || rec.Reason != proxy.ReasonLeaseLost {
		t.Errorf("record %+v", rec)
	}
	waiter := lost.dial("waiter") // its node has no lease
	var all []*visitor
	for i := range 12 { // all slots
		v := r.nodes[0].dial(fmt.Sprint("client-", i))
		v.hears("a")
		all = append(all, v)
	}
	if n := len(ran); n < share {
		t.Errorf("on_expire ran %d times for a share of %d", n, share)
	}
	r.link(3, true)
	for _, v := range all {
		v.leaves()
	}
	waiter.hears("a")
	waiter.leaves()
	r.records()
	r.backend.atMost(12)
}

// TestRule25eTheOrderChanges: while clients come and go, there are never more than slots.
func TestRule25eTheOrderChanges(t *testing.T) {
	eachRelay(t, func(t *testing.T, relay string) {
		r := newSharing(t, 10*second, relay, proxy.ServiceConfig{Lock: proxy.LockConfig{Slots: 12}})
		churn(r, func() {
			for i := range 6 {
				n := r.nodes[i%3]
				values := member.Values{Slots: 12, Shares: i%2 > 0}
				n.member.Share("db", values) // as a reload does
				if err := n.member.SetSlots(t.Context(), "db", 12); err != nil {
					t.Error(err)
				}
				time.Sleep(50 * time.Millisecond)
			}
		})
		r.records()
		r.backend.atMost(12)
	})
}

// TestRule25eFewSlots: an act that leaves too few is refused; more nodes later only cause a
// warning.
func TestRule25eFewSlots(t *testing.T) {
	t.Parallel()
	r := newSharing(t, 10*second, "stream", proxy.ServiceConfig{Lock: proxy.LockConfig{Slots: 29}})
	r.nodes[0].warns("29 slots are shared by 3 nodes")
	if err := r.nodes[0].member.SetSlots(t.Context(), "db", 9); !errors.Is(err, member.ErrFewSlots) {
		t.Errorf("9 slots: %v", err)
	}
}
