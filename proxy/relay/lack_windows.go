package relay

import (
	"syscall"

	"golang.org/x/sys/windows"
)

const errNoAddr = windows.WSAEADDRNOTAVAIL

// lacks has Winsock's numbers, and those that package syscall defines itself.
var lacks = map[syscall.Errno]Lack{
	windows.WSAEADDRNOTAVAIL:          LackPorts,
	windows.WSAEADDRINUSE:             LackPorts,
	windows.WSAEMFILE:                 LackDescriptors,
	windows.ERROR_TOO_MANY_OPEN_FILES: LackDescriptors,
	windows.WSAENOBUFS:                LackMemory,
	windows.ERROR_NOT_ENOUGH_MEMORY:   LackMemory,
	windows.ERROR_NO_SYSTEM_RESOURCES: LackMemory,
	syscall.EMFILE:                    LackDescriptors,
}
