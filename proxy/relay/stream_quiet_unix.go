//go:build unix

package relay

import "golang.org/x/sys/unix"

// hasNothing reports whether the side's socket has nothing to read, not even an end. It
// is false for a connection without a socket, as from a user's own Dial.
func (s *Side) hasNothing() (nothing bool) {
	if rc := rawConnOf(s.conn); rc != nil {
		rc.Control(func(fd uintptr) { nothing = isEmpty(int32(fd)) })
	}
	return nothing
}

// isEmpty reports whether a socket has nothing to read, not even an end.
func isEmpty(fd int32) bool {
	var b [1]byte
	for {
		_, _, err := unix.Recvfrom(int(fd), b[:], unix.MSG_PEEK|unix.MSG_DONTWAIT)
		if err != unix.EINTR {
			return err == unix.EAGAIN
		}
	}
}
