package cluster

import (
	"slices"
	"strings"
	"time"
)

// A Step is how far a plan has come.
type Step uint8

const (
	Paused   Step = iota // closed: no node lets a client in
	Command              // closed, and the owner's command runs: no deadline opens it
	Checking             // closed, and each node checks its backends
	Resumed              // open; nodes still send their reports
)

// A Plan is a pause of a service on all nodes, or of one of its backends: then the
// service is open, and no node sends clients to that backend.
type Plan struct {
	ID     uint64 // index of the entry that began it
	Owner  NodeID // whose operator asked for it
	Lease  uint64 // the owner's
	Window bool   // a command will run: no node opens the service by itself
	// Backend is the one that it is about; "": the service is closed.
	Backend string
	// Admin is the admin state that the backend keeps where the plan ends after its command
	// has begun, and nobody has said that the backend is good again.
	Admin string
	Step  Step
	Max   time.Duration // how long it may last, from when a node learns of it; 0: no limit
	Note  string        // of its OpPause
	End   string        // Note of the OpResume
	// Reserved is of a plan that is over, and that its owner follows by another (a roll): no other begins
	// before that.
	Reserved bool
	Nodes    []NodeReport // by node; those that have not reported yet are missing
}

// A NodeReport is a node's part of a plan. From its first report on, the node keeps the
// service closed.
type NodeReport struct {
	Node  NodeID
	Lease uint64
	// Done is how many Steps the node is done with: above Paused no session is live
	// any more (of a Backend: there), or the plan goes on beside them; above Checking its checks have passed;
	// above Resumed its Counts are final.
	Done      uint64
	Restarted bool // its process, or the service in it, was started again meanwhile: Counts are the new one's
	Counts    Counts
}

// DoneWith reports whether the node is done with a step.
func (r NodeReport) DoneWith(s Step) bool { return r.Done > uint64(s) }

// A Backend is what operators have set for a backend on all nodes.
type Backend struct {
	Name   string
	State  string // admin state; "": nothing was said of it
	Note   string // of State
	Weighs bool   // Weight was said
	Weight uint64
	ID     uint64       // index of the entry that has set State
	Nodes  []NodeReport // by node: the part of each in State, of which Done and Counts are the engines'
}

// Runs reports whether the plan is not over.
func (p *Plan) Runs() bool { return p.ID != 0 && p.Step != Resumed }

// Closes reports whether the plan keeps the service closed.
func (p *Plan) Closes() bool { return p.Runs() && p.Backend == "" }

// planned reports whether the service has a plan that is not over.
func (sv *service) planned() bool { return sv.plan != nil && sv.plan.Runs() }

// admits reports whether a node's op may begin a plan now.
func (sv *service) admits(node NodeID, op Op) bool {
	p := sv.plan
	switch {
	case sv.planned():
		return false
	case p != nil && p.Reserved:
		return op.Token == p.ID && node == p.Owner
	}
	return op.Token == 0 // otherwise the place of the plan that it should follow was given up
}

// freePlace gives up the place that a node has reserved.
func (sv *service) freePlace(s *State, node NodeID) {
	if p := sv.plan; p != nil && p.Reserved && p.Owner == node {
		p.Reserved, s.facts = false, s.index
	}
}

// closed reports whether a plan keeps the service closed.
func (sv *service) closed() bool { return sv.plan != nil && sv.plan.Closes() }

