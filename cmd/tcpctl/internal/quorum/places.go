package quorum

import (
	"context"
	"fmt"
	"slices"

	"github.com/tcpctl/tcpctl/lock/cluster"
	"github.com/tcpctl/tcpctl/proxy/api"
)

// Places are the places of a service's clients, as this node's voter has them; nil: it
// does not vote.
func (p *Part) Places(ctx context.Context, service string) (*api.Places, error) {
	node := p.voter()
	if node == nil {
		return nil, nil
	}
	type view struct {
		entry   uint64
		held    []cluster.Grant
		waiting []cluster.Waiters
		shares  []cluster.SharedSlots
	}
	seen := make(chan view, 1)
	err := node.Look(ctx, func(s *cluster.State) {
		seen <- view{s.Index(), s.Held(service), s.Waiting(service), s.Shares(service)}
	})
	if err != nil {
		return nil, fmt.Errorf("the voter of this node does not answer: %w", err)
	}
	v := <-seen
	leases, now := node.Status().Leases, p.cfg.Now()
	places := &api.Places{Entry: v.entry, Held: []api.HeldPlace{}, Waiting: []api.PlaceRun{}}
	for _, g := range v.held {
		h := api.HeldPlace{Node: p.Name(g.Node), Process: g.Node.Hex(), Arrival: g.Arrival, Token: g.Token}
		if i := slices.IndexFunc(leases, func(l cluster.NodeLease) bool { return l.Node == g.Node }); i >= 0 {
			h.LeaseSeconds = max(leases[i].Until-now, 0).Seconds()
		}
		places.Held = append(places.Held, h)
	}
	for _, s := range v.shares {
		places.Shares = append(places.Shares, api.SharePlace{Node: p.Name(s.Node), Process: s.Node.Hex(), Slots: int(s.Slots)})
	}
	names := map[cluster.NodeID]string{}
	for _, w := range v.waiting {
		if names[w.Node] == "" {
			names[w.Node] = p.Name(w.Node)
		}
		places.Waiting = append(places.Waiting, api.PlaceRun{Node: names[w.Node], Process: w.Node.Hex(), From: w.From, To: w.To})
	}
	return places, nil
}
