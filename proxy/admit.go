package proxy

import (
	"fmt"
	"math"
	"time"

	"github.com/tcpctl/tcpctl/proxy/relay"
)

// admit is the second stage: the session waits in the queue until the gate lets
// it go, with a slot and a backend in hand.
func admit(s *Session, ev relay.Event) transition {
	switch ev.Kind {
	case relay.Begin:
		if s.requeues > 0 { // it has come back, to its old position
			if r := s.rejectReason(); r != "" {
				return s.endWith(ending{by: ByProxy, phase: PhaseQueue, reason: r, reset: true})
			}
			if s.service.config().Queue.MaxPerIP > 0 {
				s.countWaiting(math.MaxInt) // it is not new, and not refused
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

// startGrant begins what runs from the grant, like the TTL.
func (s *Session) startGrant() {
	s.endWaiting()
	s.verifying.Store(false)
	s.phase.Store(inConnect)
	s.runner().SetTimer(s, s.untilDeadline())
}

// rejectReason says why the session must not wait, "" when it may.
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

// startQueueClock begins the session's own reading of the queue's clock.
func (s *Session) startQueueClock() {
	s.service.queue.Do(func() {
		now := time.Now()
		s.frozenBefore = s.service.pause.frozenLocked(now)
		s.service.oldest.warnLocked(now)
	})
}

// untilQueueTimeout is how long the session may wait still: 0 when its time is
// over, negative when there is no limit. While the queue's clock stands still,
// it is asked again a little later. A session that no pause holds waits
// for something else, and its clock runs.
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

// sooner is the first of two durations, of which a negative one never ends.
func sooner(a, b time.Duration) time.Duration {
	if a < 0 || b >= 0 && b < a {
		return b
	}
	return a
}

// clientEndedWaiting decides about a waiter that has ended its side.
func (s *Session) clientEndedWaiting(how relay.End) transition {
	switch {
	case how != relay.HalfFIN:
		return s.abandon(how)
	case s.service.config().Queue.OnClientFin == FinDrop:
		return s.abandon(how)
	case s.service.config().Queue.OnClientFin == FinVerify:
		// Gone, or only half-closed? It keeps its place; its own system
		// answers a keep-alive probe with a reset once it is gone.
		s.verifying.Store(true)
	}
	return wait
}

func (s *Session) abandon(how relay.End) transition {
	return s.endWith(ending{by: ByClient, phase: PhaseQueue, reason: ReasonAbandoned, detail: how.String(), reset: how != relay.FIN})
}

// longWait is how long a wait is worth an event at its end.
const longWait = time.Second

// noteGrant notes a grant to one that had to wait in the queue.
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
