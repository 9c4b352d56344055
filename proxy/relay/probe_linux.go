package relay

import "golang.org/x/sys/unix"

const canProbe = true

// probe looks at a waiting client's socket without taking a byte. After bytes
// an end of stream does not tell "gone" from "half-closed", until a keep-alive
// probe is answered with a reset: then the socket hangs up.
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
