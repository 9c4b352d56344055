package quorum

import (
	"fmt"
	"slices"
	"sort"
	"strings"

	"github.com/tcpctl/tcpctl/cmd/tcpctl/internal/statedir"
	"github.com/tcpctl/tcpctl/lock/cluster"
	"github.com/tcpctl/tcpctl/proxy/api"
)

// Status is the cluster as this node sees it.
func (p *Part) Status() *api.Cluster {
	p.mu.Lock()
	c := &api.Cluster{ID: p.kept.Cluster, Role: api.ClusterClient, Voters: []api.Voter{}}
	node, stopped := p.node, p.stopped
	names := slices.Clone(p.voters)
	p.mu.Unlock()
	p.setHost(c, names)
	if stopped != nil {
		c.Role, c.Error = api.ClusterStopped, plain(stopped)
	}
	ids := p.Voters()
	if node == nil {
		for _, id := range ids {
			c.Voters = append(c.Voters, api.Voter{Name: p.Name(id), ID: idText(id), Reached: id == p.self || p.linked(id), Missing: c.ID == ""})
		}
		return p.missing(c, names)
	}
	s := node.Status()
	c.Term, c.Applied = s.Term, s.Applied
	if s.Leader != 0 {
		c.Leader = p.Name(s.Leader)
	}
	switch {
	case s.Err != nil:
		c.Role, c.Error = api.ClusterStopped, plain(s.Err)
	case s.Leader == p.self:
		c.Role = api.ClusterLeader
	case slices.Contains(s.Voters, p.self):
		c.Role = api.ClusterVoter
	case slices.Contains(s.Learners, p.self):
		c.Role = api.ClusterLearner
	default:
		c.Role, c.Term, c.Leader = api.ClusterRemoved, 0, "" // still from when it voted
	}
	match := map[cluster.NodeID]uint64{p.self: s.Last}
	for _, peer := range s.Peers {
		match[peer.Node] = peer.Match
	}
	for i, id := range slices.Concat(s.Voters, s.Learners) {
		c.Voters = append(c.Voters, api.Voter{Name: p.Name(id), ID: idText(id), Learner: i >= len(s.Voters), Leads: id == s.Leader, Reached: id == p.self || p.linked(id), Entry: match[id]})
	}
	now := p.cfg.Now()
	for _, l := range s.Leases {
		c.Leases = append(c.Leases, api.NodeLease{Name: p.Name(l.Node), ID: idText(l.Node), LeaseSeconds: max(l.Until-now, 0).Seconds()})
	}
	sort.Slice(c.Leases, func(i, j int) bool { return c.Leases[i].Name < c.Leases[j].Name })
	return p.missing(c, names)
}

// setHost sets the fields that concern this node alone, so that nodes can be compared.
func (p *Part) setHost(c *api.Cluster, voters []string) {
	c.ClockSeconds = p.cfg.Now().Seconds()
	c.File = api.ClusterFile{Voters: voters, LeaseSeconds: p.cfg.Lease.Seconds(), ElectionSeconds: p.cfg.Election.Seconds()}
	if free, all, err := statedir.Free(p.cfg.Dir); err == nil {
		c.Disk = &api.ClusterDisk{Dir: p.cfg.Dir, FreeBytes: free, Bytes: all}
	}
}

// idText returns the beginning of a node's mesh id, also for one of its processes.
func idText(id cluster.NodeID) string { return fmt.Sprintf("%014x", uint64(id)/processes) }

func (p *Part) linked(id cluster.NodeID) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.linkedLocked(id)
}

func (p *Part) linkedLocked(id cluster.NodeID) bool {
	return slices.ContainsFunc(p.links[id], func(l *link) bool { return l.handshakeDone })
}

// missing adds the voters of the file that do not vote yet, and sorts all by name. A voter whose name was lost with
// cluster.json may be any of them, until it is linked.
func (p *Part) missing(c *api.Cluster, names []string) *api.Cluster {
	names = slices.Clone(names)
	unnamed := 0
	for _, v := range c.Voters {
		names = slices.DeleteFunc(names, func(name string) bool { return name == v.Name })
		if strings.HasPrefix(v.Name, v.ID) {
			unnamed++
		}
	}
	if len(names) > unnamed {
		for _, name := range names {
			c.Voters = append(c.Voters, api.Voter{Name: name, Missing: true})
		}
	}
	sort.Slice(c.Voters, func(i, j int) bool { return c.Voters[i].Name < c.Voters[j].Name })
	return c
}
