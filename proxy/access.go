package proxy

import (
	"net/netip"
	"time"

	"github.com/tcpctl/tcpctl/proxy/internal/ratelimit"
)

// admitOpening applies the access rules once, and then the rate limit and the bypass of
// pauses; a reason refuses the client.
func (s *Session) admitOpening(c *ServiceConfig, trusted bool) Reason {
	// Behind a trusted HTTP proxy, the client is known only after the handshake, and so
	// is whether the connection is for a session.
	unknown := c.Protocol != nil && s.protocol == nil
	if s.accessChecked || unknown && trusted {
		return ""
	}
	s.accessChecked = true
	if unknown {
		return s.admitConnection(c)
	}
	if r := s.admitSession(c); r != "" {
		return r
	}
	if covers(c.Pause.Bypass, s.client.Remote().Addr()) {
		s.service.queue.Do(func() { s.bypass = true }) // locked, as others may read it
	}
	if c.RateLimit > 0 {
		s.client.Limit(c.RateLimit)
	}
	return ""
}

// admitConnection returns why a connection without a handshake yet is refused; if "",
// releasePerIP must be called. One that came when there was no limit is not counted by
// a limit that a reload adds.
func (s *Session) admitConnection(c *ServiceConfig) (refused Reason) {
	if s.sharers() != nil {
		refused = s.admitArrival(c)
	} else {
		refused = s.checkAccess(c, s.service.perIP.AdmitConnection)
	}
	s.countedOpening = refused == "" && c.perIP().Any()
	return refused
}

// admitSession returns why a session is refused; if "", releasePerIP must be called at
// its end.
func (s *Session) admitSession(c *ServiceConfig) (refused Reason) {
	refused = s.checkAccess(c, s.service.perIP.AdmitSession)
	s.countedPerIP = refused == "" && c.perIP().Any()
	return refused
}

// checkAccess checks by the client's address whether it may connect, and how many may
// from that address.
func (s *Session) checkAccess(c *ServiceConfig, limit func(netip.Addr, ratelimit.Limits, time.Time) ratelimit.Decision) Reason {
	if !c.allows(s.client.Remote().Addr()) {
		return ReasonDenied
	}
	return s.checkLimit(c, limit)
}

func (s *Session) checkLimit(c *ServiceConfig, limit func(netip.Addr, ratelimit.Limits, time.Time) ratelimit.Decision) Reason {
	switch limit(s.client.Remote().Addr(), c.perIP(), time.Now()) {
	case ratelimit.TooManyAtOnce:
		return ReasonSessionsPerIP
	case ratelimit.TooManyNew:
		return ReasonNewPerIP
	}
	return ""
}

func (c *ServiceConfig) perIP() ratelimit.Limits {
	return ratelimit.Limits{Active: c.MaxSessionsPerIP, PerSecond: c.NewSessionsPerIP, Burst: c.NewSessionsBurst}
}

// releasePerIP ends the counting of the session by its address.
func (s *Session) releasePerIP() {
	if s.countedPerIP || s.countedOpening {
		s.service.perIP.Release(s.client.Remote().Addr(), s.countedOpening)
		s.countedPerIP, s.countedOpening = false, false
	}
	s.endWaiting()
}

// countWaiting counts the session among those that wait from its address, and reports
// whether it may wait.
func (s *Session) countWaiting(most int) bool {
	if most <= 0 || s.countedWaiting {
		return true
	}
	s.countedWaiting = s.service.perIP.AdmitWaiter(s.client.Remote().Addr(), most, time.Now())
	return s.countedWaiting
}

// endWaiting ends that: the session is admitted, or has ended.
func (s *Session) endWaiting() {
	if s.countedWaiting {
		s.service.perIP.ReleaseWaiter(s.client.Remote().Addr())
		s.countedWaiting = false
	}
}
