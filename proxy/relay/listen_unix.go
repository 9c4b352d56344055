//go:build unix

package relay

import (
	"os"

	"golang.org/x/sys/unix"
)

// dupFile gives another descriptor of a socket. It is not net's File, whose Fd
// makes the socket a blocking one, and so the Accept of a listener on it hang.
func dupFile(fd int, name string) (*os.File, error) {
	dup, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return nil, os.NewSyscallError("dup", err)
	}
	return os.NewFile(uintptr(dup), name), nil
}
