package proxy_test

import (
	"net"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// wasReset asks the system, which knows before anybody has read.
func wasReset(c net.Conn) (yes bool) {
	tcp, ok := c.(*net.TCPConn)
	if !ok {
		return false
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return false
	}
	raw.Control(func(fd uintptr) {
		info, err := unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO)
		yes = err == nil && info.State == unix.BPF_TCP_CLOSE
	})
	return yes
}

// keepPort keeps the port of a server that is dead from being given to another
// program that asks for any: tests of other packages run beside us, and one of
// them would answer in its place. It is bound and does not listen, so who dials
// it is refused, and a server that is started again may listen on it.
func keepPort(addr net.Addr) (giveBack func()) {
	tcp, ok := addr.(*net.TCPAddr)
	if !ok || tcp.IP.To4() == nil {
		return func() {}
	}
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return func() {}
	}
	syscall.SetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_REUSEADDR, 1)
	syscall.Bind(fd, &syscall.SockaddrInet4{Port: tcp.Port, Addr: [4]byte(tcp.IP.To4())})
	return func() { syscall.Close(fd) }
}

// freePort is a port that only this test has, until it ends: it is bound and
// does not listen, so no other process is given it, and listeners of the test may
// come and go on it.
func freePort(t testing.TB) int {
	t.Helper()
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { syscall.Close(fd) })
	syscall.SetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_REUSEADDR, 1)
	if err := syscall.Bind(fd, &syscall.SockaddrInet4{}); err != nil {
		t.Fatal(err)
	}
	at, err := syscall.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	return at.(*syscall.SockaddrInet4).Port
}

// stopListening refuses each client from now on. Close alone does not where
// another test is just starting a process: that has its copies of all
// descriptors for a moment.
func stopListening(ln net.Listener) {
	if tcp, ok := ln.(*net.TCPListener); ok {
		if raw, err := tcp.SyscallConn(); err == nil {
			raw.Control(func(fd uintptr) { syscall.Shutdown(int(fd), syscall.SHUT_RDWR) })
		}
	}
	ln.Close()
}
