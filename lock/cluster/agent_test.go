package cluster

import (
	"slices"
	"testing"
	"time"
)

// leased returns an agent whose lease 5 was renewed at 0.
func leased(t *testing.T, keep bool) *Agent {
	t.Helper()
	a := NewAgent(AgentConfig{Node: 1, Incarnation: 1, Voters: []NodeID{1}, Lease: time.Second, Keep: keep})
	a.Tick(0)
	a.Step(0, Answer{From: 1, Leads: true, Incarnation: 1, Lease: 5})
	a.Tick(0)
	a.Step(0, Answer{From: 1, Leads: true, Incarnation: 1, Lease: 5, Renewed: 1})
	if until, ok := a.Runs(0); !ok || until != 900*ms {
		t.Fatalf("the lease runs: %t, until %v", ok, until)
	}
	a.Ready()
	return a
}

func admit(t *testing.T, a *Agent, arrival uint64) {
	t.Helper()
	a.WaitingUpTo(0, "db", arrival)
	a.Step(0, Answer{From: 1, Leads: true, Incarnation: 1, Lease: 5, Grants: []Grant{{Service: "db", Node: 1, Lease: 5, Arrival: arrival, Token: arrival}}})
	if g, reason := a.Admit(0, "db", arrival, 0); reason != "" || g.Token != arrival {
		t.Fatalf("admitted with %+v, %q", g, reason)
	}
	a.Ready()
}

// TestOnLost: a session that holds a slot is ended at nine tenths of the lease, or
// continues, and in both cases nobody else is admitted.
func TestOnLost(t *testing.T) {
	for _, keep := range []bool{false, true} {
		a := leased(t, keep)
		admit(t, a, 1)
		a.Tick(899 * ms)
		if r := a.Ready(); len(r.Cut) > 0 {
			t.Errorf("keep %t: cut before the lease was over", keep)
		}
		if a.Deadline() > 900*ms {
			t.Errorf("keep %t: the deadline is %v", keep, a.Deadline())
		}
		a.Tick(900 * ms)
		if r := a.Ready(); (len(r.Cut) == 0) != keep || !slices.Contains(r.Ask, "db") {
			t.Errorf("keep %t: cut %+v, asks %v: want the session, and the gate asked for new reasons", keep, r.Cut, r.Ask)
		}
		a.WaitingUpTo(0, "db", 2)
		if _, reason := a.Admit(900*ms, "db", 2, 0); reason != ReasonLease {
			t.Errorf("keep %t: reason %q after the lease was lost", keep, reason)
		}
		if a.Act(900*ms, Op{Kind: OpSlots, Service: "db", From: 1}) {
			t.Errorf("keep %t: an act without a lease was accepted", keep)
		}
	}
}

// TestOnlyARenewalRenews: a lease that has begun admits nobody before it is renewed,
// and a late answer counts from when its request was sent.
func TestOnlyARenewalRenews(t *testing.T) {
	a := NewAgent(AgentConfig{Node: 1, Incarnation: 1, Voters: []NodeID{1}, Lease: time.Second})
	a.Tick(0)
	a.Step(0, Answer{From: 1, Leads: true, Incarnation: 1, Lease: 5})
	if _, ok := a.Runs(0); ok {
		t.Error("the lease runs after a hello")
	}
	a.Tick(100 * ms)
	a.Step(950*ms, Answer{From: 1, Leads: true, Incarnation: 1, Lease: 5, Renewed: 1})
	if until, ok := a.Runs(950 * ms); !ok || until != time.Second {
		t.Errorf("the lease runs: %t, until %v; want 1s", ok, until)
	}
	a.Step(960*ms, Answer{From: 1, Leads: true, Incarnation: 1, Lease: 5, Renewed: 99})
	if until, _ := a.Runs(960 * ms); until != time.Second {
		t.Errorf("a renewal that was never sent counts until %v", until)
	}
}

