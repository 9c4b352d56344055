//go:build !linux

package relay

import (
	"net"
	"net/netip"
	"syscall"
)

// Go itself sets TCP_NODELAY and the keep-alive. Only Linux has TCP_USER_TIMEOUT and a
// settable backlog here.

func (s Sock) control(_, _ string, _ syscall.RawConn) error { return nil }

// HasQuiet reports whether this system can hold back the last ACK of a handshake.
const HasQuiet = false

// prepare sets up the sockets of a dialer.
func (d *Dial) prepare(dialer *net.Dialer, from netip.Addr) {
	if from.IsValid() {
		dialer.LocalAddr = net.TCPAddrFromAddrPort(netip.AddrPortFrom(from, 0))
	}
}

func (l *Listener) setBacklog(int) error { return nil }

// setInherited does nothing: Go sets the options of each connection.
func (l *Listener) setInherited(int) error { return nil }
