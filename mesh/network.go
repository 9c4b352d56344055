package mesh

import (
	"context"
	"net"
	"time"
)

// Network is what a node stands on: package meshtest has one in memory, with partitions.
//
// Addresses are "ip:port"; what Listen gets may have a name for its host, and port 0. A connection from Listen or Dial may
// have a method LastAck() time.Duration, "so long ago the other side's kernel acknowledged something": it tells a
// peer that hangs from one that is cut off. Without it, a new Dial has to answer that.
type Network interface {
	Listen(ctx context.Context, addr string) (net.Listener, error)
	Dial(ctx context.Context, addr string) (net.Conn, error)
}

// system is the Network of the machine.
type system struct{}

func (system) Listen(ctx context.Context, addr string) (net.Listener, error) {
	return (&net.ListenConfig{}).Listen(ctx, "tcp", addr)
}

func (system) Dial(ctx context.Context, addr string) (net.Conn, error) {
	return (&net.Dialer{}).DialContext(ctx, "tcp", addr)
}

type acker interface{ LastAck() time.Duration }
