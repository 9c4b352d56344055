package relay

import "time"

// loopPace is a loop's part of a pace: bytes that have to wait after they were read
// stay in the held buffer, and a timer continues.
type loopPace struct {
	timer   timer
	src     *Side
	waiting bool
}

// isPaced reports whether a raw side has a limit.
func (s *Side) isPaced() bool { return s.connSide != nil && s.pace != nil }

// waitsForPace reports whether the side's data must not be written yet.
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

// stopPace ends the delay of a closed side.
func (l *loop) stopPace(s *Side) {
	if s.waitsForPace() {
		s.pace.waiting = false
		l.timers.stop(&s.pace.timer)
	}
}
