package member

import (
	"cmp"
	"fmt"
	"slices"
	"sort"

	"github.com/tcpctl/tcpctl/lock/cluster"
	"github.com/tcpctl/tcpctl/proxy"
	"github.com/tcpctl/tcpctl/proxy/api"
	"github.com/tcpctl/tcpctl/proxy/text"
)

// Nodes are the parts of all nodes. Another pause has numbers of its own: a node that had
// not said its last before that is unknown.
func (w *window) Nodes() []proxy.NodeReport {
	k := w.member.known(w.service)
	return w.nodesOf(&k)
}

func (w *window) nodesOf(k *known) []proxy.NodeReport {
	w.mu.Lock()
	defer w.mu.Unlock()
	why := "it had not said its last numbers when the next pause began"
	if k.fact.Plan.ID == w.id {
		w.nodes = w.member.parts(k, k.all())
		why = "not all clients that it held have been served yet"
		if !w.late {
			return w.nodes
		}
	}
	all := slices.Clone(w.nodes)
	for i := range all {
		if n := &all[i]; n.State != proxy.NodeDone {
			n.State, n.Unknown = proxy.NodeUnknown, cmp.Or(n.Unknown, why)
		}
	}
	return all
}

// all returns the nodes that have the service, and those that had it in its last plan.
func (k *known) all() []cluster.Server {
	all := slices.Clone(k.fact.Nodes)
	for _, r := range k.fact.Plan.Nodes {
		if !slices.ContainsFunc(all, func(n cluster.Server) bool { return n.Node == r.Node }) {
			all = append(all, cluster.Server{Node: r.Node})
		}
	}
	return all
}

// nodes returns the nodes' parts in a service's last plan.
func (m *Member) nodes(k *known) []proxy.NodeReport { return m.parts(k, k.fact.Nodes) }

func (m *Member) parts(k *known, of []cluster.Server) (all []proxy.NodeReport) {
	reports, leased := reportsOf(&k.fact.Plan), m.withLease(k)
	for _, n := range of {
		r, said := reports[n.Node]
		c := r.Counts
		one := proxy.NodeReport{Node: m.nameOf(n.Node), Backend: k.fact.Plan.Backend, State: waitsFor(&k.fact.Plan), Quiet: k.quiet(n, r), Live: int(c.Live), Served: int64(c.Served),
			Numbers: proxy.Numbers{Held: int(c.Held), LongestSeconds: c.Longest.Seconds(), Abandoned: int64(c.Abandoned), TimedOut: int64(c.TimedOut),
				Cut: int64(c.Cut), Failed: int64(c.Failed), Rejected: int64(c.Rejected)}}
		switch {
		case r.Restarted:
			one.State, one.Unknown = proxy.NodeUnknown, "its process was started again, or a reload took the service away for a while: its numbers are of what came after"
		case r.DoneWith(cluster.Resumed):
			one.State = proxy.NodeDone
		case !n.Lease:
			one.State, one.Unknown = proxy.NodeUnknown, m.lostText(n.Node)
		case !said && k.fact.Plan.Step == cluster.Resumed:
			one.State, one.Unknown = proxy.NodeUnknown, "it took no part: its clients were not held"
		case r.DoneWith(cluster.Checking):
			one.State = proxy.NodeChecked
		case r.DoneWith(cluster.Paused):
			one.State = proxy.NodeSettled
		}
		i := slices.IndexFunc(all, func(o proxy.NodeReport) bool { return o.Node == one.Node })
		switch {
		case !n.Lease && !said && leased[one.Node]: // an earlier process of that node, which has ended
		case i < 0:
			all = append(all, one)
		default: // during an upgrade a node has several processes
			all[i] = merge(all[i], one)
		}
	}
	sort.Slice(all, func(i, j int) bool { return all[i].Node < all[j].Node })
	return all
}

// waitsFor says what an unsettled node is doing.
func waitsFor(p *cluster.Plan) string {
	if p.Backend != "" {
		return proxy.NodeDraining
	}
	return proxy.NodePausing
}

// Serving are the nodes that have a service.
func (m *Member) Serving(service string) (all []proxy.NodeReport) {
	k := m.known(service)
	leased := m.withLease(&k)
	for _, n := range k.fact.Nodes {
		one := proxy.NodeReport{Node: m.nameOf(n.Node)}
		if !leased[one.Node] {
			one.Unknown = m.lostText(n.Node)
		}
		if !slices.ContainsFunc(all, func(o proxy.NodeReport) bool { return o.Node == one.Node }) {
			all = append(all, one)
		}
	}
	sort.Slice(all, func(i, j int) bool { return all[i].Node < all[j].Node })
	return all
}

