package relay

import "golang.org/x/sys/unix"

// direction is one direction of a session: what its side sends, on the way to the
// side's peer. A flow that stands still holds nothing; one whose receiver
// takes no more holds the one buffer, or pipe, that is still owed.
type direction struct {
	held     *[bufferSize]byte // bytes from to to have not been written yet
	from, to int32
	splicer  *loopSplicer // splices it
	full     uint8        // reads in a row that filled the buffer
	blocked  bool         // the receiver takes no more: wait for EPOLLOUT
	discard  bool         // the receiver will never take any more: read on and drop
	noSplice bool         // not to be spliced
	flushing bool         // its end waits for what is under way
	pending  bool         // in loop.ready
	end      End          // how its side ended; what was read before it may still be owed
	reported bool         // and that has been told
}

func (d *direction) splicing() bool { return d.splicer != nil && d.splicer.running }

func (d *direction) owed() bool { return d.held != nil || d.splicer != nil }

// readsATurn bounds what one flow moves before others are heard.
const maxReads = 8

func (r *Loop) Relay(t Task, client, backend *Side) {
	s := &t.RunnerState().loop
	l := s.loop.Load()
	s.moving = 2
	client.task, backend.task = s, s
	s.backend = backend
	client.use, backend.use = relaying, relaying
	client.readable = true
	client.urgent = client.path == nil // epoll has told nothing of it yet
	l.enqueue(client)                  // which also asks epoll for it
	l.enqueue(backend)
}

func (l *loop) enqueue(s *Side) {
	if !s.dir.pending {
		s.dir.pending = true
		l.pending = append(l.pending, s)
	}
}

// pump moves what src sends until there is nothing more to read, the receiver
// takes no more, or it is the turn of others.
func (l *loop) copy(src *Side) {
	d, dst := &src.dir, src.peer()
	for reads := 0; !d.reported && !d.flushing && !d.splicing(); reads++ {
		switch {
		case d.owed():
			if d.blocked || !l.push(src) {
				l.arm(dst)
				return
			}
		case d.end != Open:
			l.passEnd(src)
			return
		case d.discard && dst.dir.reported:
			l.endGone(src)
			return
		case !src.readable:
			if e := l.arm(src); e != 0 {
				d.end = Reset // it can never be heard again
				continue
			}
			return
		case reads == maxReads:
			l.enqueue(src)
			return
		default:
			l.read(src)
		}
	}
}

// read reads once, and writes what it got.
func (l *loop) read(src *Side) {
	d, dst := &src.dir, src.peer()
	most := bufferSize
	src.isUrgent = false
	if src.urgent {
		most = l.findUrgent(src)
	}
	n, e := recv(src.fd, l.buf[:most])
	switch {
	case e == unix.EAGAIN:
		src.readable = false
		return
	case e != 0:
		src.add(sideReset)
		d.end, src.seen = Reset, Reset
		return
	case n == 0:
		d.end = l.classifyEnd(src)
		return
	}
	src.in.Add(int64(n))
	src.last.Store(l.now)
	if !d.discard {
		d.from, d.to = 0, int32(n)
		if l.write(d, dst, l.buf) {
			// The buffer stays with what is still owed.
			d.held, l.buf = l.buf, buffers.Get().(*[bufferSize]byte)
		}
	}
	if n < bufferSize {
		d.full = 0
		// With edge-triggered news a short read has emptied the socket, and
		// what comes from now on is told of, unless it has stopped before
		// something: an end of stream and urgent data have been told of if
		// they were there, and of a Unix socket, whose reads stop behind
		// descriptors that were sent along, only EAGAIN says that it is empty.
		src.readable = src.peerEnded || src.urgent || src.path != nil
		return
	}
	src.urgent = src.path == nil // the next read may begin at what has come since
	if d.full++; d.full >= fullReads && !d.discard && !d.blocked && !d.noSplice {
		d.full = 0
		l.beginSplice(src)
	}
}

// write writes what of b is owed to dst until the system takes no more, and
// reports whether some is left.
func (l *loop) write(d *direction, dst *Side, b *[bufferSize]byte) (left bool) {
	urgent := dst.peer().isUrgent && dst.path == nil
	d.blocked = false
	for d.from < d.to {
		n, e := send(dst.fd, b[d.from:d.to], urgent)
		switch {
		case e == unix.EAGAIN:
			d.blocked = true
			return true
		case e != 0:
			d.discard = true
			dst.wrote(e)
			return false
		}
		dst.out.Add(int64(n))
		d.from += int32(n)
	}
	return false
}

// push goes on with what is owed, and reports whether nothing is any more. A
// pipe's is pushed by a haul.
func (l *loop) push(src *Side) bool {
	d := &src.dir
	if d.splicer != nil {
		l.startSplicer(src)
		return false
	}
	if l.write(d, src.peer(), d.held) {
		return false
	}
	l.dropOwed(d)
	return true
}

// drop forgets what is owed.
func (l *loop) dropOwed(d *direction) {
	if d.held != nil {
		buffers.Put(d.held)
		d.held = nil
	}
	if d.splicer != nil {
		l.runner.pipes.put(d.splicer.pipe, d.splicer.piped == 0)
		d.splicer = nil
	}
	d.blocked = false
}
