//go:build unix

package relay

import (
	"os"

	"golang.org/x/sys/unix"
)

// dupFile returns another descriptor of a socket. net's File cannot be used: its
// Fd makes the socket blocking, so that Accept on it would hang.
func dupFile(fd int, name string) (*os.File, error) {
	dup, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return nil, os.NewSyscallError("dup", err)
	}
	return os.NewFile(uintptr(dup), name), nil
}
