package proxy

import (
	"math"
	"slices"

	"github.com/tcpctl/tcpctl/proxy/internal/balance"
)

// backendSet is the backends of a service, and the choice among them. All of it is
// guarded by the service's queue, since whether a client is admitted and where it goes
// is one decision.
type backendSet struct {
	service    *Service
	all        []*Backend
	policy     balance.Policy
	candidates []*Backend         // scratch of candidatesLocked
	weighed    []*balance.Backend // scratch, too: the same backends
}

// chooseLocked returns the backend for a session, or nil.
func (bs *backendSet) chooseLocked(sess *Session) *Backend {
	if from, why := bs.candidatesLocked(sess); why == "" {
		return bs.pickLocked(sess, from)
	}
	return nil
}

// candidatesLocked returns the possible backends of a session, valid until the next
// call, or the reason why there is none. A lower priority number serves first; a full
// backend is waited for, not spilled over (rule 1).
func (bs *backendSet) candidatesLocked(sess *Session) ([]*Backend, Reason) {
	tier, free := math.MaxInt, bs.candidates[:0]
	for _, b := range bs.all {
		if !b.serves() || b.priority > tier {
			continue
		}
		if b.priority < tier {
			tier, free = b.priority, free[:0]
		}
		if !b.full() && !sess.hasTried(b) {
			free = append(free, b)
		}
	}
	bs.candidates = free
	switch {
	case tier == math.MaxInt:
		return nil, ReasonNoBackend
	case len(free) == 0:
		return nil, ReasonFull
	}
	return free, ""
}

// pickLocked chooses one of several. A policy counts its choice: the session has to go
// there.
func (bs *backendSet) pickLocked(sess *Session, free []*Backend) *Backend {
	if len(free) == 1 {
		return free[0]
	}
	from := bs.weighed[:0]
	for _, b := range free {
		b.balance.Weight, b.balance.Share, b.balance.Active = b.weight, b.share(), b.active
		from = append(from, &b.balance)
	}
	bs.weighed = from
	return free[slices.Index(from, bs.policy.Pick(from, sess.client.Remote().Addr()))]
}

// byNameLocked finds a backend that is not being removed.
func (bs *backendSet) byNameLocked(name string) *Backend {
	for _, b := range bs.all {
		if b.name == name && !b.removing {
			return b
		}
	}
	return nil
}

// othersServeLocked reports whether a client could go to another backend.
func (bs *backendSet) othersServeLocked(b *Backend) bool {
	return slices.ContainsFunc(bs.all, func(o *Backend) bool { return o != b && o.serves() })
}

// hopelessLocked reports that no backend is up or in its first check, and that nothing
// in progress will change that: a pause, its release, or a hook, which is retried after
// a failure.
func (bs *backendSet) hopelessLocked() bool {
	s := bs.service
	return !s.discovery.awaitsLocked() && s.pause.current == nil && s.hooks.held == "" && s.hooks.running == "" && !s.pause.releasingLocked() && !slices.ContainsFunc(bs.all, func(b *Backend) bool {
		return b.serves() || b.stateLocked() == StateChecking && b.admin() == AdminReady
	})
}

// emptiedLocked is called when a backend has lost its last session.
func (bs *backendSet) emptiedLocked(b *Backend) {
	s := bs.service
	s.changes.notifyLocked()
	if h := b.holds.top(); h != nil && !h.emptyNoted {
		h.emptyNoted = true
		s.engine.note(Event{Kind: EventDrained, Level: LevelGood, Service: s.name, Backend: b.name, By: h.by,
			Text: b.target() + " is drained"})
	}
	bs.forgetEmptyLocked(b)
}

// forgetEmptyLocked forgets a backend that is being removed once it is empty.
func (bs *backendSet) forgetEmptyLocked(b *Backend) {
	s := bs.service
	if !b.removing || b.active > 0 {
		return
	}
	b.stopChecks()
	bs.all = slices.DeleteFunc(bs.all, func(o *Backend) bool { return o == b })
	s.engine.note(Event{Kind: EventAdmin, Service: s.name, Backend: b.name, Text: b.target() + " is removed"})
	s.servingChangedLocked()
}
