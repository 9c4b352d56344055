package relay

import (
	"errors"
	"io"

	"golang.org/x/sys/unix"

	"github.com/tcpctl/tcpctl/proxy/internal/tlsrecord"
)

// mostSealed is how much a loop reads for a side that speaks TLS, so that it fits into
// one buffer when sealed.
var mostSealed = tlsrecord.Fits(loopBufferSize)

// beginWrapped is called when the relay begins, if a side speaks TLS or in frames.
func (s *Side) beginWrapped() {
	if s.isSecure() {
		s.readBefore = -1
	}
	for _, s := range [...]*Side{s, s.peer()} {
		to := s.peer()
		s.dir.noSplice = s.isWrapped() || to.isSecure() || to.isFramed() && !to.framed.splices
		if s.path == nil { // its urgent data is part of the stream from now on
			keepUrgent(uintptr(s.fd))
		}
	}
}

// passesUrgent reports whether urgent data of the side is passed on as such: not from
// or to TLS or frames.
func (s *Side) passesUrgent() bool { return !s.isWrapped() && !s.peer().isWrapped() }

func (s *Side) isWrapped() bool { return s.isSecure() || s.isFramed() }

// readSecure is read for a side that speaks TLS: it reads as many records as have
// arrived, and writes the content of the complete ones.
func (l *loop) readSecure(src *Side) {
	t, d, room := src.secure, &src.dir, loopBufferSize
	if src.peer().isWrapped() {
		room = mostSealed
	}
	before := copy(*l.buf, t.partial)
	n, e := recv(src.fd, (*l.buf)[before:room])
	switch {
	case e == unix.EAGAIN:
		src.readable = false
		return
	case src.isFramed() && (e != 0 || n == 0):
		t.drop()
		l.endSocket(src, e)
		return
	case e != 0:
		src.add(sideReset)
		d.end, src.seen = Reset, Reset
		t.drop()
		return
	case n == 0:
		t.drop()
		src.endedBy = ErrTLSTruncated
		if d.end = l.classifyEnd(src); d.end == Reset {
			src.endedBy = nil
		}
		return
	}
	at := src.peer().headroom()
	plain, used, err := t.session.Open((*l.second)[at:at], (*l.buf)[:before+n])
	t.keep((*l.buf)[used : before+n])
	if len(plain) > 0 {
		l.take(src, &l.second, at, len(plain))
	}
	if t.session.Pending() {
		l.enqueue(src.peer())
	}
	switch {
	case err != nil && d.end == Open:
		l.endSecure(src, err)
	case n < room-before:
		src.readable = src.peerEnded || src.urgent || src.path != nil // see read
	}
}

// readToEnd returns the end of a waiting side that speaks TLS and whose FIN follows
// unread bytes: if these are few, it reads them, since they may be only a close_notify.
// What it changes is locked: see rawProbe.
func (s *Side) readToEnd() End {
	t, over := s.secure, s.overTLS()
	if len(t.partial) > smallRecord || unread(s.fd) > smallRecord {
		return HalfFIN
	}
	var in, out [2 * smallRecord]byte
	before := copy(in[:], t.partial)
	n, e := recv(s.fd, in[before:])
	if e != 0 {
		return HalfFIN // the next probe gets the error
	}
	plain, used, err := t.session.Open(out[:0], in[:before+n])
	t.keep(in[used : before+n])
	if t.err = err; err != nil {
		t.drop()
	}
	early := &s.early
	if over != nil {
		early = &over.plain
	}
	if *early = append(*early, plain...); len(*early) > 0 {
		return HalfFIN
	}
	return FIN // even inside a record, whose rest cannot arrive any more
}

