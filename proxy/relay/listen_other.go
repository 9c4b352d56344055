//go:build !linux

package relay

import (
	"errors"
	"net"
	"syscall"
)

// Elsewhere an address is closed and opened again where Linux moves it, and
// clients in the backlog of a listener that is closed are reset.

func refuse(int) error { return errors.ErrUnsupported }

func sharePort(int, bool) error { return errors.ErrUnsupported }

func (s Sock) controlBeside(network, addr string, rc syscall.RawConn) error {
	return s.control(network, addr, rc)
}

func controlPrivate(_, _ string, _ syscall.RawConn) error { return nil }

func (l *Listener) acceptQueued() (net.Conn, error) { return nil, errDrained }
