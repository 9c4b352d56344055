// Package ratelimit bounds what comes from one address: how many at once, and
// how many new ones a second. IPv6 counts by /64, since that is what one
// customer has.
package ratelimit

import (
	"net/netip"
	"sync"
	"time"
)

// Limits are for each address; 0 is no limit.
type Limits struct {
	Active    int     // sessions at once
	PerSecond float64 // new sessions
}

func (l Limits) none() bool { return l.Active <= 0 && l.PerSecond <= 0 }

// Decision is whether a client may come.
type Decision uint8

// The decisions.
const (
	Admit         Decision = iota
	TooManyAtOnce          // of its address are there
	TooManyNew             // have come from it just now
)

// Limiter keeps account of addresses. The zero value is ready; its methods may
// be called from any goroutine.
type Limiter struct {
	mu      sync.Mutex
	sources map[netip.Prefix]*source
	swept   time.Time
}

// source is one address, or one /64.
type source struct {
	active  int
	opening int     // that have yet to show what they are for
	tokens  float64 // new sessions that it may begin at once
	filled  time.Time
}

// burst is how many sessions a source may begin at once, whatever its rate.
const burst = 5

// openings is how many connections a source may have at once that have brought
// no handshake yet, where its sessions are limited: more than a browser opens
// for the files of a page, and at least as many as it may have sessions.
const openings = 16

// AdmitConnection decides about a connection that has yet to bring its
// handshake. It is not judged by what it cannot know: it may be for a file.
// One that is admitted must be released, as opening, once the handshake has
// come, or at its end.
func (l *Limiter) AdmitConnection(client netip.Addr, limits Limits, now time.Time) Decision {
	if limits.none() {
		return Admit
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.source(client, now)
	if s.opening >= max(openings, limits.Active) {
		return TooManyAtOnce
	}
	s.opening++
	return Admit
}

// AdmitSession decides about a session. One that is admitted must be released
// at its end.
func (l *Limiter) AdmitSession(client netip.Addr, limits Limits, now time.Time) Decision {
	if limits.none() {
		return Admit
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.source(client, now)
	if limits.Active > 0 && s.active >= limits.Active {
		return TooManyAtOnce
	}
	if rate := limits.PerSecond; rate > 0 {
		s.tokens = min(s.tokens+now.Sub(s.filled).Seconds()*rate, max(burst, rate))
		s.filled = now
		if s.tokens < 1 {
			return TooManyNew
		}
		s.tokens--
	}
	s.active++
	return Admit
}

// source finds a client's source, or makes it. l is locked.
func (l *Limiter) source(client netip.Addr, now time.Time) *source {
	l.sweep(now)
	key := keyOf(client)
	s := l.sources[key]
	if s == nil {
		if l.sources == nil {
			l.sources = map[netip.Prefix]*source{}
		}
		s = &source{tokens: burst, filled: now}
		l.sources[key] = s
	}
	return s
}

// Release takes back what AdmitSession has counted or, with opening, what
// AdmitConnection has. It may be called where there was no limit.
func (l *Limiter) Release(client netip.Addr, opening bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.sources[keyOf(client)]
	switch {
	case s == nil:
	case opening && s.opening > 0:
		s.opening--
	case !opening && s.active > 0:
		s.active--
	}
}

// sweep forgets sources from which nothing has come for a while.
func (l *Limiter) sweep(now time.Time) {
	if now.Sub(l.swept) < time.Minute {
		return
	}
	l.swept = now
	for key, s := range l.sources {
		if s.active+s.opening == 0 && now.Sub(s.filled) > time.Minute {
			delete(l.sources, key)
		}
	}
}

func keyOf(a netip.Addr) netip.Prefix {
	a = a.Unmap()
	bits := a.BitLen()
	if a.Is6() {
		bits = 64
	}
	p, _ := a.Prefix(bits) // the zero address is a source of its own
	return p
}
