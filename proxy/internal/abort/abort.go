// Package abort resets TCP connections (ABORT of RFC 9293, 3.10.5).
package abort

import "net"

// Conn is a connection whose next close can be a reset, as a *net.TCPConn's.
type Conn interface {
	net.Conn
	SetLinger(seconds int) error
}
