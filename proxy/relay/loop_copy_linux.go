package relay

import (
	"sync"

	"golang.org/x/sys/unix"

	"github.com/tcpctl/tcpctl/proxy/internal/tlsrecord"
)

// buffer belongs to a loop, or to a direction that holds what its receiver did not take.
type buffer []byte

const (
	// loopBufferSize has room for two of the longest records, so that most reads of bulk
	// end with a whole one. Reads that are neither of TLS nor of frames take bufferSize.
	loopBufferSize = 2 * tlsrecord.MaxRecord
	// bulkSize is for bulk data in frames, which must be read: fewer system calls and
	// fewer window updates save a tenth of the cpu.
	bulkSize = 4 * loopBufferSize
)

// loopBuffers and bulkBuffers replace buffers that a direction holds.
var (
	loopBuffers = sync.Pool{New: func() any { return newBuffer(loopBufferSize) }}
	bulkBuffers = sync.Pool{New: func() any { return newBuffer(bulkSize) }}
)

func newBuffer(size int) *buffer {
	b := make(buffer, size)
	return &b
}

// poolOf returns the pool of buffers with the size of b.
func poolOf(b *buffer) *sync.Pool {
	if len(*b) == bulkSize {
		return &bulkBuffers
	}
	return &loopBuffers
}

// direction is one direction of a session: from its side to the side's peer. An
// idle direction holds nothing; one whose receiver takes no more holds the one
// buffer or pipe that is still to be written.
type direction struct {
	held     *buffer // bytes [from:to] have not been written yet
	from, to int32
	splicer  *loopSplicer // splices it
	full     uint8        // reads in a row of bufferSize; fullReads at most
	blocked  bool         // the receiver takes no more: wait for EPOLLOUT
	discard  bool         // the receiver will never take more: read and discard
	noSplice bool         // must not be spliced
	flushing bool         // its end waits until sent bytes are acknowledged
	pending  bool         // in loop.pending
	end      End          // how its side ended; what was read before it may still be owed
	reported bool         // and the task was notified of it
}

func (d *direction) splicing() bool { return d.splicer != nil && d.splicer.running }

func (d *direction) owed() bool { return d.held != nil || d.splicer != nil }

// maxReads bounds the reads of one direction in one iteration.
const maxReads = 8

func (r *Loop) Relay(t Task, client, backend *Side) {
	s := &t.RunnerState().loop
	l := s.loop.Load()
	s.moving = 2
	client.task, backend.task = s, s
	s.backend = backend
	client.use, backend.use = relaying, relaying
	client.readable = true
	if client.passesUrgent() {
		client.urgent = client.path == nil // epoll has not reported on it yet
	}
	for _, s := range [...]*Side{client, backend} {
		if s.connSide != nil {
			s.endOpening()
		}
	}
	l.enqueue(client) // which also adds it to epoll
	l.enqueue(backend)
}

func (l *loop) enqueue(s *Side) {
	if !s.dir.pending {
		s.dir.pending = true
		l.pending = append(l.pending, s)
	}
}

// copy copies from src until nothing more can be read, the receiver takes no more, or
// maxReads are done.
func (l *loop) copy(src *Side) {
	d, dst := &src.dir, src.peer()
	if src.awaitsSplicer() || dst.awaitsSplicer() {
		return // an end read now is our own shutdown, not the peer's FIN
	}
	if d.splicing() && dst.isFramed() && dst.framed.HasControl() {
		d.splicer.yield.Store(true)
	}
	for reads := 0; !d.reported && !d.flushing && !d.splicing(); reads++ {
		switch {
		case d.owed():
			if d.blocked || !l.push(src) {
				l.arm(dst)
				return
			}
		case dst.connSide != nil && l.sendControl(src):
		case src.connSide != nil && l.copyFirst(src):
		case d.end != Open:
			l.passEnd(src)
			return
		case d.discard && dst.dir.reported:
			l.endGone(src)
			return
		case src.waitsForPace():
			return // to frames: see write
		case !src.readable:
			if e := l.arm(src); e != 0 {
				d.end = Reset // epoll will never report it
				continue
			}
			return
		case reads >= maxReads:
			l.enqueue(src)
			return
		case src.isSecure():
			l.readSecure(src)
		case src.inBulk():
			reads += bulkSize/loopBufferSize - 1
			l.read(src, &l.bulk, bulkSize)
		case dst.isSecure():
			l.read(src, &l.buf, mostSealed-dst.headroom())
		case src.isFramed():
			l.read(src, &l.buf, loopBufferSize) // a frame of 32 KiB, and its header
		default:
			l.read(src, &l.buf, bufferSize-dst.headroom())
		}
	}
}

// inBulk reports whether the side sends so much in frames that others would be spliced.
func (s *Side) inBulk() bool {
	return s.isFramed() && s.dir.full >= fullReads && !s.peer().isWrapped() && !s.isPaced()
}

