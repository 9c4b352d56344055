package proxy

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/tcpctl/tcpctl/proxy/text"
)

// Shared hands out a service's slots where several engines use them: one order of
// waiters over all. Arrivals are those of the service's queue, from 1. Its methods,
// but for CheckSlot and Close, are called with the queue locked; they never block, and do not call
// the engine: what has changed is said by SharedUser.
type Shared interface {
	// WaitingUpTo says that all arrivals up to this one wait, but for those that
	// are Done.
	WaitingUpTo(arrival uint64)
	// Admit takes the slot that arrival was granted; with a Reason it has none:
	// ReasonCluster, ReasonClusterLease, ReasonClusterVersion, ReasonPaused, or ReasonLeaseLost, which is
	// final. It may be repeated: who has a slot keeps it until Done or Requeue. As
	// long as the grant asks for hooks the session does not go; Admit is then asked
	// with ran, the token for which they have run.
	Admit(arrival, ran uint64) (SharedGrant, Reason)
	// Able says whether sessions could go from here. If not, waiters keep their
	// places, and those of other engines pass. At first they could.
	Able(able bool)
	// Done says that arrival was abandoned, or that its session has ended: its
	// connection to the backend is closed. It may be repeated.
	Done(arrival uint64)
	// Requeue gives a slot that Admit took back: arrival waits again, at its place.
	Requeue(arrival uint64)
	// State is for those who look, and so is Number: by which number all engines know
	// an arrival; 0: by none yet.
	State() SharedState
	Number(arrival uint64) uint64
	// CheckSlot waits for a slot for a check of this engine, in the order of all waiters, for so long at
	// most; ok is false without one. One that is Expired will do only if expired says that nothing has to run
	// for it. held ends when the slot is lost; release gives it back, and may
	// be called in any case. Any goroutine may call it, and several at a time.
	CheckSlot(ctx context.Context, most time.Duration, expired bool) (held context.Context, release func(), ok bool)
	// Close is called once the service has ended. No call follows.
	Close()
}

// Whose the slots of a lock are, and where what operators do to a service holds.
const (
	ScopeNode    = "node"
	ScopeCluster = "cluster"
)

// In which order the clients of several engines get the slots of a lock.
const (
	OrderStrict = "strict" // first come, first served over all
	OrderShares = "shares" // likewise on each engine, which hands out slots by itself; over all to about 250 ms
)

// SharedGrant is a slot that an engine has over others.
type SharedGrant struct {
	Token   uint64 // a fencing token, used once: higher than that of each grant of the service before, on all nodes, and with OrderShares on this one
	Hook    bool   // before_next has to run first, and wants no other session live
	Expired bool   // on_expire has to run first: the one who had the slot may not know that it has lost it
}

// SharedState is what a node knows of slots that it shares.
type SharedState struct {
	Slots int           // on all nodes; 0: not known yet
	Lease time.Duration // for how long the node's lease runs still; 0: it has none
	Order string        // OrderStrict or OrderShares, on all nodes
	Share int           // slots that the node hands out by itself, in use or not
}

// SharedUser is a service as its Shared sees it. Its methods must be called without
// a lock that methods of Shared take.
type SharedUser struct{ service *Service }

// Service is its name.
func (u SharedUser) Service() string { return u.service.name }

// Ask asks the gate again: a waiter may have been granted a slot, or none any more.
func (u SharedUser) Ask() {
	s := u.service
	s.queue.Update(s.shared.verifyLocked)
}

// Cut resets the sessions of these arrivals, whose slots are lost with a lease. Each
// is Done once it has ended.
func (u SharedUser) Cut(arrivals []uint64) {
	s := u.service
	s.queue.Do(func() {
		n := 0
		s.live.signal(endRequest{by: ByProxy, reason: ReasonLeaseLost, live: true}, func(sess *Session) bool {
			cut := sess.backend != nil && slices.Contains(arrivals, sess.waiter.Arrival())
			if cut {
				n++
			}
			return cut
		})
		if n > 0 {
			s.engine.note(Event{Kind: EventService, Level: LevelAlarm, Service: s.name,
				Text: fmt.Sprintf("%s: the lease of this node is over: %s that had a slot reset", s.name, text.Plural(n, "session"))})
		}
	})
}

// grantToken is the session's fencing token; 0: it has none. It belongs to the
// session, and to those who have the queue locked.
func (s *Session) grantToken() uint64 {
	if s.service.shared.slots == nil || s.rare == nil {
		return 0
	}
	return s.rare.token
}

// waitShared makes room for the token before the session joins: the gate sets it,
// and others may look.
func (s *Session) waitShared() {
	if s.service.shared.slots == nil || s.rare != nil {
		return
	}
	rare := &rareState{}
	s.service.queue.Do(func() { s.rare = rare })
}

// leaveShared says that the session is over, wherever it ended.
func (s *Session) leaveShared() {
	svc := s.service
	if svc.shared.slots == nil || !s.joined {
		return
	}
	svc.queue.Update(func() { svc.shared.doneLocked(s.waiter.Arrival()) })
}
