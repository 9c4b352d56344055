package member

import (
	"slices"
	"sort"
	"time"

	"github.com/tcpctl/tcpctl/lock/cluster"
	"github.com/tcpctl/tcpctl/proxy"
	"github.com/tcpctl/tcpctl/proxy/api"
)

// drainStates are the states of a proxy.ClusterDrain, by their number in cluster.NodeReport.Done.
// The numbers are in logs: add new states at the end.
var drainStates = []string{proxy.DrainRuns, proxy.DrainDone, proxy.DrainKept, proxy.DrainReady, proxy.DrainGivenUp}

// drainsSaid has this node's parts in drains, as last reported.
type drainsSaid map[string]drainSaid

type drainSaid struct {
	id    uint64 // cluster.Backend.ID
	part  proxy.ClusterDrain
	at    time.Duration
	ended time.Duration // when the drain's end on all nodes was last proposed; 0: never
}

// sayDrains reports this node's progress with the backends that are out of service on all nodes. It
// returns whether any of them must be checked again.
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

// giveUpDrain makes a backend whose drain has reached its limit here ready on all nodes: if it were ready on
// one node only, it would get clients without the operator's knowledge.
func (f *follower) giveUpDrain(b *cluster.Backend, now time.Duration) {
	said := f.drains[b.Name]
	if said.id == b.ID && said.ended > 0 && now-said.ended < f.member.cfg.Lease { // repeated later: the proposal may be lost with a lease
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
				note := readNote[drainNote](b.Note)
				all = append(all, api.ClusterDrain{Service: name, Backend: b.Name, State: b.State, By: note.By, Reason: note.Reason, Nodes: m.drainParts(&k, b)})
			}
		}
	}
	return all
}

// drainParts returns the parts of the nodes that have the service.
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
				continue // an earlier process of that node that has ended
			}
			one.State, one.Unknown = proxy.NodeUnknown, m.lostText(n.Node)
		}
		if i := slices.IndexFunc(all, func(o proxy.NodeReport) bool { return o.Node == one.Node }); i >= 0 {
			all[i] = merge(all[i], one) // during an upgrade a node has several processes
			continue
		}
		all = append(all, one)
	}
	sort.Slice(all, func(i, j int) bool { return all[i].Node < all[j].Node })
	return all
}
