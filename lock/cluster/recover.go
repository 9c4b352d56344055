package cluster

// recovered is how far the index, and recoveredTokens how far the tokens, skip ahead of
// what a voter of a lost cluster knows: more than it can have missed.
const (
	recovered       = 1 << 32
	recoveredTokens = recovered * (1 << 8)
)

// Recover makes s the state of a new cluster, from what one voter of a lost one has.
// The others may have agreed on more, of which nothing is known: tokens go on far
// above all that they can have given, and so do the numbers of leases. All leases end,
// and all slots count as expired, so that on_expire runs for each. The caller has to
// know that each node has found its lease over: a whole lease without a leader.
func (s *State) Recover(id string) {
	s.id = id
	s.index += recovered
	s.facts = s.index
	for i := range s.members {
		if m := &s.members[i]; m.leased() {
			s.endLease(m)
		}
	}
	for _, sv := range s.services {
		sv.token += recoveredTokens
		sv.returned = sv.slots
	}
}
