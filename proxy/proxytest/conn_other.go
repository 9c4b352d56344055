//go:build !linux

package proxytest

import "net"

// WasReset returns false: this system cannot tell.
func WasReset(net.Conn) bool { return false }

// StopListening closes ln.
func StopListening(ln net.Listener) { ln.Close() }
