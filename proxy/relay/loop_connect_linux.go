package relay

import (
	"net"
	"net/netip"
	"strconv"
	"unsafe"

	"golang.org/x/sys/unix"
)

// connect makes a socket and begins to connect it. in names the call that failed.
func (c *loopDial) connect() (fd int32, in string, e unix.Errno) {
	if c.dial.Network == "unix" {
		return c.connectUnix()
	}
	for try := 0; ; try++ {
		from, more := c.dial.source(c.to.Addr(), try)
		fd, in, e = c.connectFrom(from)
		if !more || e != unix.EADDRNOTAVAIL && e != unix.EADDRINUSE {
			return fd, in, e
		}
		closeFD(fd)
	}
}

func (c *loopDial) connectUnix() (fd int32, in string, e unix.Errno) {
	if fd, e = newSocket(unix.AF_UNIX); e != 0 {
		return -1, "socket", e
	}
	sa := unix.RawSockaddrUnix{Family: unix.AF_UNIX}
	if len(c.dial.Addr) >= len(sa.Path) {
		return fd, "connect", unix.EINVAL
	}
	for i := range len(c.dial.Addr) {
		sa.Path[i] = int8(c.dial.Addr[i])
	}
	size := 2 + len(c.dial.Addr) + 1
	if c.dial.Addr != "" && c.dial.Addr[0] == '@' { // an abstract name
		sa.Path[0], size = 0, size-1
	}
	return fd, "connect", connect(fd, unsafe.Pointer(&sa), uintptr(size))
}

// connectFrom connects to c.to from a local address; the zero Addr is any.
func (c *loopDial) connectFrom(from netip.Addr) (fd int32, in string, e unix.Errno) {
	family := unix.AF_INET6
	if c.to.Addr().Is4() {
		family = unix.AF_INET
	}
	if fd, e = newSocket(family); e != 0 {
		return -1, "socket", e
	}
	c.dial.Sock.setOptions(fd)
	var sa unix.RawSockaddrInet6 // an IPv4 address fits into it
	if from.IsValid() {
		setInt(fd, unix.IPPROTO_IP, unix.IP_BIND_ADDRESS_NO_PORT, 1)
		if e = bind(fd, unsafe.Pointer(&sa), rawAddr(netip.AddrPortFrom(from, 0), &sa)); e != 0 {
			return fd, "bind", e
		}
	}
	return fd, "connect", connect(fd, unsafe.Pointer(&sa), rawAddr(c.to, &sa))
}

// rawAddr writes an address in the kernel's format, and returns its size.
func rawAddr(a netip.AddrPort, at *unix.RawSockaddrInet6) uintptr {
	if a.Addr().Is4() {
		*(*unix.RawSockaddrInet4)(unsafe.Pointer(at)) = unix.RawSockaddrInet4{Family: unix.AF_INET, Port: netOrder(a.Port()), Addr: a.Addr().As4()}
		return unix.SizeofSockaddrInet4
	}
	*at = unix.RawSockaddrInet6{Family: unix.AF_INET6, Port: netOrder(a.Port()), Addr: a.Addr().As16(), Scope_id: scope(a.Addr().Zone())}
	return unix.SizeofSockaddrInet6
}

// scope returns the number of an interface by its name, for link-local addresses.
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
