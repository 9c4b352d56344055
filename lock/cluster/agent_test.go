package cluster

import (
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
	a.WaitingUpTo("db", arrival)
	a.Step(0, Answer{From: 1, Leads: true, Incarnation: 1, Lease: 5, Grants: []Grant{{Service: "db", Node: 1, Lease: 5, Arrival: arrival, Token: arrival}}})
	if g, reason := a.Admit(0, "db", arrival); reason != "" || g.Token != arrival {
		t.Fatalf("admitted with %+v, %q", g, reason)
	}
	a.Ready()
}

// TestOnLost: a session that holds a slot is ended at nine tenths of the lease, or
// goes on, and in both cases no other is admitted.
func TestOnLost(t *testing.T) {
	for _, keep := range []bool{false, true} {
		a := leased(t, keep)
		admit(t, a, 1)
		a.Tick(899 * ms)
		if r := a.Ready(); len(r.Cut) > 0 {
			t.Errorf("keep %t: cut before the lease was over", keep)
		}
		if a.Deadline() > 900*ms {
			t.Errorf("keep %t: Tick is asked for at %v", keep, a.Deadline())
		}
		a.Tick(900 * ms)
		if r := a.Ready(); (len(r.Cut) == 0) != keep {
			t.Errorf("keep %t: cut %+v", keep, r.Cut)
		}
		a.WaitingUpTo("db", 2)
		if _, reason := a.Admit(900*ms, "db", 2); reason != ReasonLease {
			t.Errorf("keep %t: reason %q", keep, reason)
		}
		if a.Act(900*ms, Op{Kind: OpSlots, Service: "db", From: 1}) {
			t.Errorf("keep %t: an act without a lease was taken", keep)
		}
	}
}

// TestOnlyARenewalRenews: a lease that has begun admits nobody by itself, and an
// answer that comes late counts from when its question was sent.
func TestOnlyARenewalRenews(t *testing.T) {
	a := NewAgent(AgentConfig{Node: 1, Incarnation: 1, Voters: []NodeID{1}, Lease: time.Second})
	a.Tick(0)
	a.Step(0, Answer{From: 1, Leads: true, Incarnation: 1, Lease: 5})
	if _, ok := a.Runs(0); ok {
		t.Error("the lease runs by a hello")
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

// TestMuchIsSaidInParts: what waits for a leader is bounded, and so is a request.
func TestMuchIsSaidInParts(t *testing.T) {
	a := leased(t, false)
	for i := range uint64(maxRequest) {
		a.WaitingUpTo("db", i+1)
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
		t.Errorf("%d of %d ops said", said, 2*maxRequest)
	}
	for i := range uint64(maxOps) {
		a.Done("db", maxRequest+i+1) // never joined: says nothing
		a.WaitingUpTo("db", maxRequest+i+1)
		a.Done("db", maxRequest+i+1)
	}
	a.Tick(2 * second)
	if n := len(a.ops); n != 0 {
		t.Errorf("%d ops are kept without a majority", n)
	}
}

// TestAGrantThatComesAgain: a leader says a grant until it is known to have arrived.
func TestAGrantThatComesAgain(t *testing.T) {
	a := leased(t, false)
	admit(t, a, 1)
	again := Answer{From: 1, Leads: true, Incarnation: 1, Lease: 5, Grants: []Grant{{Service: "db", Node: 1, Lease: 5, Arrival: 1, Token: 1}}}
	a.Requeue("db", 1)
	for _, state := range []string{"requeued", "done"} {
		a.Step(0, again)
		if _, reason := a.Admit(0, "db", 1); reason != ReasonCluster {
			t.Errorf("%s: an old grant was taken, reason %q", state, reason)
		}
		a.Done("db", 1)
	}
	a.Tick(500 * ms)
	if r := a.Ready().Requests; len(r) == 0 || len(r[0].Seen) == 0 {
		t.Error("the leader is not told that the grant has arrived")
	}
}
