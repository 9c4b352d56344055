package relay

import (
	"time"

	"golang.org/x/sys/unix"
)

// passOn passes a side's end on: all that it sent has been written.
func (l *loop) passOn(src *Side) {
	f, dst := &src.flow, src.peer()
	if f.end == FIN && (src.broken.Load() || src.hauled && !src.shut.Load() && isReset(src.fd)) {
		// A write to it had got the reset first, so that reading found only
		// an end of stream.
		f.end = Reset
	}
	switch {
	case dst.fd < 0:
	case f.end == FIN:
		dst.shut.Store(true)
		shutdown(dst.fd, unix.SHUT_WR)
	case f.end == Reset:
		if owed := unsentOf(dst.fd); owed > 0 {
			l.flush(src, dst, owed)
			return
		}
	}
	l.over(src)
}

// leaveOff ends a flow to a side that is gone altogether: it has ended, and
// takes no more. What it sent itself is to arrive before.
func (l *loop) leaveOff(src *Side) {
	src.flow.end = Closed
	if owed := unsentOf(src.fd); owed > 0 {
		l.flush(src, src, owed)
		return
	}
	l.over(src)
}

// over tells the task that a flow has come to its end.
func (l *loop) over(src *Side) {
	src.flow.over = true
	src.seat.going--
	l.tell(src.seat, Event{Kind: Ended, Side: src, End: src.flow.end, Last: src.seat.going == 0})
	if src.peer().flow.deaf {
		l.again(src.peer())
	}
}

// flushing waits until a side has taken what it was sent, before a reset
// destroys what is still under way.
type flushing struct {
	alarm   alarm
	src, to *Side
	owed    int
	since   int64
}

const flushLook = int64(time.Millisecond)

// flush has src's flow end once to has taken it all.
func (l *loop) flush(src, to *Side, owed int) {
	src.flow.flushes = true
	f := &flushing{src: src, to: to, owed: owed, since: l.now}
	l.alarms.set(&f.alarm, l.now+flushLook, f)
}

func (f *flushing) ring(l *loop) {
	if f.src.flow.over {
		return // closed meanwhile
	}
	owed := 0
	if f.to.fd >= 0 {
		owed = unsentOf(f.to.fd)
	}
	if owed < f.owed {
		f.owed, f.since = owed, l.now
	}
	if owed == 0 || l.now-f.since > int64(flushStalled) {
		l.over(f.src)
		return
	}
	l.alarms.set(&f.alarm, l.now+flushLook, f)
}

func (r *Loop) Close(s *Side, reset bool) {
	if s.connSide != nil {
		s.closeConn(reset)
		return
	}
	if s.fd >= 0 {
		s.home.hangUp(s, reset)
	}
}

// hangUp closes a side. What a haul has in its hands is closed when the haul
// has come back, or its descriptor might be another's by then.
func (l *loop) hangUp(s *Side, reset bool) {
	if s.use != relaying {
		s.release(reset)
		return
	}
	if s.recall(reset) {
		return
	}
	s.release(reset)
	if f := &s.flow; !f.over {
		l.drop(f)
		f.end = Closed
		l.over(s)
	}
	if f := &s.peer().flow; !f.over {
		l.drop(f)
		f.deaf = true
		l.again(s.peer())
	}
}

// release closes the descriptor, which also takes it out of epoll.
func (s *Side) release(reset bool) {
	if s.slot != noSlot {
		s.home.slots.give(s.slot)
		s.slot = noSlot
	}
	if reset && s.seen != Reset {
		linger0(s.fd)
	}
	closeFD(s.fd)
	s.fd = -1
	if s.use != relaying {
		s.use = unused
	}
}
