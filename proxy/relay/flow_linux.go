package relay

import "golang.org/x/sys/unix"

// flow is one direction of a session: what its side sends, on the way to the
// side's peer. A flow that stands still holds nothing; one whose receiver
// takes no more holds the one buffer, or pipe, that is still owed.
type flow struct {
	held     *[bufferSize]byte // bytes from to to have not been written yet
	from, to int32
	haul     *haul // splices it
	full     uint8 // reads in a row that filled the buffer
	blocked  bool  // the receiver takes no more: wait for EPOLLOUT
	deaf     bool  // the receiver will never take any more: read on and drop
	plain    bool  // not to be spliced
	flushes  bool  // its end waits for what is under way
	again    bool  // in loop.ready
	end      End   // how its side ended; what was read before it may still be owed
	over     bool  // and that has been told
}

func (f *flow) hauls() bool { return f.haul != nil && f.haul.away }

func (f *flow) owes() bool { return f.held != nil || f.haul != nil }

// readsATurn bounds what one flow moves before others are heard.
const readsATurn = 8

func (r *Loop) Relay(t Task, client, backend *Side) {
	s := &t.RunnerState().loop
	l := s.home.Load()
	s.going = 2
	client.seat, backend.seat = s, s
	s.backend = backend
	client.use, backend.use = relaying, relaying
	client.reads = true
	client.urgent = client.path == nil // epoll has told nothing of it yet
	l.again(client)                    // which also asks epoll for it
	l.again(backend)
}

func (l *loop) again(s *Side) {
	if !s.flow.again {
		s.flow.again = true
		l.ready = append(l.ready, s)
	}
}

// pump moves what src sends until there is nothing more to read, the receiver
// takes no more, or it is the turn of others.
func (l *loop) pump(src *Side) {
	f, dst := &src.flow, src.peer()
	for reads := 0; !f.over && !f.flushes && !f.hauls(); reads++ {
		switch {
		case f.owes():
			if f.blocked || !l.push(src) {
				l.arm(dst)
				return
			}
		case f.end != Open:
			l.passOn(src)
			return
		case f.deaf && dst.flow.over:
			l.leaveOff(src)
			return
		case !src.reads:
			if e := l.arm(src); e != 0 {
				f.end = Reset // it can never be heard again
				continue
			}
			return
		case reads == readsATurn:
			l.again(src)
			return
		default:
			l.read(src)
		}
	}
}

// read reads once, and writes what it got.
func (l *loop) read(src *Side) {
	f, dst := &src.flow, src.peer()
	most := bufferSize
	src.isUrgent = false
	if src.urgent {
		most = l.lookUrgent(src)
	}
	n, e := recv(src.fd, l.buf[:most])
	switch {
	case e == unix.EAGAIN:
		src.reads = false
		return
	case e != 0:
		src.add(sideReset)
		f.end, src.seen = Reset, Reset
		return
	case n == 0:
		f.end = l.judge(src)
		return
	}
	src.in.Add(int64(n))
	src.last.Store(l.now)
	if !f.deaf {
		f.from, f.to = 0, int32(n)
		if l.write(f, dst, l.buf) {
			// The buffer stays with what is still owed.
			f.held, l.buf = l.buf, buffers.Get().(*[bufferSize]byte)
		}
	}
	if n < bufferSize {
		f.full = 0
		// With edge-triggered news a short read has emptied the socket, and
		// what comes from now on is told of, unless it has stopped before
		// something: an end of stream and urgent data have been told of if
		// they were there, and of a Unix socket, whose reads stop behind
		// descriptors that were sent along, only EAGAIN says that it is empty.
		src.reads = src.ends || src.urgent || src.path != nil
		return
	}
	src.urgent = src.path == nil // the next read may begin at what has come since
	if f.full++; f.full >= fullReads && !f.deaf && !f.blocked && !f.plain {
		f.full = 0
		l.beginHaul(src)
	}
}

// write writes what of b is owed to dst until the system takes no more, and
// reports whether some is left.
func (l *loop) write(f *flow, dst *Side, b *[bufferSize]byte) (left bool) {
	urgent := dst.peer().isUrgent && dst.path == nil
	f.blocked = false
	for f.from < f.to {
		n, e := send(dst.fd, b[f.from:f.to], urgent)
		switch {
		case e == unix.EAGAIN:
			f.blocked = true
			return true
		case e != 0:
			f.deaf = true
			dst.wrote(e)
			return false
		}
		dst.out.Add(int64(n))
		f.from += int32(n)
	}
	return false
}

// push goes on with what is owed, and reports whether nothing is any more. A
// pipe's is pushed by a haul.
func (l *loop) push(src *Side) bool {
	f := &src.flow
	if f.haul != nil {
		l.sendAway(src)
		return false
	}
	if l.write(f, src.peer(), f.held) {
		return false
	}
	l.drop(f)
	return true
}

// drop forgets what is owed.
func (l *loop) drop(f *flow) {
	if f.held != nil {
		buffers.Put(f.held)
		f.held = nil
	}
	if f.haul != nil {
		l.run.pipes.put(f.haul.pipe, f.haul.piped == 0)
		f.haul = nil
	}
	f.blocked = false
}
