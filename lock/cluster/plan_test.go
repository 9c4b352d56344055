package cluster

import (
	"fmt"
	"testing"
)

// say applies one op of a node under its lease.
func say(t *testing.T, s *State, node NodeID, op Op) {
	t.Helper()
	m := s.member(node)
	if _, err := s.Apply(s.Index()+1, EncodeEntry([]Batch{{Node: node, Lease: m.Lease, First: m.Applied + 1, Ops: []Op{op}}})); err != nil {
		t.Fatal(err)
	}
}

// lead applies an op of a leader.
func lead(t *testing.T, s *State, node NodeID, op Op) {
	t.Helper()
	if _, err := s.Apply(s.Index()+1, EncodeEntry([]Batch{{Node: node, Ops: []Op{op}}})); err != nil {
		t.Fatal(err)
	}
}

// TestQuiet: a service is quiet once each member has said so under its lease, or has
// none any more. A member that was never seen is named.
func TestQuiet(t *testing.T) {
	s := NewState("x")
	expect := func(when string, quiet bool, waits ...NodeID) {
		t.Helper()
		if q, w := s.Quiet("db"); q != quiet || fmt.Sprint(w) != fmt.Sprint(waits) {
			t.Errorf("%s: quiet %t, waits for %v; want %t, %v", when, q, w, quiet, waits)
		}
	}
	lead(t, s, 1, Op{Kind: OpHello, From: 1})
	lead(t, s, 2, Op{Kind: OpHello, From: 1})
	lead(t, s, 3, Op{Kind: OpMember})
	say(t, s, 1, Op{Kind: OpPause, Service: "db", Flag: true})
	plan, _ := s.Plan("db")
	report := Op{Kind: OpReport, Service: "db", Token: plan.ID, Counts: Counts{Live: 2}}
	expect("paused", false, 1, 2, 3)
	say(t, s, 1, report)
	expect("with two live", false, 1, 2, 3)
	report.Counts.Live = 0
	say(t, s, 1, report)
	say(t, s, 2, report)
	expect("but for the member that was never seen", false, 3)
	lead(t, s, 3, Op{Kind: OpMember, Flag: true})
	expect("without it", true)
	lead(t, s, 2, Op{Kind: OpExpire, To: s.member(2).Lease})
	expect("without the lease of node 2", true)
	lead(t, s, 2, Op{Kind: OpHello, From: 1, To: s.member(2).Lease})
	expect("node 2 is back and has said nothing", false, 2)
	say(t, s, 2, report)
	expect("node 2 has said so again", true)
	say(t, s, 1, Op{Kind: OpResume, Service: "db", Token: plan.ID})
	expect("resumed", false)
}

// TestAPauseEndsAtItsMax: the leader opens the service, but not while the command of
// an owner runs that is there.
func TestAPauseEndsAtItsMax(t *testing.T) {
	for _, tc := range []struct {
		name          string
		command, lost bool
		resumed       bool
	}{
		{"a pause", false, false, true},
		{"a command runs", true, false, false},
		{"a command ran, and its owner is lost", true, true, true},
	} {
		v, log := leaderOf(t)
		apply := func(b Batch) {
			log.ready = LogReady{Term: 1, Leader: 1, Entries: []LogEntry{{v.State().Index() + 1, 1, EncodeEntry([]Batch{b})}}}
			v.Poll(0)
			log.ready = LogReady{Term: 1, Leader: 1}
		}
		apply(Batch{7, 1, 1, []Op{{Kind: OpPause, Service: "db", Max: 100 * ms, Flag: true}}})
		plan, _ := v.State().Plan("db")
		if tc.command {
			apply(Batch{7, 1, 2, []Op{{Kind: OpCommand, Service: "db", Token: plan.ID, Flag: true}}})
		}
		if tc.lost {
			apply(Batch{Node: 7, Ops: []Op{{Kind: OpExpire, To: 1}}})
		}
		if v.Poll(99 * ms); len(log.proposed) > 0 {
			t.Errorf("%s: resumed before its max", tc.name)
		}
		v.Poll(100 * ms)
		if (len(log.proposed) == 1) != tc.resumed {
			t.Errorf("%s: resumed %t; want %t", tc.name, len(log.proposed) == 1, tc.resumed)
		}
	}
}

// TestClosedWithoutALease: a node that is cut off ends a pause at its max by itself,
// and a window never.
func TestClosedWithoutALease(t *testing.T) {
	for _, window := range []bool{false, true} {
		a := leased(t, false)
		a.Step(0, Answer{From: 1, Leads: true, Incarnation: 1, Lease: 5, Known: 9,
			Facts: []Fact{{Service: "db", Plan: Plan{ID: 9, Window: window, Max: 2 * second}}}})
		if !a.Closed(0, "db") || !a.Closed(1999*ms, "db") {
			t.Errorf("window %t: open before its max", window)
		}
		if a.Tick(2 * second); a.Closed(2*second, "db") != window {
			t.Errorf("window %t: closed is %t without a lease", window, !window)
		}
	}
}
