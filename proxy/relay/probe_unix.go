//go:build unix

package relay

import "golang.org/x/sys/unix"

// Probe reports, without taking a byte, whether a waiting client has ended its
// side by now. HalfFIN, an end of stream behind unread bytes, is not a client
// that went away: it may still read.
func (s *Side) Probe() (end End) {
	if s.isRaw() {
		return s.rawProbe()
	}
	if rc := rawConnOf(s.conn); rc != nil && canProbe {
		rc.Control(func(fd uintptr) { end = probe(fd) })
	}
	if w := s.watch; w != nil && (end == FIN || end == HalfFIN) {
		if behind := End(w.behind.Load()); behind != Open {
			return behind
		}
	}
	return s.behindEarly(end)
}

// peekEnd distinguishes an end of stream from one after unread bytes.
func peekEnd(fd uintptr) End {
	var b [1]byte
	for {
		n, _, err := unix.Recvfrom(int(fd), b[:], unix.MSG_PEEK|unix.MSG_DONTWAIT)
		switch {
		case err == unix.EINTR:
		case err == unix.EAGAIN:
			return Open
		case err != nil:
			return Reset
		case n == 0:
			return FIN
		default:
			return HalfFIN
		}
	}
}
