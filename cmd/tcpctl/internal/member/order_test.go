package member_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/tcpctl/tcpctl/cmd/tcpctl/internal/member"
	"github.com/tcpctl/tcpctl/lock/cluster"
	"github.com/tcpctl/tcpctl/proxy"
)

const second = time.Second

// TestOneOrderOverAllNodes: clients of three nodes are served in the order in which
// they got their places, and their tokens grow.
func TestOneOrderOverAllNodes(t *testing.T) {
	eachRelay(t, func(t *testing.T, relay string) {
		r := newRig(t, 10*second, relay, proxy.ServiceConfig{}, nil)
		var want []string
		var all []*visitor
		for i := range 30 {
			name := fmt.Sprint("client-", i)
			all = append(all, r.nodes[rand.IntN(3)].queue(name))
			want = append(want, name)
		}
		for _, v := range all {
			v.hears("a")
			v.leaves()
		}
		names, _ := r.backend.order()
		if !slices.Equal(names, want) {
			t.Errorf("served %v", names)
		}
		r.backend.atMost(1)
		records := r.records()
		slices.SortFunc(records, func(a, b proxy.Record) int { return a.Ended.Compare(b.Ended) })
		last := uint64(0)
		for _, rec := range records {
			if rec.Token <= last || rec.Reason != proxy.ReasonFIN {
				t.Errorf("after token %d: %+v", last, rec)
			}
			last = rec.Token
		}
	})
}

// TestNeverOverTheSlots: there are never more sessions than slots, however clients come, go and give up.
func TestNeverOverTheSlots(t *testing.T) {
	eachRelay(t, func(t *testing.T, relay string) {
		r := newRig(t, 10*second, relay, proxy.ServiceConfig{Lock: proxy.LockConfig{Slots: 2}}, nil)
		var wg sync.WaitGroup
		for i := range 90 {
			n, gives := r.nodes[i%3], rand.IntN(4) == 0
			wg.Go(func() {
				v := n.dial(fmt.Sprint("client-", i))
				if gives {
					time.Sleep(time.Duration(rand.IntN(20)) * time.Millisecond)
					v.Conn.(*net.TCPConn).SetLinger(0) // a FIN after bytes would be verified
					v.Close()
					return
				}
				v.hears("a")
				v.leaves()
			})
		}
		wg.Wait()
		r.tokensOnce()
		r.backend.atMost(2)
	})
}

// TestANodeThatStops: its slot moves without waiting for its lease to end.
func TestANodeThatStops(t *testing.T) {
	t.Parallel()
	r := newRig(t, 10*second, "stream", proxy.ServiceConfig{}, nil)
	n := r.nodes[0]
	v := n.queue("holder")
	v.hears("a")
	next := r.nodes[1].queue("next")
	n.engine.Close()
	n.member.Leave(patience)
	var held []cluster.Grant
	eventually(t, "the slot has moved", func() bool {
		held = r.held()
		return len(held) == 1 && held[0].Node == 2
	})
	if held[0].Expired {
		t.Errorf("it had to wait for the lease: %+v", held)
	}
	next.hears("a")
	next.leaves()
	r.backend.atMost(1)
}

// TestSetSlots: an operator changes the number of slots, at any node that has a lease.
func TestSetSlots(t *testing.T) {
	t.Parallel()
	r := newRig(t, lostLease, "stream", proxy.ServiceConfig{}, nil)
	n := r.nodes[0]
	a := n.queue("a")
	a.hears("a")
	if err := n.member.SetSlots(t.Context(), "db", 2); err != nil {
		t.Fatal(err)
	}
	b := n.queue("b") // at a node whose own file has one slot
	b.hears("a")
	if err := n.member.SetSlots(t.Context(), "web", 2); !errors.Is(err, member.ErrNoService) {
		t.Errorf("of an unknown service: %v", err)
	}
	if l := r.nodes[2].svc.Info().Lock; l.Slots != 2 {
		t.Errorf("another node has %+v", l)
	}
	r.link(1, false)
	eventually(t, "it has no lease", func() bool { return n.member.Lease() == 0 })
	if err := n.member.SetSlots(t.Context(), "db", 3); !errors.Is(err, member.ErrNoLease) {
		t.Errorf("without a lease: %v", err)
	}
}
