package relay

import (
	"errors"
	"io"
	"net"
	"syscall"
)

// Framed is a connection that puts bytes into frames of its own, such as
// WebSocket, and has better ways than Read and Write to move them.
type Framed interface {
	// WriteTo gives dst the payload, until the other end's goodbye: nil.
	io.WriterTo
	// ReadFromOnce sends what one read of src brings; io.EOF is src's end.
	ReadFromOnce(src io.Reader) (int64, error)
}

// EndWatch ends what Watch began, before somebody else reads from the side.
func (s *Side) EndWatch() { s.endWatch() }

// delivery is where a Framed source writes to. It takes everything.
type delivery func([]byte)

func (d delivery) Write(b []byte) (int, error) {
	d(b)
	return len(b), nil
}

// unframe reads a Framed src to its end.
func unframe(src Framed, deliver delivery) End {
	if _, err := src.WriteTo(deliver); err != nil {
		return endOf(err)
	}
	return FIN
}

// enframe moves src into a Framed dst until src ends, or dst takes no more:
// then it is deaf.
func enframe(src, dst *Side, to Framed) (end End, deaf bool) {
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
		var op *net.OpError
		switch {
		case err == io.EOF:
			return FIN, false
		case errors.As(err, &op) && op.Op == "write":
			dst.wrote(err)
			return Open, true
		case errors.As(err, new(syscall.Errno)):
			return Reset, false
		}
		// A goodbye has been sent, or src is closed: reading finds that again.
		return Open, true
	}
}
