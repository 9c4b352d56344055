package cluster

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"testing"
)

// A model is one service of the state as a plain list of all waiters, for TestModel.
type model struct {
	slots, token, place  uint64
	every                uint64
	exclusive            bool
	waiters              []ticket // in order of place
	held                 []ticket // in order of token
	unable               map[NodeID]bool
	joined               map[NodeID]uint64
	returned             int
	owed, paused         bool
	plan                 uint64
	sharing              bool
	shares               map[NodeID]uint64 // each node's share
	planned, began       bool
	reserved             bool
	owner                NodeID
	about                string          // the backend of the plan
	drained              map[string]bool // backends
	lease, last, applied map[NodeID]uint64
	incarnation          map[NodeID]uint64
}

type ticket struct {
	node                  NodeID
	arrival, place, token uint64
	hook, expired, alone  bool
}

func (m *model) take(list *[]ticket, node NodeID, arrival uint64) (ticket, bool) {
	i := slices.IndexFunc(*list, func(t ticket) bool { return t.node == node && t.arrival == arrival })
	if i < 0 {
		return ticket{}, false
	}
	t := (*list)[i]
	*list = slices.Delete(*list, i, i+1)
	if t.hook {
		m.owed = true
	}
	if t.expired {
		m.returned++
	}
	return t, true
}

func (m *model) apply(node NodeID, op Op, index uint64) {
	switch op.Kind {
	case OpJoin:
		for a := op.From; a <= op.To && op.From > m.joined[node]; a++ {
			m.waiters = append(m.waiters, ticket{node: node, arrival: a, place: m.place})
			m.place++
		}
		if op.From > m.joined[node] {
			m.joined[node] = op.To
		}
	case OpDone:
		if op.Token > 0 {
			if slices.ContainsFunc(m.held, func(t ticket) bool { return t.node == node && t.arrival == op.From && t.token == op.Token }) {
				m.take(&m.held, node, op.From)
			}
		} else if _, ok := m.take(&m.held, node, op.From); !ok {
			m.take(&m.waiters, node, op.From)
		}
	case OpRequeue:
		if slices.ContainsFunc(m.held, func(t ticket) bool { return t.node == node && t.arrival == op.From && t.token == op.Token }) {
			t, _ := m.take(&m.held, node, op.From)
			m.waiters = append(m.waiters, ticket{node: node, arrival: t.arrival, place: t.place})
			slices.SortFunc(m.waiters, func(a, b ticket) int { return int(a.place) - int(b.place) })
		}
	case OpAble:
		m.unable[node] = !op.Flag
	case OpReady:
		for i := range m.held {
			if t := &m.held[i]; t.token == op.Token && t.node == node {
				t.hook, t.alone, t.expired = false, false, false
			}
		}
	case OpPause:
		if !m.planned && (m.reserved && op.Token == m.plan && node == m.owner || !m.reserved && op.Token == 0) {
			m.planned, m.plan, m.owner, m.began, m.reserved = true, index, node, false, false
			m.about, m.paused = op.Text, op.Text == ""
		}
	case OpStep:
		if m.planned && m.plan == op.Token && m.owner == node {
			m.began = op.From > 0
		}
	case OpResume:
		if m.planned && m.plan == op.Token {
			if m.about != "" && m.began && !op.Flag {
				m.drained[m.about] = true
			}
			m.planned, m.paused = false, false
			m.reserved = op.From == ReservePlace && node == m.owner
		} else if m.plan == op.Token && op.From == FreePlace {
			m.reserved = false
		}
	case OpBackend:
		delete(m.drained, op.Text)
	case OpOrder:
		m.sharing = op.Flag
	case OpLeave:
		m.waiters = slices.DeleteFunc(m.waiters, func(t ticket) bool { return t.node == node })
		m.joined[node] = 0
	case OpGive:
		n := min(op.From, m.shares[node])
		m.shares[node] -= n
		m.returned += int(min(op.To, n))
	case OpSlots:
		m.slots = op.From
	case OpHooks:
		m.every, m.exclusive = op.From, op.Flag
	}
}

func (m *model) end(node NodeID) {
	for i := len(m.held) - 1; i >= 0; i-- {
		if m.held[i].node == node {
			m.held[i].expired = true
			m.take(&m.held, node, m.held[i].arrival)
		}
	}
	m.returned += int(m.shares[node])
	m.shares[node] = 0
	m.waiters = slices.DeleteFunc(m.waiters, func(t ticket) bool { return t.node == node })
	m.unable[node], m.joined[node], m.lease[node] = false, 0, 0
}

// taken is how many slots are granted or in a share.
func (m *model) taken() (n uint64) {
	for _, slots := range m.shares {
		n += slots
	}
	return n + uint64(len(m.held))
}