// TestRequestsAreBounded: the ops that wait for a leader are bounded, and so is a request.
func TestRequestsAreBounded(t *testing.T) {
	a := leased(t, false)
	for i := range uint64(maxRequest) {
		a.WaitingUpTo(0, "db", i+1)
		a.Done("db", i+1)
	}
	var said int
	for _, r := range a.Ready().Requests {
		if len(r.Ops) > maxRequest || r.First != uint64(said)+1 {
			t.Errorf("a request of %d ops from %d, after %d", len(r.Ops), r.First, said)
		}
		said += len(r.Ops)
	}
	if said != 2*maxRequest {
		t.Errorf("%d of %d ops sent", said, 2*maxRequest)
	}
	for i := range uint64(maxOps) {
		a.Done("db", maxRequest+i+1) // never joined: adds no op
		a.WaitingUpTo(0, "db", maxRequest+i+1)
		a.Done("db", maxRequest+i+1)
	}
	a.Tick(2 * second)
	if n := len(a.ops); n != 0 {
		t.Errorf("%d ops are kept without a majority", n)
	}
}

// TestAGrantThatComesAgain: a leader repeats a grant until it knows that it has arrived.
func TestAGrantThatComesAgain(t *testing.T) {
	a := leased(t, false)
	admit(t, a, 1)
	again := Answer{From: 1, Leads: true, Incarnation: 1, Lease: 5, Grants: []Grant{{Service: "db", Node: 1, Lease: 5, Arrival: 1, Token: 1}}}
	a.Requeue("db", 1)
	for _, state := range []struct {
		state string
		want  Reason
	}{{"requeued", ReasonCluster}, {"done", ReasonLost}} {
		if state.state == "done" {
			a.Done("db", 1)
		}
		a.Step(0, again)
		if _, reason := a.Admit(0, "db", 1, 0); reason != state.want {
			t.Errorf("%s: an old grant was accepted, reason %q", state.state, reason)
		}
	}
	a.Tick(500 * ms)
	if r := a.Ready().Requests; len(r) == 0 || len(r[0].Seen) == 0 {
		t.Error("the leader does not learn that the grant has arrived")
	}
}

// kinds returns the kinds of the ops since the last call.
func kinds(a *Agent) (said []Kind) {
	for _, r := range a.Ready().Requests {
		for _, op := range r.Ops {
			said = append(said, op.Kind)
		}
	}
	return said
}

// TestACutSessionHoldsItsSlot until the engine reports its end: the lease may be
// renewed meanwhile, and the state would give the slot to another node.
func TestACutSessionHoldsItsSlot(t *testing.T) {
	a := leased(t, false)
	admit(t, a, 1)
	a.Tick(900 * ms)
	r := a.Ready()
	if len(r.Cut) != 1 {
		t.Fatalf("cut %+v", r.Cut)
	}
	for _, req := range r.Requests {
		for _, op := range req.Ops {
			if op.Kind == OpDone {
				t.Error("the slot is given back while the session lives")
			}
		}
	}
	a.Done("db", 1)
	if said := kinds(a); !slices.Contains(said, OpDone) {
		t.Errorf("ops %v after its end", said)
	}
}

// TestWhoCannotServeGivesBack: grants are returned, even one that arrives late.
func TestWhoCannotServeGivesBack(t *testing.T) {
	a := leased(t, false)
	a.WaitingUpTo(0, "db", 2)
	grant := func(arrival uint64) {
		a.Step(0, Answer{From: 1, Leads: true, Incarnation: 1, Lease: 5, Grants: []Grant{{Service: "db", Node: 1, Lease: 5, Arrival: arrival, Token: arrival}}})
	}
	grant(1)
	kinds(a)
	a.Able("db", false)
	if said := kinds(a); !slices.Equal(said, []Kind{OpAble, OpRequeue}) {
		t.Errorf("ops %v", said)
	}
	grant(2)
	if said := kinds(a); !slices.Equal(said, []Kind{OpRequeue}) {
		t.Errorf("ops %v after a late grant", said)
	}
	for arrival := range uint64(2) {
		if _, reason := a.Admit(0, "db", arrival+1, 0); reason != ReasonCluster {
			t.Errorf("arrival %d: reason %q", arrival+1, reason)
		}
	}
}

