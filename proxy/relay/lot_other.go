//go:build !linux

package relay

import "syscall"

// Parking is Linux's: elsewhere a goroutine waits for each direction.

type lot struct{}

func (*lot) takes(*spot) bool { return false }
func (*lot) park(*spot) bool  { return false }
func (*lot) fetch(*spot)      {}
func (*lot) close()           {}

func socketOf(*Side) syscall.RawConn { return nil }
