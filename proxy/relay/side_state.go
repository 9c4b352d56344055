package relay

import (
	"errors"
	"sync/atomic"
	"syscall"
)

// state is what has become of a side: one word, so that whoever judges its end
// sees all of it at once. Its two runners, and both directions of a session,
// only ever add to it.
type state struct{ bits atomic.Uint32 }

const (
	sideEnded = 1 << iota // it has ended what it sends, and that was read to its end
	sideShut              // we have ended what it is sent
	// It was reset. With sideEnded that came behind its end: what it sent is
	// whole, and it takes nothing any more.
	sideReset
)

func (s *state) add(bits uint32) { s.bits.Or(bits) }

func (s *state) has(bits uint32) bool { return s.bits.Load()&bits == bits }

// wrote takes down what a write to the side has met: the kernel tells each
// error once, so whoever reads then finds an end of stream only. A reset that
// comes behind an end of stream is EPIPE there.
func (s *state) wrote(err error) {
	var e syscall.Errno
	switch {
	case errors.Is(err, syscall.EPIPE):
		s.add(sideEnded | sideReset)
	case errors.As(err, &e):
		s.add(sideReset)
	}
}

// death is what the kernel says of a connection that was read to its end.
type tcpState struct {
	closed       bool // it is closed for both directions
	pendingError bool // and the error that closed it has been told to nobody
}

// judge says how a side has ended that was read to its end of stream. The
// kernel was asked before: had we ended the other direction since, the state
// says so, and that the connection is closed for good is no reset then.
func (s *state) classifyEnd(d tcpState) End {
	betweenChecks()
	switch now := s.bits.Load(); {
	case now&(sideEnded|sideReset) == sideReset:
		return Reset
	case !d.closed || now&(sideShut|sideReset) != 0:
	case d.pendingError:
		s.add(sideReset) // behind the end, or reading had met the error
	default:
		s.add(sideReset) // a write on another thread meets it right now
		return Reset
	}
	s.add(sideEnded)
	return FIN
}

// gone says that a side has ended, and was then reset: it takes nothing more.
func (s *state) gone() bool { return s.has(sideEnded|sideReset) && !s.has(sideShut) }

// betweenChecks is called between the checks that determine how a side ended;
// tests make it take a while.
var betweenChecks = func() {}
