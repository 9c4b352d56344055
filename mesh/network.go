package mesh

import (
	"context"
	"net"
	"time"
)

// Network makes a node's connections. Package meshtest has one in memory, with partitions.
//
// Addresses are "ip:port"; for Listen, the host may be a name and the port 0. A connection may have a method
// LastAck() time.Duration, which returns how long ago the peer's kernel last acknowledged data: it distinguishes an
// unresponsive peer from an unreachable one. Without it, the node needs another Dial for that.
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
