package command

import (
	"os"

	"golang.org/x/sys/unix"
)

// hasUnread reports whether the pipe holds bytes that were not read.
func hasUnread(pipe *os.File) bool {
	var n int
	if raw, err := pipe.SyscallConn(); err == nil { // Fd would make it block
		raw.Control(func(fd uintptr) { n, _ = unix.IoctlGetInt(int(fd), unix.TIOCINQ) })
	}
	return n > 0
}
