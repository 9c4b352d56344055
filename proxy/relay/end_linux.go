package relay

import (
	"time"

	"golang.org/x/sys/unix"
)

// passOn passes a side's end on: all that it sent has been written.
func (l *loop) passOn(src *Side) {
	f, dst := &src.flow, src.peer()
	switch {
	case dst.fd < 0:
	case f.end == FIN:
		dst.add(sideShut)
		shutdown(dst.fd, unix.SHUT_WR)
	case f.end == Reset:
		if owed := unsentOf(dst.fd); owed > 0 {
			l.flush(src, dst, owed)
			return
		}
	}
	l.over(src)
}

// judge says how a side has ended that was read to its end. The kernel need
// only be asked where it may know of a reset that this thread has not met.
func (l *loop) judge(src *Side) End {
	var d death
	if (src.hungUp || src.hauled) && !src.has(sideShut) {
		betweenChecks()
		d = deathOf(src.fd)
	}
	end := src.state.judge(d)
	if src.gone() {
		l.lose(src)
	}
	return end
}

// lose ends what is sent to a side that is gone.
func (l *loop) lose(dst *Side) {
	src := dst.peer()
	f := &src.flow
	if f.over || f.deaf {
		return
	}
	if !f.hauls() { // or the haul meets the reset, or idles
		l.drop(f)
	}
	f.deaf = true
	l.again(src)
}

// giveUp is told once, when the system has given a connection up. Behind its
// end, and where we have not ended ours, that is a reset.
func (l *loop) giveUp(s *Side) {
	if s.path == nil && s.flow.end == FIN && s.closing == notClosing && !s.has(sideShut) {
		s.add(sideReset)
		l.lose(s)
	}
}

// leaveOff ends a flow to a side that is gone altogether: it has ended, and
// takes no more. What it sent itself is to arrive before.
func (l *loop) leaveOff(src *Side) {
	src.flow.end = Gone
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
	delete(s.home.urgent, s)
	if reset && s.seen != Reset {
		linger0(s.fd)
	}
	closeFD(s.fd)
	s.fd = -1
	if s.use != relaying {
		s.use = unused
	}
}
