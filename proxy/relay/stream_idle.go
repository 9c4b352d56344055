package relay

import (
	"time"
)

// idleAfter is how long a direction of a framed session copies nothing before its
// goroutine ends. It is short, because in a burst of new sessions all goroutines
// exist for that long, and starting one again is cheap.
var idleAfter = 100 * time.Millisecond

// idleSlot is one direction of a framed session in the runner's idle set: while
// its source sends nothing, it has no goroutine and no buffer.
type idleSlot struct {
	relay    *streamRelay
	src, dst *Side

	// Guarded by idleSet.mu.
	excluded bool // must not be added any more: its goroutine has to stay
	inSet    bool
	fd       int32
	slot     int32
}

// allowIdle lets a direction go idle, if its source's socket shows everything that
// there is to read.
func (p *streamRelay) allowIdle(src, dst *Side) {
	if socketOf(src) != nil {
		src.idleSlot = &idleSlot{relay: p, src: src, dst: dst}
	}
}

// leaveIdle wakes the side's direction if it is idle, and keeps its goroutine from now
// on: closing the side relies on a goroutine that reads.
func (s *Side) leaveIdle() {
	if s.idleSlot != nil {
		s.idleSlot.relay.runner.idle.exclude(s.idleSlot)
	}
}

// setIdleDeadline makes the next read end after idleAfter, and reports whether it will:
// not if the direction must not go idle.
func (s *Side) setIdleDeadline() (limited bool) {
	if s.idleSlot == nil {
		return false
	}
	if limited = s.idleSlot.relay.runner.idle.allows(s.idleSlot); limited {
		s.readBy(time.Now().Add(idleAfter))
	} else {
		s.readBy(time.Time{})
	}
	return limited
}

// goIdle adds a direction that has been quiet for idleAfter to the idle set. If it returns
// true, the calling goroutine must end: another one continues when there are bytes.
func (s *Side) goIdle() bool {
	quiet := time.Since(start) - time.Duration(s.last.Load())
	return quiet >= idleAfter && s.idleSlot.relay.runner.idle.add(s.idleSlot)
}
