//go:build unix

package ws

import "syscall"

// On Unix a plain socket can be read and written without waiting, from inside
// the poller's own callbacks.
const canReadNow = true

const errWouldBlock = syscall.EAGAIN

func readNow(fd uintptr, p []byte) (int, error) {
	for {
		n, err := syscall.Read(int(fd), p)
		if err != syscall.EINTR {
			return max(n, 0), err
		}
	}
}

// writeNow writes what fits into the socket's buffer. No error and less than
// all of p means that the rest would have to wait.
func writeNow(raw syscall.RawConn, p []byte) (n int, err error) {
	var werr error
	err = raw.Write(func(fd uintptr) bool {
		for {
			n, werr = syscall.Write(int(fd), p)
			if werr != syscall.EINTR {
				return true
			}
		}
	})
	n = max(n, 0)
	if err == nil && werr != errWouldBlock {
		err = werr
	}
	return n, err
}