// endSecure ends the stream from a side as its TLS has ended it.
func (l *loop) endSecure(src *Side, err error) {
	src.secure.drop()
	a, isOurs := tlsrecord.AlertOf(err)
	if isOurs {
		src.lastRecord(func(b []byte) []byte { return src.secure.session.Alert(b, a) })
	}
	switch {
	case src.isFramed():
		l.endUnder(src, err)
		return
	case err == io.EOF:
		src.dir.end = l.classifyEnd(src)
		return
	case isTLSAlert(err):
		src.endedBy = &TLSAlert{err}
	}
	src.add(sideReset)
	src.dir.end = Reset
}

// copyFirst handles what precedes reading src: it delivers what the opening has read,
// or the end of its TLS there. It reports whether there was anything.
func (l *loop) copyFirst(src *Side) bool {
	switch {
	case src.framed != nil && src.framed.early && src.dir.end == Open:
		return l.unframeEarly(src)
	case len(src.early) > 0:
		l.takeEarly(src)
	case src.secure != nil && src.secure.err != nil && src.dir.end == Open:
		l.endSecure(src, src.secure.err)
	default:
		return false
	}
	return true
}

// takeEarly is read for bytes that were read in the opening.
func (l *loop) takeEarly(src *Side) {
	at := src.peer().headroom()
	n := copy((*l.buf)[at:min(bufferSize, mostSealed)], src.early)
	if src.early = src.early[n:]; len(src.early) == 0 {
		src.early = nil
	}
	src.isUrgent = false
	l.take(src, &l.buf, at, n)
}

// sendControl sends src's receiver what its layer has to send: a requested key update
// of TLS, or control frames. It reports whether there was anything.
func (l *loop) sendControl(src *Side) bool {
	d, dst := &src.dir, src.peer()
	if dst.isSecure() && !d.discard && dst.fd >= 0 && dst.secure.session.Pending() {
		l.sendAsIs(d, dst, &l.second, 0, len(dst.secure.session.AppendControl((*l.second)[:0])))
		return true
	}
	return dst.isFramed() && l.sendControlFrames(src)
}

// seal seals n bytes of *b into the other buffer, for a side that speaks TLS.
func (l *loop) seal(dst *Side, b **buffer, at, n int) (to **buffer, length int) {
	if to = &l.second; b == to {
		to = &l.buf
	}
	t := dst.secure
	sealed := t.session.Seal((**to)[:0], (**b)[at:at+n])
	switch {
	case dst.framed == nil && len(sealed) > 0:
		t.sealed = int32(n)
	case dst.framed != nil && dst.framed.ends:
		sealed, t.shut = t.session.CloseNotify(sealed), true
	}
	return to, len(sealed)
}

// closeNotify announces the end of src's stream to its peer, which speaks TLS, and
// reports whether the FIN can follow. A truncated end is not announced.
func (l *loop) closeNotify(src *Side) bool {
	d, t := &src.dir, src.peer().secure
	if t.shut {
		return true
	}
	t.shut = true
	if errors.Is(src.EndedBy(), ErrTLSTruncated) {
		return true
	}
	l.sendAsIs(d, src.peer(), &l.second, 0, len(t.session.CloseNotify((*l.second)[:0])))
	if d.blocked {
		l.arm(src.peer())
	}
	return d.held == nil
}

// endTLS is called before the side is closed. It keeps only what the record of the
// session needs, and sends close_notify if no reset follows.
func (s *Side) endTLS(reset bool) {
	t := s.secure
	over := s.overTLS()
	if over != nil {
		over.mu.Lock() // its user may still be using it
		defer over.mu.Unlock()
	}
	if !reset && !t.shut && (over == nil || !over.hasUnsent()) {
		s.lastRecord(t.session.CloseNotify)
	}
	t.drop()
	t.session, t.shut = nil, true
}

// lastRecord sends an alert, if there is room for it and nothing must precede it.
func (s *Side) lastRecord(record func([]byte) []byte) {
	var room [64]byte
	b := record(room[:0])
	if s.use == relaying && s.peer().dir.held != nil {
		return
	}
	send(s.fd, b, false)
}
