package cluster

import "testing"

// TestRecover: leases have ended and their slots expired, tokens and indexes continue
// far above, and a node gets a new lease whether the state knows its last one or not.
func TestRecover(t *testing.T) {
	s := NewState("c1")
	apply := func(batches ...Batch) {
		t.Helper()
		if _, err := s.Apply(s.index+1, EncodeEntry(batches)); err != nil {
			t.Fatal(err)
		}
	}
	hello := func(node NodeID, incarnation, before uint64) {
		apply(Batch{Node: node, Ops: []Op{{Kind: OpHello, From: incarnation, To: before}}})
	}
	hello(1, 1, 0)
	lease := s.member(1).Lease
	apply(Batch{1, lease, 1, []Op{{Kind: OpSlots, Service: "db", From: 2}, {Kind: OpJoin, Service: "db", From: 1, To: 3}}})
	if len(s.Held("db")) != 2 {
		t.Fatalf("held %+v", s.Held("db"))
	}
	index := s.index
	s.Recover("c2")
	if s.id != "c2" || s.index <= index+1<<31 || len(s.Held("db")) != 0 || len(s.service("db").lines) != 0 {
		t.Errorf("%s at entry %d: held %+v", s.id, s.index, s.Held("db"))
	}
	// The leader answers that the lease has ended, even if it never knew it.
	l := &Leader{id: 9, leads: true, ready: true, state: s}
	for _, number := range []uint64{lease, index + 1000} {
		l.step(0, Request{Node: 1, Incarnation: 1, Lease: number, Renewal: 1})
		if n := len(l.answers); n == 0 || !l.answers[n-1].Ended {
			t.Errorf("lease %d: answers %+v", number, l.answers)
		}
	}
	hello(1, 1, lease)
	apply(Batch{1, s.member(1).Lease, 1, []Op{{Kind: OpJoin, Service: "db", From: 3, To: 3}}})
	if g := s.Held("db"); len(g) != 1 || g[0].Token <= 1<<31 || !g[0].Expired {
		t.Errorf("granted %+v", g)
	}
}
