package api

import (
	"context"

	"github.com/tcpctl/tcpctl/proxy"
)

// Source is an engine as readers and operators see it: in-process, over the
// control socket, or a fake one. All methods may be called from
// several goroutines; each returns within the context's time.
type Source interface {
	Status(ctx context.Context) (*Status, error)
	Sessions(ctx context.Context, q SessionQuery) ([]proxy.SessionInfo, error)
	Queue(ctx context.Context, service string) ([]proxy.WaiterInfo, error)
	// Events returns the events after since. With wait, it returns once there
	// is one or ctx is done.
	Events(ctx context.Context, since uint64, wait bool) (proxy.EventPage, error)
	// Do carries out one act; with DryRun it only says its impact.
	Do(ctx context.Context, r Request) (Result, error)
}
