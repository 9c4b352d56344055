package proxy

import (
	"errors"
	"time"

	"github.com/tcpctl/tcpctl/proxy/health"
	"github.com/tcpctl/tcpctl/proxy/relay"
)

// The delays after which a session that reached no backend tries again, from its old
// position; they double.
const (
	firstRetry = 50 * time.Millisecond
	lastRetry  = 2 * time.Second
	// A retry after a lack of our own costs the backend nothing, and the resource may
	// be free once the next session ends.
	lastLocalRetry = 500 * time.Millisecond
)

// dial is the third stage: the session connects to its backend or another one, or
// returns to its position in the queue.
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
			return wait // it is ending, or already dials another
		}
		return s.endDialing(ending{by: o.by, phase: PhaseConnect, who: o.who, reason: o.reason, detail: o.detail, reset: true})
	}
	return wait
}

// takeServer takes over the connection to the backend.
func (s *Session) takeServer(server *relay.Side) transition {
	s.server = server
	if s.server.OnStream() && s.protocol == nil { // an older TLS; see awaitAnswer
		s.moveToStream()
	}
	if s.ending != nil {
		return end
	}
	if !s.server.Secured() { // otherwise it was sent before TLS
		if err := s.sendProxyHeader(); err != nil {
			s.runner().Close(s.server, true)
			s.server = nil
			return s.dialFailed(err)
		}
	} else if s.protocol != nil {
		s.server.StrictEnd(s.service.config().HalfCloseTimeout, isTLSTruncated) // the client gets the end by its protocol
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

// dialFailed determines whose fault it is. For a lack of our own the session is treated
// like others that could not connect, but it does not count against the backend.
func (s *Session) dialFailed(err error) transition {
	lack := relay.LackOf(err)
	if lack == "" {
		s.last.dialFailed(err)
	} else {
		s.service.engine.noteLack(lack, "dial of "+s.last.target(), err)
	}
	return s.retryDial(err, lack)
}

// endDialing ends the session once the dial in progress has returned.
func (s *Session) endDialing(e ending) transition {
	s.endWith(e)
	if s.server != nil { // it has returned; the session waited for the answer to its handshake
		return end
	}
	s.runner().Abort(s)
	return wait
}

// planAtWork reports whether a plan is at work on the session's service, of this engine or
// of all.
func (s *Session) planAtWork() (yes bool) {
	s.service.queue.View(func() { yes = s.service.planAtWorkLocked().waived != nil })
	return yes
}

// retryDial decides what follows a failed dial: another backend with the same slot, or
// back to the queue; with no_backend = "reject" only while there are retries.
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
	// Clients that a pause has held stay held (rule 17), and while a plan is at work no
	// client fails before the checks have seen what is up (18a).
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
