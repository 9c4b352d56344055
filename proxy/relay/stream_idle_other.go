//go:build !linux

package relay

import "syscall"

// Only Linux has the idle set: elsewhere a goroutine waits for each direction.

type idleSet struct{}

func (*idleSet) allows(*idleSlot) bool { return false }
func (*idleSet) add(*idleSlot) bool    { return false }
func (*idleSet) exclude(*idleSlot)     {}
func (*idleSet) close()                {}

func socketOf(*Side) syscall.RawConn { return nil }
