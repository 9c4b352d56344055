//go:build !linux

package proxytest

import "net"

// Port is a port of 127.0.0.1 that was free when it was reserved: this system cannot keep it reserved.
type Port struct{ Addr string } // at 127.0.0.1

// Reserve returns a port that is free now.
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
