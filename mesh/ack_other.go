//go:build !linux

package mesh

import (
	"net"
	"time"
)

// lastAck is known on Linux only (TCP_INFO); elsewhere judgeByDial finds out.
func lastAck(c net.Conn) (ago time.Duration, known bool) {
	if a, ok := c.(acker); ok {
		return a.LastAck(), true
	}
	return 0, false
}

// unread is known on Linux only.
func unread(net.Conn) bool { return false }

// giveUpAfter is Linux's alone: elsewhere the system has its own limit for a closed connection.
func giveUpAfter(net.Conn, time.Duration) {}
