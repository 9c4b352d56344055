package quorum

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/tcpctl/tcpctl/lock/cluster"
	"github.com/tcpctl/tcpctl/lock/cluster/raftlog"
)

// An act's error wraps errUsage where it makes no sense as it was asked for,
// ErrNoQuorum where no majority could be asked, and is a *LeaderError where another
// node has to be asked; otherwise it is refused.
var (
	errUsage    = errors.New("cluster")
	ErrNoQuorum = errors.New("no majority of the voters can be reached: nothing was done")
)

// A LeaderError names the node that has to be asked.
type LeaderError struct{ ID, Name string }

func (e *LeaderError) Error() string { return e.Name + " leads" }

// Usage reports whether an act was asked for in a way that makes no sense.
func Usage(err error) bool { return errors.Is(err, errUsage) }

// actWithin bounds an act, which may include sending a snapshot to a new voter.
const actWithin = 20 * time.Second

// Init makes a cluster, of which this node is the first voter.
func (p *Part) Init() (string, error) {
	p.opening.Lock()
	defer p.opening.Unlock()
	p.mu.Lock()
	id, node, stopped, voters := p.kept.Cluster, p.node, p.stopped, slices.Clone(p.voters)
	p.mu.Unlock()
	switch {
	case node != nil || id != "":
		return "", fmt.Errorf("this node belongs to cluster %s already", id)
	case stopped != nil:
		return "", stopped
	case !slices.Contains(voters, p.cfg.Mesh.NodeName()):
		return "", fmt.Errorf("%s is not among the voters of its file (%s): ask one of them", p.cfg.Mesh.NodeName(), strings.Join(voters, ", "))
	}
	id = newID()
	if err := raftlog.Create(p.cfg.Dir, p.self, id); err != nil {
		return "", err
	}
	if err := p.keepCluster(id); err != nil {
		return "", err
	}
	p.openLog()
	if p.voter() == nil {
		return "", errors.New("the log cannot be opened: see the events")
	}
	text := fmt.Sprintf("cluster %s begins: %s votes", id, p.cfg.Mesh.NodeName())
	if others := slices.DeleteFunc(voters, func(v string) bool { return v == p.cfg.Mesh.NodeName() }); len(others) > 0 {
		text += ", and adds " + strings.Join(others, ", ") + " as soon as it reaches them"
	} else {
		text += " alone: with this node the cluster is lost"
	}
	return text, nil
}

// Add waits until a node that the file names is a voter.
func (p *Part) Add(ctx context.Context, name string) (string, error) {
	node, id, err := p.leading(name)
	if err != nil {
		return "", err
	}
	if !p.isVoter(name) {
		return "", fmt.Errorf("%w: %s is not among the voters of this node's file: write it there on all nodes, and reload", errUsage, name)
	}
	ctx, cancel := context.WithTimeout(ctx, actWithin)
	defer cancel()
	if err := node.Add(ctx, id); err != nil {
		return "", actError(name, err)
	}
	return fmt.Sprintf("%s votes: %s", name, p.votersText(node)), nil
}

// Remove takes a node out of the voters, and waits for that. One that the file names
// would be added again: only force removes it, for a voter that is to rejoin.
func (p *Part) Remove(ctx context.Context, name string, force bool) (string, error) {
	node, id, err := p.leading(name)
	if err != nil {
		return "", err
	}
	if s := node.Status(); !slices.Contains(s.Voters, id) && !slices.Contains(s.Learners, id) {
		return fmt.Sprintf("%s does not vote: %s", name, p.votersText(node)), nil
	}
	if p.isVoter(name) && !force {
		return "", fmt.Errorf("%s is among the voters of this node's file, and would be added again: take it out there on all nodes, and reload; or --force, to have it join anew", name)
	}
	if id == p.self { // otherwise there would be no leader until the others elect one
		p.handOver()
		if err := p.asks(); err != nil {
			return "", err
		}
	}
	ctx, cancel := context.WithTimeout(ctx, actWithin)
	defer cancel()
	if err := node.Remove(ctx, id); err != nil {
		return "", actError(name, err)
	}
	return fmt.Sprintf("%s votes no more: %s", name, p.votersText(node)), nil
}

// Lead hands the leadership to a voter.
func (p *Part) Lead(ctx context.Context, name string) (string, error) {
	node, id, err := p.leading(name)
	if err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(ctx, actWithin)
	defer cancel()
	if err := node.Lead(ctx, id); err != nil {
		return "", actError(name, err)
	}
	return name + " leads", nil
}