// read reads once, up to room bytes into *b, and writes what it got.
func (l *loop) read(src *Side, b **buffer, room int) {
	d, dst := &src.dir, src.peer()
	at, most := dst.headroom(), room
	wrapped := src.isWrapped() || dst.isWrapped()
	src.isUrgent = false
	if src.urgent && !wrapped {
		var empty bool
		if most, empty = l.findUrgent(src); empty {
			src.readable = false // epoll will report further data, and whether it is urgent
			return
		}
	}
	n, e := recv(src.fd, (**b)[at:at+most])
	switch {
	case e == unix.EAGAIN:
		src.readable, src.urgent = false, src.urgent && !wrapped // a read stops before such a byte
		return
	case src.isFramed() && (e != 0 || n == 0):
		l.endSocket(src, e)
		return
	case e != 0:
		src.add(sideReset)
		d.end, src.seen = Reset, Reset
		return
	case n == 0:
		d.end = l.classifyEnd(src)
		return
	}
	l.take(src, b, at, n)
	if n < min(room, bufferSize) {
		d.full = 0
	}
	if n < room {
		// A short read has emptied the socket, and edge-triggered epoll reports what
		// arrives from now on, unless something has stopped the read: epoll has
		// reported an end of stream or urgent data if it was there; a read of a Unix
		// socket also stops after descriptors that were sent along, so there only
		// EAGAIN says that it is empty.
		src.readable = src.peerEnded || src.urgent || src.path != nil
		return
	}
	if !wrapped {
		src.urgent = src.path == nil // the next read may begin at a byte that has just arrived
	}
	if d.full = min(d.full+1, fullReads); d.full == fullReads && !d.discard && !d.blocked && !d.noSplice && !src.observed && !src.isPaced() {
		d.full = 0
		l.beginSplice(src)
	}
}

// headroom is the offset in a buffer at which to put data for the side.
func (s *Side) headroom() int {
	if s.isFramed() {
		return FrameRoom
	}
	return 0
}

// take takes n bytes of *b, which src has sent: frames, or data to deliver.
func (l *loop) take(src *Side, b **buffer, at, n int) {
	if src.isFramed() {
		l.unframe(src, b, at, n)
	} else {
		l.deliver(src, b, at, n)
	}
}

// deliver writes n bytes of *b, which src has sent.
func (l *loop) deliver(src *Side, b **buffer, at, n int) {
	d := &src.dir
	src.in.Add(int64(n))
	src.last.Store(l.now)
	if src.observed {
		src.task.task.(Observer).Carried(src, (**b)[at:at+n])
	}
	if d.discard {
		return
	}
	if src.isPaced() {
		l.pace(src, n)
	}
	if dst := src.peer(); dst.isFramed() {
		l.frame(src, b, n)
	} else {
		l.send(d, dst, b, at, n)
	}
}

// send writes n bytes of *b to dst, through its TLS.
func (l *loop) send(d *direction, dst *Side, b **buffer, at, n int) {
	if dst.isSecure() {
		b, n = l.seal(dst, b, at, n)
		at = 0
	}
	l.sendAsIs(d, dst, b, at, n)
}

// sendAsIs writes n bytes of *b to dst. If dst does not take all for now, the buffer stays
// with what is still owed, and *b is another one.
func (l *loop) sendAsIs(d *direction, dst *Side, b **buffer, at, n int) {
	d.from, d.to = int32(at), int32(at+n)
	if l.write(d, dst, *b) {
		d.held, *b = *b, poolOf(*b).Get().(*buffer)
	}
}

// write writes b[d.from:d.to] to dst until the kernel takes no more, or nothing while a
// limit delays it, and reports whether bytes remain. A limit delays payload before it is
// framed, but not frames: that would also delay answers to pings.
func (l *loop) write(d *direction, dst *Side, b *buffer) (more bool) {
	src, secure, framed := dst.peer(), dst.isSecure(), dst.isFramed()
	urgent := src.isUrgent && dst.path == nil && !secure && !framed
	d.blocked = false
	if !framed && src.waitsForPace() {
		return true
	}
	for d.from < d.to {
		n, e := send(dst.fd, (*b)[d.from:d.to], urgent)
		switch {
		case e == unix.EAGAIN:
			d.blocked = true
			return true
		case e != 0:
			d.discard = true
			dst.wrote(e)
			return false
		}
		d.from += int32(n)
		if !secure && !framed {
			dst.out.Add(int64(n))
		}
	}
	switch {
	case framed:
		dst.framesSent()
	case secure:
		dst.out.Add(int64(dst.secure.sealed))
		dst.secure.sealed = 0
	}
	return false
}

// push writes what is still owed, and reports whether that was everything. A pipe's
// content is left to a splicer.
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

// dropOwed discards what is still to be written.
func (l *loop) dropOwed(d *direction) {
	if d.held != nil {
		poolOf(d.held).Put(d.held)
		d.held = nil
	}
	if d.splicer != nil {
		d.splicer.putPipes(&l.runner.pipes)
		d.splicer = nil
	}
	d.blocked = false
}
