package cluster

// A Request is what an agent says to the voter that it takes for the leader. It may
// be lost, late or doubled: what matters is said again.
type Request struct {
	Node        NodeID
	Incarnation uint64
	Lease       uint64 // 0: asks for one
	Last        uint64 // the lease before, if it asks for one
	Renewal     uint64 // asks for the lease to be renewed, if not 0; numbers grow
	First       uint64 // number of Ops[0]
	Ops         []Op
	Seen        []Seen // grants that have arrived
	Known       uint64 // index of the facts that it knows
}

// Seen names a grant.
type Seen struct {
	Service string
	Token   uint64
}

// An Answer is what a voter says to an agent.
type Answer struct {
	From        NodeID
	Leads       bool   // otherwise only From and Leader are set
	Leader      NodeID // whom to ask instead; 0: not known
	Incarnation uint64
	Lease       uint64
	Ended       bool   // Lease is over
	Renewed     uint64 // the renewal that a majority has confirmed
	Applied     uint64 // ops up to this number are in the state
	Grants      []Grant
	Known       uint64 // index of Facts; 0: the node knows them
	Facts       []Fact
}

// A RequestTo and an AnswerTo are messages with their address.
type (
	RequestTo struct {
		To NodeID
		Request
	}
	AnswerTo struct {
		To NodeID
		Answer
	}
)
