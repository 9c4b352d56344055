//go:build unix && !linux

package relay

import "golang.org/x/sys/unix"

type marks struct{}

// expectUrgent does nothing: only Linux passes urgent data on as such.
func (r *socketReader) expectUrgent(int32) (most int, empty bool) { return bufferSize, false }

// readOnce reads once, without waiting.
func readOnce(fd int32, b []byte) (n int, err error) {
	for {
		if n, err = unix.Read(int(fd), b); err != unix.EINTR {
			return n, err
		}
	}
}
