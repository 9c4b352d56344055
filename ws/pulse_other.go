//go:build !linux

package ws

import "syscall"

func pulseOf(syscall.RawConn) (p pulse, ok bool) { return p, false }

func hasPulse(syscall.RawConn) bool { return false }
