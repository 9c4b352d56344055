package cluster

import "time"

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
	Shares      []ShareReport
}

// A ShareReport is what a node says of slots that it hands out by itself.
type ShareReport struct {
	Service string
	Last    uint64        // its last token: it has all that was added before those
	Tokens  uint64        // that it has still
	Free    uint64        // slots
	Waiting uint64        // clients that wait for one
	Age     time.Duration // for how long the first of them has
	Newest  time.Duration // for how long the last has
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
	Shares      []Share
}

// A Share is the slots that a node hands out by itself, under its lease, and what a leader
// asks of it.
type Share struct {
	Service  string
	Added    uint64        // slots that ever were
	Owed     uint64        // so many of them had come back by the end of a lease
	From, To uint64        // tokens that came with the last addition
	Nodes    uint64        // that have a share
	Yield    bool          // it is to give back what is free beyond Keep
	Keep     uint64        // slots
	Age      time.Duration // for how long a client of another node has waited: one that came much later does not go before it
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
