package proxy

import (
	"errors"
	"math"
	"time"

	"github.com/tcpctl/tcpctl/proxy/relay"
)

// relayBytes is the fourth stage: data is copied both ways until both sides have ended.
// The runner passes each end of stream on; here are the clocks, and which side ended
// the session.
func relayBytes(s *Session, ev relay.Event) transition {
	switch ev.Kind {
	case relay.Begin:
		s.connected = max(time.Since(s.opened), 1)
		s.service.stats.connect.Add(s.connected - s.dialled)
		s.phase.Store(inRelay)
		s.last.total.Add(1)
		if s.released {
			s.service.queue.Do(func() { s.service.pause.servedLocked(s) })
		}
		s.serverNow.Store(s.server)
		s.relaying.Store(s.last)
		if limit := s.service.config().RateLimit; limit > 0 {
			s.server.Limit(limit)
		}
		s.watchExchange()
		s.copying = true
		s.runner().Relay(s, s.client, s.server)
		s.runner().SetTimer(s, s.untilDeadline())
	case relay.Ended:
		s.copying = !ev.Last
		s.sideEnded(ev)
		if ev.Last {
			return end
		}
	case relay.Timer:
		if r := s.expired(); r != "" {
			s.endLive(ending{by: ByProxy, phase: PhaseRelay, reason: r, reset: true, cut: true})
			return wait
		}
		s.endQuiet()
		s.runner().SetTimer(s, s.untilDeadline())
	case relay.Signal:
		o, ends := ev.Arg.(endRequest)
		if !ends { // quietBegun
			s.runner().SetTimer(s, s.untilDeadline())
			return wait
		}
		s.endLive(ending{by: o.by, phase: PhaseRelay, who: o.who, reason: o.reason, detail: o.detail, reset: true, cut: true})
	}
	return wait
}

// sideEnded records which side ended the session: the first to end, unless the session
// is then cut. A reset is passed on.
func (s *Session) sideEnded(ev relay.Event) {
	by, other := ByClient, ByBackend
	if ev.Side == s.server {
		by, other = other, by
	}
	if ev.End == relay.Closed && s.ending == nil { // not by us: by its own code, and nothing else would end the other side
		ev.End = relay.Reset
	}
	reason, detail := ReasonReset, ""
	if ev.End == relay.FIN {
		reason = ReasonFIN
	}
	if known := knownEnd(ev.Side.EndedBy()); known != nil {
		if reason, detail = known.Reason, known.Error(); known.By != "" {
			by = known.By
		}
	}
	switch ev.End {
	case relay.Quiet:
		s.endedQuiet(ev)
	case relay.FIN:
		s.endWith(ending{by: by, phase: PhaseRelay, reason: reason, detail: detail, clientFirst: ev.Side == s.client})
		if !ev.Last {
			s.half = max(time.Since(s.opened), 1)
			s.runner().SetTimer(s, s.untilDeadline())
		}
	case relay.Reset:
		// A client that has left is not cut by the backend's reaction to its last
		// bytes: TLS servers close without reading them, which is a reset.
		clientReset, clientFirst := s.client.Probe() == relay.Reset, s.ending != nil && s.ending.clientFirst
		cut := by == ByBackend && !s.closedByProtocol() && !clientReset
		if cut && s.ending != nil && !s.ending.reset {
			s.ending = nil // the record must say so, like the counter
		}
		s.endWith(ending{by: by, phase: PhaseRelay, reason: reason, detail: detail})
		s.ending.cut = s.ending.cut || cut
		s.ending.clientReset, s.ending.clientFirst = clientReset, clientFirst
		s.endsByReset(by)
		if !ev.Last {
			s.runner().Close(s.server, true)
			s.closeClient(true)
		}
	case relay.Gone:
		s.endWith(ending{by: other, phase: PhaseRelay, reason: ReasonReset})
		s.endsByReset(other)
	}
}

// knownEnd returns what a side's own protocol says about its end, or nil.
func knownEnd(by error) *EndError {
	if by == nil {
		return nil // nearly always; the rest allocates
	}
	var known *EndError
	var alert *relay.TLSAlert
	switch {
	case errors.As(by, &known):
	case errors.Is(by, relay.ErrTLSTruncated):
		known = &EndError{Reason: ReasonTLSTruncated, Err: relay.ErrTLSTruncated}
	case errors.As(by, &alert):
		known = &EndError{Reason: ReasonTLSAlert, Err: alert}
	}
	return known
}

// isTLSTruncated reports whether a TLS stream ended without close_notify.
func isTLSTruncated(by error) bool {
	known := knownEnd(by)
	return known != nil && known.Reason == ReasonTLSTruncated
}

// endsByReset makes both sides see a reset, even if one had ended before.
func (s *Session) endsByReset(by string) {
	if e := s.ending; orderly(e.reason) && !e.reset {
		if e.detail != "" {
			e.detail += ", "
		}
		e.detail += "then reset by the " + by
	}
	s.ending.reset = true
}

// endLive ends a live session; the record follows once the runner has stopped counting.
func (s *Session) endLive(e ending) {
	if s.ending != nil && s.ending.reset {
		return // already ending
	}
	s.ending = &e
	// The backend first: a Protocol's client answers its close by ending, which must not be passed on before the reset.
	s.runner().Close(s.server, e.reset)
	s.closeClient(e.reset)
}

// deadlines returns when each of the session's clocks expires; zero: never.
func (s *Session) deadlines() (ttl, lifetime, idle, half time.Time) {
	c := s.service.config()
	if c.Lock.TTL > 0 {
		ttl = s.opened.Add(s.granted + c.Lock.TTL)
	}
	if c.MaxLifetime > 0 {
		lifetime = s.opened.Add(c.MaxLifetime)
	}
	if s.server != nil {
		quiet := later(s.client.LastRead(), s.server.LastRead())
		if c.IdleTimeout > 0 {
			idle = later(quiet, s.opened.Add(s.connected)).Add(c.IdleTimeout)
		}
		if s.half > 0 && c.HalfCloseTimeout > 0 {
			half = later(quiet, s.opened.Add(s.half)).Add(c.HalfCloseTimeout)
		}
	}
	return ttl, lifetime, idle, half
}

// expired returns which clock has expired; "": none.
func (s *Session) expired() Reason {
	now := time.Now()
	ttl, lifetime, idle, half := s.deadlines()
	for _, c := range []struct {
		at     time.Time
		reason Reason
	}{{ttl, ReasonTTL}, {lifetime, ReasonLifetime}, {half, ReasonHalfClose}, {idle, ReasonIdle}} {
		if !c.at.IsZero() && !now.Before(c.at) {
			return c.reason
		}
	}
	return ""
}

// untilDeadline returns the time until the first clock may expire, negative if none
// runs. A clock that has advanced meanwhile is read again then, so that no byte has to
// touch a timer.
func (s *Session) untilDeadline() time.Duration {
	first := time.Duration(math.MaxInt64)
	ttl, lifetime, idle, half := s.deadlines()
	quiet := time.Time{}
	if s.server != nil && s.copying {
		quiet = untilQuiet(s.endsQuietAt())
	}
	for _, at := range [...]time.Time{ttl, lifetime, idle, half, quiet} {
		if !at.IsZero() {
			first = min(first, time.Until(at))
		}
	}
	if first == math.MaxInt64 {
		return -1
	}
	return max(first, time.Millisecond)
}