// Rejoin removes this node's log, which is behind or cannot be written, so that the
// leader adds it anew. The leader has removed it from the voters before.
func (p *Part) Rejoin() (string, error) {
	p.opening.Lock()
	defer p.opening.Unlock()
	p.mu.Lock()
	node, stopped := p.node, p.stopped
	if node != nil {
		stopped = node.Status().Err
	}
	p.mu.Unlock()
	if stopped == nil {
		return "", fmt.Errorf("this node's voter has not stopped: there is nothing to mend; to leave a cluster that was made by mistake, stop this node, remove %s, and start it", p.cfg.Dir)
	}
	if errors.Is(stopped, errLease) {
		return "", stopped
	}
	p.mu.Lock()
	p.stopped = stopped // even if there is no log
	next := p.kept.Next
	p.mu.Unlock()
	p.closeLog()
	if err := raftlog.Rejoin(p.cfg.Dir); err != nil {
		return "", err
	}
	if Recovered(stopped) {
		if err := p.keepCluster(next); err != nil {
			return "", err
		}
	}
	p.mu.Lock()
	p.stopped = nil
	p.mu.Unlock()
	return p.cfg.Mesh.NodeName() + " has no log any more, and votes again once the leader has added it", nil
}

// Stopped is why this node, which is to vote, does not; nil: it votes, or is none.
func (p *Part) Stopped() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.node != nil {
		return p.node.Status().Err
	}
	return p.stopped
}

// AnyVoter is the mesh's id of a voter that is reached.
func (p *Part) AnyVoter() (string, error) {
	for _, id := range p.Voters() {
		if id != p.self && p.linked(id) {
			return p.meshID(id), nil
		}
	}
	return "", ErrNoQuorum
}

// leading returns this node's voter if it leads, and the node that an act is for.
func (p *Part) leading(name string) (*raftlog.Node, cluster.NodeID, error) {
	if err := p.asks(); err != nil {
		return nil, 0, err
	}
	id, err := p.find(name)
	return p.voter(), id, err
}

// asks returns nil if this node leads, otherwise an error that names the node to ask.
func (p *Part) asks() error {
	p.mu.Lock()
	none := p.kept.Cluster == ""
	p.mu.Unlock()
	if none {
		return errors.New("this node belongs to no cluster yet: tcpctl cluster init on one of the voters makes one")
	}
	leader := p.leader()
	switch leader {
	case 0:
		return ErrNoQuorum
	case p.self:
		return nil
	}
	return &LeaderError{ID: p.meshID(leader), Name: p.Name(leader)}
}

// leader returns the leader, as far as this node's voter knows it, or any voter on a node that does not vote.
func (p *Part) leader() cluster.NodeID {
	if node := p.voter(); node != nil {
		return node.Status().Leader
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, name := range p.voters {
		if id, err := NodeOf(p.kept.Nodes[name]); err == nil && id != p.self && p.linkedLocked(id) {
			return id // it will ask the leader
		}
	}
	return 0
}

// meshID returns the mesh's id of a node.
func (p *Part) meshID(node cluster.NodeID) string {
	for _, peer := range p.cfg.Mesh.Peers() {
		if id, err := NodeOf(peer.ID); err == nil && id == node {
			return peer.ID
		}
	}
	return ""
}

func (p *Part) votersText(node *raftlog.Node) string {
	var s raftlog.Status
	_ = node.Fresh(&s)
	var names []string
	for _, id := range s.Voters {
		names = append(names, p.Name(id))
	}
	slices.Sort(names)
	text := fmt.Sprintf("the voters are %s", strings.Join(names, ", "))
	if len(names)%2 == 0 {
		text += fmt.Sprintf(" (of %d voters no more may fail than of %d)", len(names), len(names)-1)
	}
	return text
}

// actError describes how a change of the voters failed, which concerned the named node.
func actError(name string, err error) error {
	switch {
	case errors.Is(err, cluster.ErrNotLeader):
		return fmt.Errorf("%w: another voter has come to lead meanwhile: try again", ErrNoQuorum)
	case errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("%s: %s after %v; it may happen still", name, plain(err), actWithin)
	case errors.Is(err, raftlog.ErrNotReady):
		return fmt.Errorf("%s: %s; tcpctl cluster status shows the voters", name, plain(err))
	}
	return err
}

func (p *Part) addVoter(node *raftlog.Node, id cluster.NodeID) error {
	ctx, cancel := context.WithTimeout(p.ctx, actWithin)
	defer cancel()
	return node.Add(ctx, id)
}
