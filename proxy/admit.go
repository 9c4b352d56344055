package proxy

import (
	"fmt"
	"time"

	"github.com/tcpctl/tcpctl/proxy/relay"
)

// admit is the second stage: the session stands in line until the gate lets
// it go, with a slot and a backend in hand.
func admit(s *Session, ev relay.Event) answer {
	switch ev.Kind {
	case relay.Begin:
		if s.rounds > 0 { // it has come back, to its old place
			if r := s.inVain(); r != "" {
				return s.ends(ending{by: ByProxy, phase: PhaseQueue, reason: r, reset: true})
			}
			s.run.SetTimer(s, sooner(s.patience(), s.untilHold()))
			return wait
		}
		return s.join()
	case relay.Granted:
		if end := s.ended(s.client.Probe()); end == relay.FIN || end == relay.Reset {
			return s.leaves(end)
		}
		first := s.waited == 0
		s.waited = s.opened.Add(s.granted).Sub(s.waiter.Since())
		s.letIn()
		if first {
			s.service.waited(s)
		}
		return next
	case relay.PeerClosed:
		return s.clientEnded(s.ended(ev.End))
	case relay.HandshakeDone:
		if gone := s.guestNews(ev); gone != relay.Open {
			return s.leaves(gone)
		}
	case relay.Timer:
		if s.untilHold() == 0 {
			s.answer()
		}
		if d := s.patience(); d != 0 {
			s.run.SetTimer(s, sooner(d, s.untilHold()))
			return wait
		}
		return s.ends(ending{by: ByProxy, phase: PhaseQueue, reason: ReasonQueueTimeout, reset: true, late: s.rounds > 0 && s.late})
	case relay.Signal:
		o := ev.Arg.(order)
		if o.live || o.on != nil {
			return wait
		}
		return s.ends(ending{by: o.by, phase: PhaseQueue, who: o.who, reason: o.reason, detail: o.detail, reset: true})
	}
	return wait
}

// join puts a new session in line.
func (s *Session) join() answer {
	q := s.service.queue
	s.joined = true
	s.enter()
	admitted, err := q.Join(&s.waiter)
	if admitted {
		s.letIn()
		return next
	}
	if err != nil {
		return s.ends(ending{by: ByProxy, phase: PhaseQueue, reason: ReasonQueueFull, reset: true, refused: true})
	}
	if r := s.inVain(); r != "" {
		return s.ends(ending{by: ByProxy, phase: PhaseQueue, reason: r, reset: true, refused: true})
	}
	s.startPatience()
	s.run.Watch(s, s.client)
	s.run.SetTimer(s, sooner(s.patience(), s.untilHold()))
	return wait
}

// letIn begins what runs from the grant, like the TTL.
func (s *Session) letIn() {
	s.verifying.Store(false)
	s.phase.Store(inConnect)
	s.run.SetTimer(s, s.untilDue())
}

// inVain says why the session would wait in vain, "" when it would not.
func (s *Session) inVain() (why Reason) {
	svc := s.service
	svc.queue.View(func() {
		switch {
		case svc.pause != nil && svc.pause.overdue && !s.bypass:
			why = ReasonWindowOverdue
		case svc.config().NoBackend == Reject && svc.hopeless():
			why = ReasonNoBackend
		}
	})
	return why
}

// startPatience begins the session's own reading of the queue's clock.
func (s *Session) startPatience() {
	s.service.queue.Do(func() {
		now := time.Now()
		s.stood = s.service.stoodStill(now)
		s.service.queueOld(now)
	})
}

// patience is how long the session may wait still: 0 when its time is over,
// negative when there is no limit. While the queue's clock stands still, it
// is looked at again a little later. A session that no pause holds waits for
// something else, and its clock runs.
func (s *Session) patience() time.Duration {
	limit := s.service.config().Queue.Timeout
	if limit < 0 {
		return -1
	}
	left, standing := time.Duration(0), false
	s.service.queue.View(func() {
		now := time.Now()
		left = limit - now.Sub(s.opened)
		if !s.bypass {
			left += s.service.stoodStill(now) - s.stood
			standing = s.service.still
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

// clientEnded decides about a waiter that has ended its side.
func (s *Session) clientEnded(how relay.End) answer {
	switch {
	case how != relay.HalfFIN:
		return s.leaves(how)
	case s.service.config().Queue.OnClientFin == FinDrop:
		return s.leaves(how)
	case s.service.config().Queue.OnClientFin == FinVerify:
		// Gone, or only half-closed? It keeps its place; its own system
		// answers a keep-alive probe with a reset once it is gone.
		s.verifying.Store(true)
	}
	return wait
}

func (s *Session) leaves(how relay.End) answer {
	return s.ends(ending{by: ByClient, phase: PhaseQueue, reason: ReasonAbandoned, detail: how.String(), reset: how != relay.FIN})
}

// longWait is how long a wait is worth an event at its end.
const longWait = time.Second

// waited notes a grant to one that had to stand in line.
func (s *Service) waited(sess *Session) {
	s.queue.Do(func() {
		s.line.Granted++
		s.waits.add(sess.waited)
	})
	if sess.waited >= longWait {
		s.engine.noteSeldom(Event{Kind: EventQueue, Service: s.name, Session: sess.ID(),
			Text: fmt.Sprintf("%s let in to %s after %s", sess.client.Name(), s.name, sess.waited.Round(10*time.Millisecond))})
	}
}
