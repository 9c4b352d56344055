package cluster

import (
	"slices"
	"time"
)

// applied handles what an entry has changed in the state. own: the entry is of this
// leader's term.
func (l *Leader) applied(now time.Duration, own, empty bool, c Changes) {
	if !l.leads {
		return
	}
	if !l.ready {
		if own {
			l.begin(now)
		}
		return
	}
	if own && !empty {
		l.inflight = false
	}
	for _, node := range c.Began {
		m := l.state.member(node)
		l.forget(node)
		l.add(&leaderMember{node: node, lease: m.Lease, until: now + l.lease})
	}
	l.members = slices.DeleteFunc(l.members, func(lm *leaderMember) bool {
		m := l.state.member(lm.node)
		return m == nil || m.Lease != lm.lease || m.Ended
	})
	told := slices.Clone(c.Said)
	if l.state.facts == l.state.index { // all nodes have to know, and a window waits for that
		for _, lm := range l.members {
			told = append(told, lm.node)
		}
	}
	for _, g := range c.Grants {
		if lm := l.member(g.Node); lm != nil {
			lm.unseen = append(lm.unseen, g)
			told = append(told, g.Node)
		}
	}
	l.shared, l.adds = true, true
	slices.Sort(told)
	for _, node := range slices.Compact(told) {
		l.hellos = slices.DeleteFunc(l.hellos, func(n NodeID) bool { return n == node })
		l.answer(node, 0)
	}
	l.watchPlans(now)
}

// begin is called once the state has everything that previous leaders committed. A
// lease that one of them renewed just now is counted in full.
func (l *Leader) begin(now time.Duration) {
	l.ready = true
	for _, m := range l.state.members {
		if m.leased() {
			l.add(&leaderMember{node: m.Node, lease: m.Lease, until: now + l.lease})
		}
	}
	for _, sv := range l.state.services {
		for _, g := range sv.held {
			if lm := l.member(g.Node); lm != nil {
				lm.unseen = append(lm.unseen, g)
			}
		}
	}
	l.watchPlans(now)
}

func (l *Leader) add(m *leaderMember) {
	i, _ := slices.BinarySearchFunc(l.members, m.node, func(m *leaderMember, n NodeID) int { return compare(m.node, n) })
	l.members = slices.Insert(l.members, i, m)
}

func (l *Leader) forget(node NodeID) {
	l.members = slices.DeleteFunc(l.members, func(m *leaderMember) bool { return m.node == node })
}

// confirmed renews what was received before a majority was asked: while the majority
// followed this voter, no later leader can have begun to count the lease.
func (l *Leader) confirmed(read uint64) {
	if !l.ready {
		return
	}
	rest := l.renewals[:0]
	for _, r := range l.renewals {
		if r.read == 0 || r.read > read {
			rest = append(rest, r)
			continue
		}
		lm := l.member(r.node)
		if lm == nil || lm.lease != r.lease || lm.expiring {
			continue
		}
		lm.until = max(lm.until, r.at+l.lease)
		l.answer(r.node, r.number)
	}
	l.renewals = rest
}

// tick proposes the end of leases that have run out.
func (l *Leader) tick(now time.Duration) {
	if !l.ready {
		return
	}
	for _, m := range l.members {
		if !m.expiring && now >= m.until {
			m.expiring = true
			l.batches = append(l.batches, Batch{Node: m.node, Ops: []Op{{Kind: OpExpire, To: m.lease}}})
		}
	}
	l.tickPlans(now)
}

// flush gives everything collected to the log: one entry, and one Confirm for all
// renewals since the last.
func (l *Leader) flush(now time.Duration, log Log) {
	if !l.ready {
		return
	}
	if !l.inflight && l.adds {
		l.batches, l.adds = append(l.batches, l.shareOut(now)...), false
	}
	if !l.inflight && len(l.batches) > 0 && l.due(now) {
		if data, n := encodeSome(l.batches); log.Propose(data) == nil {
			l.batches, l.inflight = slices.Clone(l.batches[n:]), true
		}
	}
	asked := false
	for i := range l.renewals {
		if r := &l.renewals[i]; r.read == 0 {
			r.read, asked = l.read+1, true
		}
	}
	if asked {
		l.read++
		_ = log.Confirm(l.read) // lost with the term, if it does not lead
	}
}

// due reports whether the batches must become an entry now. A join grants nothing where
// all slots are taken: its entry waits a moment for an op that frees a slot, which
// would otherwise wait until the join is written. The order of collection is kept.
func (l *Leader) due(now time.Duration) bool {
	for _, b := range l.batches {
		for _, op := range b.Ops {
			if sv := l.state.service(op.Service); op.Kind != OpJoin || sv == nil || sv.free() > 0 {
				l.joins = false
				return true
			}
		}
	}
	if !l.joins {
		l.joins, l.joined = true, now
	}
	if now-l.joined < l.lease/300 {
		return false
	}
	l.joins = false
	return true
}
