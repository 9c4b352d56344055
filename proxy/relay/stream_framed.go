package relay

import (
	"errors"
	"io"
	"net"
	"os"
	"syscall"
)

// Framed is a connection that frames its data, such as WebSocket, and has better
// ways than Read and Write to copy it.
type Framed interface {
	net.Conn
	// WriteTo writes the payload to dst until the peer's close frame, and returns nil.
	// An error that wraps io.ErrUnexpectedEOF is an end of stream without a close
	// frame; dst then has all data before it. Side.EndedBy returns the error.
	io.WriterTo
	// ReadFromOnce reads src once and sends the data; io.EOF means the end of src.
	ReadFromOnce(src io.Reader) (int64, error)
	// CanIdle reports whether a WriteTo that ended by a read deadline left no partial
	// frame, so that the next one can wait until the socket is readable.
	CanIdle() bool
}

// StopWatch ends what Watch began, so that the caller can read from the side. For
// a relaying side it keeps a goroutine reading until the side is closed. A raw
// side that relays frames is closed to the relay, and its connection reads and
// writes the socket itself.
func (s *Side) StopWatch() {
	if s.isRaw() {
		s.rawStopWatch()
		return
	}
	s.endWatch()
	s.leaveIdle()
	s.endAwaiting()
}

// delivery is the Writer that a Framed source writes to; it never fails.
type delivery func([]byte)

func (d delivery) Write(b []byte) (int, error) {
	d(b)
	return len(b), nil
}

// copyFromFramed reads a Framed src until its end, or until it goes idle.
func copyFromFramed(src, dst *Side, from Framed, deliver delivery, discard *bool) (end End, idle bool) {
	for {
		limited := src.setIdleDeadline()
		_, err := from.WriteTo(deliver)
		asked, ends := src.endsQuiet(dst, err)
		switch {
		case ends && from.CanIdle():
			return Quiet, false
		case asked:
		case err == nil:
			return FIN, false
		case errors.Is(err, io.ErrUnexpectedEOF):
			src.endedBy = err
			return FIN, false
		case !limited || !errors.Is(err, os.ErrDeadlineExceeded):
			src.endedBy = err
			return src.endOf(err), false
		case *discard:
			src.leaveIdle() // a goroutine that is started later would not know that
		case src.goIdle():
			return Open, true
		}
	}
}

// copyToFramed copies src to a Framed dst until src ends or goes idle, or dst takes no
// more: then discard is true.
func copyToFramed(src, dst *Side, to Framed) (end End, idle, discard bool) {
	limited := src.setIdleDeadline()
	for {
		n, err := to.ReadFromOnce(src.conn)
		if n > 0 {
			src.in.Add(n)
			dst.out.Add(n)
			src.touch()
			src.pace.wait(int(n))
		}
		if err == nil {
			continue
		}
		if op, ok := errors.AsType[*net.OpError](err); ok && op.Op == "write" {
			dst.wrote(err)
			return Open, false, true
		}
		asked, ends := src.endsQuiet(dst, err)
		switch {
		case ends:
			return Quiet, false, false
		case asked:
			limited = src.setIdleDeadline()
			continue
		case err == io.EOF:
			return src.endOf(err), false, false
		case limited && errors.Is(err, os.ErrDeadlineExceeded):
			if src.goIdle() {
				return Open, true, false
			}
			limited = src.setIdleDeadline()
			continue
		case errors.As(err, new(syscall.Errno)):
			return Reset, false, false
		}
		// dst has failed, its close frame has been sent, or src is closed: the next
		// read finds that again.
		return Open, false, true
	}
}
