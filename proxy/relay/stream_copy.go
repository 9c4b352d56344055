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

// buffers are borrowed for one read and what it brought, never held by a
// session that is idle.
var buffers = sync.Pool{New: func() any { return new([bufferSize]byte) }}

// pair counts the directions of a session that still move.
type streamRelay struct {
	runner *Stream
	task   Task
	moving atomic.Int32
}

func (r *Stream) Relay(t Task, client, backend *Side) {
	client.endWatch()
	backend.endWatch()
	client.limit.others = false
	client.keepUrgentInline()
	backend.keepUrgentInline()
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

// pump moves all that src sends to dst, passes its end on, and tells the task.
func (p *streamRelay) run(src, dst *Side) {
	end, parked, err := p.copyRecover(src, dst)
	if parked {
		return // another goroutine goes on
	}
	defer p.runner.wg.Done()
	switch end {
	case FIN:
		betweenChecks()
		if end = src.classifyEnd(src.tcpState()); end == Reset {
			src.endedBy = nil // it had no time to
		}
	case Reset:
		src.add(sideReset)
	}
	switch patience, breaksOff := src.resetsAtEnd(); {
	case end == FIN && breaksOff:
		dst.flush(patience)
		end = Reset
	case end == Reset:
		dst.flush(flushStalled)
	}
	p.runner.deliver(p.task, Event{Kind: Ended, Side: src, End: end, Err: err})
	if end == FIN {
		dst.closeWrite() // now that it is told: the end that answers it comes after
	}
	p.moving.Add(-1)
	if end == FIN && src.awaitGone() {
		dst.endReading()
	}
}

// PanicError is a panic of the code of a connection that the runner was given:
// to its session it is a reset of that side, and nobody else's business.
type PanicError struct {
	Value any
	Stack string
}

func (p *PanicError) Error() string { return fmt.Sprintf("panic: %v", p.Value) }

// carryContained is carry, whose panic is an end and an error.
func (p *streamRelay) copyRecover(src, dst *Side) (end End, parked bool, err error) {
	defer func() {
		if v := recover(); v != nil {
			end, parked, err = Reset, false, &PanicError{v, string(debug.Stack())}
		}
	}()
	end, parked = p.copy(src, dst)
	return end, parked, nil
}

// carry reads src to its end. When dst takes no more, the rest is read and
// dropped: closing with unread bytes would be a reset, which destroys what the
// other direction has still under way. Once that has ended, too, and its bytes
// have arrived, dst is gone altogether, and nothing more is read for it.
func (p *streamRelay) copy(src, dst *Side) (end End, parked bool) {
	deaf := false
	deliver := func(b []byte) {
		src.in.Add(int64(len(b)))
		src.touch()
		src.pace.wait(len(b))
		if deaf {
			return
		}
		write := dst.conn.Write
		if src.isUrgent {
			write = dst.writeUrgent
		}
		n, err := write(b)
		dst.out.Add(int64(n))
		if err != nil {
			deaf = true
			dst.wrote(err)
		}
	}
	if len(src.early) > 0 {
		early := src.early
		src.early = nil
		deliver(early)
	}
	if f, ok := src.conn.(Framed); ok {
		return copyFromFramed(src, f, deliver, &deaf)
	}
	if f, ok := dst.conn.(Framed); ok {
		if end, parked, deaf = copyToFramed(src, dst, f); !deaf {
			return end, parked
		}
		src.leaveIdle()
		src.setIdleDeadline()
	}
	in := newReader(src, dst)
	full := 0 // reads in a row that filled the buffer
	for {
		if deaf && dst.gone() && p.moving.Load() == 1 {
			src.flush(flushStalled)
			return Gone, false
		}
		n, err := in.read(deliver)
		if err != nil {
			return src.endOf(err), false
		}
		if deaf && p.moving.Load() == 1 {
			src.flush(flushStalled)
			if dst.has(sideEnded) {
				return Gone, false
			}
			return Closed, false
		}
		if n < bufferSize {
			full = 0
			continue
		}
		if full++; full < fullReads || deaf || src.urgent || src.pace != nil {
			continue
		}
		full = 0
		switch err := p.runner.splice(src, dst); {
		case err == nil:
		case errors.As(err, new(writeError)):
			deaf = true
			dst.wrote(err)
		default:
			return src.endOf(err), false
		}
	}
}

// fullReads is how many filled reads in a row make a stream that is worth a
// pipe: splicing halves the cpu of bulk traffic and costs latency on small
// messages.
const fullReads = 4

// writeError marks an error as dst's.
type writeError struct{ error }

func (e writeError) Unwrap() error { return e.error }

// flushStalled is how long a side may take nothing of what it is still owed.
const flushStalled = time.Second

// flush waits until the side has taken what was written to it: a reset would
// destroy what is still under way. It gives up on a side that takes nothing
// for so long (negative: never), and where the system does not tell.
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

// endOf says how a side ended whose reading ended with err.
func (s *Side) endOf(err error) End {
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF) && s.truncated():
		if s.endedBy == nil && s.truncated() {
			s.endedBy = ErrTLSTruncated
		}
		return FIN
	case errors.Is(err, os.ErrDeadlineExceeded) && s.limit.isOver():
		s.flush(flushStalled)
		return Gone
	case errors.Is(err, net.ErrClosed), errors.Is(err, io.ErrClosedPipe):
		return Closed
	default:
		return Reset
	}
}

// reader reads from a side into borrowed buffers.
type reader interface {
	// read waits until there is something, hands it to deliver, and returns
	// how much it was. The bytes are deliver's until it returns.
	read(deliver func([]byte)) (int, error)
}

// plainReader is for connections that cannot be waited for without a buffer:
// TLS, and those of a user's own Dial.
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
