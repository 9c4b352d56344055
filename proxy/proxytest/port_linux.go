package proxytest

import (
	"fmt"
	"os"
	"syscall"
)

// Port is a port that no other program gets, on any IPv4 address, until it is released. It is bound but does not
// listen: clients are refused. A program that sets SO_REUSEADDR, as servers do, may listen on it, repeatedly.
type Port struct {
	Addr string // at 127.0.0.1
	fd   int
}

// Reserve reserves a free port. The caller has to release it.
func Reserve() (*Port, error) {
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, os.NewSyscallError("socket", err)
	}
	p := &Port{fd: fd}
	if err = p.bind(); err != nil {
		p.Release()
		return nil, err
	}
	return p, nil
}

func (p *Port) bind() error {
	if err := syscall.SetsockoptInt(p.fd, syscall.SOL_SOCKET, syscall.SO_REUSEADDR, 1); err != nil {
		return os.NewSyscallError("setsockopt", err)
	}
	if err := syscall.Bind(p.fd, &syscall.SockaddrInet4{}); err != nil {
		return os.NewSyscallError("bind", err)
	}
	name, err := syscall.Getsockname(p.fd)
	if err != nil {
		return os.NewSyscallError("getsockname", err)
	}
	p.Addr = fmt.Sprintf("127.0.0.1:%d", name.(*syscall.SockaddrInet4).Port)
	return nil
}

// Release lets the system give the port to other programs. It must be called once only.
func (p *Port) Release() { syscall.Close(p.fd) }
