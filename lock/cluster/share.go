package cluster

import "slices"

// shareTokens is how many tokens come with each addition to a share: so many sessions
// may begin before the node has to ask the leader again.
const shareTokens = 1 << 16

// SlotsPerNode is how many slots there should be for each node that grants them by
// itself: with fewer, clients wait for slots of other nodes more often.
const SlotsPerNode = 10

// A share is the slots that a node hands out by itself, under its lease. The counts of
// added and returned slots only grow, as do tokens: the node can take messages in any
// order, and repeatedly, and never has more than the state assumes.
type share struct {
	node     NodeID
	added    uint64 // slots ever added
	given    uint64 // slots that the node has given back
	owed     uint64 // of the slots added, how many were freed by the end of a lease
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

// taken returns how many slots are granted or in a node's share, in use or not.
func (sv *service) taken() uint64 {
	n := uint64(len(sv.held))
	for i := range sv.shares {
		n += sv.shares[i].slots()
	}
	return n
}

// free returns how many slots are available; 0 while an exclusive hook runs.
func (sv *service) free() uint64 {
	if sv.running != 0 {
		return 0
	}
	return sv.slots - min(sv.slots, sv.taken())
}

// addShare adds free slots to the share of a node whose lease runs, at most as many as
// there are. Each addition brings new tokens, even if it adds no slots: the next token
// of a slot that moves to another node is higher than all before.
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

// giveShare takes back slots of a node, for some of which on_expire is owed.
func (sv *service) giveShare(node NodeID, op Op) {
	sh := sv.share(node)
	if sh == nil {
		return
	}
	n := min(op.From, sh.slots())
	sh.given += n
	sv.returned += min(op.To, n)
}

// endShare takes the whole share of a node whose lease has ended. Nobody knows which of
// the slots were in use: on_expire is owed for each.
func (sv *service) endShare(node NodeID) {
	if i, ok := sv.findShare(node); ok {
		sv.returned += sv.shares[i].slots()
		sv.shares = slices.Delete(sv.shares, i, i+1)
	}
}

// setOrder sets whether nodes hand out the slots by themselves. Granted slots and those in
// shares stay until they are given back; waiters join again when their nodes learn of it.
func (s *State) setOrder(sv *service, sharing bool) {
	if sv.sharing != sharing {
		sv.sharing, sv.ordered, s.facts = sharing, s.index, s.index
	}
}

// SharedSlots are the slots that one node grants by itself.
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
