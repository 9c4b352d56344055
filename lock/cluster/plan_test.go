package cluster

import (
	"fmt"
	"slices"
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

// lead applies a leader's op.
func lead(t *testing.T, s *State, node NodeID, op Op) {
	t.Helper()
	if _, err := s.Apply(s.Index()+1, EncodeEntry([]Batch{{Node: node, Ops: []Op{op}}})); err != nil {
		t.Fatal(err)
	}
}

// TestQuiet: a service is quiet once each member has reported it under its lease, or
// has no lease any more. A member that was never seen is named.
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
	expect("node 2 is back and has not reported", false, 2)
	say(t, s, 2, report)
	expect("node 2 has reported again", true)
	say(t, s, 1, Op{Kind: OpResume, Service: "db", Token: plan.ID})
	expect("resumed", false)
}

// TestAPauseEndsAtItsMax: the leader opens the service, but not while the command of an
// owner with a lease runs.
func TestAPauseEndsAtItsMax(t *testing.T) {
	for _, tc := range []struct {
		name          string
		command, lost bool
		again         uint64 // incarnation of the owner's next lease; 0: it has none
		resumed       bool
	}{
		{"a pause", false, false, 0, true},
		{"a command runs", true, false, 0, false},
		{"a command ran, and its owner is lost", true, true, 0, true},
		{"a command runs, and its owner was unreachable for a while", true, true, 1, false},
		{"a command ran, and its owner was restarted", true, true, 2, true},
	} {
		v, log := leaderOf(t)
		apply := func(b Batch) { log.apply(v, 0, b) }
		apply(Batch{7, 1, 1, []Op{{Kind: OpPause, Service: "db", Max: 100 * ms, Flag: true}}})
		plan, _ := v.State().Plan("db")
		if tc.command {
			apply(Batch{7, 1, 2, []Op{{Kind: OpStep, Service: "db", Token: plan.ID, From: uint64(Command)}}})
		}
		if tc.lost {
			apply(Batch{Node: 7, Ops: []Op{{Kind: OpExpire, To: 1}}})
		}
		if tc.again > 0 {
			apply(Batch{Node: 7, Ops: []Op{{Kind: OpHello, From: tc.again, To: 1}}})
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

// TestClosedWithoutALease: a node without a lease ends a pause at its max by itself,
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

// TestRule27WhatIsQuiet: for a service without a lock the end of a node's lease says
// nothing about its sessions, unless the node had reported that none is live.
func TestRule27WhatIsQuiet(t *testing.T) {
	s := NewState("x")
	for _, node := range []NodeID{1, 2} {
		lead(t, s, node, Op{Kind: OpHello, From: 1})
		say(t, s, node, Op{Kind: OpServe, Service: "db", Flag: true})
	}
	begin := func() (plan uint64) {
		say(t, s, 1, Op{Kind: OpPause, Service: "db", Flag: true, Note: "by ana"})
		p, _ := s.Plan("db")
		say(t, s, 1, Op{Kind: OpReport, Service: "db", Token: p.ID, From: 1})
		return p.ID
	}
	lost := func() {
		lead(t, s, 2, Op{Kind: OpExpire, To: s.member(2).Lease})
	}
	begin()
	lost()
	if quiet, waits := s.Quiet("db"); quiet || fmt.Sprint(waits) != "[2]" {
		t.Errorf("a node that is lost and has not reported: quiet %t, %v", quiet, waits)
	}
	say(t, s, 1, Op{Kind: OpSlots, Service: "db", From: 1})
	if quiet, waits := s.Quiet("db"); !quiet {
		t.Errorf("with a lock: waits for %v", waits)
	}
	keep := s.member(2)
	keep.Keep = true
	if quiet, waits := s.Quiet("db"); quiet || fmt.Sprint(waits) != "[2]" {
		t.Errorf("with a lock, and sessions that are kept: quiet %t, %v", quiet, waits)
	}
	keep.Keep = false
	say(t, s, 1, Op{Kind: OpSlots, Service: "db"})
	plan, _ := s.Plan("db")
	say(t, s, 1, Op{Kind: OpResume, Service: "db", Token: plan.ID, Note: "at max"})

	lead(t, s, 2, Op{Kind: OpHello, From: 1, To: s.member(2).Lease})
	id := begin()
	say(t, s, 2, Op{Kind: OpReport, Service: "db", Token: id, From: 1})
	lost()
	if quiet, waits := s.Quiet("db"); !quiet {
		t.Errorf("a node that is lost, and had reported no live session: waits for %v", waits)
	}
	lead(t, s, 2, Op{Kind: OpHello, From: 2, To: s.member(2).Lease})
	facts, _ := s.Facts()
	if p := facts[0].Plan; p.Note != "by ana" || !p.Nodes[1].Restarted || p.Nodes[0].Restarted {
		t.Errorf("the process of node 2 was restarted: %+v", p)
	}
	if n := facts[0].Nodes; len(n) != 2 || !n[1].Lease {
		t.Errorf("nodes with the service: %+v", n)
	}
	lead(t, s, 2, Op{Kind: OpMember, Flag: true})
	if facts, _ := s.Facts(); len(facts[0].Nodes) != 1 {
		t.Errorf("after a member was removed: %+v", facts[0].Nodes)
	}
}

// TestBackendStateAndWeight: admin state and weight are separate, and a backend that is
// ready again is forgotten.
func TestBackendStateAndWeight(t *testing.T) {
	s := NewState("x")
	lead(t, s, 1, Op{Kind: OpHello, From: 1})
	expect := func(want ...Backend) {
		t.Helper()
		facts, _ := s.Facts()
		for i := range facts[0].Backends {
			facts[0].Backends[i].ID = 0 // the index of its entry
		}
		if fmt.Sprint(facts[0].Backends) != fmt.Sprint(want) {
			t.Errorf("%+v, want %+v", facts[0].Backends, want)
		}
	}
	say(t, s, 1, Op{Kind: OpBackend, Service: "db", Text: "b", State: "drain", Note: "by ana"})
	say(t, s, 1, Op{Kind: OpBackend, Service: "db", Text: "a", Flag: true, From: 0})
	expect(Backend{Name: "a", Weighs: true}, Backend{Name: "b", State: "drain", Note: "by ana"})
	say(t, s, 1, Op{Kind: OpBackend, Service: "db", Text: "b", Flag: true, From: 7})
	say(t, s, 1, Op{Kind: OpBackend, Service: "db", Text: "b"})
	expect(Backend{Name: "a", Weighs: true}, Backend{Name: "b", Weighs: true, Weight: 7})
	say(t, s, 1, Op{Kind: OpBackend, Service: "db", Text: "c", State: "maint"})
	say(t, s, 1, Op{Kind: OpBackend, Service: "db", Text: "c"})
	expect(Backend{Name: "a", Weighs: true}, Backend{Name: "b", Weighs: true, Weight: 7})
}

// TestChecksMayOutlastTheMax: after a command that exceeded the max there is still time for
// its checks.
func TestChecksMayOutlastTheMax(t *testing.T) {
	v, log := leaderOf(t)
	at := 0 * ms
	apply := func(b Batch) { log.apply(v, at, b) }
	apply(Batch{7, 1, 1, []Op{{Kind: OpPause, Service: "db", Max: 100 * ms, Flag: true}}})
	plan, _ := v.State().Plan("db")
	apply(Batch{7, 1, 2, []Op{{Kind: OpStep, Service: "db", Token: plan.ID, From: uint64(Command)}}})
	at = 500 * ms
	apply(Batch{7, 1, 3, []Op{{Kind: OpStep, Service: "db", Token: plan.ID, From: uint64(Checking)}}})
	resumed := func() (n int) {
		for _, data := range log.proposed {
			batches, err := DecodeEntry(data)
			if err != nil {
				t.Fatal(err)
			}
			for _, b := range batches {
				n += len(slices.DeleteFunc(b.Ops, func(op Op) bool { return op.Kind != OpResume }))
			}
		}
		return n
	}
	if v.Poll(at); resumed() > 0 {
		t.Error("resumed before the checks")
	}
	log.proposed, v.leader.inflight = nil, false
	if v.Poll(at + checksWithin); resumed() != 1 {
		t.Error("never resumed")
	}
}

// TestLastNumbersOfANode: the last report stays, as a restarted process has no part in
// the plan. A node that stops and is back while the service is closed has two parts.
func TestLastNumbersOfANode(t *testing.T) {
	for _, stops := range []bool{false, true} {
		s := NewState("x")
		for node := range NodeID(2) {
			lead(t, s, node+1, Op{Kind: OpHello, From: 1})
			say(t, s, node+1, Op{Kind: OpServe, Service: "db", Flag: true})
		}
		say(t, s, 1, Op{Kind: OpPause, Service: "db", Flag: true})
		plan, _ := s.Plan("db")
		if !stops {
			say(t, s, 1, Op{Kind: OpResume, Service: "db", Token: plan.ID})
		}
		last := Op{Kind: OpReport, Service: "db", Token: plan.ID, From: uint64(Resumed) + 1, Counts: Counts{Failed: 3}}
		say(t, s, 2, last)
		say(t, s, 2, Op{Kind: OpServe, Service: "db", Flag: !stops})
		lead(t, s, 2, Op{Kind: OpHello, From: 2, To: s.member(2).Lease})
		last.Counts = Counts{}
		say(t, s, 2, Op{Kind: OpServe, Service: "db", Flag: true})
		say(t, s, 2, last)
		if plan, _ = s.Plan("db"); plan.Nodes[0].Restarted != stops || !stops && plan.Nodes[0].Counts.Failed != 3 {
			t.Errorf("it stops in the plan %t: %+v", stops, plan.Nodes)
		}
	}
}

// TestRule27APlanOfABackend: the service stays open meanwhile, and other plans wait.
// Once the command has begun, the backend is drained afterwards unless its owner calls
// it good, also if the leader ends the plan; a state that an operator has set stays.
func TestRule27APlanOfABackend(t *testing.T) {
	for _, tc := range []struct {
		name          string
		step          Step
		good, leaders bool
		operators     string
		want          string
	}{
		{"given up before the command", Paused, false, false, "", ""},
		{"the command failed", Command, false, false, "", "drain"},
		{"good", Checking, true, false, "", ""},
		{"ended by the leader in the command", Command, false, true, "", "drain"},
		{"ended by the leader in the checks", Checking, false, true, "", "drain"},
		{"an operator has set maint, and it failed", Checking, false, false, "maint", "maint"},
		{"an operator has set maint, and it is good", Checking, true, false, "maint", "maint"},
	} {
		s := NewState("x")
		lead(t, s, 1, Op{Kind: OpHello, From: 1})
		say(t, s, 1, Op{Kind: OpSlots, Service: "db", From: 1})
		if tc.operators != "" {
			say(t, s, 1, Op{Kind: OpBackend, Service: "db", Text: "a", State: tc.operators})
		}
		say(t, s, 1, Op{Kind: OpPause, Service: "db", Flag: true, Text: "a", State: "drain", Note: "by ana"})
		plan, _ := s.Plan("db")
		say(t, s, 1, Op{Kind: OpPause, Service: "db", Note: "by bob"})
		say(t, s, 1, Op{Kind: OpJoin, Service: "db", From: 1, To: 1})
		if p, _ := s.Plan("db"); p.ID != plan.ID || p.Closes() || !p.Runs() || len(s.Held("db")) != 1 {
			t.Errorf("%s: meanwhile %+v, grants %+v", tc.name, p, s.Held("db"))
		}
		if tc.step != Paused {
			say(t, s, 1, Op{Kind: OpStep, Service: "db", Token: plan.ID, From: uint64(tc.step)})
		}
		if end := (Op{Kind: OpResume, Service: "db", Token: plan.ID, Flag: tc.good}); tc.leaders {
			lead(t, s, 0, end)
		} else {
			say(t, s, 1, end)
		}
		p, _ := s.Plan("db")
		if got := s.service("db").backend("a").State; got != tc.want || p.Runs() {
			t.Errorf("%s: afterwards %q, want %q; %+v", tc.name, got, tc.want, p)
		}
	}
}

// TestTheChecksOfABackendHaveTheirTime: the leader does not end them at the Max while
// their owner is there: the owner ends them.
func TestTheChecksOfABackendHaveTheirTime(t *testing.T) {
	v, log := leaderOf(t)
	apply := func(b Batch) { log.apply(v, 0, b) }
	apply(Batch{7, 1, 1, []Op{{Kind: OpPause, Service: "db", Max: 100 * ms, Flag: true, Text: "a", State: "drain"}}})
	plan, _ := v.State().Plan("db")
	apply(Batch{7, 1, 2, []Op{{Kind: OpStep, Service: "db", Token: plan.ID, From: uint64(Checking)}}})
	proposed := func() (resumed int) {
		for _, data := range log.proposed {
			batches, err := DecodeEntry(data)
			if err != nil {
				t.Fatal(err)
			}
			for _, b := range batches {
				resumed += len(slices.DeleteFunc(b.Ops, func(op Op) bool { return op.Kind != OpResume }))
			}
		}
		log.proposed, v.leader.inflight = nil, false
		return resumed
	}
	for at := 100 * ms; at < 2*checksWithin; at += second { // the end of the lease is not committed
		if v.Poll(at); proposed() > 0 {
			t.Fatalf("ended after %s while its owner is there", at)
		}
	}
	apply(Batch{Node: 7, Ops: []Op{{Kind: OpExpire, To: 1}}})
	if v.Poll(2 * checksWithin); proposed() != 1 {
		t.Error("never ended without its owner")
	}
}

// TestRule37PartsOfADrain: each node's part belongs to the current drain, once
// reported, and is reported again under a new lease.
func TestRule37PartsOfADrain(t *testing.T) {
	s := NewState("x")
	lead(t, s, 1, Op{Kind: OpHello, From: 1})
	drain := Op{Kind: OpBackend, Service: "db", Text: "a", State: "drain", Note: "by ana"}
	say(t, s, 1, drain)
	backend := func() Backend { return s.service("db").backend("a") }
	id := backend().ID
	part := Op{Kind: OpReport, Service: "db", Text: "a", Token: id, Counts: Counts{Live: 3}}
	say(t, s, 1, part)
	say(t, s, 1, drain) // repeated: nothing has changed
	if b := backend(); b.ID != id || len(b.Nodes) != 1 || b.Nodes[0].Counts.Live != 3 {
		t.Errorf("its part: %+v", b)
	}
	drain.Note = "by bob"
	say(t, s, 1, drain)
	say(t, s, 1, Op{Kind: OpBackend, Service: "db", Text: "a", Token: id}) // the limit of the previous drain
	part.Counts.Live = 1
	say(t, s, 1, part)
	if b := backend(); b.ID == id || len(b.Nodes) != 0 || b.State != "drain" {
		t.Errorf("a report on the previous drain: %+v", b)
	}
	say(t, s, 1, Op{Kind: OpBackend, Service: "db", Text: "a", Token: backend().ID})
	if b := backend(); b.State != "" {
		t.Errorf("its limit has passed: %+v", b)
	}

	a := leased(t, false)
	facts := func(known, id uint64) {
		a.Step(0, Answer{From: 1, Leads: true, Incarnation: 1, Lease: 5, Known: known, Facts: []Fact{{Service: "db", Backends: []Backend{{Name: "a", State: "drain", ID: id}}}}})
	}
	said := func() (n int) {
		for _, r := range a.Ready().Requests {
			for _, op := range r.Ops {
				if op.Kind == OpReport && op.Text == "a" {
					n++
				}
			}
		}
		return n
	}
	facts(9, 7)
	said()
	for range 2 {
		a.ReportBackend("db", "a", 7, 0, Counts{Live: 3})
	}
	a.ReportBackend("db", "a", 6, 0, Counts{Live: 2})
	if n := said(); n != 1 {
		t.Errorf("reported %d times", n)
	}
	a.Step(0, Answer{From: 1, Leads: true, Incarnation: 1, Lease: 5, Ended: true})
	a.Step(0, Answer{From: 1, Leads: true, Incarnation: 1, Lease: 8})
	if n := said(); n != 1 {
		t.Errorf("under the next lease it is reported %d times", n)
	}
}

// TestRule27ARollKeepsItsPlace: between two backends of a roll no other plan begins, as
// long as its owner is there. Without the owner, or after its restart, the place is given
// up.
func TestRule27ARollKeepsItsPlace(t *testing.T) {
	next := func(token uint64) Op {
		return Op{Kind: OpPause, Service: "db", Flag: true, Text: "b", State: "drain", Token: token, Max: 100 * ms}
	}
	for _, tc := range []struct {
		name  string
		then  func(s *State, plan uint64) // happens between two backends
		goes  bool                        // the roll continues
		other bool                        // another plan may begin
	}{
		{"it continues", func(*State, uint64) {}, true, false},
		{"it ends", func(s *State, plan uint64) {
			say(t, s, 1, Op{Kind: OpResume, Service: "db", Token: plan, From: FreePlace})
		}, false, true},
		{"a late op on its last backend", func(s *State, plan uint64) {
			say(t, s, 2, Op{Kind: OpResume, Service: "db", Token: plan})
			lead(t, s, 0, Op{Kind: OpForget, Service: "db", Token: plan})
		}, true, false},
		{"its owner was unreachable for a while", func(s *State, _ uint64) {
			lead(t, s, 1, Op{Kind: OpExpire, To: s.member(1).Lease})
			lead(t, s, 1, Op{Kind: OpHello, From: 1, To: s.member(1).Lease})
		}, true, false},
		{"its owner was restarted", func(s *State, _ uint64) {
			lead(t, s, 1, Op{Kind: OpHello, From: 2, To: s.member(1).Lease})
		}, false, true},
		{"its owner has lost the service", func(s *State, _ uint64) {
			say(t, s, 1, Op{Kind: OpServe, Service: "db"})
		}, false, true},
		{"its owner was lost for the max", func(s *State, plan uint64) {
			lead(t, s, 0, Op{Kind: OpResume, Service: "db", Token: plan, From: FreePlace})
		}, false, true},
	} {
		s := NewState("x")
		for _, node := range []NodeID{1, 2} {
			lead(t, s, node, Op{Kind: OpHello, From: 1})
			say(t, s, node, Op{Kind: OpServe, Service: "db", Flag: true})
		}
		say(t, s, 1, Op{Kind: OpPause, Service: "db", Flag: true, Text: "a", State: "drain", Max: 100 * ms})
		a, _ := s.Plan("db")
		say(t, s, 1, Op{Kind: OpResume, Service: "db", Token: a.ID, Flag: true, From: ReservePlace})
		tc.then(s, a.ID)
		again, err := RestoreState(s.Snapshot())
		if err != nil {
			t.Fatal(err)
		}
		for _, op := range []Op{{Kind: OpPause, Service: "db"}, next(a.ID)} { // of another node, which cannot take its place
			say(t, s, 2, op)
		}
		if p, _ := s.Plan("db"); (p.ID != a.ID) != tc.other {
			t.Errorf("%s: another plan began: %t, want %t", tc.name, p.ID != a.ID, tc.other)
		}
		say(t, again, 1, next(a.ID))
		if p, _ := again.Plan("db"); (p.ID != a.ID && p.Backend == "b") != tc.goes {
			t.Errorf("%s: it continues: %t, want %t", tc.name, p.ID != a.ID, tc.goes)
		}
	}
}

// TestRule27APlaceWithoutItsOwner is given up at its max, and kept while its owner is
// there.
func TestRule27APlaceWithoutItsOwner(t *testing.T) {
	for _, lost := range []bool{false, true} {
		v, log := leaderOf(t)
		apply := func(b Batch) { log.apply(v, 0, b) }
		apply(Batch{7, 1, 1, []Op{{Kind: OpPause, Service: "db", Max: 100 * ms, Flag: true, Text: "a", State: "drain"}}})
		plan, _ := v.State().Plan("db")
		apply(Batch{7, 1, 2, []Op{{Kind: OpResume, Service: "db", Token: plan.ID, Flag: true, From: ReservePlace}}})
		if lost {
			apply(Batch{Node: 7, Ops: []Op{{Kind: OpExpire, To: 1}}})
		}
		if v.Poll(99 * ms); len(log.proposed) > 0 {
			t.Errorf("given up before its max")
		}
		v.Poll(100 * ms)
		v.Poll(planKept + 100*ms)
		freed := 0
		for _, data := range log.proposed {
			batches, err := DecodeEntry(data)
			if err != nil {
				t.Fatal(err)
			}
			for _, b := range batches {
				for _, op := range b.Ops {
					if op.Kind == OpForget {
						t.Error("a plan whose place is reserved is forgotten")
					}
					if op.Kind == OpResume && op.From == FreePlace && op.Token == plan.ID {
						freed++
					}
				}
			}
		}
		if (freed == 1) != lost {
			t.Errorf("its owner is lost %t: given up %d times", lost, freed)
		}
	}
}
