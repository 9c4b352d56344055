package cluster

import (
	"fmt"
	"time"
)

// A NodeID identifies a node for as long as it keeps its key; 0 is no node.
type NodeID uint64

// Hex returns the id as it is shown to people and in JSON.
func (n NodeID) Hex() string { return fmt.Sprintf("%016x", uint64(n)) }

// A Kind is the kind of an Op.
type Kind uint8

// Kinds of ops of nodes. Their numbers are written to logs: new ones are added at the
// end.
const (
	OpJoin    Kind = 1 + iota // arrivals From to To wait
	OpDone                    // arrival From was abandoned; with a Token, the session that had it has ended
	OpRequeue                 // the dial of arrival From with Token failed: back to its old place
	OpAble                    // Flag: the node can serve; otherwise its waiters keep their places and others pass
	OpReady                   // the hooks that Token asked for have run
	OpPause                   // close the service on all nodes for at most Max, or keep them from its backend Text, which keeps the admin state State if it fails; Flag: a command will run; Token: the plan whose Reserved place it takes; Note
	OpStep                    // plan Token is at the Step From, as its owner says: any but Resumed
	OpResume                  // plan Token is over: open the service; Flag: the backend that it is about is good; From: ReservePlace or FreePlace; Note
	OpReport                  // the node's part of plan Token, or of the State Token of the backend Text: Counts, and NodeReport.Done in From
	OpSlots                   // the service has From slots; 0: it has no lock
	OpHooks                   // tokens that From divides need a hook; Flag: while no other session is live
	OpBackend                 // the backend Text has the weight From (Flag), or else the admin state State, with Note; Token: only in the place of the State of that ID
	OpServe                   // Flag: the node has the service, and plans of it wait for the node; otherwise it has it no more; From 1: Member.Keep
	OpOrder                   // Flag: nodes hand out the slots by themselves, each from its share; otherwise each grant is the state's
	OpLeave                   // none of the node's arrivals waits; those that do join again
	OpGive                    // From slots of the node's share come back, of which it owes on_expire for To

	lastNodeOp = OpGive
)

// Values of From in an OpResume. With 0 the plan is over, and any other may begin.
const (
	ReservePlace = 1 + iota // only its owner may begin the next plan (Plan.Reserved)
	FreePlace               // no plan of the owner follows
)

// Kinds of ops of leaders, in a Batch without a lease.
const (
	OpHello  Kind = 64 + iota // incarnation From of the node, whose lease was To, begins a lease
	OpExpire                  // lease To of the node has ended
	OpMember                  // the node is a member, seen or not; Flag: it is removed
	OpForget                  // the resumed plan Token of the service waits for no more reports
	OpShare                   // From free slots are added to the share of the node, whose lease is To

	lastLeaderOp = OpShare
)

// An Op is one thing that a node or a leader asks of the state. Each kind reads the
// fields that its comment names; the others are zero. An Op that does not fit the
// state (a plan that is over, an arrival that is done) changes nothing.
type Op struct {
	Kind     Kind
	Service  string
	From, To uint64
	Token    uint64 // of a grant, or of a plan
	Flag     bool
	Text     string
	State    string
	Note     string // for the nodes; the state does not read it
	Max      time.Duration
	Counts   Counts
}

// Counts are a node's part of a report: sessions of one service since a pause began.
type Counts struct {
	Live, Held, Served, Failed, Cut, Rejected, Abandoned, TimedOut uint64
	Longest                                                        time.Duration // longest time that a client was held
}

// A Batch is the ops of one node in one entry. Ops are numbered within a lease: Ops[0]
// has the number First. A state applies each number once and in order, so that a batch
// may be repeated, or arrive twice.
type Batch struct {
	Node  NodeID
	Lease uint64 // 0: ops of a leader, about Node
	First uint64
	Ops   []Op
}
