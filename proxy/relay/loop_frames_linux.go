package relay

import (
	"errors"
	"io"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// offset returns where a part of the buffer begins; other bytes are copied to its start.
func (b *buffer) offset(part []byte) int {
	at := len(*b) - cap(part)
	if at < 0 || at >= len(*b) || &(*b)[at] != unsafe.SliceData(part) {
		copy(*b, part)
		return 0
	}
	return at
}

// beginFrames is called when the relay begins, if a side speaks in frames.
func (s *Side) beginFrames() {
	s.framed.early = true
	s.framed.guard(func() {
		s.framed.Attach(s.framed)
		s.framed.splices = s.framed.CanSplice()
	})
	if s.opening == nil {
		return
	}
	s.opening.rest()
	if over := s.overTLS(); over != nil {
		over.begin(s)
	}
}

// endFrames hands the connection of a relaying side back, for its closing handshake.
// For the relay both sides are closed.
func (l *loop) endFrames(s *Side) {
	d := &s.peer().dir // the direction to it
	var unsent []byte
	switch {
	case d.held != nil:
		unsent = (*d.held)[d.from:d.to]
	case d.splicer != nil:
		unsent = d.splicer.takeUnsent()
	}
	f := s.framed
	if over := s.overTLS(); over != nil { // unsent is TLS records
		over.goOn(unsent, f.ends)
		unsent = nil
	}
	f.guard(func() { f.Detach(unsent) })
	s.framed = nil
	s.use = opening
	l.closeDirections(s)
}

// Wake implements FramesHost.
func (f *framed) Wake() {
	s := f.side
	s.task.loop.Load().inbox.post(message{task: s.task, do: func(l *loop) {
		if s.use == relaying {
			l.enqueue(s.peer())
		}
	}}, nil)
}

// Blocked implements FramesHost.
func (f *framed) Blocked() (in, out bool) {
	return f.side.dir.owed(), f.side.peer().dir.owed()
}

// guard calls a method of Frames, which is foreign code: a panic only ends its side.
func (f *framed) guard(call func()) {
	if err := recovered(call); err != nil {
		f.panic = err
	}
}

// unframe delivers the payload of the next bytes that src has sent.
func (l *loop) unframe(src *Side, b **buffer, at, n int) {
	var payload []byte
	var err error
	src.framed.read += int64(n)
	src.framed.guard(func() { payload, err = src.framed.Unframe((**b)[at : at+n]) })
	l.deliverFrames(src, b, payload, err)
}

// unframeEarly is unframe for bytes that were read before the relay, and reports
// whether there were any.
func (l *loop) unframeEarly(src *Side) bool {
	var payload []byte
	var err error
	f := src.framed
	f.guard(func() { payload, f.early, err = f.Early((*l.buf)[:min(bufferSize, mostSealed)]) })
	l.deliverFrames(src, &l.buf, payload, err)
	return f.early || len(payload) > 0 || err != nil || f.panic != nil
}

func (l *loop) deliverFrames(src *Side, b **buffer, payload []byte, err error) {
	f := src.framed
	if len(payload) > 0 && f.panic == nil {
		l.deliver(src, b, (*b).offset(payload), len(payload))
	}
	if f.panic != nil || f.HasControl() {
		l.enqueue(src.peer())
	}
	if f.panic != nil || err != nil {
		l.endFramed(src, err)
	}
}

// endFramed ends the stream from a side as its protocol has ended it.
func (l *loop) endFramed(src *Side, err error) {
	d := &src.dir
	src.early = nil // nothing follows the end
	switch {
	case src.framed.panic != nil:
		src.add(sideReset)
		d.end = Reset
	case err == io.EOF: // the close frame
		if d.end = src.state.classifyEnd(tcpState{}); src.gone() {
			l.discardTo(src)
		}
	case errors.Is(err, io.ErrUnexpectedEOF):
		src.endedBy = err
		if d.end = l.classifyEnd(src); d.end == Reset {
			src.endedBy = nil // a reset, not an end without a close frame
		}
	default:
		src.endedBy = err
		if d.end = src.endOf(err); d.end == Reset {
			src.add(sideReset)
		}
	}
}

// endSocket is endFramed for a side whose socket was read to its end: e is 0 for an end
// of stream.
func (l *loop) endSocket(src *Side, e unix.Errno) {
	by := io.EOF
	if e != 0 {
		by = os.NewSyscallError("read", e)
		src.seen = Reset
	} else if over := src.overTLS(); over != nil {
		by = ErrTLSTruncated
		over.ended.Store(true)
	}
	l.endUnder(src, by)
}

// endUnder is endFramed for a side whose frames ended with the stream below them.
func (l *loop) endUnder(src *Side, by error) {
	err := by
	src.framed.guard(func() { err = src.framed.Ended(by) })
	l.endFramed(src, err)
}

// frame sends the bytes at FrameRoom of *b, which src has sent, to a side that speaks
// in frames.
func (l *loop) frame(src *Side, b **buffer, n int) {
	f := src.peer().framed
	var frames []byte
	var err error
	f.guard(func() { frames, err = f.Frame(**b, n) })
	switch {
	case f.panic != nil || err != nil:
		src.dir.discard = true
		l.enqueue(src) // for its close frame
	case len(frames) == 0:
		src.peer().out.Add(int64(n)) // Frames keeps them until a code point is complete
	default:
		f.payload = int32(n)
		l.send(&src.dir, src.peer(), b, (*b).offset(frames), len(frames))
	}
}

// sendControlFrames sends the control frames of src's receiver, and reports whether
// there were any.
func (l *loop) sendControlFrames(src *Side) bool {
	dst := src.peer()
	f := dst.framed
	if f.panic != nil && dst.dir.end == Open {
		l.endFramed(dst, nil)
		l.enqueue(dst)
	}
	if f.panic != nil || dst.fd < 0 || dst.has(sideReset) || !f.HasControl() {
		return false
	}
	var b []byte
	f.guard(func() { b, f.ends = f.AppendControl((*l.second)[:0]) })
	if f.panic == nil && len(b) > 0 {
		l.send(&src.dir, dst, &l.second, l.second.offset(b), len(b))
	}
	return true
}

// framesSent is called when everything for a side was written.
func (s *Side) framesSent() {
	f := s.framed
	s.out.Add(int64(f.payload))
	f.payload = 0
	if f.ends {
		f.ends = false
		shutdown(s.fd, unix.SHUT_WR)
	}
}

// closeFrames announces the end of src's stream to its peer, which speaks in frames,
// and reports whether that was written.
func (l *loop) closeFrames(src *Side) bool {
	d, dst := &src.dir, src.peer()
	if f := dst.framed; !f.shut {
		f.shut = true
		f.guard(func() {
			if d.end == Quiet {
				f.CloseGoing()
			} else {
				f.CloseWrite()
			}
		})
	}
	for d.held == nil && l.sendControlFrames(src) {
	}
	if d.blocked {
		l.arm(dst)
	}
	return d.held == nil
}

func (s *Side) rawStopWatch() {
	switch {
	case s.use == relaying && s.isFramed() && s.peer().dir.splicing():
		s.peer().dir.splicer.stop.Store(true)
		s.closing = max(s.closing, closingFrames)
	case s.use == relaying && s.isFramed():
		s.loop.endFrames(s)
	case s.use == watched && s.connSide != nil && s.opening != nil:
		s.setUse(opening)
	}
}
