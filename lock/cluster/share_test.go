package cluster

import (
	"slices"
	"testing"
	"time"
)

// sharing returns an agent with a lease and a share of db.
func sharing(t *testing.T, s Share) *Agent {
	t.Helper()
	a := leased(t, false)
	a.Use("db", true)
	a.Step(0, Answer{From: 1, Leads: true, Incarnation: 1, Lease: 5, Known: 9, Facts: []Fact{{Service: "db", Slots: 30, Sharing: true, Ordered: 8}}})
	tell(a, 0, s)
	return a
}

func tell(a *Agent, now time.Duration, s Share) {
	s.Service = "db"
	a.Step(now, Answer{From: 1, Leads: true, Incarnation: 1, Lease: 5, Shares: []Share{s}})
	a.Ready()
}

// given returns what the agent has given back since the last call.
func given(a *Agent) (slots, owed uint64) {
	for _, r := range a.Ready().Requests {
		for _, op := range r.Ops {
			if op.Kind == OpGive {
				slots, owed = slots+op.From, owed+op.To
			}
		}
	}
	return slots, owed
}

// TestAShareIsHandedOutInOrder: to the client that came first, whoever asks first.
func TestAShareIsHandedOutInOrder(t *testing.T) {
	a := sharing(t, Share{Added: 1, From: 1, To: 100})
	a.WaitingUpTo(0, "db", 2)
	if _, reason := a.Admit(0, "db", 2, 0); reason != ReasonCluster {
		t.Errorf("the second was admitted first: %q", reason)
	}
	if g, reason := a.Admit(0, "db", 1, 0); reason != "" || g.Token != 1 {
		t.Errorf("the first: %+v, %q", g, reason)
	}
	if _, reason := a.Admit(0, "db", 2, 0); reason != ReasonCluster {
		t.Errorf("the second has a slot that is taken: %q", reason)
	}
	if a.Done("db", 1); len(kinds(a)) > 0 {
		t.Error("an op for a slot of the node's own share")
	}
	if g, reason := a.Admit(0, "db", 2, 0); reason != "" || g.Token != 2 {
		t.Errorf("then the second: %+v, %q", g, reason)
	}
}

// TestASharesHookIsOwed until it has run, even by the next session of the slot.
func TestASharesHookIsOwed(t *testing.T) {
	a := sharing(t, Share{Added: 2, Owed: 1, From: 1, To: 100})
	for arrival := uint64(1); arrival <= 2; arrival++ {
		a.WaitingUpTo(0, "db", arrival)
		if g, reason := a.Admit(0, "db", arrival, 0); reason != "" || !g.Expired {
			t.Fatalf("arrival %d: %+v, %q", arrival, g, reason)
		}
		a.Done("db", arrival) // the hook did not run
	}
	tell(a, 0, Share{Added: 2, Owed: 1, From: 1, To: 100, Yield: true, Keep: 1})
	a.WaitingUpTo(0, "db", 3)
	if g, _ := a.Admit(0, "db", 3, 0); g.Expired {
		t.Error("a hook is still owed for a slot that was given back")
	}
	a.Done("db", 3)

	a = sharing(t, Share{Added: 2, Owed: 1, From: 1, To: 100})
	a.WaitingUpTo(0, "db", 1)
	g, _ := a.Admit(0, "db", 1, 0)
	a.Admit(0, "db", 1, g.Token)
	a.Done("db", 1)
	a.Use("db", false)
	if slots, owed := given(a); slots != 2 || owed != 0 {
		t.Errorf("gives back %d, and owes %d hooks, of which one has run", slots, owed)
	}
	a = sharing(t, Share{Added: 2, Owed: 1, From: 1, To: 100})
	a.Use("db", false)
	if slots, owed := given(a); slots != 2 || owed != 1 {
		t.Errorf("gives back %d, and owes %d hooks", slots, owed)
	}
}

// TestWhoIsYoungerYields, while a leader asks for it.
func TestWhoIsYoungerYields(t *testing.T) {
	for _, c := range []struct {
		what     string
		age, now time.Duration // age of the other node's client at 100 ms; when a slot is freed
		yields   bool
	}{
		{"the other came much earlier", 400 * ms, 150 * ms, true},
		{"the other came slightly earlier", 150 * ms, 150 * ms, false},
		{"the leader has fallen silent", 400 * ms, 360 * ms, false},
	} {
		a := sharing(t, Share{Added: 1, From: 1, To: 100})
		a.WaitingUpTo(0, "db", 2)
		a.Admit(0, "db", 1, 0)
		a.Admit(0, "db", 2, 0)
		tell(a, 100*ms, Share{Added: 1, From: 1, To: 100, Yield: true, Age: c.age})
		a.Admit(c.now, "db", 2, 0)
		a.Done("db", 1)
		_, reason := a.Admit(c.now, "db", 2, 0)
		if slots, _ := given(a); (slots == 1) != c.yields || (reason == "") == c.yields {
			t.Errorf("%s: gave %d, reason %q", c.what, slots, reason)
		}
	}
}

