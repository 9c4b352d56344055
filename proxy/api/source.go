package api

import (
	"context"

	"github.com/tcpctl/tcpctl/proxy"
)

// Source is the interface of an engine for readers and operators: in the same
// process, over the control socket, or a fake. All methods may be called by several
// goroutines, and return at the latest when ctx is done.
type Source interface {
	Status(ctx context.Context) (*Status, error)
	Sessions(ctx context.Context, q SessionQuery) ([]proxy.SessionInfo, error)
	Queue(ctx context.Context, service string) ([]proxy.WaiterInfo, error)
	// Events returns the events after since. With wait, it returns once there is
	// at least one, or ctx is done.
	Events(ctx context.Context, since uint64, wait bool) (proxy.EventPage, error)
	// Do performs one act; with DryRun it only returns the impact.
	Do(ctx context.Context, r Request) (Result, error)
}
