// Package abort resets connections (ABORT of RFC 9293, 3.10.5). A Unix socket, which has no reset, is ended in both
// directions.
package abort

import "net"

// Close closes c with a reset. Of what is over another connection, as TLS is, that one is reset first: the peer gets no
// close_notify.
func Close(c net.Conn) {
	defer c.Close()
	for !closeSocket(c) {
		over, ok := c.(interface{ NetConn() net.Conn })
		if !ok {
			return
		}
		if c = over.NetConn(); c == nil {
			return
		}
	}
}

// tcpConn is a connection whose close can be a reset.
type tcpConn interface{ SetLinger(seconds int) error }
