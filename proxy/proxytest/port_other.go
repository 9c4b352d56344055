//go:build !linux

package proxytest

import "net"

// Port is a port of 127.0.0.1 that was free when it was reserved: not on all systems can it be kept.
type Port struct{ Addr string } // at 127.0.0.1

// Reserve looks for a port that is free.
func Reserve() (*Port, error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	defer ln.Close()
	return &Port{ln.Addr().String()}, nil
}

// Release does nothing here.
func (p *Port) Release() {}
