package relay

import (
	"errors"
	"os"
	"time"
)

// quietRequest asks the direction of a side to end at a quiet moment.
type quietRequest struct {
	after time.Duration
	until time.Time // after that it is void, unless it was repeated
}

// quietWanted is how long a request waits for a goroutine that is busy.
const quietWanted = 100 * time.Millisecond

func (r *Stream) EndQuiet(_ Task, s *Side, after time.Duration) {
	s.quiet.Store(&quietRequest{after, time.Now().Add(quietWanted)})
	s.leaveIdle()
	s.readBy(time.Unix(1, 0)) // the reading goroutine decides, when it holds no data
}

// endsQuiet is called by the direction of src, which holds no data, when a read has
// ended with err, and reports whether EndQuiet ends it. asked is false if the read has
// ended for another reason.
func (src *Side) endsQuiet(dst *Side, err error) (asked, ends bool) {
	if err == nil || src.quiet.Load() == nil || !errors.Is(err, os.ErrDeadlineExceeded) || src.limit.isOver() {
		return false, false
	}
	r := src.quiet.Swap(nil)
	src.readBy(time.Time{})
	quiet := time.Since(start) - max(time.Duration(src.last.Load()), time.Duration(dst.last.Load()))
	return true, time.Now().Before(r.until) && quiet >= r.after &&
		src.in.Load() == dst.out.Load() && dst.in.Load() == src.out.Load() && // no data is held in either direction
		src.hasNothing() && (src.has(sideShut) || dst.hasNothing()) &&
		src.unsent() == 0 && dst.unsent() == 0
}