// withLease returns the names of the nodes that have a process with a lease.
func (m *Member) withLease(k *known) map[string]bool {
	all := map[string]bool{}
	for _, n := range k.fact.Nodes {
		if n.Lease {
			all[m.nameOf(n.Node)] = true
		}
	}
	return all
}

// merge combines the parts of two processes of one node: its progress is that of the slower one.
func merge(a, b proxy.NodeReport) proxy.NodeReport {
	steps := []string{proxy.NodeUnknown, proxy.NodePausing, proxy.NodeDraining, proxy.DrainGivenUp, proxy.DrainReady, proxy.DrainKept, proxy.NodeSettled, proxy.NodeChecked, proxy.NodeDone}
	if slices.Index(steps, b.State) < slices.Index(steps, a.State) {
		a.State, a.Unknown = b.State, b.Unknown
	}
	a.Quiet = a.Quiet && b.Quiet
	sum := proxy.Report{}
	sum.SetNodes([]proxy.NodeReport{a, b})
	a.Live, a.Served, a.Numbers = a.Live+b.Live, a.Served+b.Served, sum.Numbers
	return a
}

// scoped returns the services of scope cluster.
func (m *Member) scoped() (names []string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, f := range m.followers {
		if m.followerLocked(f.name) == f {
			names = append(names, f.name)
		}
	}
	return names
}

// Plans are the last pauses and windows that hold on all nodes, by service.
func (m *Member) Plans() (all []api.ClusterPlan) {
	for _, name := range m.scoped() {
		k := m.known(name)
		p := &k.fact.Plan
		if p.ID == 0 {
			continue
		}
		note := readNote[pauseNote](p.Note)
		step := [...]string{cluster.Paused: "pause", cluster.Command: "command", cluster.Checking: "check", cluster.Resumed: "resumed"}[p.Step]
		if p.Reserved {
			step = "next"
		}
		all = append(all, api.ClusterPlan{Service: name, ID: p.ID, Window: p.Window, Backend: p.Backend, Owner: m.nameOf(p.Owner), By: note.By, Reason: note.Reason,
			Since: note.At, Step: step, Nodes: m.parts(&k, k.all())})
	}
	return all
}

// lostText says since when a node has no lease.
func (m *Member) lostText(node cluster.NodeID) string {
	m.mu.Lock()
	at := m.lost[node]
	m.mu.Unlock()
	if at.IsZero() {
		return "it has no lease"
	}
	return "its lease ended " + at.Format("15:04:05 MST")
}

// nameOf returns a node's name for operators.
func (m *Member) nameOf(node cluster.NodeID) string {
	m.mu.Lock()
	link := m.link
	m.mu.Unlock()
	if link == nil {
		return node.Hex()
	}
	return link.Name(node)
}

// missing describes the nodes that are unknown, and those that are awaited.
func (w *window) missing(k *known) (unknown, waits []string) {
	reports, leased := reportsOf(&k.fact.Plan), w.member.withLease(k)
	part := "hold its clients"
	if w.backend != "" {
		part = "drain " + w.backend
	}
	for _, n := range k.fact.Nodes {
		r, said := reports[n.Node]
		switch name := w.member.nameOf(n.Node); {
		case !n.Lease && !said && leased[name]: // an earlier process of that node, which has ended
		case k.fact.Plan.ID == w.id && k.quiet(n, r):
		case n.Lease && w.id == 0: // the node can be asked
		case n.Lease:
			waits = append(waits, fmt.Sprintf("%s: %s live", name, text.Plural(int(r.Counts.Live), "session")))
		case !k.slotsEnd(n):
			lost := fmt.Sprintf("%s cannot be asked to %s: %s", name, part, w.member.lostText(n.Node))
			if k.fact.Slots > 0 {
				lost += `, and its sessions may go on (on_lost = "keep")`
			}
			if !slices.Contains(unknown, lost) { // an upgraded node may have two processes with one name
				unknown = append(unknown, lost)
			}
		}
	}
	return unknown, waits
}

// quiet reports whether a node has no live session that the last plan waits for: it has said so, or
// its lease, and so its slots, have ended.
func (k *known) quiet(n cluster.Server, r cluster.NodeReport) bool {
	return r.DoneWith(cluster.Paused) || !n.Lease && k.slotsEnd(n)
}

// slotsEnd reports whether a node's sessions end with its lease.
func (k *known) slotsEnd(n cluster.Server) bool { return k.fact.Slots > 0 && !n.Keep }

func reportsOf(p *cluster.Plan) map[cluster.NodeID]cluster.NodeReport {
	all := map[cluster.NodeID]cluster.NodeReport{}
	for _, r := range p.Nodes {
		all[r.Node] = r
	}
	return all
}
