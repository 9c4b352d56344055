package cluster

import "errors"

// A Log is what the voters agree on: a sequence of entries, and which voter leads.
// lock/cluster/raftlog implements it. It belongs to the goroutine of its Voter, and its
// methods never block.
//
// It promises: every voter's Ready returns the same entries, with the same bytes and
// none left out; a proposal is returned once, or is lost; terms grow, and no two voters
// lead in one term.
type Log interface {
	// Propose appends an entry, if this voter leads. Ready returns the entry once a
	// majority has it. The error is ErrNotLeader.
	Propose(data []byte) error
	// Confirm asks a majority of the voters whether this voter still leads. If so,
	// Ready returns Confirmed >= read. Answers to questions that were sent before this
	// call do not count. The numbers of reads grow within a term.
	Confirm(read uint64) error
	// Ready returns what has happened since the last call.
	Ready() LogReady
}

// ErrNotLeader is returned by a Log whose voter does not lead.
var ErrNotLeader = errors.New("cluster: this voter does not lead")

// A LogReady is what a Log has done.
type LogReady struct {
	Term      uint64
	Leader    NodeID // of the term; 0: not known
	Snapshot  []byte // replaces the state, if not nil; the entries come after it
	Entries   []LogEntry
	Confirmed uint64 // the highest read that was confirmed in this term
}

// A LogEntry is an entry that a majority has written to disk.
type LogEntry struct {
	Index, Term uint64
	Data        []byte // empty: the log's own, at the begin of each term
}
