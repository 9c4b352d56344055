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
			s.run.At(s, s.patience())
			return wait
		}
		return s.join()
	case relay.Granted:
		if end := s.client.Gone(); end == relay.FIN || end == relay.Reset {
			return s.leaves(end)
		}
		s.letIn()
		s.service.waited(s)
		return next
	case relay.Left:
		return s.clientEnded(ev.End)
	case relay.Due:
		if d := s.patience(); d != 0 {
			s.run.At(s, d)
			return wait
		}
		return s.ends(ending{by: ByProxy, phase: PhaseQueue, why: "queue timeout", reset: true})
	case relay.Told:
		o := ev.Arg.(order)
		if o.live {
			return wait
		}
		return s.ends(ending{by: o.by, phase: PhaseQueue, why: o.why, reset: true})
	}
	return wait
}

// join puts a new session in line.
func (s *Session) join() answer {
	q := s.service.queue
	s.joined = s.opened
	admitted, err := q.Join(&s.waiter)
	if admitted {
		s.letIn()
		return next
	}
	if err != nil {
		return s.ends(ending{by: ByProxy, phase: PhaseQueue, why: "queue full", reset: true})
	}
	hopeless := false
	q.View(func() {
		s.stood = s.service.stoodStill(s.joined)
		hopeless = s.service.config().NoBackend == Reject && s.service.hopeless()
	})
	if hopeless {
		return s.ends(ending{by: ByProxy, phase: PhaseQueue, why: whyNoBackend, reset: true})
	}
	s.run.Watch(s, s.client)
	s.run.At(s, s.patience())
	return wait
}

// letIn begins what runs from the grant, like the TTL.
func (s *Session) letIn() {
	s.verifying.Store(false)
	s.phase.Store(inConnect)
	s.waited = s.granted.Sub(s.waiter.Since())
	s.run.At(s, s.untilDue())
}

// patience is how long the session may wait still: 0 when its time is over,
// negative when there is no limit. While the service is paused or releasing
// the clock stands still, and is looked at again a little later.
func (s *Session) patience() time.Duration {
	limit := s.service.config().Queue.Timeout
	if limit < 0 {
		return -1
	}
	left, standing := time.Duration(0), false
	s.service.queue.View(func() {
		now := time.Now()
		waited := now.Sub(s.joined) - (s.service.stoodStill(now) - s.stood)
		left = limit - waited
		standing = s.service.pause != nil || s.service.release != nil
	})
	switch {
	case standing:
		return max(left, time.Second)
	case left <= 0:
		return 0
	}
	return left
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
	return s.ends(ending{by: ByClient, phase: PhaseQueue, why: "left (" + how.String() + ")", reset: how == relay.Reset})
}

// longWait is how long a wait is worth an event at its end.
const longWait = time.Second

// waited notes a grant to one that had to stand in line.
func (s *Service) waited(sess *Session) {
	s.queue.View(func() {
		s.line.Granted++
		s.waits.add(sess.waited)
	})
	if sess.waited >= longWait {
		s.engine.noteSeldom(Event{Kind: EventQueue, Service: s.name, Session: sess.ID(),
			Text: fmt.Sprintf("%s let in to %s after %s", sess.client.Name(), s.name, sess.waited.Round(10*time.Millisecond))})
	}
}
