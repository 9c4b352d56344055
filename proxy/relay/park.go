package relay

import (
	"time"
)

// parkAfter is how long a direction of a framed session has nothing to carry
// before its goroutine ends. It is short, as a burst of new sessions has them
// all at once for so long; and starting another costs little beside that.
var parkAfter = 100 * time.Millisecond

// spot is where one direction of a framed session stands while nothing comes
// from its source: in the runner's lot, with no goroutine and no buffer.
type spot struct {
	pair     *pair
	src, dst *Side

	// Guarded by the lot.
	stays  bool // not to be parked any more: somebody wants its goroutine there
	parked bool
	fd     int32
	slot   int32
}

// beginParking lets a direction park, if its source shows by its socket all
// that there is to wait for.
func (p *pair) beginParking(src, dst *Side) {
	if socketOf(src) != nil {
		src.spot = &spot{pair: p, src: src, dst: dst}
	}
}

// endParking brings back the goroutine of a direction that is parked, and none
// is parked from now on: whoever closes the side relies on somebody reading.
func (s *Side) endParking() {
	if s.spot != nil {
		s.spot.pair.run.lot.fetch(s.spot)
	}
}

// expect gives the side a while to say something, and reports whether there
// is such a limit: not for one that must not be parked.
func (s *Side) expect() (limited bool) {
	if s.spot == nil {
		return false
	}
	if limited = s.spot.pair.run.lot.takes(s.spot); limited {
		s.readBy(time.Now().Add(parkAfter))
	} else {
		s.readBy(time.Time{})
	}
	return limited
}

// park ends the turn of a goroutine whose side has said nothing for a while.
// After true everything is another's, who goes on once there is something.
func (s *Side) park() bool {
	quiet := time.Since(start) - time.Duration(s.last.Load())
	return quiet >= parkAfter && s.spot.pair.run.lot.park(s.spot)
}
