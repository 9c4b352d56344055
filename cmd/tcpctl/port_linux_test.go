package main

import (
	"net"
	"net/netip"
	"syscall"
)

// keptPort is a port of loopback that no other program is given, as long as it is
// kept: it is bound and does not listen. Who dials it is refused, and whatever
// sets SO_REUSEADDR, as servers do, may listen on it and come back.
type keptPort struct {
	addr string
	fd   int
}

func keepPort() (*keptPort, error) {
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	p := &keptPort{fd: fd}
	if err = syscall.SetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_REUSEADDR, 1); err == nil {
		err = syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}})
	}
	if err != nil {
		p.giveBack()
		return nil, err
	}
	name, err := syscall.Getsockname(fd)
	if err != nil {
		p.giveBack()
		return nil, err
	}
	at := name.(*syscall.SockaddrInet4)
	p.addr = netip.AddrPortFrom(netip.AddrFrom4(at.Addr), uint16(at.Port)).String()
	return p, nil
}

func (p *keptPort) giveBack() { syscall.Close(p.fd) }

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
