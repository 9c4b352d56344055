package proxy

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/tcpctl/tcpctl/proxy/text"
)

// Shared grants the slots of a service that several engines share, in one order of
// waiters. Arrivals are those of the service's queue, from 1. Its methods, except
// CheckSlot and Close, are called with the queue locked: they must not block or call
// the engine. It reports changes through SharedUser.
type Shared interface {
	// WaitingUpTo reports that all arrivals up to this one wait, except those that
	// are Done.
	WaitingUpTo(arrival uint64)
	// Admit takes the slot that was granted to arrival, or returns why it has none:
	// ReasonCluster, ReasonClusterLease, ReasonClusterVersion, ReasonPaused, or
	// ReasonLeaseLost, which is final. It may be repeated: arrival keeps its slot until
	// Done or Requeue. If the grant requires hooks, the session is not admitted before
	// they have run; Admit is then called with ran, the token for which they ran.
	Admit(arrival, ran uint64) (SharedGrant, Reason)
	// Able reports whether this engine could admit sessions; at first it could. If not,
	// its waiters keep their places, and those of other engines go first.
	Able(able bool)
	// Done reports that arrival was abandoned, or that its session has ended and its
	// connection to the backend is closed. It may be repeated.
	Done(arrival uint64)
	// Requeue returns a slot that Admit took; arrival waits again, at its place.
	Requeue(arrival uint64)
	// State returns the state for display. Number returns the number by which all
	// engines know an arrival; 0: none yet.
	State() SharedState
	Number(arrival uint64) uint64
	// CheckSlot waits for a slot for a check of this engine, in the order of all
	// waiters, for at most the given time; ok is false if it got none. It takes an
	// Expired slot only if expired is true: then no hook has to run for it. held ends
	// when the slot is lost; release returns the slot, and may be called in any case.
	// CheckSlot may be called by several goroutines at a time.
	CheckSlot(ctx context.Context, most time.Duration, expired bool) (held context.Context, release func(), ok bool)
	// Close is called once, after the service has ended. No call follows.
	Close()
}

// Scopes of the slots of a lock, and of acts on a service.
const (
	ScopeNode    = "node"
	ScopeCluster = "cluster"
)

// Orders in which the clients of several engines get the slots of a lock.
const (
	OrderStrict = "strict" // first come, first served across all engines
	OrderShares = "shares" // each engine grants its share of the slots by itself; across engines the order holds to about 250 ms
)

// SharedGrant is a slot that was granted to an engine.
type SharedGrant struct {
	Token   uint64 // unique fencing token, higher than that of all earlier grants of the service, on all nodes (with OrderShares, on this node)
	Hook    bool   // before_next has to run first, with no other session live
	Expired bool   // on_expire has to run first: the last holder of the slot may not know that it lost it
}

// SharedState is what a node knows about shared slots.
type SharedState struct {
	Slots int           // slots on all nodes; 0: not known yet
	Lease time.Duration // remaining time of the node's lease; 0: no lease
	Order string        // OrderStrict or OrderShares, on all nodes
	Share int           // slots that the node grants by itself, in use or not
}

// SharedUser is the interface of a service for its Shared. Its methods must be called
// without holding a lock that methods of Shared take.
type SharedUser struct{ service *Service }

// Service returns the name of the service.
func (u SharedUser) Service() string { return u.service.name }

// Ask makes the queue ask the gate again, because a waiter was granted a slot or
// lost it.
func (u SharedUser) Ask() {
	s := u.service
	s.queue.Update(s.shared.verifyLocked)
}

// Cut resets the sessions of these arrivals, which it sorts: their slots are lost with a lease.
// Done is called for each once it has ended.
func (u SharedUser) Cut(arrivals []uint64) {
	s := u.service
	slices.Sort(arrivals)
	s.queue.Do(func() {
		n := 0
		s.live.signal(endRequest{by: ByProxy, reason: ReasonLeaseLost, live: true}, func(sess *Session) bool {
			if sess.backend == nil {
				return false
			}
			_, cut := slices.BinarySearch(arrivals, sess.waiter.Arrival())
			if cut {
				n++
			}
			return cut
		})
		if n > 0 {
			s.engine.note(Event{Kind: EventService, Level: LevelAlarm, Service: s.name,
				Text: fmt.Sprintf("%s: the lease of this node is over: %s with a slot reset", s.name, text.Plural(n, "session"))})
		}
	})
}

// grantToken is the session's fencing token; 0: none. Only the session, and holders of
// the queue's lock, may use it.
func (s *Session) grantToken() uint64 {
	if s.service.shared.slots == nil || s.rare == nil {
		return 0
	}
	return s.rare.token
}

// waitShared makes room for the token before the session joins: the gate sets it while
// others may read it.
func (s *Session) waitShared() {
	if s.service.shared.slots == nil || s.rare != nil {
		return
	}
	rare := &rareState{}
	s.service.queue.Do(func() { s.rare = rare })
}

// leaveShared reports the end of the session, wherever it ended.
func (s *Session) leaveShared() {
	svc := s.service
	if svc.shared.slots == nil || !s.joined {
		return
	}
	svc.queue.Update(func() { svc.shared.doneLocked(s.waiter.Arrival()) })
}
