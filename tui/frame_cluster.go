package tui

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"github.com/tcpctl/tcpctl/proxy"
	"github.com/tcpctl/tcpctl/proxy/api"
	"github.com/tcpctl/tcpctl/themes"
	"github.com/tcpctl/tcpctl/tui/internal/screen"
)

// clusterText summarizes the cluster of the node that is shown, as far as there is room; "" if
// there is none, or it is among the alarms.
func clusterText(f *frame, room int) (string, themes.Role) {
	c := f.stats.status.Cluster
	if c == nil || noQuorum(f.stats.status) != "" {
		return "", themes.Header
	}
	reached, all := c.Reached()
	role := themes.Header
	text := fmt.Sprintf("%s leads, %d of %d", screen.Safe(c.Leader), reached, all)
	if c.Leader == "" {
		role, text = themes.Warn, fmt.Sprintf("electing, %d of %d", reached, all)
	}
	if reached < all {
		role = themes.Warn
	}
	return screen.FirstFit(room, "cluster "+screen.Safe(c.Name)+": "+text, "cluster: "+text, text), role
}

// noQuorum says why a node has no quorum, and what happens to clients that wait for a slot; "": it
// has one, or is in no cluster.
func noQuorum(st *api.Status) string {
	c := st.Cluster
	why := "no quorum"
	switch {
	case c == nil || c.LeaseSeconds > 0:
		return ""
	case c.ID == "":
		why = "not made yet"
	case c.Leader != "":
		why = "no lease" // the leader is known, but this node's messages do not reach it
	}
	for i := range st.Services {
		if l := st.Services[i].Lock; l != nil && l.Scope == proxy.ScopeCluster {
			if l.WhenLost == proxy.Reject {
				return why + ": rejecting"
			}
			return why + ": holding"
		}
	}
	return why
}

// clusterTroubles reports a node that reaches no majority, or no longer votes.
func clusterTroubles(f *frame) (list []trouble) {
	c := f.stats.status.Cluster
	if c == nil {
		return nil
	}
	t := trouble{kind: troubleQuorum, id: "quorum", name: "cluster", pane: panePeers, row: "self"}
	if why := noQuorum(f.stats.status); why != "" {
		state, does, _ := strings.Cut(why, ": ")
		t.state = strings.ToUpper(state)
		t.text = map[string]string{"holding": "clients that need a slot wait", "rejecting": "clients that need a slot are turned away", "": "nothing that all nodes agree on can change"}[does]
		t.brief = t.text
		switch {
		case c.ID == "":
			t.brief = "tcpctl cluster init on one of the voters makes it"
			t.text += "; " + t.brief
		case len(unreached(c)) > 0:
			t.text += "; not reached: " + strings.Join(unreached(c), ", ")
			t.brief = "not reached: " + strings.Join(unreached(c), ", ")
		default:
			t.text += "; all voters are reached, and do not answer"
		}
		list = append(list, t)
	}
	if c.Error != "" {
		t.kind, t.id, t.state, t.text, t.brief = troubleVoter, "voter", "NO VOTE", "this node does not vote: "+screen.Safe(c.Error), screen.Safe(c.Error)
		list = append(list, t)
	}
	return list
}

// unreached lists the voters that a node does not reach.
func unreached(c *api.Cluster) (names []string) {
	for i := range c.Voters {
		if v := &c.Voters[i]; !v.Reached && !v.Missing {
			names = append(names, screen.Safe(v.Name))
		}
	}
	return names
}

// leaderView is the cluster according to the leader: only it knows the leases, and what voters
// lack.
type leaderView struct {
	cluster *api.Cluster
	at      time.Time // by our clock
}

// leaderEvery is how often the leader is asked, while the nodes are shown.
const leaderEvery = 2 * time.Second

// leaderAsked returns the node to ask for its view; "": the console's own node leads, or none can
// be asked.
func (f *frame) leaderAsked() string {
	c := f.own.status.Cluster
	if c == nil || c.Leader == "" || c.Role == api.ClusterLeader || f.cfg.Peer == nil {
		return ""
	}
	return c.Leader
}

