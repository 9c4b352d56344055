//go:build !linux

package abort

import "net"

// closeSocket resets and closes c, if it is a socket.
func closeSocket(c net.Conn) (isSocket bool) {
	t, isTCP := c.(tcpConn)
	if isTCP {
		t.SetLinger(0)
	} else if _, isUnix := c.(*net.UnixConn); !isUnix {
		return false
	}
	c.Close()
	return true
}