// TestAdmitWaitsForHooks: a grant that asks for hooks is taken, and admits once they
// have run, unless the lease was lost meanwhile.
func TestAdmitWaitsForHooks(t *testing.T) {
	for _, lost := range []bool{false, true} {
		a := leased(t, false)
		a.WaitingUpTo(0, "db", 1)
		a.Step(0, Answer{From: 1, Leads: true, Incarnation: 1, Lease: 5, Grants: []Grant{{Service: "db", Node: 1, Lease: 5, Arrival: 1, Token: 7, Expired: true}}})
		if g, reason := a.Admit(0, "db", 1, 0); reason != "" || !g.Expired {
			t.Fatalf("%+v, %q", g, reason)
		}
		if kinds(a); lost {
			a.Tick(900 * ms)
			if r := a.Ready(); len(r.Cut) > 0 || !slices.Contains(r.Ask, "db") {
				t.Errorf("cut %v, asks %v: want the hook ended", r.Cut, r.Ask)
			}
			if _, reason := a.Admit(900*ms, "db", 1, 7); reason != ReasonLease {
				t.Errorf("without a lease: %q", reason)
			}
			a.Step(950*ms, Answer{From: 1, Leads: true, Incarnation: 1, Lease: 5, Ended: true})
			if r := a.services[0].line.runs; len(r) != 1 || r[0].from != 1 {
				t.Errorf("it has lost its place: %v", r)
			}
			continue
		}
		if g, reason := a.Admit(0, "db", 1, 7); reason != "" || g.awaitsHook() {
			t.Errorf("after its hooks: %+v, %q", g, reason)
		}
		if said := kinds(a); !slices.Equal(said, []Kind{OpReady}) {
			t.Errorf("ops %v", said)
		}
	}
}

// TestKeptSessionsAreForgotten: a session that continues without its lease has no place
// to return to.
func TestKeptSessionsAreForgotten(t *testing.T) {
	a := leased(t, true)
	admit(t, a, 1)
	a.Tick(900 * ms)
	a.Step(950*ms, Answer{From: 1, Leads: true, Incarnation: 1, Lease: 5, Ended: true})
	a.Requeue("db", 1) // its dial failed
	a.Step(960*ms, Answer{From: 1, Leads: true, Incarnation: 1, Lease: 9})
	a.Tick(970 * ms)
	a.Step(980*ms, Answer{From: 1, Leads: true, Incarnation: 1, Lease: 9, Renewed: 2})
	if _, reason := a.Admit(990*ms, "db", 1, 0); reason != ReasonLost {
		t.Errorf("reason %q", reason)
	}
}

// TestHooksAreOwed: an on_expire hook that did not run is due with the next grant, once.
func TestHooksAreOwed(t *testing.T) {
	s := NewState("owed")
	index := uint64(0)
	apply := func(b Batch) []Grant {
		t.Helper()
		index++
		c, err := s.Apply(index, EncodeEntry([]Batch{b}))
		if err != nil {
			t.Fatal(err)
		}
		return c.Grants
	}
	apply(Batch{Node: 1, Ops: []Op{{Kind: OpHello, From: 1}}})
	apply(Batch{Node: 2, Ops: []Op{{Kind: OpHello, From: 1}}})
	said := map[NodeID]uint64{}
	say := func(node NodeID, op Op) []Grant {
		t.Helper()
		said[node]++
		op.Service = "db"
		return apply(Batch{Node: node, Lease: uint64(node), First: said[node], Ops: []Op{op}})
	}
	say(1, Op{Kind: OpSlots, From: 1})
	say(1, Op{Kind: OpJoin, From: 1, To: 1})
	say(2, Op{Kind: OpJoin, From: 1, To: 3})
	g := apply(Batch{Node: 1, Ops: []Op{{Kind: OpExpire, To: 1}}})
	if len(g) != 1 || !g[0].Expired || g[0].Token != 2 {
		t.Fatalf("granted %+v", g)
	}
	if g = say(2, Op{Kind: OpDone, From: 1}); len(g) != 1 || !g[0].Expired {
		t.Fatalf("after a grant whose hook did not run: %+v", g)
	}
	say(2, Op{Kind: OpReady, Token: g[0].Token})
	if g = say(2, Op{Kind: OpDone, From: 2}); len(g) != 1 || g[0].Expired {
		t.Errorf("after a grant whose hook ran: %+v", g)
	}
}
