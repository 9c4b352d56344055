package proxy

import (
	"errors"
	"time"

	"github.com/tcpctl/tcpctl/proxy/relay"
)

// beginSession takes a client that was just accepted. Clients are accepted one at a time,
// in order of arrival. Those of a socket that services share begin with its sharers.
func (s *Service) beginSession(run relay.Runner, client *relay.Side, sh *sharers) {
	sess := &Session{service: s, client: client, number: s.engine.sessions.Add(1), opened: time.Now()}
	sess.runs.Store(s.engine.runners.of(run))
	if sh != nil {
		sess.rare = &rareState{sharing: sharing{undecided: sh}}
	}
	sess.waiter.Owner = sess
	run.Begin(sess, client)
}

// open is the first stage: the session is counted, and its client's opening is handled
// as the service requires.
func open(s *Session, ev relay.Event) transition {
	switch ev.Kind {
	case relay.Begin:
		if s.service.config().Protocol == nil && s.sharers() == nil {
			s.countTotal() // otherwise it may be for a file, or for another service
		}
		s.service.live.add(s)
		return s.handshake()
	case relay.HandshakeDone:
		g, _ := ev.Arg.(handshakeResult)
		return s.handshakeDone(g, ev.Err)
	case relay.Signal:
		o, isOrder := ev.Arg.(endRequest)
		switch {
		case !isOrder:
			s.detach()
		case s.detached:
			s.runner().Close(s.client, true) // Handshake returns at once
		case !o.live && s.ending == nil:
			s.endWith(ending{by: o.by, phase: PhaseQueue, who: o.who, reason: o.reason, detail: o.detail, reset: true})
			s.closeClient(true) // the handshake fails at once
		}
	}
	return wait
}

// handshakeDone handles the result of a step of the opening, and starts the next step.
func (s *Session) handshakeDone(g handshakeResult, err error) transition {
	if g.tls != "" && s.ending == nil {
		s.service.queue.Do(func() { s.service.stats.tlsFailedLocked(ByClient, g.tls) })
	}
	var refusal *Refusal
	switch {
	case s.ending != nil:
		if g.pending != nil {
			g.pending.Close() // too late
		}
		return end
	case s.detached && !s.detachedHandshake(g.pending, err):
		return wait
	case errors.As(err, &refusal):
		s.chooseRequest(refusal.Service)
		return s.refuseWith(refusal.Reason, refusal.Detail, refusal.Hint)
	case err != nil && g.abandoned:
		return s.endWith(ending{by: ByClient, phase: PhaseQueue, reason: ReasonAbandoned, detail: err.Error(), reset: true})
	case err != nil && s.handshakeAsked:
		return s.endWith(ending{by: ByClient, phase: PhaseQueue, reason: ReasonNoHandshake, detail: err.Error(), reset: true})
	case err != nil:
		return s.refuse(g.refused, err.Error())
	}
	refused, detail := s.chooseRequest(g.serviceName())
	s.takeHandshake(g)
	if refused != "" {
		return s.refuse(refused, detail)
	}
	if g.hello != nil {
		s.rare.hello = g.hello
		if r, detail, hint := s.chooseByName(g.hello); r != "" {
			return s.refuseWith(r, detail, hint)
		}
	}
	return s.handshake()
}

// countTotal counts the session as accepted, once.
func (s *Session) countTotal() {
	if !s.countedTotal {
		s.countedTotal = true
		s.service.stats.total.Add(1)
	}
}