// TestClientsBackFromADial: their ages are their own, in whatever order their dials have failed.
func TestClientsBackFromADial(t *testing.T) {
	for _, back := range [][]uint64{{1, 2}, {2, 1}} {
		a := sharing(t, Share{Added: 2, From: 1, To: 100})
		for i := range uint64(2) {
			a.WaitingUpTo(time.Duration(i)*400*ms, "db", i+1)
			a.Admit(time.Duration(i)*400*ms, "db", i+1, 0)
		}
		for _, arrival := range back {
			a.Requeue("db", arrival)
		}
		if first, came, _ := a.oldest(a.service("db")); first != 1 || came != 0 {
			t.Errorf("back in the order %v: the first is client %d, that came at %v", back, first, came)
		}
	}
}

// sharersOf returns nodes with shares of 10 and these reports.
func sharersOf(reports ...ShareReport) (all []*sharer) {
	for i, r := range reports {
		n := &nodeShares{ShareReport: r, at: second, came: second - r.Age, last: second - r.Newest}
		all = append(all, &sharer{leaderMember: &leaderMember{node: NodeID(i + 1)}, report: n, slots: 10, able: true, fresh: true})
	}
	return all
}

func adds(all []*sharer) (n []uint64) {
	slices.SortFunc(all, func(a, b *sharer) int { return compare(a.node, b.node) })
	for _, s := range all {
		n = append(n, s.add)
	}
	return n
}

// TestWhoCameFirstHasTheSlots, and slots that nobody waits for are spread.
func TestWhoCameFirstHasTheSlots(t *testing.T) {
	for _, c := range []struct {
		what    string
		pool    uint64
		reports []ShareReport
		want    []uint64
	}{
		{"enough for all, the rest where few are free", 10, []ShareReport{{Waiting: 2, Age: second}, {Free: 1}, {Free: 5}}, []uint64{6, 4, 0}},
		{"one waiter is older", 3, []ShareReport{{Waiting: 5, Age: 900 * ms, Newest: 800 * ms}, {Waiting: 9, Age: 100 * ms}}, []uint64{3, 0}},
		{"as many of each", 6, []ShareReport{{Waiting: 9, Age: 300 * ms}, {Waiting: 9, Age: 300 * ms}, {Waiting: 9, Age: 300 * ms}}, []uint64{2, 2, 2}},
		{"one slot", 1, []ShareReport{{Waiting: 3, Age: 200 * ms}, {Waiting: 1, Age: 400 * ms, Newest: 400 * ms}}, []uint64{0, 1}},
		{"nobody waits", 9, []ShareReport{{Free: 3}, {}, {}}, []uint64{1, 4, 4}},
	} {
		all := sharersOf(c.reports...)
		spread(all, c.pool-addOldest(all, second, c.pool))
		if got := adds(all); !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", c.what, got, c.want)
		}
	}
}

// TestWhatIsAskedOfANode: what the leader asks of the first of the nodes.
func TestWhatIsAskedOfANode(t *testing.T) {
	sv := &service{slots: 30}
	for range 30 {
		sv.held = append(sv.held, Grant{})
	}
	for _, c := range []struct {
		what    string
		reports []ShareReport
		change  func(all []*sharer)
		want    Share
	}{
		{"nothing", []ShareReport{{Free: 5}, {Free: 4}}, nil, Share{}},
		{"others wait", []ShareReport{{Free: 5}, {Waiting: 3, Age: 70 * ms}, {Waiting: 1, Age: 90 * ms}}, nil, Share{Yield: true, Keep: 6, Age: 90 * ms}},
		{"one has none", []ShareReport{{Free: 8}, {Free: 0}}, nil, Share{Yield: true, Keep: 6}},
		{"it cannot serve", []ShareReport{{Free: 3}, {Free: 3}}, func(all []*sharer) { all[0].able = false }, Share{Yield: true, Keep: 7}},
		{"a node with waiters has fallen silent", []ShareReport{{Free: 5}, {Waiting: 3, Age: 70 * ms, Free: 5}}, func(all []*sharer) { all[1].report.at = 0 }, Share{}},
	} {
		all := sharersOf(c.reports...)
		if c.change != nil {
			c.change(all)
		}
		if got := yieldOf(sv, all[0], all, second); got != c.want {
			t.Errorf("%s: %+v, want %+v", c.what, got, c.want)
		}
	}
	all := sharersOf(ShareReport{}, ShareReport{})
	sv.slots = 20
	if got := yieldOf(sv, all[0], all, second); !got.Yield || got.Keep > 7 || got.Age != anyAge {
		t.Errorf("after the number of slots was reduced: %+v", got)
	}
}

