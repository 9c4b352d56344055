package proxy

import (
	"net/netip"
	"time"

	"github.com/tcpctl/tcpctl/proxy/internal/ratelimit"
)

// admitConnection says why a connection is refused that has yet to bring its
// handshake, "" when it may; then releasePerIP must be called.
func (s *Session) admitConnection(c *ServiceConfig) (refused Reason) {
	return s.checkAccess(c, s.service.perIP.AdmitConnection)
}

// admitSession says why a session is refused, "" when it may come; then
// releasePerIP must be called at its end.
func (s *Session) admitSession(c *ServiceConfig) (refused Reason) {
	return s.checkAccess(c, s.service.perIP.AdmitSession)
}

// checkAccess decides by the client's address: whether it may connect at all,
// and how many may from one address.
func (s *Session) checkAccess(c *ServiceConfig, limit func(netip.Addr, ratelimit.Limits, time.Time) ratelimit.Decision) Reason {
	client := s.client.Remote().Addr().Unmap()
	if covers(c.Deny, client) || len(c.Allow) > 0 && !covers(c.Allow, client) {
		return ReasonDenied
	}
	switch limit(client, ratelimit.Limits{Active: c.MaxSessionsPerIP, PerSecond: c.NewSessionsPerIP}, time.Now()) {
	case ratelimit.TooManyAtOnce:
		return ReasonSessionsPerIP
	case ratelimit.TooManyNew:
		return ReasonNewPerIP
	}
	return ""
}

// releasePerIP takes the session out of the account of its address.
func (s *Session) releasePerIP() {
	if s.countedPerIP || s.countedOpening {
		s.service.perIP.Release(s.client.Remote().Addr(), s.countedOpening)
		s.countedPerIP, s.countedOpening = false, false
	}
}

func covers(all []netip.Prefix, a netip.Addr) bool {
	for _, p := range all {
		if p.Contains(a) {
			return true
		}
	}
	return false
}
