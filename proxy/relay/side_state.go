package relay

import (
	"errors"
	"sync/atomic"
	"syscall"
)

// state is how a side has ended, in one word, so that classifyEnd sees all of it at
// once. Both runners, and both directions of a session, only add bits.
type state struct{ bits atomic.Uint32 }

const (
	sideEnded = 1 << iota // it has ended its stream, which was read to its end
	sideShut              // we have ended the stream to it
	// It was reset. With sideEnded: after its end, so its stream is complete, and it
	// takes nothing more.
	sideReset
)

func (s *state) add(bits uint32) { s.bits.Or(bits) }

func (s *state) has(bits uint32) bool { return s.bits.Load()&bits == bits }

// wrote records the error of a write to the side: the kernel reports each error once,
// so that a later read only finds an end of stream. A reset after an end of stream is
// EPIPE in a write; but so is one whose error was taken by a splice that had moved
// something: see tcpState.fin.
func (s *state) wrote(err error) {
	var e syscall.Errno
	switch {
	case errors.Is(err, syscall.EPIPE):
		s.add(sideEnded | sideReset)
	case errors.As(err, &e):
		s.add(sideReset)
	}
}

// tcpState is what the kernel reports of a connection that was read to its end.
type tcpState struct {
	closed       bool // it is closed for both directions
	pendingError bool // the error that closed it was not reported yet
	fin          fin  // whether the peer's FIN was received, if it is closed
}

// fin is what is known of a FIN.
type fin uint8

const (
	finUnknown fin = iota
	finReceived
	finMissing
)

// classifyEnd returns how a side that was read to its end of stream has ended. If the
// kernel says whether a FIN was received, nothing else matters. d was obtained before
// the state is loaded: if we have ended the other direction since, the state has
// sideShut, and a closed connection is no reset.
func (s *state) classifyEnd(d tcpState) End {
	betweenChecks()
	switch now := s.bits.Load(); {
	case d.fin == finMissing:
		s.add(sideReset)
		return Reset
	case d.fin == finReceived:
		if now&sideShut == 0 {
			s.add(sideReset) // after the end
		}
	case now&(sideEnded|sideReset) == sideReset:
		return Reset
	case !d.closed || now&(sideShut|sideReset) != 0:
	case d.pendingError:
		s.add(sideReset) // after the end, or reading would have returned the error
	default:
		s.add(sideReset) // a write on another thread is getting the error right now
		return Reset
	}
	s.add(sideEnded)
	return FIN
}

// gone reports whether a side has ended and was then reset: it takes nothing more.
func (s *state) gone() bool { return s.has(sideEnded|sideReset) && !s.has(sideShut) }

// betweenChecks is called between the checks that determine how a side ended; tests
// prolong it.
var betweenChecks = func() {}
