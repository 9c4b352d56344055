package relay

import (
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// loopSplicer splices one direction on its own thread while bytes keep arriving. On the
// loop each megabyte would delay other sessions; and a thread that blocks in splice is
// woken by the bytes, without epoll.
//
// For that the sockets block, for spliceIdle at most. The loop is not affected: its own
// calls all pass MSG_DONTWAIT.
type loopSplicer struct {
	src, dst *Side
	read     piped         // what src has sent
	frames   *frameSplicer // nil: dst does not speak in frames
	running  bool          // the thread uses the sockets; only the loop writes this
	stop     atomic.Bool   // a side is to be closed
	yield    atomic.Bool   // stop once the pipes are empty: dst is to be sent something else

	end         End  // how src ended
	discard     bool // dst takes no more
	unsupported bool
	urgent      bool // src has urgent data
}

// piped is a pipe, and how many bytes are in it.
type piped struct {
	*pipe
	n int
}

// frameSplicer puts src's data into frames, in a second pipe.
type frameSplicer struct {
	piped       // frames for dst
	payload int // bytes of payload in it
	rest    int // bytes of its last frame that are still in the first pipe
	header  []byte
	panic   error // from dst's Frames
}

// beginSplice starts a splicer for a direction, if there are pipes for it.
func (l *loop) beginSplice(src *Side) {
	pipes, dst := &l.runner.pipes, src.peer()
	s := &loopSplicer{src: src, dst: dst, read: piped{pipe: pipes.get()}}
	if dst.isFramed() {
		s.frames = &frameSplicer{piped: piped{pipe: pipes.get()}}
	}
	if !s.hasPipes() || !src.setBlocking() || !dst.setBlocking() {
		s.putPipes(pipes)
		return
	}
	src.dir.splicer = s
	l.startSplicer(src)
}

func (s *loopSplicer) hasPipes() bool {
	return s.read.pipe != nil && (s.frames == nil || s.frames.pipe != nil)
}

func (s *loopSplicer) putPipes(pipes *pipes) {
	pipes.put(s.read.pipe, s.read.n == 0)
	if s.frames != nil {
		pipes.put(s.frames.pipe, s.frames.n == 0)
	}
}

// setBlocking makes splice block on a side's socket, for spliceIdle at most.
func (s *Side) setBlocking() bool {
	if !s.blocking {
		wait := unix.NsecToTimeval(int64(spliceIdle))
		s.blocking = unix.SetsockoptTimeval(int(s.fd), unix.SOL_SOCKET, unix.SO_RCVTIMEO, &wait) == nil &&
			unix.SetsockoptTimeval(int(s.fd), unix.SOL_SOCKET, unix.SO_SNDTIMEO, &wait) == nil &&
			unix.SetNonblock(int(s.fd), false) == nil
	}
	return s.blocking
}

func (l *loop) startSplicer(src *Side) {
	src.dir.splicer.running = true
	src.dir.splicer.urgent = src.dir.noSplice
	l.arm(src)
	l.arm(src.peer())
	l.runner.goroutines.Add(1)
	go src.dir.splicer.run(l)
}

func (s *loopSplicer) run(l *loop) {
	defer l.runner.goroutines.Done()
	s.splice()
	betweenChecks()
	l.inbox.post(message{do: s.finished}, nil)
}

// splice runs until src idles, dst takes no more, or either ends.
func (s *loopSplicer) splice() {
	for !s.stop.Load() {
		if !s.owes() && !s.fill() || s.frames != nil && !s.frame() {
			return
		}
		out := s.out()
		n, err := spliceOnce(out.r, int(s.dst.fd), out.n)
		if err == unix.EAGAIN || err == nil && n == 0 {
			return
		}
		if err != nil {
			s.discard = true
			s.dst.wrote(err)
			return
		}
		out.n -= n
		if s.frames != nil {
			n = min(n, s.frames.payload) // the last bytes follow all headers
			s.frames.payload -= n
		}
		s.dst.out.Add(int64(n))
		if !s.owes() && (s.urgent || s.yield.Load()) {
			return // the loop must note the position of this urgent byte before another arrives
		}
	}
}

// owes reports whether the pipes contain bytes.
func (s *loopSplicer) owes() bool { return s.read.n > 0 || s.out().n > 0 }

// out returns the pipe from which dst is sent.
func (s *loopSplicer) out() *piped {
	if s.frames != nil {
		return &s.frames.piped
	}
	return &s.read
}

// fill moves src's data into its empty pipe, and reports whether there was any.
func (s *loopSplicer) fill() bool {
	n, err := spliceOnce(int(s.src.fd), s.read.w, s.read.size)
	switch {
	case err == unix.EAGAIN:
		return false
	case err == unix.EINVAL, err == unix.ENOMEM, err == unix.ENOBUFS:
		s.unsupported = true // copy with buffers instead
		return false
	case err != nil:
		s.end = Reset
		return false
	case n == 0:
		return false // at its end, or before urgent data: a read by the loop finds out which
	}
	s.src.in.Add(int64(n))
	s.src.touch()
	s.read.n = n
	s.urgent = s.frames == nil && s.src.path == nil && hasUrgent(s.src.fd)
	return true
}

// frame makes frames of src's data as far as their pipe has room, and reports whether
// there is something to send.
func (s *loopSplicer) frame() bool {
	f := s.frames
	for s.read.n > 0 {
		if f.rest == 0 && !s.beginFrame() {
			return false
		}
		if len(f.header) > 0 {
			if writePipe(f.w, f.header) != 0 {
				break // the pipe is full
			}
			f.n += len(f.header)
			f.header = f.header[:0]
		}
		n, e := splicePipes(s.read.r, f.w, f.rest)
		if e != 0 || n == 0 {
			break
		}
		s.read.n -= n
		f.n += n
		f.payload += n
		f.rest -= n
	}
	return f.n > 0
}

// beginFrame makes the header of a frame for src's data, and reports whether dst may be
// sent more.
func (s *loopSplicer) beginFrame() bool {
	f := s.frames
	f.rest = min(s.read.n, bufferSize-FrameRoom)
	var err error
	f.panic = recovered(func() { f.header, err = s.dst.framed.AppendHeader(f.header, f.rest) })
	s.discard = f.panic != nil || err != nil
	return !s.discard
}

// takeUnsent returns the frames that dst has not been sent.
func (s *loopSplicer) takeUnsent() []byte {
	f := s.frames
	b := appendPiped(nil, &f.piped, f.n)
	for s.read.n > 0 && (f.rest > 0 || s.beginFrame()) {
		b = append(b, f.header...)
		f.header = f.header[:0]
		b = appendPiped(b, &s.read, f.rest)
		f.rest = 0
	}
	return b
}

// appendPiped appends n bytes of a pipe.
func appendPiped(b []byte, p *piped, n int) []byte {
	b = append(b, make([]byte, n)...)
	m, _ := unix.Read(p.r, b[len(b)-n:]) // reads all n bytes: they are there
	p.n -= max(m, 0)
	return b
}

func spliceOnce(from, to, most int) (int, error) {
	for {
		n, err := unix.Splice(from, nil, to, nil, most, unix.SPLICE_F_MOVE)
		if err != unix.EINTR {
			return int(n), err
		}
	}
}

// finished runs on the loop when the thread has ended. Bytes that dst did not take stay
// in the pipe; a splicer continues once epoll reports EPOLLOUT.
func (s *loopSplicer) finished(l *loop) {
	src, dst := s.src, s.dst
	d := &src.dir
	s.running = false
	d.discard = d.discard || s.discard
	if s.frames != nil && s.frames.panic != nil {
		dst.framed.panic = s.frames.panic
	}
	if s.end == Reset {
		src.add(sideReset)
		d.end = Reset
	}
	d.noSplice = d.noSplice || s.unsupported
	if !s.owes() || d.discard {
		l.dropOwed(d)
	} else {
		d.blocked = true
	}
	s.stop.Store(false)
	s.yield.Store(false)
	src.readable, src.urgent = true, src.path == nil
	for _, s := range [...]*Side{src, dst} {
		switch {
		case !s.awaitsSplicer(), s.dir.splicing(), s.peer().dir.splicing():
		case s.closing == closingFrames:
			s.closing = notClosing
			l.endFrames(s)
		default:
			l.closeSide(s, s.closing == closingWithReset)
		}
	}
	l.enqueue(src)
	l.arm(dst)
}

// stopSplicers stops the splicers from and to a side that is about to be closed, and
// reports whether there were any.
func (s *Side) stopSplicers(reset bool) bool {
	any := false
	for _, from := range [...]*Side{s, s.peer()} {
		if from.dir.splicing() {
			any = true
			from.dir.splicer.stop.Store(true)
		}
	}
	if any {
		// The peer does not see this: it only ends a wait for bytes.
		shutdown(s.fd, unix.SHUT_RD)
		s.closing = max(s.closing, closingCleanly)
		if reset {
			s.closing = closingWithReset
		}
	}
	return any
}
