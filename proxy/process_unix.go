//go:build unix

package proxy

import "syscall"

// alive says whether a process is there; 0 is none.
func alive(pid int) bool {
	return pid > 0 && syscall.Kill(pid, 0) != syscall.ESRCH
}
