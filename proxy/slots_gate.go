package proxy

import (
	"time"

	"github.com/tcpctl/tcpctl/lock"
)

// unableAfter is how long the head of the queue waits for something of this engine
// alone before waiters of other engines go first.
const unableAfter = 250 * time.Millisecond

// sharedState is a service's state of slots shared with other engines. It is guarded by
// the service's queue; slots is set before the first client.
type sharedState struct {
	service *Service
	slots   Shared    // nil: the engine counts its own
	said    uint64    // arrivals reported to slots
	since   time.Time // when the head began to wait for something of this engine alone; zero: it does not
	unable  bool      // this was reported
	lost    Reason    // why the node has no lease; "": it has
	refused bool      // slots has just refused a slot
	grant   grantHooks
}

// start joins the shared slots, before the service's first client.
func (sh *sharedState) start(share func(SharedUser) Shared) {
	if share == nil {
		return
	}
	slots := share(SharedUser{sh.service})
	sh.service.queue.Do(func() { sh.slots = slots })
}

func (sh *sharedState) close() {
	if sh.slots != nil {
		sh.slots.Close()
	}
}

// numberLocked returns the number by which all engines know an arrival; 0: none.
func (sh *sharedState) numberLocked(arrival uint64) uint64 {
	if sh.slots == nil {
		return 0
	}
	return sh.slots.Number(arrival)
}

// decideLocked is the gate's decision with shared slots.
func (sh *sharedState) decideLocked(g gate, w *lock.Waiter) (lock.Decision, Reason) {
	if n := sh.service.queue.Arrivals(); n != sh.said {
		sh.said = n
		sh.slots.WaitingUpTo(n)
	}
	sh.refused = false
	v, why := g.decide(w)
	if v != lock.Skip || sh.refused {
		sh.reportAbleLocked(v == lock.Admit || sh.refused, time.Now())
	}
	return v, why
}

// reportAbleLocked reports whether sessions can be admitted here, but only if they
// could not be for a while: a short obstacle is not worth losing a place.
func (sh *sharedState) reportAbleLocked(able bool, now time.Time) {
	s := sh.service
	switch {
	case able:
		sh.since = time.Time{}
		if sh.unable {
			sh.unable = false
			sh.slots.Able(true)
		}
	case sh.since.IsZero():
		sh.since = now
		s.timer.set(now.Add(unableAfter))
	case now.Sub(sh.since) < unableAfter:
		s.timer.set(sh.since.Add(unableAfter))
	case !sh.unable:
		sh.unable = true
		sh.slots.Able(false)
		if sh.grant.Token != 0 && !s.hooks.ofGrantLocked() {
			sh.slots.Requeue(sh.grant.arrival) // otherwise its slot would be idle
			sh.grant = grantHooks{}
		}
	}
}

// admitLocked asks for the slot of a session that can otherwise be admitted. After a
// failed dial the session may be ahead of others that have a grant.
func (sh *sharedState) admitLocked(sess *Session, now time.Time) (lock.Decision, Reason) {
	grant, why := sh.slots.Admit(sess.waiter.Arrival(), 0)
	sh.noteLocked(why)
	sh.refused = why != ""
	switch {
	case why == "":
		return sh.hooksLocked(sess, grant, now)
	case why == ReasonLeaseLost:
		sess.dismissed = true
		sess.signal(endRequest{by: ByProxy, reason: why, detail: "it was admitted under a lease that is over"})
		return lock.Skip, ReasonLeaving
	case sh.lost != "" && sh.service.config().Lock.WhenLost == Reject:
		sh.service.endWaitersLocked(endRequest{by: ByProxy, reason: why})
	case why == ReasonCluster && sess.requeues > 0:
		return lock.Skip, why
	}
	return lock.Wait, why
}

// noteLocked records that the node has lost its lease, or has one again.
func (sh *sharedState) noteLocked(why Reason) {
	lost := Reason("")
	if why == ReasonClusterLease || why == ReasonClusterVersion {
		lost = why
	}
	if lost == sh.lost {
		return
	}
	sh.lost = lost
	s := sh.service
	ev := Event{Kind: EventService, Level: LevelGood, Service: s.name, Text: s.name + ": this node has a lease again: slots are handed out"}
	switch lost {
	case ReasonClusterLease:
		ev.Level, ev.Text = LevelAlarm, s.name+": this node has no lease, since it reaches no majority of the voters: no client gets a slot"
	case ReasonClusterVersion:
		ev.Level, ev.Text = LevelAlarm, s.name+": the voters of the cluster have another version than this node: no client gets a slot; upgrade the older one"
	}
	s.engine.note(ev)
}

// rejectsLocked reports whether clients are rejected because no slot is available.
func (sh *sharedState) rejectsLocked() bool {
	return sh.lost != "" && sh.service.config().Lock.WhenLost == Reject
}

// releasedLocked returns the slot of a session that has ended, or whose dials have
// failed.
func (sh *sharedState) releasedLocked(sess *Session) {
	if sess.ending != nil {
		sh.doneLocked(sess.waiter.Arrival())
		return
	}
	sess.rare.token = 0
	sh.slots.Requeue(sess.waiter.Arrival())
}

// doneLocked reports the end of an arrival, unless a hook still needs its slot.
func (sh *sharedState) doneLocked(arrival uint64) {
	if sh.slots == nil || sh.service.hooks.owesLocked(arrival) {
		return
	}
	if g := &sh.grant; g.Token != 0 && g.arrival == arrival {
		g.over = true
		sh.giveBackLocked()
		return
	}
	sh.slots.Done(arrival)
}
