package cluster

// recovered is how far the index, and recoveredTokens how far the tokens, skip ahead of
// what a voter of a lost cluster knows: more than it can have missed.
const (
	recovered       = 1 << 32
	recoveredTokens = recovered * (1 << 8)
)

// Recover turns s, which one voter of a lost cluster has, into the state of a new
// cluster. The other voters may have agreed on more, of which nothing is known: so
// tokens and the numbers of leases continue far above all that they can have reached.
// All leases end, and all slots count as expired, so that on_expire runs for each.
// Before it calls Recover, the caller has to make sure that every node has found its
// lease over: a whole lease without a leader.
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
