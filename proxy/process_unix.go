//go:build unix

package proxy

import "syscall"

// alive reports whether a process exists; pid 0 never does.
func alive(pid int) bool {
	return pid > 0 && syscall.Kill(pid, 0) != syscall.ESRCH
}
