package relay

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"
)

const bufferSize = 32 << 10

// buffers are borrowed for one read and its bytes; an idle session holds none.
var buffers = sync.Pool{New: func() any { return new([bufferSize]byte) }}

// streamRelay is the relaying of one session; moving counts the directions that
// have not ended.
type streamRelay struct {
	runner *Stream
	task   Task
	moving atomic.Int32
	quiet  atomic.Bool // EndQuiet has ended a direction
}

func (r *Stream) Relay(t Task, client, backend *Side) {
	client.endWatch()
	backend.endWatch()
	client.limit.others = false
	client.prepare()
	backend.prepare()
	p := &streamRelay{runner: r, task: t}
	p.moving.Store(2)
	if _, ok := client.conn.(Framed); ok {
		p.allowIdle(client, backend)
		p.allowIdle(backend, client)
	}
	r.wg.Add(2)
	go p.run(client, backend)
	go p.run(backend, client)
}

// run copies all that src sends to dst, passes its end on, and notifies the task.
func (p *streamRelay) run(src, dst *Side) {
	var end End
	var idle, shut bool
	err := recovered(func() { end, idle = p.copy(src, dst) })
	if idle {
		return // another goroutine continues
	}
	defer p.runner.wg.Done()
	if err != nil {
		end = Reset
	}
	if panicked := recovered(func() { end, shut = p.ended(src, dst, end) }); panicked != nil {
		end, err = Reset, panicked
	}
	p.runner.deliver(p.task, Event{Kind: Ended, Side: src, End: end, Err: err})
	orderly := end == FIN || end == Quiet
	err = recovered(func() {
		if orderly && !shut {
			dst.passEnd(end, src.endedBy) // after the event, so that the event of the answering end follows it
		}
	})
	p.moving.Add(-1) // also if that has panicked: the other direction has nobody to copy for
	if err == nil {
		err = recovered(func() {
			if orderly && src.awaitGone() {
				dst.endReading()
			}
		})
	}
	if err != nil {
		p.runner.deliver(p.task, Event{Kind: PeerClosed, Side: dst, End: Reset, Err: err})
	}
}

// ended determines how src has ended, and prepares dst for that. shut: dst has already
// been sent the end.
func (p *streamRelay) ended(src, dst *Side, end End) (_ End, shut bool) {
	switch end {
	case FIN:
		betweenChecks()
		if end = src.classifyEnd(src.tcpState()); end == Reset {
			src.endedBy = nil // a reset, not an end without a close frame
		}
	case Reset:
		src.add(sideReset)
	}
	switch stall, resets := src.resetsAtEnd(); {
	case end == FIN && resets:
		dst.flush(stall)
		end = Reset
	case end == Reset:
		dst.flush(flushStalled)
	}
	if shut = (end == FIN || end == Quiet) && p.quiet.Load(); shut {
		dst.closeWriteAs(end)
		dst.flush(flushStalled) // data that dst has sent since is unread, so the close will be a reset
	}
	if end == Quiet {
		p.quiet.Store(true)
	}
	return end, shut
}

// PanicError is a panic in the code of a connection. To the session it is a reset
// of that side; other sessions continue.
type PanicError struct {
	Value any
	Stack string
}

func (p *PanicError) Error() string { return fmt.Sprintf("panic: %v", p.Value) }

// recovered calls what may be foreign code, and returns its panic.
func recovered(call func()) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = &PanicError{v, string(debug.Stack())}
		}
	}()
	call()
	return nil
}

// copy copies src to dst until src ends. When dst takes no more, the remaining bytes
// are read and discarded: closing with unread bytes would be a reset, which destroys
// what the other direction has in flight. Once that has ended, too, and its bytes are
// acknowledged, nothing more is read for dst.
func (p *streamRelay) copy(src, dst *Side) (end End, idle bool) {
	c := &copier{p: p, src: src, dst: dst}
	if len(src.early) > 0 {
		early := src.early
		src.early = nil
		c.deliver(early)
	}
	if f, ok := src.conn.(Framed); ok {
		return copyFromFramed(src, dst, f, c.deliver, &c.discard)
	}
	if f, ok := dst.conn.(Framed); ok {
		if end, idle, c.discard = copyToFramed(src, dst, f); !c.discard {
			return end, idle
		}
		src.leaveIdle()
		src.setIdleDeadline()
	}
	return c.run(), false
}

// copier copies one direction. Once dst takes no more it discards.
type copier struct {
	p        *streamRelay
	src, dst *Side
	discard  bool
	full     int // reads in a row that filled the buffer
}