// Quiet reports whether no session that a plan waits for is live any more: each member
// has reported so since the plan began, or its lease has ended. The end of a lease
// counts only where sessions need slots: without a lock sessions outlive the lease, and
// with Keep, too. waits are the nodes that are still waited for; a member that was
// never seen is among them, since nothing is known of it.
func (s *State) Quiet(name string) (quiet bool, waits []NodeID) {
	sv := s.service(name)
	if sv == nil || !sv.planned() {
		return false, nil
	}
	for _, m := range s.members {
		r := sv.plan.report(m.Node)
		if m.Ended {
			if _, serves := slices.BinarySearch(sv.nodes, m.Node); serves && (sv.slots == 0 || m.Keep) && (r == nil || r.Counts.Live > 0) {
				waits = append(waits, m.Node)
			}
			continue
		}
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

// reportOf returns the report of a node, and adds one if there was none.
func reportOf(all *[]NodeReport, node NodeID) *NodeReport {
	i, ok := slices.BinarySearchFunc(*all, node, func(r NodeReport, n NodeID) int { return compare(r.Node, n) })
	if !ok {
		*all = slices.Insert(*all, i, NodeReport{Node: node})
	}
	return &(*all)[i]
}

// restarted records in the running plans that a node's process was restarted.
func (s *State) restarted(node NodeID) {
	for _, sv := range s.services {
		sv.freePlace(s, node)
		if _, serves := slices.BinarySearch(sv.nodes, node); serves && sv.plan != nil {
			if r := reportOf(&sv.plan.Nodes, node); !r.DoneWith(Resumed) {
				r.Restarted = true
			}
		}
	}
}

// ownsOn records that the owner of plans is about to get a new lease in the same
// process: it knows whether its command runs.
func (s *State) ownsOn(m *Member) {
	for _, sv := range s.services {
		if p := sv.plan; p != nil && (p.Runs() || p.Reserved) && p.Owner == m.Node && p.Lease == m.Lease {
			p.Lease = s.index
		}
	}
}

// serve records whether a node has the service.
func (s *State) serve(sv *service, node NodeID, serves bool) {
	i, ok := slices.BinarySearch(sv.nodes, node)
	switch {
	case ok == serves:
		return
	case serves:
		sv.nodes = slices.Insert(sv.nodes, i, node)
	default:
		sv.nodes = slices.Delete(sv.nodes, i, i+1)
		sv.freePlace(s, node)
	}
	s.reports = s.index
}

// applyPlan applies a node's op on a plan. A service has one plan at a time; ops that
// name another one are late.
func (s *State) applyPlan(m *Member, sv *service, op Op, out *Changes) {
	if op.Kind == OpPause {
		if sv.admits(m.Node, op) {
			sv.plan = &Plan{ID: s.index, Owner: m.Node, Lease: m.Lease, Window: op.Flag, Backend: op.Text, Admin: op.State, Max: op.Max, Note: op.Note}
			s.facts = s.index
		}
		return
	}
	p := sv.plan
	if p == nil || p.ID != op.Token {
		return
	}
	switch op.Kind {
	case OpStep:
		if p.Step == Resumed || p.Owner != m.Node || op.From >= uint64(Resumed) {
			return
		}
		p.Step = Step(op.From)
		s.facts = s.index
	case OpResume:
		s.resume(m.Node, op)
	case OpReport:
		r := reportOf(&p.Nodes, m.Node)
		if r.DoneWith(Resumed) { // later reports of another process are not about this plan
			if _, serves := slices.BinarySearch(sv.nodes, m.Node); p.Step == Resumed || !serves {
				return
			}
			r.Restarted = true // it had lost the service, and has it again
		}
		if op.From != r.Done {
			out.Said = append(out.Said, p.Owner) // the owner waits for it
		}
		*r = NodeReport{m.Node, m.Lease, op.From, r.Restarted, op.Counts}
		s.reports = s.index
	}
}

// resume ends a plan for a node or a leader. A backend whose command has begun is kept out
// of service in the same entry unless the op says that it is good: no node sends it a
// client in between.
func (s *State) resume(node NodeID, op Op) {
	sv := s.service(op.Service)
	if sv == nil || sv.plan == nil || sv.plan.ID != op.Token {
		return
	}
	p := sv.plan
	if !p.Runs() { // the op is late, unless it is about the place
		if p.Reserved && op.From == FreePlace {
			p.Reserved, s.facts = false, s.index
		}
		return
	}
	if p.Backend != "" && p.Step != Paused && !op.Flag && sv.backend(p.Backend).State == "" {
		sv.setBackend(s.index, Op{Text: p.Backend, State: p.Admin, Note: op.Note})
	}
	p.Step, p.End, s.facts = Resumed, op.Note, s.index
	p.Reserved = op.From == ReservePlace && node == p.Owner
}

// forget removes a plan that has ended.
func (s *State) forget(op Op) {
	if sv := s.service(op.Service); sv != nil && sv.plan != nil && !sv.planned() && !sv.plan.Reserved && sv.plan.ID == op.Token {
		sv.plan, s.facts = nil, s.index
	}
}

// backend returns what is recorded about a backend, possibly nothing.
func (sv *service) backend(name string) Backend {
	if i := slices.IndexFunc(sv.backends, func(b Backend) bool { return b.Name == name }); i >= 0 {
		return sv.backends[i]
	}
	return Backend{Name: name}
}

// setBackend records an op about a backend. Nothing is kept about a backend that is
// ready and whose weight was never set.
func (sv *service) setBackend(index uint64, op Op) {
	i, ok := slices.BinarySearchFunc(sv.backends, op.Text, func(b Backend, n string) int { return strings.Compare(b.Name, n) })
	if !ok {
		sv.backends = slices.Insert(sv.backends, i, Backend{Name: op.Text})
	}
	b := &sv.backends[i]
	if op.Flag {
		b.Weighs, b.Weight = true, op.From
	} else if b.State != op.State || b.Note != op.Note {
		b.State, b.Note, b.ID, b.Nodes = op.State, op.Note, index, nil
	}
	if !b.Weighs && b.State == "" {
		sv.backends = slices.Delete(sv.backends, i, i+1)
	}
}

// reportBackend records a node's part in the State of a backend. A report on another
// State is late.
func (s *State) reportBackend(m *Member, sv *service, op Op) {
	for i := range sv.backends {
		if b := &sv.backends[i]; b.Name == op.Text && b.ID == op.Token && b.State != "" {
			*reportOf(&b.Nodes, m.Node) = NodeReport{Node: m.Node, Lease: m.Lease, Done: op.From, Counts: op.Counts}
			s.reports = s.index
		}
	}
}

// A Fact is what all nodes have to know of a service: its limits, what operators have
// set for its backends, whether it is paused, and which nodes have it.
type Fact struct {
	Service   string
	Slots     uint64
	Sharing   bool   // nodes hand out the slots by themselves
	Ordered   uint64 // which change of Sharing that is: they grow
	Every     uint64
	Exclusive bool
	Plan      Plan // of ID 0: none
	Backends  []Backend
	Nodes     []Server // by node
}

// A Server is a node that has a service.
type Server struct {
	Node  NodeID
	Lease bool // it has one
	Keep  bool // of its Member
}

// Facts returns what nodes have to know, by service, and the index of the entry that
// last changed any of it.
func (s *State) Facts() ([]Fact, uint64) {
	all := make([]Fact, 0, len(s.services))
	for _, sv := range s.services {
		f := Fact{Service: sv.name, Slots: sv.slots, Sharing: sv.sharing, Ordered: sv.ordered, Every: sv.every, Exclusive: sv.exclusive, Backends: slices.Clone(sv.backends)}
		for i := range f.Backends {
			f.Backends[i].Nodes = slices.Clone(f.Backends[i].Nodes)
		}
		if sv.plan != nil {
			f.Plan = *sv.plan
			f.Plan.Nodes = slices.Clone(f.Plan.Nodes)
		}
		for _, node := range sv.nodes {
			m := s.member(node)
			f.Nodes = append(f.Nodes, Server{node, m != nil && m.leased(), m != nil && m.Keep})
		}
		all = append(all, f)
	}
	return all, max(s.facts, s.reports)
}
