package proxy

import (
	"fmt"
	"math"
	"time"

	"github.com/tcpctl/tcpctl/proxy/relay"
)

// admit is the second stage: the session waits in the queue until the gate admits it
// and reserves a slot and a backend.
func admit(s *Session, ev relay.Event) transition {
	switch ev.Kind {
	case relay.Begin:
		if s.requeues > 0 { // it is back, in its old position
			if r := s.rejectReason(); r != "" {
				return s.endWith(ending{by: ByProxy, phase: PhaseQueue, reason: r, reset: true})
			}
			if s.service.config().Queue.MaxPerIP > 0 {
				s.countWaiting(math.MaxInt) // counted, but not refused, as it is not new
			}
			s.runner().SetTimer(s, sooner(s.untilQueueTimeout(), s.untilAnswer()))
			return wait
		}
		return s.join()
	case relay.Granted:
		if end := s.clientEnd(s.client.Probe()); end == relay.FIN || end == relay.Reset {
			return s.abandon(end)
		}
		first := s.waited == 0
		s.waited = s.opened.Add(s.granted).Sub(s.waiter.Since())
		s.startGrant()
		if first {
			s.noteGrant()
		}
		return next
	case relay.PeerClosed:
		return s.clientEndedWaiting(s.clientEnd(ev.End))
	case relay.HandshakeDone:
		if gone := s.protocolEvent(ev); gone != relay.Open {
			return s.abandon(gone)
		}
	case relay.Timer:
		if s.untilAnswer() == 0 {
			s.answer()
		}
		if d := s.untilQueueTimeout(); d != 0 {
			s.runner().SetTimer(s, sooner(d, s.untilAnswer()))
			return wait
		}
		return s.endWith(ending{by: ByProxy, phase: PhaseQueue, reason: ReasonQueueTimeout, reset: true, dialTimedOut: s.requeues > 0 && s.dialTimedOut})
	case relay.Signal:
		o := ev.Arg.(endRequest)
		if o.live || o.on != nil {
			return wait
		}
		return s.endWith(ending{by: o.by, phase: PhaseQueue, who: o.who, reason: o.reason, detail: o.detail, reset: true})
	}
	return wait
}

// join puts a new session in the queue.
func (s *Session) join() transition {
	q := s.service.queue
	s.waitShared()
	s.joined = true
	s.countTotal()
	admitted, err := q.Join(&s.waiter)
	if admitted {
		s.startGrant()
		return next
	}
	if err != nil {
		return s.endWith(ending{by: ByProxy, phase: PhaseQueue, reason: ReasonQueueFull, reset: true, refused: true})
	}
	if r := s.rejectReason(); r != "" {
		return s.endWith(ending{by: ByProxy, phase: PhaseQueue, reason: r, reset: true, refused: true})
	}
	if !s.countWaiting(s.service.config().Queue.MaxPerIP) {
		return s.refuse(ReasonWaitingPerIP, "")
	}
	s.startQueueClock()
	s.runner().Watch(s, s.client)
	s.runner().SetTimer(s, sooner(s.untilQueueTimeout(), s.untilAnswer()))
	return wait
}

// startGrant starts the clocks that run from the grant, like the TTL.
func (s *Session) startGrant() {
	s.endWaiting()
	s.verifying.Store(false)
	s.phase.Store(inConnect)
	s.runner().SetTimer(s, s.untilDeadline())
}

// rejectReason returns why the session must not wait; "": it may.
func (s *Session) rejectReason() (why Reason) {
	svc := s.service
	svc.queue.View(func() {
		switch {
		case svc.pause.current != nil && svc.pause.current.overdue && !s.bypass:
			why = ReasonWindowOverdue
		case svc.shared.rejectsLocked():
			why = svc.shared.lost
		case svc.config().NoBackend == Reject && svc.backends.hopelessLocked():
			why = ReasonNoBackend
		}
	})
	return why
}

// startQueueClock records the queue's clock when the session begins to wait.
func (s *Session) startQueueClock() {
	s.service.queue.Do(func() {
		now := time.Now()
		s.frozenBefore = s.service.pause.frozenLocked(now)
		s.service.oldest.warnLocked(now)
	})
}

// untilQueueTimeout returns how long the session may still wait: 0 when its time is
// over, negative when there is no limit. While the queue's clock is stopped, it is
// called again a little later. A session that bypasses pauses waits for something else,
// and its clock runs.
func (s *Session) untilQueueTimeout() time.Duration {
	limit := s.service.config().Queue.Timeout
	if limit < 0 {
		return -1
	}
	left, standing := time.Duration(0), false
	s.service.queue.View(func() {
		now := time.Now()
		left = limit - now.Sub(s.opened)
		if !s.bypass {
			left += s.service.pause.frozenLocked(now) - s.frozenBefore
			standing = s.service.pause.frozen
		}
	})
	switch {
	case standing:
		return max(left, time.Second)
	case left <= 0:
		return 0
	}
	return left
}

// sooner returns the shorter of two durations; a negative one never ends.
func sooner(a, b time.Duration) time.Duration {
	if a < 0 || b >= 0 && b < a {
		return b
	}
	return a
}

// clientEndedWaiting handles a waiter that has ended its side.
func (s *Session) clientEndedWaiting(how relay.End) transition {
	switch {
	case how != relay.HalfFIN:
		return s.abandon(how)
	case s.service.config().Queue.OnClientFin == FinDrop:
		return s.abandon(how)
	case s.service.config().Queue.OnClientFin == FinVerify:
		// Closed, or only half-closed? The waiter keeps its place; if closed, its
		// system answers a keep-alive probe with a reset.
		s.verifying.Store(true)
	}
	return wait
}

func (s *Session) abandon(how relay.End) transition {
	return s.endWith(ending{by: ByClient, phase: PhaseQueue, reason: ReasonAbandoned, detail: how.String(), reset: how != relay.FIN})
}

// longWait is how long a wait must be to get an event at its end.
const longWait = time.Second

// noteGrant records a grant to a session that waited in the queue.
func (s *Session) noteGrant() {
	svc := s.service
	svc.queue.Do(func() {
		svc.stats.queueCounts.Granted++
		svc.stats.waits.Add(s.waited)
	})
	if s.waited >= longWait {
		svc.engine.noteThrottled(Event{Kind: EventQueue, Service: svc.name, Session: s.ID(),
			Text: fmt.Sprintf("%s admitted to %s after %s", s.client.Name(), svc.name, s.waited.Round(10*time.Millisecond))})
	}
}
