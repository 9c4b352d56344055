package cluster

import (
	"testing"
	"time"
)

// leaderOf returns a voter that leads from 0 on, with one node whose lease is 1.
func leaderOf(t *testing.T) (*Voter, *fakeLog) {
	t.Helper()
	s := NewState("x")
	lead(t, s, 7, Op{Kind: OpHello, From: 1})
	log := &fakeLog{ready: LogReady{Term: 1, Leader: 1, Entries: []LogEntry{{2, 1, nil}}}}
	v := NewVoter(1, time.Second, s, log)
	v.Poll(0)
	return v, log
}

// apply has a leader's log return a batch as committed, and the voter apply it at a time.
func (l *fakeLog) apply(v *Voter, at time.Duration, b Batch) {
	l.ready = LogReady{Term: 1, Leader: 1, Entries: []LogEntry{{v.State().Index() + 1, 1, EncodeEntry([]Batch{b})}}}
	v.Poll(at)
	l.ready = LogReady{Term: 1, Leader: 1}
}

// TestANewTermCountsLeasesAnew: a voter's knowledge of an earlier term does not count,
// even if it did not notice that it had lost the lead.
func TestANewTermCountsLeasesAnew(t *testing.T) {
	v, log := leaderOf(t)
	log.ready = LogReady{Term: 3, Leader: 1, Entries: []LogEntry{{3, 3, nil}}}
	v.Poll(900 * ms)
	log.ready = LogReady{Term: 3, Leader: 1}
	v.Poll(1899 * ms)
	if len(log.proposed) > 0 {
		t.Errorf("a lease ended before one lease after the first entry of the term: %q", log.proposed)
	}
	v.Poll(1900 * ms)
	if len(log.proposed) != 1 {
		t.Errorf("%d entries proposed; want the end of the lease", len(log.proposed))
	}
}

// TestARenewalNeedsANewQuestion: what a majority said before a renewal arrived does not
// confirm it.
func TestARenewalNeedsANewQuestion(t *testing.T) {
	v, log := leaderOf(t)
	renewed := func() (n uint64) {
		for _, a := range v.Answers() {
			n = max(n, a.Renewed)
		}
		return n
	}
	log.ready = LogReady{Term: 1, Leader: 1}
	for n := uint64(1); n <= 3; n++ {
		v.Step(0, Request{Node: 7, Incarnation: 1, Lease: 1, Renewal: n})
		for range 2 {
			if v.Poll(0); renewed() != 0 {
				t.Errorf("renewal %d is confirmed by question %d", n, n-1)
			}
		}
		log.ready.Confirmed = n
		if v.Poll(0); renewed() != n {
			t.Errorf("renewal %d is not confirmed", n)
		}
	}
}

// TestOnlyLeadersEndLeases: a node's ops on leases do nothing, and its later ops keep
// their numbers.
func TestOnlyLeadersEndLeases(t *testing.T) {
	v, log := leaderOf(t)
	log.ready = LogReady{Term: 1, Leader: 1}
	v.Step(0, Request{Node: 7, Incarnation: 1, Lease: 1, First: 1, Ops: []Op{{Kind: OpExpire, To: 1}, {Kind: OpSlots, Service: "db", From: 3}}})
	v.Poll(0)
	if len(log.proposed) != 1 {
		t.Fatalf("%d entries proposed", len(log.proposed))
	}
	log.ready.Entries = []LogEntry{{3, 1, log.proposed[0]}}
	v.Poll(0)
	if m := v.State().member(7); m.Ended || m.Applied != 2 || v.State().service("db").slots != 3 {
		t.Errorf("member %+v", m)
	}
}

// TestAJoinWaitsForAnOpThatFreesASlot: where all slots are taken, a join becomes an
// entry only after a moment; where one is free, at once.
func TestAJoinWaitsForAnOpThatFreesASlot(t *testing.T) {
	v, log := leaderOf(t)
	log.ready = LogReady{Term: 1, Leader: 1}
	number := uint64(0)
	say := func(now time.Duration, op Op) (entries int) {
		number++
		v.Step(now, Request{Node: 7, Incarnation: 1, Lease: 1, First: number, Ops: []Op{op}})
		before := len(log.proposed)
		v.Poll(now)
		return len(log.proposed) - before
	}
	agreed := func(now time.Duration) {
		log.ready.Entries = []LogEntry{{v.State().Index() + 1, 1, log.proposed[len(log.proposed)-1]}}
		v.Poll(now)
		log.ready.Entries = nil
	}
	say(0, Op{Kind: OpSlots, Service: "db", From: 1})
	agreed(0)
	if say(0, Op{Kind: OpJoin, Service: "db", From: 1, To: 1}) != 1 {
		t.Error("a join waits although a slot is free")
	}
	agreed(0)
	if say(ms, Op{Kind: OpJoin, Service: "db", From: 2, To: 2}) != 0 {
		t.Error("a join is an entry of its own while the slot is taken")
	}
	if say(2*ms, Op{Kind: OpDone, Service: "db", From: 1}) != 1 {
		t.Error("the op that frees a slot waits")
	}
	agreed(2 * ms)
	if held := v.State().Held("db"); len(held) != 1 || held[0].Arrival != 2 {
		t.Errorf("the slot is held by %+v", held)
	}
	if say(3*ms, Op{Kind: OpJoin, Service: "db", From: 3, To: 3}) != 0 {
		t.Error("another join is an entry of its own while the slot is taken")
	}
	before := len(log.proposed)
	if v.Poll(13 * ms); len(log.proposed) != before+1 {
		t.Error("a join is never written")
	}
}
