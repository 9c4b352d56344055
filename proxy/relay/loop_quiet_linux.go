package relay

import "time"

func (r *Loop) EndQuiet(t Task, s *Side, after time.Duration) {
	l := t.RunnerState().loop.loop.Load()
	other := s.peer()
	if s.dir.end != Open || s.dir.reported || !l.isQuiet(s, after) || !l.isQuiet(other, after) {
		return
	}
	s.dir.end = Quiet
	l.passEnd(s)
}

// isQuiet reports whether a side has sent nothing for so long, and no data from it or
// to it is in flight.
func (l *loop) isQuiet(s *Side, after time.Duration) bool {
	d := &s.dir
	if s.fd < 0 || s.closing != notClosing || d.owed() || d.discard || s.connSide != nil && s.hasEarly() {
		return false
	}
	if !d.reported {
		quiet := time.Since(start) - time.Duration(s.last.Load())
		if d.end != Open || d.flushing || s.readable || quiet < after || !isEmpty(s.fd) {
			return false
		}
	}
	return unsentOf(s.fd) == 0
}
