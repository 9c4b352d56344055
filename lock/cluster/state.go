package cluster

import (
	"slices"
	"sort"
	"strings"
	"time"
)

// A State is what the voters replicate. Each voter applies the same entries in the same
// order and gets the same state, byte for byte: State reads no clock and no random
// number, and keeps sorted lists where a map would be shorter.
type State struct {
	id       string // of the cluster
	index    uint64 // of the last entry applied
	facts    uint64 // of the last entry that changed a Fact
	reports  uint64 // of the last entry that changed what nodes may learn later: reports, and who has a service and a lease
	members  []Member
	services []*service
}

// NewState returns the state of a new cluster. A node that knows a cluster with another
// id refuses to join it.
func NewState(id string) *State { return &State{id: id} }

// A Member is a node that the cluster knows.
type Member struct {
	Node        NodeID
	Incarnation uint64 // which start of its process: a higher one replaces a lower
	Lease       uint64 // index of the entry that began its lease; 0: the member was never seen
	Ended       bool   // the lease is over: the node holds nothing and waits for nothing
	Applied     uint64 // number of its last op under this lease
	Keep        bool   // its sessions live on when its lease is lost, as it said last
}

// leased reports whether the lease of m runs.
func (m *Member) leased() bool { return m.Lease > 0 && !m.Ended }

// A Grant is a slot that was granted to a waiter. The slot is in use until the node
// reports that the arrival is done or requeues it, or its lease ends.
type Grant struct {
	Service string
	Node    NodeID
	Lease   uint64 // the node's: under another one the grant is void
	Arrival uint64
	Token   uint64 // higher than that of each grant of the service before
	Hook    bool   // the node runs the hook first, and then says OpReady
	Expired bool   // the slot came back by the end of a lease: likewise on_expire

	at    uint64        // the place in the order, for OpRequeue
	local bool          // from the node's share: the state does not know it
	came  time.Duration // when its client came, if local
}

// awaitsHook reports whether a hook must run before the session may begin.
func (g Grant) awaitsHook() bool { return g.Hook || g.Expired }

// A service is one lock, its queue, and what the operator has set for it.
type service struct {
	name     string
	slots    uint64
	token    uint64  // of the last grant
	next     uint64  // place of the next waiter
	lines    []*line // one for each node, by node
	held     []Grant // by token
	shares   []share // by node
	returned uint64  // slots freed by the end of a lease whose on_expire is still owed

	sharing bool   // nodes hand out slots by themselves (order "shares")
	ordered uint64 // index of the entry that changed sharing last; 0: none has

	every     uint64 // tokens that are multiples of it need a hook; 0: none do
	exclusive bool   // the hook runs while no session is live
	running   uint64 // token of the exclusive hook that runs; nothing is granted meanwhile
	owed      bool   // a hook was asked for, but did not run

	plan     *Plan // the last one; nil: there is none
	backends []Backend
	nodes    []NodeID // with the service, including lost ones
}

// Index returns the index of the last entry applied.
func (s *State) Index() uint64 { return s.index }

// Members returns what is known of each member, by node.
func (s *State) Members() []Member { return slices.Clone(s.members) }

// Held returns the grants of a service that are in use, by token.
func (s *State) Held(name string) []Grant {
	if sv := s.service(name); sv != nil {
		return slices.Clone(sv.held)
	}
	return nil
}

// Waiters are consecutive waiters of one node.
type Waiters struct {
	Node     NodeID
	From, To uint64 // arrivals
}

// Waiting returns the waiters of a service, in the order of the whole cluster. Where
// nodes grant slots by themselves, only they know their waiters.
func (s *State) Waiting(name string) []Waiters {
	sv := s.service(name)
	if sv == nil || sv.sharing {
		return nil
	}
	type placed struct {
		at uint64
		Waiters
	}
	var all []placed
	for _, l := range sv.lines {
		for _, r := range l.runs {
			all = append(all, placed{r.at, Waiters{l.node, r.from, r.to}})
		}
	}
	sort.Slice(all, func(i, j int) bool { return all[i].at < all[j].at })
	list := make([]Waiters, len(all))
	for i := range all {
		list[i] = all[i].Waiters
	}
	return list
}

func (s *State) member(node NodeID) *Member {
	i, ok := slices.BinarySearchFunc(s.members, node, func(m Member, n NodeID) int { return compare(m.Node, n) })
	if !ok {
		return nil
	}
	return &s.members[i]
}

// addMember returns the member, and adds it if it was unknown.
func (s *State) addMember(node NodeID) *Member {
	i, ok := slices.BinarySearchFunc(s.members, node, func(m Member, n NodeID) int { return compare(m.Node, n) })
	if !ok {
		s.members = slices.Insert(s.members, i, Member{Node: node})
	}
	return &s.members[i]
}

func (s *State) service(name string) *service {
	i, ok := slices.BinarySearchFunc(s.services, name, func(sv *service, n string) int { return strings.Compare(sv.name, n) })
	if !ok {
		return nil
	}
	return s.services[i]
}

func (s *State) addService(name string) *service {
	i, ok := slices.BinarySearchFunc(s.services, name, func(sv *service, n string) int { return strings.Compare(sv.name, n) })
	if !ok {
		s.services = slices.Insert(s.services, i, &service{name: name})
	}
	return s.services[i]
}

// line returns the line of a node, and adds one if there was none.
func (sv *service) line(node NodeID) *line {
	i, ok := slices.BinarySearchFunc(sv.lines, node, func(l *line, n NodeID) int { return compare(l.node, n) })
	if !ok {
		sv.lines = slices.Insert(sv.lines, i, &line{node: node})
	}
	return sv.lines[i]
}

func compare(a, b NodeID) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}