// share adds free slots to a node's share.
func (m *model) share(node NodeID, n uint64) {
	if alone := slices.ContainsFunc(m.held, func(t ticket) bool { return t.alone }); alone || m.taken() > m.slots {
		n = 0
	}
	n = min(n, m.slots-min(m.slots, m.taken()))
	m.shares[node] += n
	m.returned -= min(int(n), m.returned)
	m.token += shareTokens
}

func (m *model) grant() (granted []ticket) {
	for !m.sharing && !m.paused && m.taken() < m.slots {
		i := slices.IndexFunc(m.waiters, func(t ticket) bool { return !m.unable[t.node] })
		hook := m.owed || m.every > 0 && (m.token+1)%m.every == 0
		busy := slices.ContainsFunc(m.held, func(t ticket) bool { return t.alone })
		if i < 0 || busy || hook && m.exclusive && m.taken() > 0 {
			break
		}
		t := m.waiters[i]
		m.waiters = slices.Delete(m.waiters, i, i+1)
		m.token++
		t.token, t.hook, t.alone, t.expired = m.token, hook, hook && m.exclusive, m.returned > 0
		m.returned, m.owed = max(m.returned-1, 0), false
		m.held, granted = append(m.held, t), append(granted, t)
	}
	return granted
}

// TestModel applies random ops, many of which are late, repeated or nonsense, to the
// state and to a plain list.
func TestModel(t *testing.T) {
	n := max(20_000, 100**seedsFlag)
	rng := rand.New(rand.NewPCG(1, 1))
	s := NewState("model")
	m := &model{unable: map[NodeID]bool{}, joined: map[NodeID]uint64{}, lease: map[NodeID]uint64{}, last: map[NodeID]uint64{}, applied: map[NodeID]uint64{}, incarnation: map[NodeID]uint64{}, drained: map[string]bool{}, shares: map[NodeID]uint64{}}
	for index := uint64(1); index <= uint64(n); index++ {
		b := m.random(rng, index)
		c, err := s.Apply(index, EncodeEntry([]Batch{b}))
		if err != nil {
			t.Fatalf("entry %d: %v", index, err)
		}
		if b.Lease != 0 && m.lease[b.Node] == b.Lease && b.First == m.applied[b.Node]+1 {
			m.applied[b.Node]++
			m.apply(b.Node, b.Ops[0], index)
		}
		want := m.grant()
		if len(want) != len(c.Grants) || len(s.Held("db")) != len(m.held) {
			t.Fatalf("entry %d (%s): granted %+v, a plain list %+v", index, describe(b, b.Ops[0]), c.Grants, want)
		}
		for i, g := range c.Grants {
			if w := want[i]; g.Node != w.node || g.Arrival != w.arrival || g.Token != w.token || g.Hook != w.hook || g.Expired != w.expired {
				t.Fatalf("entry %d (%s): granted %+v, a plain list %+v", index, describe(b, b.Ops[0]), g, w)
			}
		}
		for _, name := range simBackends {
			if drained := s.service("db") != nil && s.service("db").backend(name).State == "drain"; drained != m.drained[name] {
				t.Fatalf("entry %d (%s): backend %s drained %t, a plain list %t", index, describe(b, b.Ops[0]), name, drained, m.drained[name])
			}
		}
		for _, node := range []NodeID{1, 2, 3, 4} {
			var slots uint64
			for _, sh := range s.Shares("db") {
				if sh.Node == node {
					slots = sh.Slots
				}
			}
			if slots != m.shares[node] {
				t.Fatalf("entry %d (%s): node %d has a share of %d, in a plain list %d", index, describe(b, b.Ops[0]), node, slots, m.shares[node])
			}
		}
		if p, _ := s.Plan("db"); p.Reserved != m.reserved || p.Runs() != m.planned || p.ID != m.plan {
			t.Fatalf("entry %d (%s): the plan is %+v, in a plain list %d, runs %t, reserved %t", index, describe(b, b.Ops[0]), p, m.plan, m.planned, m.reserved)
		}
		if mem := s.member(b.Node); (m.lease[b.Node] != 0) != (mem != nil && mem.leased()) {
			t.Fatalf("entry %d (%s): member %+v, a plain list has its lease as %d", index, describe(b, b.Ops[0]), mem, m.lease[b.Node])
		}
		if index%64 == 0 {
			data := s.Snapshot()
			again, err := RestoreState(data)
			if err != nil || !bytes.Equal(again.Snapshot(), data) {
				t.Fatalf("entry %d: a snapshot is not what was written: %v", index, err)
			}
			s = again
		}
	}
	if m.token < uint64(n)/100 {
		t.Errorf("only %d grants in %d entries: the test tests little", m.token, n)
	}
}