// leading returns the newest known view of the leader; nil: none.
func (f *frame) leading() *api.Cluster {
	c := f.own.status.Cluster
	if c == nil || c.Role == api.ClusterLeader {
		return c
	}
	if l := &f.own.leader; l.cluster != nil && l.cluster.Role == api.ClusterLeader && l.cluster.Leader == c.Leader && f.clock().Sub(l.at) < 5*leaderEvery {
		return l.cluster
	}
	return nil
}

// peerCluster is a node's part in the cluster, as its row shows it.
type peerCluster struct {
	vote, lease, lag             string
	voteRole, leaseRole, lagRole themes.Role
}

// clusterID is the length of the part of a node's mesh id that the cluster uses.
const clusterID = 14

// clusterOf returns the part of a node, by its id in the mesh; "" is the console's own.
func (f *frame) clusterOf(id string) (p peerCluster) {
	c := f.own.status.Cluster
	if c == nil {
		return p
	}
	dash := func(text string) (string, themes.Role) { return text, themes.TextDim }
	p.vote, p.voteRole = dash("-")
	p.lag, p.lagRole = dash("-")
	p.lease, p.leaseRole = dash("?")
	if id == "" && f.mesh() != nil {
		id = f.mesh().ID
	}
	leading := f.leading()
	voter := voterOf(c, id)
	if voter != nil {
		p.vote, p.voteRole = voteText(c, voter)
		p.lag, p.lagRole = dash("?")
	}
	if leading == nil {
		return p
	}
	p.lease, p.leaseRole = dash("-")
	if voter != nil && !voter.Missing {
		p.lease, p.leaseRole = "none", themes.Error
	}
	if lease := leading.LeaseOf(id[:min(len(id), clusterID)]); lease > 0 {
		p.lease, p.leaseRole = leaseText(lease), themes.Text
	}
	if v := voterOf(leading, id); v != nil {
		if n, known := leading.Lag(v); known {
			p.lag, p.lagRole = screen.Count(float64(n)), themes.Text
			if n > 0 && !v.Reached {
				p.lagRole = themes.Warn
			}
		}
	}
	return p
}

func voterOf(c *api.Cluster, id string) *api.Voter {
	for i := range c.Voters {
		if v := &c.Voters[i]; v.ID != "" && strings.HasPrefix(id, v.ID) {
			return v
		}
	}
	return nil
}

// voteText returns a voter's role in a word.
func voteText(c *api.Cluster, v *api.Voter) (string, themes.Role) {
	switch {
	case v.Leads:
		return "leads", themes.OK
	case v.Learner:
		return "joins", themes.Warn
	case v.Missing:
		return "waits", themes.Warn
	case c.Term == 0 && v.Name == c.Leader: // a node that does not vote knows no more
		return "leads", themes.OK
	}
	return "votes", themes.Text
}

// leaseText formats the remaining time of a lease.
func leaseText(seconds float64) string {
	if seconds >= 60 {
		return screen.Clock(screen.Seconds(seconds))
	}
	return fmt.Sprintf("%.1fs", seconds)
}

// clusterFacts returns the facts on a node's part in the cluster, for its details.
func (f *frame) clusterFacts(id string) (facts []fact) {
	c := f.own.status.Cluster
	if c == nil {
		return nil
	}
	p := f.clusterOf(id)
	if p.vote != "-" {
		facts = append(facts, fact{"cluster", p.vote})
	}
	if f.leading() == nil {
		return append(facts, fact{"lease", "only the leader knows, and it does not answer"})
	}
	lease := map[string]string{"-": "none: it uses no slots of the cluster", "none": "none: it grants no slots"}[p.lease]
	lease = cmp.Or(lease, "runs for "+p.lease+" still, if it is not renewed")
	facts = append(facts, fact{"lease", lease})
	if n := p.lag; n != "-" && n != "?" {
		if n == "0" {
			n = "nothing: it has all entries of the leader"
		} else {
			n += " entries behind the leader"
		}
		facts = append(facts, fact{"lacks", n})
	}
	return facts
}
