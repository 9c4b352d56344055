//go:build !linux

package relay

import (
	"errors"
	"net"
	"syscall"
)

// On other systems a reload closes and reopens an address where Linux moves the socket,
// and closing a listener resets the clients in its backlog.

func refuse(int) error { return errors.ErrUnsupported }

func free(int) error { return errors.ErrUnsupported }

func sharePort(int, bool) error { return errors.ErrUnsupported }

func (s Sock) controlBeside(network, addr string, rc syscall.RawConn) error {
	return s.control(network, addr, rc)
}

func controlPrivate(_, _ string, _ syscall.RawConn) error { return nil }

func (l *Listener) acceptQueued() (net.Conn, error) { return nil, errDrained }