// TestSharesAreAddedOnce: a leader adds no more until the node has reported the last
// addition, and brings new tokens in time.
func TestSharesAreAddedOnce(t *testing.T) {
	v, log := leadingVoter(7, 1)
	said := uint64(0)
	say := func(ops []Op, r ShareReport) (added []uint64) {
		r.Service = "db"
		v.Step(0, Request{Node: 7, Incarnation: 1, Lease: 2, First: said + 1, Ops: ops, Shares: []ShareReport{r}})
		said += uint64(len(ops))
		for range 3 {
			v.Poll(0)
			for _, data := range log.proposed {
				batches, _ := DecodeEntry(data)
				for _, b := range batches {
					if b.Ops[0].Kind == OpShare {
						added = append(added, b.Ops[0].From)
					}
				}
			}
			log.commit()
			v.Poll(0)
			log.ready.Entries = nil
		}
		return added
	}
	order := []Op{{Kind: OpOrder, Service: "db", Flag: true}, {Kind: OpSlots, Service: "db", From: 10}}
	if got := say(order, ShareReport{}); !slices.Equal(got, []uint64{10}) {
		t.Errorf("added %v, want 10 once", got)
	}
	if got := say([]Op{{Kind: OpSlots, Service: "db", From: 14}}, ShareReport{Waiting: 4}); len(got) > 0 {
		t.Errorf("added %v to a node that has not reported the first", got)
	}
	if got := say(nil, ShareReport{Last: shareTokens, Tokens: shareTokens, Waiting: 4}); !slices.Equal(got, []uint64{4}) {
		t.Errorf("added %v, want 4", got)
	}
	if got := say(nil, ShareReport{Last: 2 * shareTokens, Tokens: shareTokens / 3}); !slices.Equal(got, []uint64{0}) {
		t.Errorf("added %v when few tokens remained", got)
	}
}

// TestTheOrderChangesMeanwhile: a client whose dial failed joins again, a grant of the
// state is ended by its token, and the node learns of the last addition.
func TestTheOrderChangesMeanwhile(t *testing.T) {
	a := sharing(t, Share{Added: 1, From: 101, To: 200})
	a.WaitingUpTo(0, "db", 2)
	a.Admit(0, "db", 1, 0)
	strict := Answer{From: 1, Leads: true, Incarnation: 1, Lease: 5, Known: 19, Facts: []Fact{{Service: "db", Slots: 30, Ordered: 18}}}
	if a.Step(0, strict); !slices.Equal(kinds(a), []Kind{OpLeave, OpJoin}) {
		t.Error("the waiter does not join")
	}
	a.Requeue("db", 1)
	if said := kinds(a); !slices.Equal(said, []Kind{OpGive, OpLeave, OpJoin}) {
		t.Errorf("ops %v after a failed dial", said)
	}
	strict.Grants = []Grant{{Service: "db", Node: 1, Lease: 5, Arrival: 1, Token: 300}}
	a.Step(0, strict)
	a.Admit(0, "db", 1, 0)
	a.Done("db", 1)
	for _, r := range a.Ready().Requests {
		for _, op := range r.Ops {
			if op.Kind == OpDone && op.Token != 300 {
				t.Errorf("op %+v after the end of its session", op)
			}
		}
	}

	v, log := leadingVoter(7, 1)
	for i, ops := range [][]Op{{{Kind: OpOrder, Service: "db", Flag: true}, {Kind: OpSlots, Service: "db", From: 10}}, {{Kind: OpOrder, Service: "db"}}} {
		r := Request{Node: 7, Incarnation: 1, Lease: 2, First: uint64(2*i + 1), Ops: ops}
		if i == 0 {
			r.Shares = []ShareReport{{Service: "db"}}
		}
		v.Step(0, r)
		for range 3 {
			v.Poll(0)
			log.commit()
			v.Poll(0)
			log.ready.Entries = nil
		}
		answers := v.Answers()
		last := answers[len(answers)-1]
		if len(last.Shares) != 1 || last.Shares[0].Added != 10 {
			t.Errorf("the last answer has %+v", last.Shares)
		}
	}
}
