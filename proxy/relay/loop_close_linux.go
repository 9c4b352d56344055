package relay

import (
	"time"

	"github.com/tcpctl/tcpctl/proxy/internal/abort"
	"golang.org/x/sys/unix"
)

// passEnd passes a side's end on to its peer: everything that it sent has been written.
func (l *loop) passEnd(src *Side) {
	d, dst, stall := &src.dir, src.peer(), flushStalled
	if longest, resets := src.resetsAtEnd(); resets && d.end == FIN {
		d.end, stall = Reset, longest
	}
	switch {
	case dst.fd < 0, dst.use != relaying:
	case d.end == FIN, d.end == Quiet:
		dst.add(sideShut)
		switch {
		case dst.isFramed(): // its close frame is sent first
			if !l.closeFrames(src) {
				return // for now
			}
		case dst.isSecure() && !l.closeNotify(src):
			return
		default:
			shutdown(dst.fd, unix.SHUT_WR)
		}
		if dst.dir.end == Quiet { // data that dst has sent since is unread, so the close will be a reset
			if owed := unsentOf(dst.fd); owed > 0 {
				l.flush(src, dst, owed, stall)
				return
			}
		}
	case d.end == Reset:
		if owed := unsentOf(dst.fd); owed > 0 {
			l.flush(src, dst, owed, stall)
			return
		}
	}
	l.reportEnd(src)
}

// classifyEnd returns how a side that was read to its end has ended. The kernel is
// asked only if it may know of a reset that this thread has not seen.
func (l *loop) classifyEnd(src *Side) End {
	var d tcpState
	if (src.hungUp || src.blocking) && (!src.has(sideShut) || src.has(sideReset)) {
		betweenChecks()
		d = tcpStateOf(src.fd, src.received())
	}
	end := src.state.classifyEnd(d)
	if src.gone() {
		l.discardTo(src)
	}
	return end
}

// discardTo discards what is sent to a side that takes no more.
func (l *loop) discardTo(dst *Side) {
	src := dst.peer()
	d := &src.dir
	if d.reported || d.discard {
		return
	}
	if !d.splicing() { // otherwise the splicer sees the reset, or idles
		l.dropOwed(d)
	}
	d.discard = true
	l.enqueue(src)
}

// onHangUp runs once, when the kernel has closed a connection. After the side's
// end, and if we have not ended ours, that is a reset.
func (l *loop) onHangUp(s *Side) {
	if s.path == nil && (s.dir.end == FIN || s.dir.end == Quiet) && s.closing == notClosing && !s.has(sideShut) {
		s.add(sideReset)
		l.discardTo(s)
	}
}

// endGone ends a direction to a side that has ended and takes no more. Its own data is
// to be delivered first.
func (l *loop) endGone(src *Side) {
	src.dir.end = Gone
	if owed := unsentOf(src.fd); owed > 0 {
		l.flush(src, src, owed, flushStalled)
		return
	}
	l.reportEnd(src)
}

// reportEnd notifies the task that a direction has ended.
func (l *loop) reportEnd(src *Side) {
	src.dir.reported = true
	src.task.moving--
	var err error
	if src.isFramed() {
		err = src.framed.panic
	}
	l.notify(src.task, Event{Kind: Ended, Side: src, End: src.dir.end, Last: src.task.moving == 0, Err: err})
	if src.peer().dir.discard {
		l.enqueue(src.peer())
	}
}

// flushing waits until a side has taken what it was sent, before a reset destroys what
// is still in flight.
type flushing struct {
	timer   timer
	src, to *Side
	owed    int
	since   int64
	stall   time.Duration // negative: as long as it takes
}

const flushInterval = int64(time.Millisecond)

// flush ends src's direction once to has acknowledged all data, or nothing for stall.
func (l *loop) flush(src, to *Side, owed int, stall time.Duration) {
	src.dir.flushing = true
	f := &flushing{src: src, to: to, owed: owed, since: l.now, stall: stall}
	l.timers.set(&f.timer, l.now+flushInterval, f)
}

func (f *flushing) onTimer(l *loop) {
	if f.src.dir.reported {
		return // closed meanwhile
	}
	owed := 0
	if f.to.fd >= 0 {
		owed = unsentOf(f.to.fd)
	}
	if owed < f.owed {
		f.owed, f.since = owed, l.now
	}
	if owed == 0 || f.stall >= 0 && l.now-f.since > int64(f.stall) {
		l.reportEnd(f.src)
		return
	}
	l.timers.set(&f.timer, l.now+flushInterval, f)
}

func (r *Loop) Close(s *Side, reset bool) {
	switch {
	case !s.isRaw():
		s.closeConn(reset)
	case s.fd >= 0:
		s.loop.closeSide(s, reset)
	}
}

// closeSide closes a side. If a splicer uses it, it is closed only when the splicer has
// finished: its descriptor could be reused before.
func (l *loop) closeSide(s *Side, reset bool) {
	if s.use != relaying {
		s.release(reset)
		return
	}
	if s.stopSplicers(reset) {
		return
	}
	s.release(reset)
	l.closeDirections(s)
}

// closeDirections ends the directions of a side that no longer relays, and discards
// their data. But a peer that speaks in frames is sent the rest of the last frame by
// endFrames.
func (l *loop) closeDirections(s *Side) {
	if d := &s.dir; !d.reported {
		if !s.peer().isFramed() {
			l.dropOwed(d)
		}
		d.end = Closed
		l.reportEnd(s)
	}
	d := &s.peer().dir
	l.dropOwed(d)
	if !d.reported {
		d.discard = true
		l.enqueue(s.peer())
	}
}

// release closes the descriptor, which also removes it from epoll.
func (s *Side) release(reset bool) {
	if s.slot != noSlot {
		s.loop.slots.release(s.slot)
		s.slot = noSlot
	}
	delete(s.loop.urgent, s)
	s.loop.stopPace(s)
	if s.connSide != nil && s.opening != nil && !s.opening.end() { // before the descriptor can be reused
		reset = false // already closed by its user
	}
	if s.isSecure() {
		s.endTLS(reset)
	}
	if reset && s.seen != Reset {
		abort.Socket(int(s.fd))
	}
	closeFD(s.fd)
	s.fd = -1
	if s.use != relaying {
		s.use = unused
	}
}
