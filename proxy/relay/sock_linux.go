package relay

import (
	"cmp"
	"context"
	"net"
	"net/netip"
	"os"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// control sets up a listening socket; its connections inherit the options.
func (s Sock) control(network, _ string, rc syscall.RawConn) error {
	return s.set(network, rc)
}

// HasQuiet reports whether this system can hold back the last ACK of a handshake: if
// the connection is reset before the ACK is sent, the server's accept never
// returns it (HAProxy and LVS check in this way).
const HasQuiet = true

// prepare sets up the sockets of a dialer, bound to from if that is valid. The kernel
// chooses the port at connect, so that each destination has the whole range of ports.
func (d *Dial) prepare(dialer *net.Dialer, from netip.Addr) {
	dialer.ControlContext = func(_ context.Context, network, _ string, rc syscall.RawConn) (err error) {
		if err = d.Sock.set(network, rc); err != nil {
			return err
		}
		cerr := rc.Control(func(fd uintptr) {
			if d.Quiet {
				setInt(int32(fd), unix.IPPROTO_TCP, unix.TCP_QUICKACK, 0)
			}
			if !from.IsValid() {
				return
			}
			setInt(int32(fd), unix.IPPROTO_IP, unix.IP_BIND_ADDRESS_NO_PORT, 1)
			var sa unix.RawSockaddrInet6
			if e := bind(int32(fd), unsafe.Pointer(&sa), rawAddr(netip.AddrPortFrom(from, 0), &sa)); e != 0 {
				err = os.NewSyscallError("bind", e)
			}
		})
		return cmp.Or(err, cerr)
	}
}

func (s Sock) set(network string, rc syscall.RawConn) (err error) {
	if network == "unix" {
		return nil
	}
	cerr := rc.Control(func(fd uintptr) {
		if !s.Delay {
			err = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_NODELAY, 1)
		}
		if s.UserTimeout > 0 && err == nil {
			err = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(s.UserTimeout/time.Millisecond))
		}
	})
	return cmp.Or(cerr, err)
}

// setBacklog sets the length of the listener's queue in the kernel; 0 keeps the
// default. Listening again changes nothing else.
func (l *Listener) setBacklog(n int) (err error) {
	sc, ok := l.Listener.(syscall.Conn)
	if n == 0 || !ok {
		return nil
	}
	rc, err := sc.SyscallConn()
	if err != nil {
		return err
	}
	if cerr := rc.Control(func(fd uintptr) { err = unix.Listen(int(fd), n) }); cerr != nil {
		return cerr
	}
	return err
}

// setOptions sets up a raw descriptor, except for its keep-alive.
func (s Sock) setOptions(fd int32) {
	if !s.Delay {
		setInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1)
	}
	if s.UserTimeout > 0 {
		setInt(fd, unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int32(s.UserTimeout/time.Millisecond))
	}
}

// setKeepAlive sets up a raw descriptor's keep-alive.
func (s Sock) setKeepAlive(fd int32) {
	if k := s.keepAlive(); k.Enable {
		setInt(fd, unix.SOL_SOCKET, unix.SO_KEEPALIVE, 1)
		setInt(fd, unix.IPPROTO_TCP, unix.TCP_KEEPIDLE, seconds(k.Idle))
		setInt(fd, unix.IPPROTO_TCP, unix.TCP_KEEPINTVL, seconds(k.Interval))
		setInt(fd, unix.IPPROTO_TCP, unix.TCP_KEEPCNT, int32(k.Count))
	}
}

// setInherited sets up a listening socket, whose connections inherit the options: to the
// defaults, too, as it may have been opened with others, before a reload or by a supervisor.
func (l *Listener) setInherited(fd int) error {
	if _, isTCP := l.Addr().(*net.TCPAddr); !isTCP {
		return nil
	}
	s, noDelay := l.Sock, int32(1)
	if s.Delay {
		noDelay = 0
	}
	setInt(int32(fd), unix.IPPROTO_TCP, unix.TCP_NODELAY, noDelay)
	setInt(int32(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int32(max(s.UserTimeout, 0)/time.Millisecond))
	if s.KeepAlive < 0 {
		setInt(int32(fd), unix.SOL_SOCKET, unix.SO_KEEPALIVE, 0)
	}
	s.setKeepAlive(int32(fd))
	return nil
}

func seconds(d time.Duration) int32 { return int32(max(1, (d+time.Second-1)/time.Second)) }

// optionsOf returns a function that restores a socket's present options: Go replaces
// them when it makes a net.Conn of the socket.
func optionsOf(fd int32) (set func(fd uintptr)) {
	options := [...]struct{ level, name int }{{unix.IPPROTO_TCP, unix.TCP_NODELAY}, {unix.SOL_SOCKET, unix.SO_KEEPALIVE},
		{unix.IPPROTO_TCP, unix.TCP_KEEPIDLE}, {unix.IPPROTO_TCP, unix.TCP_KEEPINTVL}, {unix.IPPROTO_TCP, unix.TCP_KEEPCNT}}
	var values [len(options)]int
	for i, o := range options {
		v, err := unix.GetsockoptInt(int(fd), o.level, o.name)
		if err != nil {
			return func(uintptr) {} // not TCP
		}
		values[i] = v
	}
	return func(fd uintptr) {
		for i, o := range options {
			unix.SetsockoptInt(int(fd), o.level, o.name, values[i])
		}
	}
}
