package relay

import (
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// loopSplicer splices one direction on a thread of its own for as long as bytes
// keep arriving. On the loop each megabyte would delay other sessions; and a
// thread that blocks in splice is woken by the bytes, without epoll.
//
// For that the sockets are made to block, for spliceIdle at most. The loop is
// not affected: its own calls all pass MSG_DONTWAIT.
type loopSplicer struct {
	src, dst *Side
	pipe     *pipe
	piped    int         // bytes in the pipe
	running  bool        // the thread uses the sockets; only the loop writes this
	stop     atomic.Bool // a side is to be closed

	end         End  // of src
	discard     bool // dst takes no more
	unsupported bool
	urgent      bool // src has urgent data
}

// beginSplice starts a splicer for a direction, if there is a pipe for it.
func (l *loop) beginSplice(src *Side) {
	p := l.runner.pipes.get()
	if p == nil {
		return
	}
	if !src.setBlocking() || !src.peer().setBlocking() {
		l.runner.pipes.put(p, true)
		return
	}
	src.dir.splicer = &loopSplicer{src: src, dst: src.peer(), pipe: p}
	l.startSplicer(src)
}

// setBlocking makes splice wait on a side's socket, for spliceIdle at most.
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
		if s.piped == 0 {
			n, err := spliceOnce(int(s.src.fd), s.pipe.w, s.pipe.size)
			switch {
			case err == unix.EAGAIN:
				return
			case err == unix.EINVAL, err == unix.ENOMEM, err == unix.ENOBUFS:
				s.unsupported = true // copy with buffers instead
				return
			case err != nil:
				s.end = Reset
				return
			case n == 0:
				return // at its end, or before urgent data: a read by the loop tells which
			}
			s.src.in.Add(n)
			s.src.touch()
			s.piped = int(n)
			s.urgent = s.src.path == nil && hasUrgent(s.src.fd)
		}
		n, err := spliceOnce(s.pipe.r, int(s.dst.fd), s.piped)
		if err == unix.EAGAIN || err == nil && n == 0 {
			return
		}
		if err != nil {
			s.discard = true
			s.dst.wrote(err)
			return
		}
		s.piped -= int(n)
		s.dst.out.Add(n)
		if s.urgent && s.piped == 0 {
			return // the loop must note the position of this one before another arrives
		}
	}
}

func spliceOnce(from, to, most int) (int64, error) {
	for {
		n, err := unix.Splice(from, nil, to, nil, most, unix.SPLICE_F_MOVE)
		if err != unix.EINTR {
			return int64(n), err
		}
	}
}

// finished runs on the loop when the thread has ended. Bytes that dst did not
// take stay in the pipe; a splicer continues once epoll reports EPOLLOUT.
func (s *loopSplicer) finished(l *loop) {
	src, dst := s.src, s.dst
	d := &src.dir
	s.running = false
	d.discard = d.discard || s.discard
	if s.end == Reset {
		src.add(sideReset)
		d.end = Reset
	}
	d.noSplice = d.noSplice || s.unsupported
	if s.piped == 0 || d.discard {
		l.dropOwed(d)
	} else {
		d.blocked = true
	}
	s.stop.Store(false)
	src.readable, src.urgent = true, src.path == nil
	for _, s := range [...]*Side{src, dst} {
		if s.awaitsSplicer() && !s.dir.splicing() && !s.peer().dir.splicing() {
			l.closeSide(s, s.closing == closingWithReset)
		}
	}
	l.enqueue(src)
	l.arm(dst)
}

// stopSplicers stops the splicers from and to a side that is to be closed, and
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
