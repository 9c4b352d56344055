package proxy

import (
	"net/netip"
	"sync"
	"time"
)

// access judges clients by their address: who may come at all, and how many
// from one place. IPv6 counts by /64, since that is what one customer has.
type access struct {
	mu     sync.Mutex
	places map[netip.Prefix]*place
	swept  time.Time
}

// place is one address, or one /64.
type place struct {
	active  int
	opening int     // that have yet to show what they are for
	tokens  float64 // new sessions that it may begin at once
	filled  time.Time
}

// burst is how many sessions a place may begin at once, whatever its rate.
const burst = 5

// openings is how many connections a place may have at once that have brought
// no handshake of the service's Protocol yet, where its sessions are limited:
// more than a browser opens for the files of a page, and at least as many as
// it may have sessions.
const openings = 16

// knock says why a connection is refused that has yet to bring its handshake,
// "" when it may bring it; then leave must be called once it has, or at its
// end. It is not judged by what it cannot know: it may be for a file.
func (a *access) knock(c *ServiceConfig, client netip.Addr) (refused Reason) {
	client = client.Unmap()
	if c.denies(client) {
		return ReasonDenied
	}
	if c.MaxSessionsPerIP <= 0 && c.NewSessionsPerIP <= 0 {
		return ""
	}
	now := time.Now()
	a.mu.Lock()
	defer a.mu.Unlock()
	p := a.place(client, now)
	if p.opening >= max(openings, c.MaxSessionsPerIP) {
		return ReasonSessionsPerIP
	}
	p.opening++
	return ""
}

func (c *ServiceConfig) denies(client netip.Addr) bool {
	return covers(c.Deny, client) || len(c.Allow) > 0 && !covers(c.Allow, client)
}

// judge says why a client is refused, "" when it may come; then leave must be
// called at its end.
func (a *access) judge(c *ServiceConfig, client netip.Addr) (refused Reason) {
	client = client.Unmap()
	if c.denies(client) {
		return ReasonDenied
	}
	if c.MaxSessionsPerIP <= 0 && c.NewSessionsPerIP <= 0 {
		return ""
	}
	now := time.Now()
	a.mu.Lock()
	defer a.mu.Unlock()
	p := a.place(client, now)
	if c.MaxSessionsPerIP > 0 && p.active >= c.MaxSessionsPerIP {
		return ReasonSessionsPerIP
	}
	if rate := c.NewSessionsPerIP; rate > 0 {
		p.tokens = min(p.tokens+now.Sub(p.filled).Seconds()*rate, max(burst, rate))
		p.filled = now
		if p.tokens < 1 {
			return ReasonNewPerIP
		}
		p.tokens--
	}
	p.active++
	return ""
}

// place finds a client's place, or makes it. a is locked.
func (a *access) place(client netip.Addr, now time.Time) *place {
	a.sweep(now)
	key := placeOf(client)
	p := a.places[key]
	if p == nil {
		if a.places == nil {
			a.places = map[netip.Prefix]*place{}
		}
		p = &place{tokens: burst, filled: now}
		a.places[key] = p
	}
	return p
}

// leave is told of the end of a session that judge has let come, or with
// opening, of what knock has.
func (a *access) leave(client netip.Addr, opening bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	p := a.places[placeOf(client.Unmap())]
	switch {
	case p == nil:
	case opening && p.opening > 0:
		p.opening--
	case !opening && p.active > 0:
		p.active--
	}
}

// sweep forgets places that nobody has come from for a while.
func (a *access) sweep(now time.Time) {
	if now.Sub(a.swept) < time.Minute {
		return
	}
	a.swept = now
	for key, p := range a.places {
		if p.active+p.opening == 0 && now.Sub(p.filled) > time.Minute {
			delete(a.places, key)
		}
	}
}

func placeOf(a netip.Addr) netip.Prefix {
	bits := a.BitLen()
	if a.Is6() {
		bits = 64
	}
	p, _ := a.Prefix(bits) // a zero address is a place of its own
	return p
}

func covers(all []netip.Prefix, a netip.Addr) bool {
	for _, p := range all {
		if p.Contains(a) {
			return true
		}
	}
	return false
}

// releasePerIP takes the session out of its place's account.
func (s *Session) releasePerIP() {
	if s.countedPerIP || s.countedOpening {
		s.service.access.leave(s.client.Remote().Addr(), s.countedOpening)
		s.countedPerIP, s.countedOpening = false, false
	}
}
