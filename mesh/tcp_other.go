//go:build !linux

package mesh

import (
	"net"
	"time"
)

// lastAck works on Linux only (TCP_INFO); elsewhere acceptsConnections replaces it.
func lastAck(c net.Conn) (ago time.Duration, known bool) {
	if a, ok := c.(acker); ok {
		return a.LastAck(), true
	}
	return 0, false
}

// hasUnread works on Linux only.
func hasUnread(net.Conn) bool { return false }

// setUserTimeout works on Linux only: elsewhere the system's own limit for a closed connection applies.
func setUserTimeout(net.Conn, time.Duration) {}
