//go:build !linux

package proxytest

import "net"

// WasReset cannot tell here: it is false.
func WasReset(net.Conn) bool { return false }

// StopListening closes ln.
func StopListening(ln net.Listener) { ln.Close() }
