//go:build unix

package ws

import "syscall"

// On Unix a plain socket can be read and written without waiting, within the
// functions that syscall.RawConn calls.
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

// writeNow writes what fits into the socket's buffer. If it returns no error and n
// is less than len(p), the rest has to wait.
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
