package relay

import "time"

// loopPace is a loop's part of a pace: bytes that have been read and have to wait
// stay in the buffer that holds what is owed, and a timer continues.
type loopPace struct {
	timer   timer
	src     *Side
	waiting bool
}

// isPaced reports whether a raw side has a limit.
func (s *Side) isPaced() bool { return s.connSide != nil && s.pace != nil }

// waitsForPace reports whether nothing may be written of what the side has sent.
func (s *Side) waitsForPace() bool { return s.isPaced() && s.pace.waiting }

// pace has n bytes that were just read of a side wait as its limit wants.
func (l *loop) pace(src *Side, n int) {
	p := src.pace
	if delay := p.reserve(start.Add(time.Duration(l.now)), n); delay > 0 {
		p.src, p.waiting = src, true
		l.timers.set(&p.timer, l.now+int64(delay), p)
	}
}

// onTimer continues.
func (p *pace) onTimer(l *loop) {
	p.waiting = false
	l.copy(p.src)
}

// stopPace ends the waiting of a side that is closed.
func (l *loop) stopPace(s *Side) {
	if s.waitsForPace() {
		s.pace.waiting = false
		l.timers.stop(&s.pace.timer)
	}
}
