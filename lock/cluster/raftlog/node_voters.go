package raftlog

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/tcpctl/tcpctl/lock/cluster"
)

// Add makes a node a voter, and waits until it is one. The node has to run a log that
// Join has made. The error is cluster.ErrNotLeader, ErrClosed, that of ctx, or wraps
// ErrNotReady; after that of ctx, the node may still become a voter.
func (n *Node) Add(ctx context.Context, node cluster.NodeID) error {
	return n.until(ctx, "it has not caught up", func() (bool, error) {
		return slices.Contains(n.log.Status().Voters, node), n.log.Add(node)
	})
}

// Remove removes a node from the voters, and waits until that is done. The errors are
// those of Add.
func (n *Node) Remove(ctx context.Context, node cluster.NodeID) error {
	return n.until(ctx, "it is still a voter", func() (bool, error) {
		s := n.log.Status()
		if !slices.Contains(s.Voters, node) && !slices.Contains(s.Learners, node) {
			return true, nil
		}
		return false, n.log.Remove(node)
	})
}

// Lead makes another voter the leader, and waits until it leads. The errors are those
// of Add.
func (n *Node) Lead(ctx context.Context, node cluster.NodeID) error {
	asked := false
	return n.until(ctx, "it does not lead yet", func() (bool, error) {
		s := n.log.Status()
		if s.Leader == node {
			return true, nil
		}
		if asked && s.Leader != n.cfg.Node {
			return false, s.Err // between two leaders
		}
		asked = true
		return false, n.log.Lead(node)
	})
}

// until repeats ask, since a proposal may be lost.
func (n *Node) until(ctx context.Context, not string, ask func() (bool, error)) error {
	again := time.NewTicker(n.cfg.Election / 4)
	defer again.Stop()
	for {
		var done bool
		var err error
		if e := n.call(func() { done, err = ask() }); e != nil {
			return e
		}
		if done || err != nil {
			return err
		}
		select {
		case <-again.C:
		case <-ctx.Done():
			return fmt.Errorf("%w: %s: %w", ErrNotReady, not, ctx.Err())
		}
	}
}

// differs reports whether an operator would see a difference.
func (s *Status) differs(t *Status) bool {
	return s.Leader != t.Leader || !slices.Equal(s.Voters, t.Voters) || !slices.Equal(s.Learners, t.Learners) || (s.Err == nil) != (t.Err == nil)
}
