package config

import (
	"fmt"
	"slices"
	"time"

	"github.com/tcpctl/tcpctl/lock/cluster"
	"github.com/tcpctl/tcpctl/proxy"
	"github.com/tcpctl/tcpctl/proxy/text"
)

// Cluster is the nodes of the mesh that share locks and pauses.
type Cluster struct {
	Voters   []string      `toml:"voters"`
	Dir      string        `toml:"dir" file:"new" example:"\"/var/lib/tcpctl/cluster\""` // "": cluster in the state folder
	Lease    time.Duration `toml:"lease" default:"3s"`
	Election time.Duration `toml:"election" default:"1s"`
	WhenLost string        `toml:"when_lost" default:"hold" oneof:"hold reject"` // while this node has no lease, its clients wait or are rejected
	OnLost   string        `toml:"on_lost" default:"cut" oneof:"cut keep"`       // when its lease ends, sessions that hold slots are reset or kept
}

// checkScopes checks services and locks of the cluster.
func (f *File) checkScopes(r *report) {
	for i := range f.Services {
		s := &f.Services[i]
		if s.Scope == proxy.ScopeCluster && f.Cluster == nil {
			r.wrong(join("services", s.Name)+".scope", "add [cluster] with voters, or write scope = \"node\"", "service %q is the cluster's, and there is none", s.Name)
		}
		if s.Lock == nil || s.Lock.Scope != proxy.ScopeCluster {
			continue
		}
		path := join("services", s.Name) + ".lock.scope"
		if f.Cluster == nil {
			r.wrong(path, "add [cluster] with voters, or write scope = \"node\"", "the lock of service %q is the cluster's, and there is none", s.Name)
			continue
		}
		if least := cluster.SlotsPerNode * len(f.Cluster.Voters); s.Lock.Order == proxy.OrderShares && s.Lock.Slots < least {
			r.wrong(join("services", s.Name)+".lock.order", fmt.Sprintf("write order = \"strict\", or slots = %d", least),
				"the lock of service %q has %s for %s: nodes that hand out slots by themselves want %d each, or clients wait for those of other nodes",
				s.Name, text.Plural(s.Lock.Slots, "slot"), text.Plural(len(f.Cluster.Voters), "node"), cluster.SlotsPerNode)
		}
	}
}

// warnScope warns about a lock of the cluster whose backends get no tokens, although sessions may outlive their slots.
func (s *Service) warnScope(r *report, path, onLost string) {
	if s.Lock == nil || s.Lock.Scope != proxy.ScopeCluster || s.SendProxy == 2 {
		return
	}
	if onLost == "keep" {
		r.wrong(path+".lock.scope", "write send_proxy = 2, and have the backends refuse older tokens", "with on_lost = \"keep\" sessions outlive their slots, and the backends of service %q get no tokens", s.Name)
	}
}

// check implements rules 29 and 31, and the consequences of majorities.
func (c *Cluster) check(r *report, mesh *Mesh) {
	switch {
	case mesh == nil:
		r.wrong("cluster", "add [mesh] with name and secret_file", "a cluster needs a mesh, and there is none")
	case mesh.SecretFile == "":
		r.wrong("cluster", "tcpctl mesh key > FILE makes one: give all nodes the same, as mesh.secret_file", "a cluster needs the mesh's secret: without one any node could vote")
	}
	for i, name := range c.Voters {
		path := fmt.Sprintf("cluster.voters[%d]", i)
		r.checkName(path, "voter", name)
		if slices.Index(c.Voters, name) < i {
			r.wrong(path, "name each once", "voter %q is named twice", name)
		}
	}
	switch n := len(c.Voters); n {
	case 1, 3, 5:
	case 0:
		r.wrong("cluster.voters", "name 1, 3 or 5 nodes of the mesh, the same on all nodes", "the cluster has no voters")
	case 2:
		r.wrong("cluster.voters", "name three nodes: the third may be any node of the mesh", "of two voters both are a majority: when either fails, both stand still")
	default:
		r.wrong("cluster.voters", "name 1, 3 or 5: one that fails of 4 stops no more than one of 3, and more than 5 only make it slower", "the cluster has %d voters", n)
	}
	if c.Lease < time.Second || c.Lease > time.Hour {
		r.wrong("cluster.lease", "3s to 30s suit most", "lease = %q: want 1s to 1h", text.Duration(c.Lease))
	}
	if c.Election < 100*time.Millisecond || c.Election > time.Minute {
		r.wrong("cluster.election", "1s on one site, ten round trips between sites", "election = %q: want 100ms to 1m", text.Duration(c.Election))
	} else if c.Lease >= time.Second && c.Lease < 2*c.Election {
		r.wrong("cluster.lease", "a new leader has to be found while leases run", "lease = %q is less than twice election = %q", text.Duration(c.Lease), text.Duration(c.Election))
	}
}
