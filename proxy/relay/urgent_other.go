//go:build unix && !linux

package relay

import "golang.org/x/sys/unix"

type marks struct{}

// expectUrgent is Linux's: elsewhere urgent data is what the system makes of it.
func (r *socketReader) expectUrgent(int32) (most int, empty bool) { return bufferSize, false }

// readOnce reads what there is.
func readOnce(fd int32, b []byte) (n int, err error) {
	for {
		if n, err = unix.Read(int(fd), b); err != unix.EINTR {
			return n, err
		}
	}
}
