package relay

import (
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// haul splices one flow on a thread of its own for as long as it keeps coming.
// The loop would be held up by each megabyte; and a thread that waits in the
// splice itself is woken by the bytes, with no epoll between.
//
// For that the sockets are made to block, at most for spliceIdle. The loop
// does not notice: its own calls all say MSG_DONTWAIT.
type haul struct {
	src, dst *Side
	pipe     *pipe
	piped    int         // bytes in the pipe
	away     bool        // the thread has it; the loop's
	stop     atomic.Bool // a side is to be closed

	end     End  // of src
	deaf    bool // dst takes no more
	useless bool
	urgent  bool // src has urgent data
}

// beginHaul hands a flow over, if there is a pipe for it.
func (l *loop) beginHaul(src *Side) {
	p := l.run.pipes.get()
	if p == nil {
		return
	}
	if !src.settle() || !src.peer().settle() {
		l.run.pipes.put(p, true)
		return
	}
	src.flow.haul = &haul{src: src, dst: src.peer(), pipe: p}
	l.sendAway(src)
}

// settle makes a side's socket wait in a splice, but not for long.
func (s *Side) settle() bool {
	if !s.hauled {
		wait := unix.NsecToTimeval(int64(spliceIdle))
		s.hauled = unix.SetsockoptTimeval(int(s.fd), unix.SOL_SOCKET, unix.SO_RCVTIMEO, &wait) == nil &&
			unix.SetsockoptTimeval(int(s.fd), unix.SOL_SOCKET, unix.SO_SNDTIMEO, &wait) == nil &&
			unix.SetNonblock(int(s.fd), false) == nil
	}
	return s.hauled
}

func (l *loop) sendAway(src *Side) {
	src.flow.haul.away = true
	src.flow.haul.urgent = src.flow.plain
	l.arm(src)
	l.arm(src.peer())
	l.run.aside.Add(1)
	go src.flow.haul.run(l)
}

func (h *haul) run(l *loop) {
	defer l.run.aside.Done()
	h.splice()
	l.box.post(mail{do: h.back}, nil)
}

// splice goes on until src idles, dst takes no more, or either ends.
func (h *haul) splice() {
	for !h.stop.Load() {
		if h.piped == 0 {
			n, err := spliceOnce(int(h.src.fd), h.pipe.w, h.pipe.size)
			switch {
			case err == unix.EAGAIN:
				return
			case err == unix.EINVAL, err == unix.ENOMEM, err == unix.ENOBUFS:
				h.useless = true // buffers do it as well
				return
			case err != nil:
				h.end = Reset
				return
			case n == 0:
				return // at its end, or before urgent data: the loop reads, and is told
			}
			h.src.in.Add(n)
			h.src.touch()
			h.piped = int(n)
			h.urgent = h.src.path == nil && hasUrgent(h.src.fd)
		}
		n, err := spliceOnce(h.pipe.r, int(h.dst.fd), h.piped)
		if err == unix.EAGAIN || err == nil && n == 0 {
			return
		}
		if err != nil {
			h.deaf = true
			h.dst.wrote(err)
			return
		}
		h.piped -= int(n)
		h.dst.out.Add(n)
		if h.urgent && h.piped == 0 {
			return // the loop has to know where it stands before another comes
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

// back is the loop's again. Bytes that dst did not take stay in the pipe until
// epoll tells that it does, and then another haul goes on with them.
func (h *haul) back(l *loop) {
	src, dst := h.src, h.dst
	f := &src.flow
	h.away = false
	f.deaf = f.deaf || h.deaf
	if h.end == Reset {
		src.add(sideReset)
		f.end = Reset
	}
	f.plain = f.plain || h.useless
	if h.piped == 0 || f.deaf {
		l.drop(f)
	} else {
		f.blocked = true
	}
	h.stop.Store(false)
	src.reads, src.urgent = true, src.path == nil
	for _, s := range [...]*Side{src, dst} {
		if s.fd >= 0 && s.closing != notClosing && !s.flow.hauls() && !s.peer().flow.hauls() {
			l.hangUp(s, s.closing == closingWithReset)
		}
	}
	l.again(src)
	l.arm(dst)
}

// recall calls back what hauls from or to a side that is to be closed, and
// reports whether there was something.
func (s *Side) recall(reset bool) bool {
	any := false
	for _, from := range [...]*Side{s, s.peer()} {
		if from.flow.hauls() {
			any = true
			from.flow.haul.stop.Store(true)
		}
	}
	if any {
		// Nothing of this is seen outside: it only ends a wait for bytes.
		shutdown(s.fd, unix.SHUT_RD)
		s.closing = max(s.closing, closingCleanly)
		if reset {
			s.closing = closingWithReset
		}
	}
	return any
}
