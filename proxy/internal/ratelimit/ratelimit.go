// Package ratelimit bounds what comes from one address: how many at once, how
// many new ones a second, and how many may wait. IPv6 counts by /64, since that
// is what one customer has.
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
	Burst     int     // new sessions at once, whatever PerSecond is; 0: 5, or those of a second where that is more
}

// Any says whether there is a limit: without one nothing is counted.
func (l Limits) Any() bool { return l.Active > 0 || l.PerSecond > 0 }

// burst is how many new sessions a source that has begun none for a while may begin at
// once. It is at least one, or none could ever begin.
func (l Limits) burst() float64 {
	if l.Burst > 0 {
		return float64(l.Burst)
	}
	return max(usualBurst, l.PerSecond)
}

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
	opening int // connections without a handshake so far
	waiting int
	spent   float64 // used part of the burst; it is refilled at the rate
	rate    float64 // the last rate of refilling
	at      time.Time
}

// usualBurst is the default for the number of sessions that a source may begin at once.
const usualBurst = 5

// openings is how many connections without a handshake a source may have at once if its
// sessions are limited: more than a browser opens for the files of a page. If it may
// have more sessions, that number applies.
const openings = 16

// AdmitConnection decides about a connection that has yet to bring its
// handshake. It is not judged by what it cannot know: it may be for a file.
// One that is admitted must be released, as opening, once the handshake has
// come, or at its end.
func (l *Limiter) AdmitConnection(client netip.Addr, limits Limits, now time.Time) Decision {
	if !limits.Any() {
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
	if !limits.Any() {
		return Admit
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.source(client, now)
	if limits.Active > 0 && s.active >= limits.Active {
		return TooManyAtOnce
	}
	if rate := limits.PerSecond; rate > 0 {
		s.spent, s.rate, s.at = s.spentAt(now), rate, now
		if s.spent+1 > limits.burst() {
			return TooManyNew
		}
		s.spent++
	}
	s.active++
	return Admit
}

// spentAt returns how much of the burst is still used at that time.
func (s *source) spentAt(now time.Time) float64 {
	return max(s.spent-max(now.Sub(s.at).Seconds(), 0)*s.rate, 0)
}

// AdmitWaiter decides about a client that has to wait, of which an address may
// have so many. One that is admitted must be released once it waits no more.
func (l *Limiter) AdmitWaiter(client netip.Addr, most int, now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.source(client, now)
	if s.waiting >= most {
		return false
	}
	s.waiting++
	return true
}

// ReleaseWaiter takes back what AdmitWaiter has counted.
func (l *Limiter) ReleaseWaiter(client netip.Addr) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if s := l.sources[keyOf(client)]; s != nil && s.waiting > 0 {
		s.waiting--
	}
}

// source finds or makes a client's source. l is locked.
func (l *Limiter) source(client netip.Addr, now time.Time) *source {
	l.sweep(now)
	key := keyOf(client)
	s := l.sources[key]
	if s == nil {
		if l.sources == nil {
			l.sources = map[netip.Prefix]*source{}
		}
		s = &source{at: now}
		l.sources[key] = s
	}
	return s
}

// Release takes back what AdmitSession has counted or, with opening, what
// AdmitConnection has.
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

// sweep forgets sources without activity that may begin a whole burst again: a slow
// rate holds for longer than a minute.
func (l *Limiter) sweep(now time.Time) {
	if now.Sub(l.swept) < time.Minute {
		return
	}
	l.swept = now
	for key, s := range l.sources {
		if s.active+s.opening+s.waiting == 0 && now.Sub(s.at) > time.Minute && s.spentAt(now) == 0 {
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
