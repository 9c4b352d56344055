package proxytest

import (
	"net"
	"os"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// WasReset reports whether the other end has reset c, even if a reader of c has not noticed yet. It is always false on
// systems other than Linux, and for anything but a *net.TCPConn.
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

// StopListening closes ln, and makes sure that clients are refused from now on. Close alone does not, if a test is
// starting a process at this moment: for a short time, that has copies of all descriptors.
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

// Packets returns a pipe in which each read returns what one write has written, as a program reads keys. Both ends are
// closed when the test ends.
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
