package proxy

import (
	"errors"
	"time"

	"github.com/tcpctl/tcpctl/proxy/relay"
)

// begin takes a client that has just been accepted. Clients come one at a
// time and in the order of their arrival.
func (s *Service) begin(run relay.Runner, client *relay.Side) {
	if run == relay.Runner(&s.engine.loop) && s.config().notForLoop() != "" {
		client.Conn() // a reload has asked for more than the loops can, just now
		run = &s.engine.stream
	}
	sess := &Session{service: s, run: run, client: client, number: s.engine.sessions.Add(1), opened: time.Now()}
	sess.waiter.Owner = sess
	run.Begin(sess, client)
}

// open is the first stage: the session is entered in the books, and its
// client greeted as the service asks for.
func open(s *Session, ev relay.Event) answer {
	switch ev.Kind {
	case relay.Begin:
		if s.service.config().Protocol == nil {
			s.enter() // else it may be for a file
		}
		s.service.live.add(s)
		return s.greet()
	case relay.HandshakeDone:
		g, _ := ev.Arg.(greeting)
		var refusal *Refusal
		switch {
		case s.ending != nil:
			if g.guest != nil {
				g.guest.Close() // too late
			}
			return end
		case s.aside && !s.openedAside(g.guest, ev.Err):
			return wait
		case errors.As(ev.Err, &refusal):
			return s.refuseWith(refusal.Reason, refusal.Detail, refusal.Hint)
		case ev.Err != nil && s.shaken:
			return s.ends(ending{by: ByClient, phase: PhaseQueue, reason: ReasonNoHandshake, detail: ev.Err.Error(), reset: true})
		case ev.Err != nil:
			return s.refuse(g.refused, ev.Err.Error())
		}
		s.greeted(g)
		return s.greet()
	case relay.Signal:
		o, isOrder := ev.Arg.(order)
		switch {
		case !isOrder:
			s.goAside()
		case s.aside:
			s.run.Close(s.client, true) // Handshake comes back at once
		case !o.live && s.ending == nil:
			s.ends(ending{by: o.by, phase: PhaseQueue, who: o.who, reason: o.reason, detail: o.detail, reset: true})
			s.run.Close(s.client, true) // the greeting comes back at once
		}
	}
	return wait
}

// enter counts the session among those that have come, once.
func (s *Session) enter() {
	if !s.entered {
		s.entered = true
		s.service.total.Add(1)
	}
}
