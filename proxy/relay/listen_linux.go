package relay

import (
	"math"
	"net"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// refuse makes the kernel refuse new clients of a listening socket but keep its queue:
// queued clients can be accepted, and none arrives between the last accept and the
// close. A TCP socket is bound to an interface that does not exist, so it matches no
// new client: a less specific socket at the address gets them from now on, or they are
// refused. Handshakes that have begun complete. (Linux 5.0; undoing it takes
// CAP_NET_RAW. shutdown would reset the queue of a TCP socket, and a filter that drops
// the SYN makes its client retry after a second.)
func refuse(fd int) error {
	if family, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_DOMAIN); err == nil && family == unix.AF_UNIX {
		return unix.Shutdown(fd, unix.SHUT_RD)
	}
	return unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_BINDTOIFINDEX, math.MaxInt32)
}

// free makes a socket that is about to be closed stop listening: a process that is
// being started has a copy of its descriptor for a moment, which would keep the address
// in use.
func free(fd int) error { return unix.Shutdown(fd, unix.SHUT_RDWR) }

// sharePort allows another socket of this user to bind to an overlapping address, or
// forbids it again. Both sockets must allow it at that moment.
func sharePort(fd int, on bool) error {
	value := 0
	if on {
		value = 1
	}
	return unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEPORT, value)
}

func (s Sock) controlBeside(network, addr string, rc syscall.RawConn) (err error) {
	if cerr := rc.Control(func(fd uintptr) { err = sharePort(int(fd), true) }); cerr != nil {
		return cerr
	}
	if err != nil {
		return err
	}
	return s.control(network, addr, rc)
}

// controlPrivate restricts a Unix socket's file to its owner from the beginning: Linux
// takes the mode of the socket, and the umask can only narrow it.
func controlPrivate(_, _ string, rc syscall.RawConn) (err error) {
	if cerr := rc.Control(func(fd uintptr) { err = unix.Fchmod(int(fd), 0o600) }); cerr != nil {
		return cerr
	}
	return err
}

// acceptQueued accepts a client that the kernel has queued, without waiting for one.
func (l *Listener) acceptQueued() (c net.Conn, err error) {
	var fd int
	err = l.withFD(func(listener int) (err error) {
		for {
			fd, _, err = unix.Accept4(listener, unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK)
			if err != unix.EINTR {
				return err
			}
		}
	})
	if err == unix.EAGAIN || err == unix.EINVAL { // a Unix socket that was shut down
		return nil, errDrained
	}
	if err != nil {
		return nil, os.NewSyscallError("accept4", err)
	}
	f := os.NewFile(uintptr(fd), "")
	defer f.Close()
	return net.FileConn(f)
}
