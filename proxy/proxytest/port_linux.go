package proxytest

import (
	"fmt"
	"os"
	"syscall"
)

// Port is a port that no other program is given until it is released, at no address of IPv4. It is bound and does not
// listen: who dials it is refused, and what sets SO_REUSEADDR, as servers do, may listen on it and come back.
type Port struct {
	Addr string // at 127.0.0.1
	fd   int
}

// Reserve takes a port that is free. The caller releases it.
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

// Release lets the system give the port to others. It is called once.
func (p *Port) Release() { syscall.Close(p.fd) }
