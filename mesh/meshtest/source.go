package meshtest

import (
	"context"
	"math/rand/v2"
	"net/netip"
	"slices"
	"time"

	"github.com/tcpctl/tcpctl/mesh"
)

// announceEvery is how often each node is announced: this network has no queries.
const announceEvery = time.Second

// seeker is a node that listens to announcements.
type seeker struct {
	host   *Host
	mesh   string
	report mesh.Reporter
}

// Name returns the name of the source in meshinfo.Peer.FoundBy.
func (h *Host) Name() string { return "meshtest" }

// Run announces the node to all hosts that can be reached, now and every second, and reports those announced to it.
func (h *Host) Run(ctx context.Context, self mesh.Self, r mesh.Reporter) error {
	s := &seeker{host: h, mesh: self.Mesh, report: r}
	h.net.mu.Lock()
	h.seekers = append(h.seekers, s)
	h.net.mu.Unlock()
	defer h.remove(s)
	sighting := mesh.Sighting{ID: self.ID, Name: self.Name, Addrs: []netip.AddrPort{self.Listen}}
	tick := time.NewTicker(announceEvery)
	defer tick.Stop()
	for {
		for _, other := range h.net.hearing(h, self.Mesh) {
			other.report.Found(sighting)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

func (h *Host) remove(s *seeker) {
	h.net.mu.Lock()
	defer h.net.mu.Unlock()
	h.seekers = slices.DeleteFunc(h.seekers, func(other *seeker) bool { return other == s })
}

// hearing returns the seekers that an announcement from h reaches.
func (n *Network) hearing(h *Host, name string) []*seeker {
	n.mu.Lock()
	defer n.mu.Unlock()
	var out []*seeker
	for _, other := range n.hosts {
		if n.cut[pair(h, other)] || other.frozen || h.frozen || n.loss > 0 && rand.Float64() < n.loss {
			continue
		}
		for _, s := range other.seekers {
			if s.mesh == name {
				out = append(out, s)
			}
		}
	}
	return out
}
