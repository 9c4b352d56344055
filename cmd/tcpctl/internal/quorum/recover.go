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

// errRecovered is the reason of a voter that stopped because its cluster was recovered without it,
// under another id.
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
	p.kept.Next = id // after a crash, a log with this id is ours
	err := p.keep()
	p.mu.Unlock()
	if err != nil {
		return "", err
	}
	p.closeLog()
	err = raftlog.Recover(p.cfg.Dir, id)
	p.openLog() // the new log, or the old one after an error
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

// closeLog stops this node's voter.
func (p *Part) closeLog() {
	p.mu.Lock()
	node := p.node
	p.node = nil
	p.mu.Unlock()
	if node != nil {
		node.Close()
	}
}

// mayRecover returns an error unless the cluster is certainly lost.
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

// superseded handles a cluster that says it was recovered from ours. A client node follows it. A
// voter stops, as two clusters would give out the same slots. Its log may have entries that the
// other cluster does not, so the operator decides about it.
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

// noteLeader records since when there has been no leader.
func (p *Part) noteLeader(leader cluster.NodeID) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if leader == 0 {
		p.leaderless = p.cfg.Now()
	}
}
