package proxy

import (
	"errors"
	"time"

	"github.com/tcpctl/tcpctl/proxy/health"
	"github.com/tcpctl/tcpctl/proxy/relay"
)

// A session that reached no backend goes back to its position and tries again
// after so long, doubling.
const (
	firstRetry = 50 * time.Millisecond
	lastRetry  = 2 * time.Second
	// What we lack ourselves costs the backend nothing to be tried again, and
	// may be there when the next session ends.
	lastLocalRetry = 500 * time.Millisecond
)

// dial is the third stage: the session connects to its backend, or to
// another, or goes back to its position in the line.
func dial(s *Session, ev relay.Event) transition {
	switch ev.Kind {
	case relay.Begin:
		s.startDial()
	case relay.Connected:
		return s.takeServer(ev.Side)
	case relay.HandshakeDone:
		if s.ending != nil {
			return wait // for the dial
		}
		if gone := s.protocolEvent(ev); gone != relay.Open {
			return s.endDialing(ending{by: ByClient, phase: PhaseConnect, reason: ReasonAbandoned, detail: gone.String(), reset: gone == relay.Reset})
		}
		if s.server != nil {
			return s.awaitAnswer()
		}
	case relay.Failed:
		if s.ending != nil {
			return end
		}
		return s.dialFailed(ev.Err)
	case relay.PeerClosed:
		if how := s.clientEnd(ev.End); how != relay.HalfFIN {
			return s.endDialing(ending{by: ByClient, phase: PhaseConnect, reason: ReasonAbandoned, detail: how.String(), reset: how == relay.Reset})
		}
	case relay.Timer:
		if r := s.expired(); r != "" {
			return s.endDialing(ending{by: ByProxy, phase: PhaseConnect, reason: r, reset: true})
		}
		s.runner().SetTimer(s, s.untilDeadline())
	case relay.Signal:
		o := ev.Arg.(endRequest)
		if s.ending != nil || o.on != nil && o.on != s.last {
			return wait // it ends already, or has gone on to another meanwhile
		}
		return s.endDialing(ending{by: o.by, phase: PhaseConnect, who: o.who, reason: o.reason, detail: o.detail, reset: true})
	}
	return wait
}

// takeServer takes the connection to the backend.
func (s *Session) takeServer(server *relay.Side) transition {
	s.server = server
	if s.server.OnStream() && s.protocol == nil { // an older TLS; see awaitAnswer
		s.moveToStream()
	}
	if s.ending != nil {
		return end
	}
	if !s.server.Secured() { // else it was sent before TLS
		if err := s.sendProxyHeader(); err != nil {
			s.runner().Close(s.server, true)
			s.server = nil
			return s.dialFailed(err)
		}
	} else if s.protocol != nil {
		s.server.StrictEnd(s.service.config().HalfCloseTimeout, isTLSTruncated) // its client is told by its protocol
	}
	s.last.dialWorked()
	return s.awaitAnswer()
}

func (s *Session) startDial() {
	s.dials++
	s.dialled = time.Since(s.opened)
	d := s.last.dial()
	d.Timeout = s.service.config().ConnectTimeout
	header, err := s.proxyHeader()
	if err != nil {
		s.runner().Post(s, relay.Event{Kind: relay.Failed, Err: err})
		return
	}
	d.Secure = s.last.secured(header, false)
	s.runner().Dial(s, d)
}

// dialFailed decides whose trouble it is. For want of something of our own the
// session is treated like any other that could not connect, but the backend
// knows nothing of it.
func (s *Session) dialFailed(err error) transition {
	lack := relay.LackOf(err)
	if lack == "" {
		s.last.dialFailed(err)
	} else {
		s.service.engine.noteLack(lack, "dial of "+s.last.target(), err)
	}
	return s.retryDial(err, lack)
}

// endDialing ends the session once the dial that is under way has come back.
func (s *Session) endDialing(e ending) transition {
	s.endWith(e)
	if s.server != nil { // it has; the answer to its handshake was waited for
		return end
	}
	s.runner().Abort(s)
	return wait
}

// planAtWork says whether a plan is at work on the session's service, of this engine or of all.
func (s *Session) planAtWork() (yes bool) {
	s.service.queue.View(func() { yes = s.service.planAtWorkLocked().waived != nil })
	return yes
}

// retryDial decides what follows a dial that failed: another backend with the
// same slot, or back to the queue; with no_backend = "reject" only as long as
// there are retries.
func (s *Session) retryDial(err error, lack relay.Lack) transition {
	c := s.service.config()
	retries := max(c.ConnectRetries, 0)
	if s.rare == nil {
		s.rare = &rareState{}
	}
	back := &s.rare.retryState
	back.tried = append(back.tried, s.last)
	var timeout interface{ Timeout() bool }
	s.dialTimedOut = errors.As(err, &timeout) && timeout.Timeout()
	if len(back.tried) <= retries && s.tryAnotherBackend() {
		s.startDial()
		return wait
	}
	// What a pause has held stays held (rule 17), and while a plan is
	// at work no client is failed before the checks have seen what is up (18a).
	if c.NoBackend == Reject && int(s.dials) > retries && !s.released && !s.planAtWork() {
		if lack != "" {
			return s.endWith(ending{by: ByProxy, phase: PhaseConnect, reason: ReasonLocalLimit, detail: "out of " + string(lack), reset: true, refused: true})
		}
		return s.endWith(ending{by: ByProxy, phase: PhaseConnect, reason: dialReason(err), detail: health.Explain(err), reset: true, dialTimedOut: s.dialTimedOut})
	}
	back.tried = back.tried[:0]
	longest := lastRetry
	if back.lack = lack != ""; back.lack {
		longest = lastLocalRetry
	}
	back.retryAt = time.Now().Add(min(firstRetry<<min(s.requeues, 10), longest))
	s.requeues++
	s.phase.Store(inQueue)
	if s.requeues == 1 && s.waited == 0 {
		s.startQueueClock()
	}
	s.watchClient()
	s.waiter.Permit().Requeue()
	return requeue
}
