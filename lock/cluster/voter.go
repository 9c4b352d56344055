package cluster

import (
	"errors"
	"time"
)

// A Voter connects a Log, the State that its entries lead to, and the Leader that works
// while the log says that this voter leads. Its methods are called with readings of one
// clock. After each call, the messages of Answers have to be sent.
type Voter struct {
	log    Log
	state  *State
	leader Leader
	err    error
}

// NewVoter returns a voter with this state, which is new or from a snapshot. lease is
// AgentConfig.Lease.
func NewVoter(id NodeID, lease time.Duration, state *State, log Log) *Voter {
	return &Voter{log: log, state: state, leader: Leader{id: id, lease: lease, state: state}}
}

// State returns the state. It may be read until the next call.
func (v *Voter) State() *State { return v.state }

// Err returns why the voter has stopped, or nil while it works. The error wraps
// ErrNewer or ErrCorrupt. A voter that has stopped applies, answers and proposes
// nothing.
func (v *Voter) Err() error { return v.err }

// A NodeLease is when the lease of a node ends, unless it is renewed.
type NodeLease struct {
	Node  NodeID
	Until time.Duration // by this voter's clock
}

// Leases returns the leases by the clock of this voter if it leads, else nil.
func (v *Voter) Leases() (all []NodeLease) {
	for _, m := range v.leader.members {
		all = append(all, NodeLease{m.node, m.until})
	}
	return all
}

// Step handles an agent's request. Call Poll afterwards.
func (v *Voter) Step(now time.Duration, r Request) {
	if v.err == nil {
		v.leader.step(now, r)
	}
}

// SetMember makes a node a member of the cluster, whether or not it was ever seen, or
// removes it, which ends its lease. It returns false if this voter does not lead:
// nothing was done. Call Poll afterwards.
func (v *Voter) SetMember(node NodeID, removed bool) bool {
	l := &v.leader
	if v.err != nil || !l.ready {
		return false
	}
	l.batches = append(l.batches, Batch{Node: node, Ops: []Op{{Kind: OpMember, Flag: removed}}})
	return true
}

// Poll applies new entries of the log, ends leases whose time is over, and proposes
// what agents have asked for. Call it after Step, when the log has something new, and
// at least ten times in a lease.
func (v *Voter) Poll(now time.Duration) {
	if v.err != nil {
		return
	}
	r := v.log.Ready()
	l := &v.leader
	switch leads := r.Leader == l.id; {
	case leads && (!l.leads || l.term != r.Term):
		l.lead(r.Term)
	case !leads && (l.leads || l.hint != r.Leader):
		l.follow(r.Leader)
	}
	if r.Snapshot != nil {
		state, err := RestoreState(r.Snapshot)
		if err != nil {
			v.err = err
			return
		}
		v.state, l.state = state, state
	}
	for _, e := range r.Entries {
		c, err := v.state.Apply(e.Index, e.Data)
		if err != nil {
			v.err = err
			return
		}
		l.applied(now, e.Term == l.term, len(e.Data) == 0, c)
	}
	l.confirmed(r.Confirmed)
	l.tick(now)
	l.watchShares(now)
	l.flush(now, v.log)
}

// Answers returns the messages to agents since the last call.
func (v *Voter) Answers() []AnswerTo {
	answers := v.leader.answers
	v.leader.answers = nil
	return answers
}

// Newer reports whether err means that a newer version wrote the log: the voter has to
// be upgraded, and nothing is damaged.
func Newer(err error) bool { return errors.Is(err, ErrNewer) }
