//go:build !unix

package proxy

import "os"

// alive reports whether a process exists; pid 0 never does.
func alive(pid int) bool {
	if pid <= 0 {
		return false
	}
	p, err := os.FindProcess(pid)
	if err == nil {
		p.Release()
	}
	return err == nil
}