// deliver writes the data of src.
func (c *copier) deliver(b []byte) {
	src, dst := c.src, c.dst
	src.in.Add(int64(len(b)))
	src.touch()
	if src.observed {
		c.p.task.(Observer).Carried(src, b)
	}
	src.pace.wait(len(b))
	if c.discard {
		return
	}
	write := dst.conn.Write
	if src.isUrgent {
		write = dst.writeUrgent
	}
	n, err := write(b)
	dst.out.Add(int64(n))
	if err != nil {
		c.refused(err)
	}
}

// refused records that dst takes no more.
func (c *copier) refused(err error) {
	c.discard = true
	c.dst.wrote(err)
}

// alone reports whether the other direction has ended.
func (c *copier) alone() bool { return c.p.moving.Load() == 1 }

// run copies until src ends, or until nothing is to be delivered any more.
func (c *copier) run() End {
	src, dst := c.src, c.dst
	in := newReader(src, dst)
	for {
		if c.discard && dst.gone() && c.alone() {
			src.flush(flushStalled)
			return Gone
		}
		n, err := in.read(c.deliver)
		if asked, ends := src.endsQuiet(dst, err); ends {
			return Quiet
		} else if asked {
			continue
		}
		if err != nil {
			return src.endOf(err)
		}
		if c.discard && c.alone() {
			src.flush(flushStalled)
			if dst.has(sideEnded) {
				return Gone
			}
			return Closed
		}
		if !c.splices(n) {
			continue
		}
		switch err := c.p.runner.splice(src, dst); {
		case err == nil:
		case errors.As(err, new(writeError)):
			c.refused(err)
		default:
			return src.endOf(err)
		}
	}
}

// splices reports whether a read of n bytes completes enough full reads in a row for
// the stream to be worth a pipe.
func (c *copier) splices(n int) bool {
	if n < bufferSize {
		c.full = 0
		return false
	}
	if c.full++; c.full < fullReads || c.discard || c.src.urgent || c.src.pace != nil || c.src.observed {
		return false
	}
	c.full = 0
	return true
}

// fullReads is how many full reads in a row make a stream worth a pipe: splicing halves
// the cpu of bulk traffic and adds latency to small messages.
const fullReads = 4

// writeError marks an error as dst's.
type writeError struct{ error }

func (e writeError) Unwrap() error { return e.error }

// flushStalled is how long a side may acknowledge nothing of the data sent to it.
const flushStalled = time.Second

// flush waits until the side has acknowledged all data written to it: a reset would
// destroy what is in flight. It returns when the side has acknowledged nothing for
// stalled (negative: no limit), and at once if the system cannot tell.
func (s *Side) flush(stalled time.Duration) {
	owed := s.unsent()
	wait := time.Millisecond
	for since := time.Now(); owed > 0 && (stalled < 0 || time.Since(since) < stalled); {
		time.Sleep(wait)
		now := s.unsent()
		if now < owed {
			since, wait = time.Now(), time.Millisecond
		} else {
			wait = min(2*wait, 20*time.Millisecond)
		}
		owed = now
	}
}

// endOf returns how a side ended whose reading ended with err.
func (s *Side) endOf(err error) End {
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF) && s.truncated():
		if s.endedBy == nil && s.truncated() {
			s.endedBy = ErrTLSTruncated
		}
		return FIN
	case err == ErrTLSTruncated:
		s.endedBy = err
		return FIN
	case errors.Is(err, os.ErrDeadlineExceeded) && s.limit.isOver():
		s.flush(flushStalled)
		return Gone
	case errors.Is(err, net.ErrClosed), errors.Is(err, io.ErrClosedPipe):
		return Closed
	default:
		if isTLSAlert(err) {
			s.endedBy = &TLSAlert{err}
		}
		return Reset
	}
}

// reader reads from a side into borrowed buffers.
type reader interface {
	// read waits for bytes, passes them to deliver, and returns how many.
	// deliver must not keep them.
	read(deliver func([]byte)) (int, error)
}

// plainReader is for connections that cannot be waited on without a buffer: TLS, and
// those of a user's own Dial.
type plainReader struct{ conn net.Conn }

func (r plainReader) read(deliver func([]byte)) (int, error) {
	b := buffers.Get().(*[bufferSize]byte)
	defer buffers.Put(b)
	n, err := r.conn.Read(b[:])
	if n > 0 {
		deliver(b[:n])
		return n, nil
	}
	if err == nil {
		err = io.ErrNoProgress
	}
	return n, err
}
