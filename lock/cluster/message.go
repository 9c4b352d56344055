package cluster

import "time"

// A Request is a message from an agent to the voter that it believes to be the leader.
// It may be lost, delayed or duplicated: what matters is repeated.
type Request struct {
	Node        NodeID
	Incarnation uint64
	Lease       uint64 // 0: it asks for one
	Last        uint64 // the previous lease, if it asks for one
	Renewal     uint64 // number of a renewal, higher each time; 0: none
	First       uint64 // number of Ops[0]
	Ops         []Op
	Seen        []Seen // grants that have arrived
	Known       uint64 // index of the facts that the node knows
	Shares      []ShareReport
}

// A ShareReport is what a node reports of the slots that it grants by itself.
type ShareReport struct {
	Service string
	Last    uint64        // the last token that was added: all before it have arrived
	Tokens  uint64        // tokens that are left
	Free    uint64        // free slots
	Waiting uint64        // clients that wait for a slot
	Age     time.Duration // how long the first of them has waited
	Newest  time.Duration // how long the last has waited
}

// Seen identifies a grant that has arrived.
type Seen struct {
	Service string
	Token   uint64
}

// An Answer is a message from a voter to an agent.
type Answer struct {
	From        NodeID
	Leads       bool   // otherwise only From and Leader are set
	Leader      NodeID // the voter to ask instead; 0: not known
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

// A Share is the slots that a node grants by itself under its lease, and what the
// leader asks of it.
type Share struct {
	Service  string
	Added    uint64        // slots that were ever added
	Owed     uint64        // how many of them came back by the end of a lease
	From, To uint64        // tokens that came with the last addition
	Nodes    uint64        // how many nodes have a share
	Yield    bool          // the node has to give back free slots beyond Keep
	Keep     uint64        // slots
	Age      time.Duration // how long a client of another node has waited: one that came much later does not go first
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
