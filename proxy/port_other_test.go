//go:build !linux

package proxy_test

import "net"

func wasReset(net.Conn) bool { return false }

func keepPort(net.Addr) (giveBack func()) { return func() {} }

func stopListening(ln net.Listener) { ln.Close() }
