package proxytest

import (
	"net"
	"os"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// WasReset reports whether the other end has reset c, which what reads it may not have noticed yet: the system is
// asked. It is false on other systems, and of what is no *net.TCPConn.
func WasReset(c net.Conn) (yes bool) {
	tcp, ok := c.(*net.TCPConn)
	if !ok {
		return false
	}
	control(tcp, func(fd int) {
		info, err := unix.GetsockoptTCPInfo(fd, unix.IPPROTO_TCP, unix.TCP_INFO)
		yes = err == nil && info.State == unix.BPF_TCP_CLOSE
	})
	return yes
}

// StopListening closes ln, and has each client refused from now on. Close alone has not where another test is just
// starting a process: that has its copies of all descriptors for a moment.
func StopListening(ln net.Listener) {
	if tcp, ok := ln.(*net.TCPListener); ok {
		control(tcp, func(fd int) { unix.Shutdown(fd, unix.SHUT_RDWR) })
	}
	ln.Close()
}

func control(c syscall.Conn, do func(fd int)) {
	if raw, err := c.SyscallConn(); err == nil {
		raw.Control(func(fd uintptr) { do(int(fd)) })
	}
}

// Packets is a pipe of which each read gets what one write has put into it, as a program gets keys. Both ends are closed
// with the test.
func Packets(t testing.TB) (r, w *os.File) {
	t.Helper()
	var fds [2]int
	if err := unix.Pipe2(fds[:], unix.O_DIRECT|unix.O_CLOEXEC); err != nil {
		t.Fatal(err)
	}
	r, w = os.NewFile(uintptr(fds[0]), "packets"), os.NewFile(uintptr(fds[1]), "packets")
	t.Cleanup(func() { r.Close(); w.Close() })
	return r, w
}
