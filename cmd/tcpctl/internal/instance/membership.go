package instance

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/tcpctl/tcpctl/cmd/tcpctl/internal/config"
	"github.com/tcpctl/tcpctl/cmd/tcpctl/internal/member"
	"github.com/tcpctl/tcpctl/cmd/tcpctl/internal/quorum"
	"github.com/tcpctl/tcpctl/proxy"
)

// leaveTimeout is how long a stopping node waits until all nodes know that its slots are free.
// Otherwise its lease must run out.
const leaveTimeout = time.Second

// membership is this instance's part in the cluster; nil: the file has none.
type membership struct {
	*member.Member
	carrier *quorum.Carrier // nil: not joined yet; guarded by mu
	mu      sync.Mutex
	cancel  context.CancelFunc
	running sync.WaitGroup
}

// newMembership is called before there is an engine; its clients wait until join.
func newMembership(c *config.Cluster, log *slog.Logger) *membership {
	if c == nil {
		return nil
	}
	warn := func(service, text string) { log.Warn(text, "service", service) }
	ms := &membership{Member: member.New(member.Config{Lease: c.Lease, Keep: c.OnLost == "keep", Warn: warn})}
	ctx, cancel := context.WithCancel(context.Background())
	ms.cancel = cancel
	ms.running.Go(func() {
		if err := ms.Run(ctx); err != nil {
			log.Error("cluster: this node takes part in no lock: " + err.Error())
		}
	})
	return ms
}

// share connects services with the cluster: those with a lock of scope cluster share its slots, and
// those of scope cluster operators' acts.
func (ms *membership) share(services []proxy.ServiceConfig, c *config.Cluster) error {
	for i := range services {
		s := &services[i]
		if s.Scope == proxy.ScopeCluster {
			if ms == nil {
				return fmt.Errorf("service %q: scope = \"cluster\" needs the [cluster] table from the start on: start this instance anew", s.Name)
			}
			s.Cluster = ms.Scope
		}
		if s.Lock.Scope != proxy.ScopeCluster {
			continue
		}
		if ms == nil {
			return fmt.Errorf("service %q: lock.scope = \"cluster\" needs the [cluster] table from the start on: start this instance anew", s.Name)
		}
		s.Lock.WhenLost = c.WhenLost
		s.Shared = ms.Share(s.Name, member.ValuesOf(s))
	}
	return nil
}

// join connects the member with the voters, once there is a carrier.
func (ms *membership) join(c *quorum.Carrier) {
	ms.mu.Lock()
	ms.carrier = c
	ms.mu.Unlock()
	ms.Join(c)
}

// with returns the carrier to the voters; nil: not joined yet.
func (ms *membership) with() *quorum.Carrier {
	if ms == nil {
		return nil
	}
	ms.mu.Lock()
	defer ms.mu.Unlock()
	return ms.carrier
}

// close leaves the cluster, once the engine has ended its sessions.
func (ms *membership) close() {
	if ms != nil {
		ms.Leave(leaveTimeout)
		ms.cancel()
		ms.running.Wait()
		if c := ms.with(); c != nil {
			c.Close()
		}
	}
}
