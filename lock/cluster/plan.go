package cluster

import (
	"slices"
	"strings"
	"time"
)

// A Step is how far a plan has come.
type Step uint8

const (
	Paused  Step = iota // closed: no node lets a client in
	Command             // closed, and the owner's command runs: no deadline opens it
	Resumed             // open; nodes still send their reports
)

// A Plan is a pause of a service on all nodes.
type Plan struct {
	ID     uint64 // index of the entry that began it
	Owner  NodeID // whose operator asked for it
	Lease  uint64 // the owner's
	Window bool   // a command will run: no node opens the service by itself
	Step   Step
	Max    time.Duration // how long it may last, from when a node learns of it; 0: no limit
	Nodes  []NodeReport  // by node; those that have not reported yet are missing
}

// A NodeReport is a node's part of a plan. It has the service closed since then.
type NodeReport struct {
	Node   NodeID
	Lease  uint64
	Final  bool
	Counts Counts
}

// A Backend is what an operator has said of a backend for all nodes.
type Backend struct {
	Name   string
	State  string // admin state
	Weight uint64
}

// closed reports whether a plan keeps the service closed.
func (sv *service) closed() bool { return sv.plan != nil && sv.plan.Step != Resumed }

// Quiet reports whether no session of a paused service is live any more: each member
// has said so since the pause began, or its lease has ended. waits are the nodes
// that it is still waited for; a member that was never seen is among them, since
// nothing is known of it.
func (s *State) Quiet(name string) (quiet bool, waits []NodeID) {
	sv := s.service(name)
	if sv == nil || !sv.closed() {
		return false, nil
	}
	for _, m := range s.members {
		if m.Ended {
			continue
		}
		r := sv.plan.report(m.Node)
		if r == nil || r.Lease != m.Lease || r.Counts.Live > 0 {
			waits = append(waits, m.Node)
		}
	}
	return len(waits) == 0, waits
}

// Plan returns the last plan of a service.
func (s *State) Plan(name string) (Plan, bool) {
	sv := s.service(name)
	if sv == nil || sv.plan == nil {
		return Plan{}, false
	}
	p := *sv.plan
	p.Nodes = slices.Clone(p.Nodes)
	return p, true
}

func (p *Plan) report(node NodeID) *NodeReport {
	i := slices.IndexFunc(p.Nodes, func(r NodeReport) bool { return r.Node == node })
	if i < 0 {
		return nil
	}
	return &p.Nodes[i]
}

// applyPlan applies what a node says of a plan. There is one plan of a service at a
// time; what names another one is late.
func (s *State) applyPlan(m *Member, sv *service, op Op) {
	if op.Kind == OpPause {
		if !sv.closed() {
			sv.plan = &Plan{ID: s.index, Owner: m.Node, Lease: m.Lease, Window: op.Flag, Max: op.Max}
			s.facts = s.index
		}
		return
	}
	p := sv.plan
	if p == nil || p.ID != op.Token {
		return
	}
	switch op.Kind {
	case OpCommand:
		if p.Step == Resumed || p.Owner != m.Node {
			return
		}
		if p.Step = Paused; op.Flag {
			p.Step = Command
		}
		s.facts = s.index
	case OpResume:
		s.resume(op)
	case OpReport:
		r := p.report(m.Node)
		if r == nil {
			p.Nodes = append(p.Nodes, NodeReport{Node: m.Node})
			slices.SortFunc(p.Nodes, func(a, b NodeReport) int { return compare(a.Node, b.Node) })
			r = p.report(m.Node)
		}
		*r = NodeReport{m.Node, m.Lease, op.Flag, op.Counts}
	}
}

// resume opens a service that this plan keeps closed.
func (s *State) resume(op Op) {
	if sv := s.service(op.Service); sv != nil && sv.closed() && sv.plan.ID == op.Token {
		sv.plan.Step, s.facts = Resumed, s.index
	}
}

// forget removes a plan that is over.
func (s *State) forget(op Op) {
	if sv := s.service(op.Service); sv != nil && sv.plan != nil && !sv.closed() && sv.plan.ID == op.Token {
		sv.plan, s.facts = nil, s.index
	}
}

func (sv *service) setBackend(b Backend) {
	i, ok := slices.BinarySearchFunc(sv.backends, b.Name, func(b Backend, n string) int { return strings.Compare(b.Name, n) })
	if !ok {
		sv.backends = slices.Insert(sv.backends, i, b)
	}
	sv.backends[i] = b
}

// A Fact is what all nodes have to know of a service: its limits, what an operator
// has said of its backends, and whether it is paused.
type Fact struct {
	Service   string
	Slots     uint64
	Every     uint64
	Exclusive bool
	Plan      Plan // of ID 0: none
	Backends  []Backend
}

// Facts returns what nodes have to know, by service, and the index of the entry that
// changed any of it last.
func (s *State) Facts() ([]Fact, uint64) {
	all := make([]Fact, 0, len(s.services))
	for _, sv := range s.services {
		f := Fact{Service: sv.name, Slots: sv.slots, Every: sv.every, Exclusive: sv.exclusive, Backends: slices.Clone(sv.backends)}
		if sv.plan != nil {
			f.Plan = *sv.plan
			f.Plan.Nodes = nil // each node knows its own
		}
		all = append(all, f)
	}
	return all, s.facts
}
