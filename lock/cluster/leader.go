package cluster

import (
	"slices"
	"time"
)

// A Leader is what the leading voter does besides applying entries: it collects what
// agents ask for into one entry at a time, answers them, and ends leases. Apart from
// the state it keeps only times, so that the next leader needs nothing from it.
type Leader struct {
	id    NodeID
	lease time.Duration
	state *State

	leads    bool
	ready    bool // an entry of this term was applied: the state has all earlier ones
	hint     NodeID
	term     uint64
	members  []*leaderMember // those with a lease, by node
	hellos   []NodeID        // whose OpHello is in batches
	batches  []Batch         // for the next entry
	inflight bool            // an entry is proposed and not applied
	joins    bool            // batches has only joins that grant nothing
	joined   time.Duration   // since when
	read     uint64          // the last that Confirm was asked for
	renewals []renewal
	plans    []leaderPlan
	shared   bool          // shares have changed since nodes were last asked for slots
	adds     bool          // shares have changed since slots were last added
	yields   time.Duration // when nodes are next asked for slots that others need

	answers []AnswerTo
}

// A leaderMember is a node with a lease, as this leader knows it.
type leaderMember struct {
	node     NodeID
	lease    uint64
	until    time.Duration // when the lease ends, unless it is renewed
	expiring bool          // its end is proposed: no renewal counts any more
	unseen   []Grant       // not confirmed by the node
	known    uint64        // index of the facts that the node knows
	shares   []*nodeShares // last reports on its shares
}

// A renewal waits for a majority to confirm that this voter led when it arrived.
type renewal struct {
	node          NodeID
	lease, number uint64
	at            time.Duration // when it was received
	read          uint64        // 0: Confirm was not asked yet
}

// lead begins a term. Nothing known in another term counts.
func (l *Leader) lead(term uint64) {
	*l = Leader{id: l.id, lease: l.lease, state: l.state, leads: true, hint: l.id, term: term, answers: l.answers}
}

// follow ends a term.
func (l *Leader) follow(leader NodeID) {
	*l = Leader{id: l.id, lease: l.lease, state: l.state, hint: leader, answers: l.answers}
}

// step handles an agent's request.
func (l *Leader) step(now time.Duration, r Request) {
	if !l.leads || !l.ready {
		l.send(r.Node, Answer{Leader: l.hint})
		return
	}
	m := l.state.member(r.Node)
	if r.Lease == 0 {
		l.hello(m, r)
		return
	}
	if m == nil || m.Lease != r.Lease || m.Ended {
		// A lease that began after everything this leader knows has not ended: the
		// leader is stale.
		if r.Lease <= l.state.index {
			l.send(r.Node, Answer{Leads: true, Incarnation: r.Incarnation, Lease: r.Lease, Ended: true})
		}
		return
	}
	lm := l.member(r.Node)
	if lm == nil {
		return
	}
	lm.known = r.Known
	l.stepShares(now, lm, r.Shares)
	lm.unseen = slices.DeleteFunc(lm.unseen, func(g Grant) bool { return slices.Contains(r.Seen, Seen{g.Service, g.Token}) })
	if len(r.Ops) > 0 && r.First+uint64(len(r.Ops)) > m.Applied+1 {
		l.batches = append(l.batches, Batch{r.Node, r.Lease, r.First, nodeOps(r.Ops)})
	}
	if r.Renewal > 0 {
		l.renewals = append(l.renewals, renewal{node: r.Node, lease: r.Lease, number: r.Renewal, at: now})
	}
}

// hello requests a lease from the state, or answers that one has begun. It names the
// previous lease by the state: the node may not know of one that began and ended unnoticed.
func (l *Leader) hello(m *Member, r Request) {
	var before uint64
	if m != nil {
		before = m.Lease
		if r.Incarnation < m.Incarnation {
			return // from a process that was replaced
		}
		if m.leased() && m.Incarnation == r.Incarnation {
			if m.Lease > r.Last { // otherwise the node has given it up: it will run out
				l.answer(r.Node, 0)
			}
			return
		}
	}
	if !slices.Contains(l.hellos, r.Node) {
		l.hellos = append(l.hellos, r.Node)
		l.batches = append(l.batches, Batch{Node: r.Node, Ops: []Op{{Kind: OpHello, From: r.Incarnation, To: before}}})
	}
}

// nodeOps replaces ops that a node may not send (only a leader ends leases) by ops that
// do nothing, since they are numbered.
func nodeOps(ops []Op) []Op {
	for i := range ops {
		if ops[i].Kind > lastNodeOp || ops[i].Kind < OpJoin {
			ops[i] = Op{Kind: OpDone}
		}
	}
	return ops
}

// answer sends a node what it waits for. renewed is a renewal, or 0.
func (l *Leader) answer(node NodeID, renewed uint64) {
	m, lm := l.state.member(node), l.member(node)
	if m == nil || lm == nil {
		return
	}
	r := Answer{Leads: true, Incarnation: m.Incarnation, Lease: m.Lease, Renewed: renewed, Applied: m.Applied, Grants: slices.Clone(lm.unseen), Shares: l.shares(lm)}
	if facts, known := l.state.Facts(); known > lm.known {
		r.Facts, r.Known = facts, known
	}
	l.send(node, r)
}

func (l *Leader) send(node NodeID, r Answer) {
	r.From = l.id
	l.answers = append(l.answers, AnswerTo{node, r})
}

func (l *Leader) member(node NodeID) *leaderMember {
	i, ok := slices.BinarySearchFunc(l.members, node, func(m *leaderMember, n NodeID) int { return compare(m.node, n) })
	if !ok {
		return nil
	}
	return l.members[i]
}
