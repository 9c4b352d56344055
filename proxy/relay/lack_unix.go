//go:build !windows

package relay

import "syscall"

// errNoAddr is bind's error for an address that is not this machine's, and
// connect's when no port is left.
const errNoAddr = syscall.EADDRNOTAVAIL

// lacks are the errors of this process. EADDRINUSE is connect's when another
// socket takes the chosen port first, ENOSPC is epoll's, and EAGAIN is fork's
// and, on some systems, connect's.
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