// random returns a batch of one op, and applies a leader's op to the model.
func (m *model) random(rng *rand.Rand, index uint64) Batch {
	node := NodeID(1 + rng.IntN(4))
	lease := m.lease[node]
	if lease == 0 {
		before := m.last[node]
		if m.incarnation[node] > 0 && rng.IntN(3) == 0 {
			return Batch{Node: node, Ops: []Op{{Kind: OpHello, From: m.incarnation[node] - 1, To: before}}} // from a replaced process
		}
		if m.incarnation[node] == 0 || rng.IntN(2) == 0 {
			m.incarnation[node]++ // restarted; otherwise only its lease has ended
			m.reserved = m.reserved && m.owner != node
		}
		m.lease[node], m.last[node], m.applied[node] = index, index, 0
		return Batch{Node: node, Ops: []Op{{Kind: OpHello, From: m.incarnation[node], To: before}}}
	}
	if rng.IntN(400) == 0 {
		if rng.IntN(4) == 0 {
			return Batch{Node: node, Ops: []Op{{Kind: OpExpire, To: lease - 1}}} // late
		}
		m.end(node)
		return Batch{Node: node, Ops: []Op{{Kind: OpExpire, To: lease}}}
	}
	if rng.IntN(20) == 0 {
		op := Op{Kind: OpShare, Service: "db", From: rng.Uint64N(4), To: lease}
		if rng.IntN(10) == 0 {
			op.To-- // late by a lease
		} else if m.sharing {
			m.share(node, op.From)
		}
		return Batch{Node: node, Ops: []Op{op}}
	}
	b := Batch{Node: node, Lease: lease, First: m.applied[node] + 1}
	switch rng.IntN(40) {
	case 0:
		if b.Lease > 1 {
			b.Lease-- // late by a lease
		}
	case 1:
		b.First-- // repeated
	case 2:
		b.First++ // an op is missing
	}
	op := Op{Service: "db"}
	arrival := func() uint64 { // usually an existing one
		list := m.waiters
		if len(m.held) > 0 && rng.IntN(3) > 0 {
			list = m.held
		}
		if len(list) == 0 || rng.IntN(10) == 0 {
			return rng.Uint64N(20)
		}
		t := list[rng.IntN(len(list))]
		op.Token = t.token
		if rng.IntN(10) > 0 {
			b.Node, b.Lease, b.First = t.node, m.lease[t.node], m.applied[t.node]+1
		}
		return t.arrival
	}
	switch r := rng.IntN(100); {
	case rng.IntN(30) == 0:
		op.Kind, op.Flag = OpOrder, rng.IntN(3) == 0
	case rng.IntN(40) == 0 && !slices.ContainsFunc(m.held, func(t ticket) bool { return t.node == node }):
		op.Kind = OpLeave // a client with a slot could join again, and then return to its old place
	case rng.IntN(8) == 0:
		op.Kind, op.From, op.To = OpGive, rng.Uint64N(3), rng.Uint64N(2)
	case r < 30 && len(m.waiters) < 60:
		op.Kind, op.From = OpJoin, m.joined[node]+1
		op.To = op.From + rng.Uint64N(4)
		if op.From > 1 && rng.IntN(10) == 0 {
			op.From-- // has joined already: no agent sends that
		}
	case r < 70:
		op.Kind = OpDone
		op.From = arrival()
	case r < 78:
		op.Kind = OpRequeue
		op.From = arrival()
	case r < 84:
		op.Kind, op.Flag = OpAble, rng.IntN(3) > 0
	case r < 92:
		op.Kind = OpReady
		arrival()
	case r < 94:
		op.Kind = OpPause
		if rng.IntN(2) == 0 {
			op.Text, op.State = simBackends[rng.IntN(2)], "drain"
		}
		if rng.IntN(2) == 0 {
			op.Token = m.plan
			m.byOwner(rng, &b)
		}
	case r < 95:
		op.Kind, op.Token, op.From = OpStep, m.plan, rng.Uint64N(3)
		m.byOwner(rng, &b)
	case r < 97:
		op.Kind, op.Token, op.Flag, op.From = OpResume, m.plan, rng.IntN(2) == 0, rng.Uint64N(3)
		m.byOwner(rng, &b)
	case r < 98 && rng.IntN(2) == 0:
		op.Kind, op.Text = OpBackend, simBackends[rng.IntN(2)]
	case r < 99:
		op.Kind, op.From = OpSlots, rng.Uint64N(5)
	default:
		op.Kind, op.From, op.Flag = OpHooks, rng.Uint64N(5), rng.IntN(2) == 0
	}
	b.Ops = []Op{op}
	return b
}

// byOwner usually makes the plan's owner the sender.
func (m *model) byOwner(rng *rand.Rand, b *Batch) {
	if rng.IntN(3) > 0 && m.lease[m.owner] != 0 {
		b.Node, b.Lease, b.First = m.owner, m.lease[m.owner], m.applied[m.owner]+1
	}
}
