package quorum

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/tcpctl/tcpctl/lock/cluster"
	"github.com/tcpctl/tcpctl/lock/cluster/raftlog"
	"github.com/tcpctl/tcpctl/proxy/text"
)

// errRecovered is why a voter has stopped whose cluster goes on, without it, as
// another one.
var errRecovered = errors.New("cluster")

// Recovered reports whether a voter has stopped since its cluster was recovered at
// another one: it has no leader that could remove it.
func Recovered(err error) bool { return errors.Is(err, errRecovered) }

func newID() string {
	var random [8]byte
	rand.Read(random[:])
	return hex.EncodeToString(random[:])
}

// Recover makes this voter the only one of a new cluster, which goes on with what its
// log has: for a cluster whose other voters are lost for good. It is refused while a
// majority is reached, and as long as leases may run that the lost leader has given.
func (p *Part) Recover() (string, error) {
	p.opening.Lock()
	defer p.opening.Unlock()
	node := p.voter()
	if node == nil {
		if err := p.Stopped(); err != nil {
			return "", err
		}
		return "", errors.New("this node has no log of the cluster: ask one of its voters")
	}
	var s raftlog.Status
	if err := node.Fresh(&s); err != nil {
		return "", err
	}
	if err := p.mayRecover(&s); err != nil {
		return "", err
	}
	id := newID()
	p.mu.Lock()
	was := p.kept.Cluster
	p.kept.Next = id // a log of it that is found after a crash is ours
	err := p.keep()
	p.mu.Unlock()
	if err != nil {
		return "", err
	}
	p.closeLog()
	err = raftlog.Recover(p.cfg.Dir, id)
	p.openLog() // the new one, or the one that is still there
	if err == nil && p.voter() == nil {
		err = p.Stopped()
	}
	if err != nil {
		return "", err
	}
	var lost []string
	for _, v := range s.Voters {
		if v != p.self {
			lost = append(lost, p.Name(v))
		}
	}
	slices.Sort(lost)
	return fmt.Sprintf("cluster %s goes on as %s from entry %d: %s votes alone; %s may join again by tcpctl cluster rejoin, there",
		was, id, s.Last, p.cfg.Mesh.NodeName(), strings.Join(lost, ", ")), nil
}

// closeLog ends this node's voter.
func (p *Part) closeLog() {
	p.mu.Lock()
	node := p.node
	p.node = nil
	p.mu.Unlock()
	if node != nil {
		node.Close()
	}
}

// mayRecover says why the cluster is not lost, or not for certain.
func (p *Part) mayRecover(s *raftlog.Status) error {
	reached := 1
	for _, v := range s.Voters {
		if v != p.self && p.linked(v) {
			reached++
		}
	}
	p.mu.Lock()
	leases := p.leaderless + p.cfg.Lease - p.cfg.Now()
	p.mu.Unlock()
	switch {
	case s.Err != nil:
		return s.Err
	case !slices.Contains(s.Voters, p.self):
		return errors.New("this node does not vote: ask one of the voters")
	case s.Leader != 0:
		return fmt.Errorf("%s leads: a majority is reached, and nothing is lost", p.Name(s.Leader))
	case reached > len(s.Voters)/2:
		return fmt.Errorf("%d of %d voters are reached, which is a majority: they elect a leader", reached, len(s.Voters))
	case leases > 0:
		return fmt.Errorf("nodes may hold leases for another %v: try again then", text.Duration(leases.Round(100*time.Millisecond)+100*time.Millisecond))
	}
	return nil
}

// superseded is of a cluster that says that it goes on in the place of ours. A client
// follows it. A voter stops, as two clusters would give out the same slots; its log has
// what the other one may not have, so that it is left to the operator.
func (p *Part) superseded(l *link, theirs string) error {
	p.opening.Lock()
	defer p.opening.Unlock()
	p.mu.Lock()
	ours, client := p.kept.Cluster, p.node == nil && p.stopped == nil
	p.kept.Next = theirs
	p.mu.Unlock()
	if client {
		p.note(true, fmt.Sprintf("cluster: cluster %s goes on as %s, says %s: this node follows it", ours, theirs, l.peer.Name))
		return p.keepCluster(theirs)
	}
	p.closeLog()
	err := fmt.Errorf("%w: cluster %s goes on as %s, as %s was told that its other voters are lost: tcpctl cluster rejoin, here, has this node join it", errRecovered, ours, theirs, l.peer.Name)
	p.mu.Lock()
	p.stopped = err
	p.mu.Unlock()
	return err
}

// noteLeader keeps since when there is no leader.
func (p *Part) noteLeader(leader cluster.NodeID) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if leader == 0 {
		p.leaderless = p.cfg.Now()
	}
}
