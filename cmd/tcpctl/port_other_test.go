//go:build !linux

package main

import "net"

// keptPort is a port of loopback that was free a moment ago.
type keptPort struct{ addr string }

func keepPort() (*keptPort, error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	defer ln.Close()
	return &keptPort{ln.Addr().String()}, nil
}

func (p *keptPort) giveBack() {}

func stopListening(ln net.Listener) { ln.Close() }
