//go:build !linux

package mesh

import (
	"net"
	"time"
)

// lastAck is known on Linux only (TCP_INFO); elsewhere acceptsConnections finds out.
func lastAck(c net.Conn) (ago time.Duration, known bool) {
	if a, ok := c.(acker); ok {
		return a.LastAck(), true
	}
	return 0, false
}

// hasUnread is known on Linux only.
func hasUnread(net.Conn) bool { return false }

// setUserTimeout works on Linux only: elsewhere the system has its own limit for a closed connection.
func setUserTimeout(net.Conn, time.Duration) {}
