//go:build !linux

package relay

import (
	"context"
	"syscall"
)

// Go itself sets TCP_NODELAY and the keep-alive. TCP_USER_TIMEOUT and the
// length of the backlog are Linux's.

func (s Sock) control(_, _ string, _ syscall.RawConn) error { return nil }

func (s Sock) controlDial(context.Context, string, string, syscall.RawConn) error { return nil }

func (l *Listener) setBacklog(int) error { return nil }
