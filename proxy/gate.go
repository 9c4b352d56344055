package proxy

import (
	"time"

	"github.com/tcpctl/tcpctl/lock"
)

// gate is a service's lock.Gate: admitting and choosing a backend is one decision.
type gate struct{ *Service }

// Admit decides whether a session may be admitted, and reserves its slot and backend in
// the same step. The queue is locked.
func (g gate) Admit(w *lock.Waiter) (v lock.Decision, why Reason) {
	defer g.admitPanicked(w, &v, &why)
	if g.shared.slots != nil {
		v, why = g.shared.decideLocked(g, w)
	} else {
		v, why = g.decide(w)
	}
	if pacing := why == ReasonPacing; g.pause.current == nil && pacing != g.pause.frozen {
		g.pause.freezeLocked(pacing, time.Now())
	}
	return v, why
}

func (g gate) decide(w *lock.Waiter) (lock.Decision, Reason) {
	s, sess := g.Service, w.Owner.(*Session)
	if sess.dismissed {
		return lock.Skip, ReasonLeaving
	}
	if s.cluster.holdsLocked() {
		return lock.Wait, ReasonClusterLease
	}
	if s.pause.current != nil && !sess.bypass {
		if len(s.config().Pause.Bypass) > 0 {
			return lock.Skip, ReasonPaused // a session behind it may bypass the pause
		}
		return lock.Wait, ReasonPaused
	}
	if s.predecessors.Waiting > 0 && s.shared.slots == nil { // otherwise there is one order over all processes
		return lock.Wait, ReasonUpgrade
	}
	now := time.Now()
	if back := sess.rare; back != nil && back.retryAt.After(now) {
		s.timer.set(back.retryAt)
		if back.lack {
			return lock.Wait, ReasonLocalLimit
		}
		return lock.Wait, ReasonRetry
	}
	if why := g.fullLocked(); why != "" {
		return lock.Wait, why
	}
	held := s.pause.release.isFor(w)
	if held && s.pause.release.early(now) {
		s.timer.set(s.pause.release.next)
		return lock.Wait, ReasonPacing
	}
	if v, why := s.hooks.beforeLocked(sess, now); v != lock.Admit {
		return v, why
	}
	from, why := s.backends.candidatesLocked(sess)
	if why != "" {
		return lock.Wait, why
	}
	if s.shared.slots != nil {
		if v, why := s.shared.admitLocked(sess, now); v != lock.Admit {
			return v, why
		}
	}
	g.takeLocked(w, s.backends.pickLocked(sess, from), now, held)
	return lock.Admit, ""
}

// fullLocked returns which limit of the service is reached; "": none.
func (g gate) fullLocked() Reason {
	slots, most := g.config().Lock.Slots, g.config().MaxSessions
	switch {
	case slots > 0 && g.shared.slots == nil && g.active+g.checking+len(g.hooks.ttl) >= slots:
		if g.active < slots && len(g.hooks.ttl) > 0 {
			return ReasonHook // a hook keeps the slot of a session that its TTL has ended
		}
		return ReasonSlots
	case most > 0 && g.active >= most:
		return ReasonLimit
	}
	return ""
}

// takeLocked reserves for an admitted waiter what Release returns. held: a pause held
// the waiter, and its release admits it.
func (g gate) takeLocked(w *lock.Waiter, b *Backend, now time.Time, held bool) {
	s, sess := g.Service, w.Owner.(*Session)
	s.active++
	if sess.last == nil { // not after a failed dial
		s.stats.wait.Add(now.Sub(w.Since()))
	}
	sess.granted = now.Sub(sess.opened)
	if sess.bypass {
		s.bypassing++
	}
	sess.reserveLocked(b)
	s.hooks.admittedLocked(sess)
	if held {
		s.pause.release.took(now)
		sess.released = true
		s.pause.unserved++
	}
}

// Release returns what Admit reserved.
func (g gate) Release(w *lock.Waiter) {
	s, sess := g.Service, w.Owner.(*Session)
	s.active--
	if sess.bypass {
		s.bypassing--
	}
	sess.unreserveLocked()
	if sess.released && sess.ending == nil { // its dials have failed: it returns to the queue, where the release still is for it
		sess.released = false
		s.pause.unserved--
	}
	s.pause.servedLocked(sess)
	s.hooks.releasedLocked(sess)
	if s.shared.slots != nil {
		s.shared.releasedLocked(sess)
	}
	s.pause.settleLocked()
}

// reserveLocked counts a session at a backend before the dial, so that limits hold.
func (s *Session) reserveLocked(b *Backend) {
	s.backend, s.last = b, b
	b.active++
	b.peak = max(b.peak, b.active)
}

func (s *Session) unreserveLocked() {
	b := s.backend
	s.backend = nil
	b.active--
	if b.active == 0 && b.admin() != AdminReady {
		s.service.backends.emptiedLocked(b)
	}
}

// tryAnotherBackend moves a session that could not connect to a backend that it has not
// tried, keeping its slot. It reports false if there is none.
func (s *Session) tryAnotherBackend() (ok bool) {
	s.service.queue.Update(func() {
		b := s.service.backends.chooseLocked(s)
		if b == nil {
			return
		}
		ok = true
		s.service.stats.counts.Redispatched++
		s.unreserveLocked()
		s.reserveLocked(b)
	})
	return ok
}
