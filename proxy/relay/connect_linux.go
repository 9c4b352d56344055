package relay

import (
	"net"
	"strconv"
	"unsafe"

	"golang.org/x/sys/unix"
)

// connect makes a socket and sends it on its way.
func (c *call) connect() (int32, unix.Errno) {
	if c.dial.Network == "unix" {
		fd, e := newSocket(unix.AF_UNIX)
		if e != 0 {
			return -1, e
		}
		sa := unix.RawSockaddrUnix{Family: unix.AF_UNIX}
		if len(c.dial.Addr) >= len(sa.Path) {
			return fd, unix.EINVAL
		}
		for i := range len(c.dial.Addr) {
			sa.Path[i] = int8(c.dial.Addr[i])
		}
		size := 2 + len(c.dial.Addr) + 1
		if c.dial.Addr != "" && c.dial.Addr[0] == '@' { // an abstract one
			sa.Path[0], size = 0, size-1
		}
		return fd, connect(fd, unsafe.Pointer(&sa), uintptr(size))
	}
	if c.to.Addr().Is4() {
		fd, e := newSocket(unix.AF_INET)
		if e != 0 {
			return -1, e
		}
		c.dial.Sock.outfit(fd)
		sa := unix.RawSockaddrInet4{Family: unix.AF_INET, Port: netOrder(c.to.Port()), Addr: c.to.Addr().As4()}
		return fd, connect(fd, unsafe.Pointer(&sa), unix.SizeofSockaddrInet4)
	}
	fd, e := newSocket(unix.AF_INET6)
	if e != 0 {
		return -1, e
	}
	c.dial.Sock.outfit(fd)
	sa := unix.RawSockaddrInet6{Family: unix.AF_INET6, Port: netOrder(c.to.Port()), Addr: c.to.Addr().As16(), Scope_id: scope(c.to.Addr().Zone())}
	return fd, connect(fd, unsafe.Pointer(&sa), unix.SizeofSockaddrInet6)
}

// scope is the number of an interface by its name, for link-local addresses.
func scope(zone string) uint32 {
	if zone == "" {
		return 0
	}
	if n, err := strconv.Atoi(zone); err == nil {
		return uint32(n)
	}
	if i, err := net.InterfaceByName(zone); err == nil {
		return uint32(i.Index)
	}
	return 0
}
