package quorum

import (
	"slices"
	"strings"

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
	if stopped != nil {
		c.Role, c.Error = api.ClusterStopped, plain(stopped)
	}
	ids := p.Voters()
	if node == nil {
		for _, id := range ids {
			c.Voters = append(c.Voters, api.Voter{Name: p.nameOf(id), Reached: id == p.self || p.linked(id), Missing: c.ID == ""})
		}
		return p.missing(c, names)
	}
	s := node.Status()
	c.Term, c.Applied = s.Term, s.Applied
	if s.Leader != 0 {
		c.Leader = p.nameOf(s.Leader)
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
		c.Role = api.ClusterRemoved
	}
	match := map[cluster.NodeID]uint64{p.self: s.Last}
	for _, peer := range s.Peers {
		match[peer.Node] = peer.Match
	}
	for i, id := range slices.Concat(s.Voters, s.Learners) {
		c.Voters = append(c.Voters, api.Voter{Name: p.nameOf(id), Learner: i >= len(s.Voters), Leads: id == s.Leader, Reached: id == p.self || p.linked(id), Entry: match[id]})
	}
	return p.missing(c, names)
}

func (p *Part) linked(id cluster.NodeID) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.links[id]) > 0
}

// missing adds the voters of the file that vote not yet, and orders all by name.
func (p *Part) missing(c *api.Cluster, names []string) *api.Cluster {
	for _, name := range names {
		if !slices.ContainsFunc(c.Voters, func(v api.Voter) bool { return v.Name == name }) {
			c.Voters = append(c.Voters, api.Voter{Name: name, Missing: true})
		}
	}
	slices.SortFunc(c.Voters, func(a, b api.Voter) int { return strings.Compare(a.Name, b.Name) })
	return c
}
