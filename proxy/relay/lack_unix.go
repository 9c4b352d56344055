//go:build !windows

package relay

import "syscall"

// errNoAddr is the error of bind for an address that this machine does not have, and of
// connect when no port is free.
const errNoAddr = syscall.EADDRNOTAVAIL

// lacks are this process's own errors. EADDRINUSE comes from connect when another
// socket takes the chosen port first, ENOSPC from epoll, and EAGAIN from fork and, on
// some systems, connect.
var lacks = map[syscall.Errno]Lack{
	syscall.EADDRNOTAVAIL: LackPorts,
	syscall.EADDRINUSE:    LackPorts,
	syscall.EAGAIN:        LackPorts,
	syscall.EMFILE:        LackDescriptors,
	syscall.ENFILE:        LackDescriptors,
	syscall.ENOBUFS:       LackMemory,
	syscall.ENOMEM:        LackMemory,
	syscall.ENOSPC:        LackMemory,
}
