package mesh

import (
	"context"
	"net"
	"time"
)

// Network makes a node's connections. Package meshtest has one in memory, with partitions.
//
// Addresses are "ip:port"; that of Listen may have a name for its host, and port 0. A connection may have a method
// LastAck() time.Duration, which is how long ago the other side's kernel acknowledged something: it tells an unresponsive
// peer from an unreachable one. Without it, a new Dial has to show that.
type Network interface {
	Listen(ctx context.Context, addr string) (net.Listener, error)
	Dial(ctx context.Context, addr string) (net.Conn, error)
}

// system is the system's TCP.
type system struct{}

func (system) Listen(ctx context.Context, addr string) (net.Listener, error) {
	return (&net.ListenConfig{}).Listen(ctx, "tcp", addr)
}

func (system) Dial(ctx context.Context, addr string) (net.Conn, error) {
	return (&net.Dialer{}).DialContext(ctx, "tcp", addr)
}

type acker interface{ LastAck() time.Duration }
