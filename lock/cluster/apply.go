package cluster

import (
	"fmt"
	"slices"
)

// Changes are what an entry has led to, for the voter that leads.
type Changes struct {
	Grants []Grant  // in the order in which they were given
	Began  []NodeID // nodes whose lease began
	Said   []NodeID // nodes of which the entry had a batch, or that wait for it
}

// Apply applies the entry with this index, which has to be higher than that of the
// entry before. Empty data changes nothing but the index. After an error, which
// wraps ErrNewer or ErrCorrupt, the state is as it was, and the voter has to stop.
func (s *State) Apply(index uint64, data []byte) (Changes, error) {
	var out Changes
	if index <= s.index {
		return out, fmt.Errorf("cluster: entry %d applied after entry %d", index, s.index)
	}
	var batches []Batch
	if len(data) > 0 {
		var err error
		if batches, err = DecodeEntry(data); err != nil {
			return out, err
		}
	}
	s.index = index
	for _, b := range batches {
		if b.Lease == 0 {
			for _, op := range b.Ops {
				s.applyLeader(b.Node, op, &out)
			}
		} else {
			s.applyNode(b, &out)
		}
		out.Said = append(out.Said, b.Node)
	}
	// Once, at the end: an entry is one moment, in which all joins precede all grants.
	for _, sv := range s.services {
		s.grant(sv, &out)
	}
	return out, nil
}

// applyNode applies those ops of a node's batch that are next under its lease.
func (s *State) applyNode(b Batch, out *Changes) {
	m := s.member(b.Node)
	if m == nil || !m.leased() || m.Lease != b.Lease || b.First > m.Applied+1 {
		return
	}
	for i, op := range b.Ops {
		if n := b.First + uint64(i); n == m.Applied+1 {
			m.Applied = n
			s.applyOp(m, op, out)
		}
	}
}

// applyLeader applies a leader's op about a node.
func (s *State) applyLeader(node NodeID, op Op, out *Changes) {
	switch op.Kind {
	case OpHello:
		s.hello(node, op, out)
	case OpExpire:
		if m := s.member(node); m != nil && m.leased() && m.Lease == op.To {
			s.endLease(m)
		}
	case OpMember:
		m := s.addMember(node)
		s.facts = s.index
		if op.Flag {
			if m.leased() {
				s.endLease(m)
			}
			for _, sv := range s.services {
				s.serve(sv, node, false)
			}
			s.members = slices.DeleteFunc(s.members, func(m Member) bool { return m.Node == node })
		}
	case OpResume:
		s.resume(0, op)
	case OpForget:
		s.forget(op)
	case OpShare:
		s.addShare(node, op)
	}
}

// hello begins a lease for a node that has none, or whose process was restarted: slots
// and waiters of the previous process are dropped.
func (s *State) hello(node NodeID, op Op, out *Changes) {
	m := s.addMember(node)
	switch {
	case op.From > m.Incarnation:
		if m.leased() {
			s.endLease(m)
		}
	case op.From < m.Incarnation, op.To != m.Lease, m.leased():
		return // repeated, or late
	}
	if m.Incarnation > 0 && op.From > m.Incarnation {
		s.restarted(node)
	} else {
		s.ownsOn(m)
	}
	s.reports = s.index
	*m = Member{Node: node, Incarnation: op.From, Lease: s.index, Keep: m.Keep}
	out.Began = append(out.Began, node)
}

// endLease takes everything that m has: its slots are freed as expired, and its waiters are
// removed. A pause that it owns lasts until its Max, as when its command line is killed.
func (s *State) endLease(m *Member) {
	m.Ended, s.reports = true, s.index
	for _, sv := range s.services {
		for i := len(sv.held) - 1; i >= 0; i-- {
			if sv.held[i].Node == m.Node {
				sv.held[i].Expired = true
				sv.giveBack(i)
			}
		}
		sv.endShare(m.Node)
		sv.lines = slices.DeleteFunc(sv.lines, func(l *line) bool { return l.node == m.Node })
	}
}
