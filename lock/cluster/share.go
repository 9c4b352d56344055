package cluster

import "slices"

// shareTokens is how many tokens come with each addition to a share: so many sessions may
// begin until a leader has to be asked again.
const shareTokens = 1 << 16

// SlotsPerNode is how many slots there should be for each node that hands them out by
// itself: with fewer, clients wait for slots of other nodes more often.
const SlotsPerNode = 10

// A share is the slots that a node hands out by itself, under its lease. What was added
// and what was given back only grow, as the tokens do: the node can take what it is told
// in any order, and more than once, and never has more than the state says that it has.
type share struct {
	node     NodeID
	added    uint64 // slots
	given    uint64 // slots that the node gave back
	owed     uint64 // of those added, so many had come back by the end of a lease
	from, to uint64 // its tokens: those that came with the last addition
}

func (sh *share) slots() uint64 { return sh.added - sh.given }

// share returns the share of a node, or nil.
func (sv *service) share(node NodeID) *share {
	i, ok := sv.findShare(node)
	if !ok {
		return nil
	}
	return &sv.shares[i]
}

func (sv *service) findShare(node NodeID) (int, bool) {
	return slices.BinarySearchFunc(sv.shares, node, func(sh share, n NodeID) int { return compare(sh.node, n) })
}

// taken is how many slots are granted, or in the share of a node, in use or not.
func (sv *service) taken() uint64 {
	n := uint64(len(sv.held))
	for i := range sv.shares {
		n += sv.shares[i].slots()
	}
	return n
}

// free is how many slots nobody has; none, while a hook runs that wants to be alone.
func (sv *service) free() uint64 {
	if sv.running != 0 {
		return 0
	}
	return sv.slots - min(sv.slots, sv.taken())
}

// addShare adds free slots to the share of a node whose lease runs, no more than there
// are. Each addition brings new tokens, also one of no slots: where a slot moves to
// another node, its next token is higher than all before.
func (s *State) addShare(node NodeID, op Op) {
	sv, m := s.service(op.Service), s.member(node)
	if sv == nil || !sv.sharing || m == nil || !m.leased() || m.Lease != op.To {
		return
	}
	i, ok := sv.findShare(node)
	if !ok {
		sv.shares = slices.Insert(sv.shares, i, share{node: node})
	}
	sh := &sv.shares[i]
	n := min(op.From, sv.free())
	sh.added += n
	owed := min(n, sv.returned)
	sv.returned -= owed
	sh.owed += owed
	sh.from, sh.to = sv.token+1, sv.token+shareTokens
	sv.token = sh.to
}

// giveShare takes slots back that a node has given, of which it owes on_expire for some.
func (sv *service) giveShare(node NodeID, op Op) {
	sh := sv.share(node)
	if sh == nil {
		return
	}
	n := min(op.From, sh.slots())
	sh.given += n
	sv.returned += min(op.To, n)
}

// endShare takes the whole share of a node whose lease is over. Which of the slots were in
// use nobody knows: on_expire is owed for each.
func (sv *service) endShare(node NodeID) {
	if i, ok := sv.findShare(node); ok {
		sv.returned += sv.shares[i].slots()
		sv.shares = slices.Delete(sv.shares, i, i+1)
	}
}

// setOrder says whether nodes hand out the slots by themselves. What is granted, and in
// shares, stays until it is given back; waiters join again, as their nodes learn of it.
func (s *State) setOrder(sv *service, sharing bool) {
	if sv.sharing != sharing {
		sv.sharing, sv.ordered, s.facts = sharing, s.index, s.index
	}
}

// A SharedSlots is slots that a node hands out by itself.
type SharedSlots struct {
	Node  NodeID
	Slots uint64
}

// Shares returns the shares of a service, by node.
func (s *State) Shares(name string) (all []SharedSlots) {
	if sv := s.service(name); sv != nil {
		for i := range sv.shares {
			if n := sv.shares[i].slots(); n > 0 {
				all = append(all, SharedSlots{sv.shares[i].node, n})
			}
		}
	}
	return all
}
