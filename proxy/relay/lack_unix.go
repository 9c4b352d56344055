//go:build !windows

package relay

import "syscall"

// errNoAddr is bind's for an address that is not this machine's, and connect's
// where no port is left.
const errNoAddr = syscall.EADDRNOTAVAIL

// lacks are the errors of this process's own trouble. A dial that is told
// EADDRINUSE had its port taken before it could connect, ENOSPC is epoll's, and
// EAGAIN is fork's, and that of connect on some systems.
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
