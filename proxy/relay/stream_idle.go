package relay

import (
	"time"
)

// parkAfter is how long a direction of a framed session has nothing to carry
// before its goroutine ends. It is short, as a burst of new sessions has them
// all at once for so long; and starting another costs little beside that.
var idleAfter = 100 * time.Millisecond

// idleSlot is where one direction of a framed session stands while nothing comes
// from its source: in the runner's lot, with no goroutine and no buffer.
type idleSlot struct {
	relay    *streamRelay
	src, dst *Side

	// Guarded by the lot.
	excluded bool // not to be parked any more: somebody wants its goroutine there
	inSet    bool
	fd       int32
	slot     int32
}

// beginParking lets a direction park, if its source shows by its socket all
// that there is to wait for.
func (p *streamRelay) allowIdle(src, dst *Side) {
	if socketOf(src) != nil {
		src.idleSlot = &idleSlot{relay: p, src: src, dst: dst}
	}
}

// endParking brings back the goroutine of a direction that is parked, and none
// is parked from now on: whoever closes the side relies on somebody reading.
func (s *Side) leaveIdle() {
	if s.idleSlot != nil {
		s.idleSlot.relay.runner.idle.exclude(s.idleSlot)
	}
}

// expect gives the side a while to say something, and reports whether there
// is such a limit: not for one that must not be parked.
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

// park ends the turn of a goroutine whose side has said nothing for a while.
// After true everything is another's, who goes on once there is something.
func (s *Side) goIdle() bool {
	quiet := time.Since(start) - time.Duration(s.last.Load())
	return quiet >= idleAfter && s.idleSlot.relay.runner.idle.add(s.idleSlot)
}
