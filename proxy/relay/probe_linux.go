package relay

import "golang.org/x/sys/unix"

const canProbe = true

// probe reports whether a waiting client has ended, without taking a byte. After unread
// bytes an end of stream does not distinguish a closed client from a half-closed one,
// until the client answers a keep-alive probe with a reset: then the socket hangs up.
func probe(fd uintptr) End {
	fds := [1]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN | unix.POLLRDHUP}}
	n, err := unix.Poll(fds[:], 0)
	if err != nil || n == 0 {
		return Open
	}
	switch ev := fds[0].Revents; {
	case ev&(unix.POLLHUP|unix.POLLERR|unix.POLLNVAL) != 0:
		return Reset
	case ev&unix.POLLRDHUP == 0:
		return Open
	}
	return peekEnd(fd)
}
