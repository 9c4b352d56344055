package member

import (
	"slices"
	"sort"
	"time"

	"github.com/tcpctl/tcpctl/lock/cluster"
	"github.com/tcpctl/tcpctl/proxy"
	"github.com/tcpctl/tcpctl/proxy/api"
)

// drainStates are the states of a proxy.ClusterDrain, by the number that is their
// cluster.NodeReport.Done. It is written to logs: new ones are added at the end.
var drainStates = []string{proxy.DrainRuns, proxy.DrainDone, proxy.DrainKept, proxy.DrainReady, proxy.DrainGivenUp}

// drainsSaid are the parts of this node in drains, as they were said last.
type drainsSaid map[string]drainSaid

type drainSaid struct {
	id    uint64 // cluster.Backend.ID
	part  proxy.ClusterDrain
	at    time.Duration
	ended time.Duration // when it was said last that the drain is over on all nodes; 0: it was not
}

// sayDrains says how far this node is with the backends that are out of service on all nodes,
// and whether any of them is to be looked at again.
func (f *follower) sayDrains(k known) (again bool) {
	now := f.member.cfg.Now()
	for _, d := range f.user.Drains() {
		b, was := backendOf(k.fact, d.Backend), f.drains[d.Backend]
		again = again || d.State == proxy.DrainRuns || d.State == proxy.DrainGivenUp
		if d.State == proxy.DrainGivenUp && b.State != "" {
			f.giveUpDrain(&b, now)
			was = f.drains[d.Backend]
		}
		if b.State == "" || was.id == b.ID && (was.part == d || was.part.State == d.State && now-was.at < nodesShown) {
			continue
		}
		said := drainSaid{id: b.ID, part: d, at: now}
		if was.id == b.ID {
			said.ended = was.ended
		}
		f.drains[d.Backend] = said
		m := f.member
		m.mu.Lock()
		if m.followerLocked(f.name) == f {
			m.agent.ReportBackend(f.name, d.Backend, b.ID, uint64(max(slices.Index(drainStates, d.State), 0)), cluster.Counts{Live: uint64(max(d.Live, 0)), Cut: uint64(d.Cut)})
			m.wake()
		}
		m.mu.Unlock()
	}
	return again
}

// giveUpDrain says that a backend whose drain has come to its limit here is ready on all nodes: on one alone
// it would have clients that the operator thinks are gone.
func (f *follower) giveUpDrain(b *cluster.Backend, now time.Duration) {
	said := f.drains[b.Name]
	if said.id == b.ID && said.ended > 0 && now-said.ended < f.member.cfg.Lease { // else that may be lost with a lease
		return
	}
	if f.member.act(cluster.Op{Kind: cluster.OpBackend, Service: f.name, Text: b.Name, Token: b.ID}) {
		said.id, said.ended = b.ID, now
		f.drains[b.Name] = said
	}
}

// Drains are the backends of services of scope cluster that are out of service on all nodes.
func (m *Member) Drains() (all []api.ClusterDrain) {
	for _, name := range m.scoped() {
		k := m.known(name)
		for i := range k.fact.Backends {
			if b := &k.fact.Backends[i]; b.State != "" {
				note := readDrain(b.Note)
				all = append(all, api.ClusterDrain{Service: name, Backend: b.Name, State: b.State, By: note.By, Reason: note.Reason, Nodes: m.drainParts(&k, b)})
			}
		}
	}
	return all
}

// drainParts are the parts of the nodes that have the service.
func (m *Member) drainParts(k *known, b *cluster.Backend) (all []proxy.NodeReport) {
	for _, n := range k.fact.Nodes {
		one := proxy.NodeReport{Node: m.nameOf(n.Node), Backend: b.Name, State: proxy.DrainRuns}
		i := slices.IndexFunc(b.Nodes, func(r cluster.NodeReport) bool { return r.Node == n.Node })
		if i >= 0 {
			r := &b.Nodes[i]
			one.State, one.Live, one.Numbers.Cut = drainStates[min(r.Done, uint64(len(drainStates)-1))], int(r.Counts.Live), int64(r.Counts.Cut)
		}
		if i < 0 && n.Lease {
			one.Unknown = "it has not said yet"
		}
		one.Quiet = one.State == proxy.DrainDone || !n.Lease && k.slotsEnd(n)
		if !n.Lease && one.State == proxy.DrainRuns {
			if m.withLease(k)[one.Node] && i < 0 {
				continue // an earlier process of that node, which has ended
			}
			one.State, one.Unknown = proxy.NodeUnknown, m.lostText(n.Node)
		}
		if i := slices.IndexFunc(all, func(o proxy.NodeReport) bool { return o.Node == one.Node }); i >= 0 {
			all[i] = merge(all[i], one) // in an upgrade a node has several processes
			continue
		}
		all = append(all, one)
	}
	sort.Slice(all, func(i, j int) bool { return all[i].Node < all[j].Node })
	return all
}
