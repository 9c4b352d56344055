package raftlog

import (
	"errors"
	"fmt"
	"slices"
	"sort"

	"go.etcd.io/raft/v3"
	pb "go.etcd.io/raft/v3/raftpb"
	"go.etcd.io/raft/v3/tracker"
	"google.golang.org/protobuf/proto"

	"github.com/tcpctl/tcpctl/lock/cluster"
)

// caughtUp is how many entries a learner may be behind when it becomes a voter.
const caughtUp = 64

// Add makes a node a learner: the leader sends it all entries, and it becomes a voter
// once it has them. Like any proposal, a change of voters may be lost, and raft makes
// one at a time: repeat it until Status shows it.
func (l *Log) Add(node cluster.NodeID) error {
	if !l.leads() {
		return cluster.ErrNotLeader
	}
	id := uint64(node)
	if slices.Contains(l.conf.GetVoters(), id) || slices.Contains(l.conf.GetLearners(), id) {
		return nil
	}
	return l.change(pb.ConfChangeAddLearnerNode, id)
}

// Remove removes a node from the voters. It is refused if no majority of the remaining
// ones could be reached.
func (l *Log) Remove(node cluster.NodeID) error {
	if !l.leads() {
		return cluster.ErrNotLeader
	}
	id := uint64(node)
	if slices.Contains(l.conf.GetLearners(), id) {
		return l.change(pb.ConfChangeRemoveNode, id)
	}
	if !slices.Contains(l.conf.GetVoters(), id) {
		return nil
	}
	reached, rest := 0, len(l.conf.GetVoters())-1
	for _, v := range l.conf.GetVoters() {
		if v != id && l.active(v) {
			reached++
		}
	}
	if reached <= rest/2 {
		return fmt.Errorf("%w: without it, %d of %d voters can be reached: no majority", ErrNotReady, reached, rest)
	}
	return l.change(pb.ConfChangeRemoveNode, id)
}

// Lead makes another voter the leader, after it has got all entries. If that takes
// longer than an election timeout, this voter goes on leading.
func (l *Log) Lead(node cluster.NodeID) error {
	id := uint64(node)
	switch {
	case !l.leads():
		return cluster.ErrNotLeader
	case node == l.id:
		return nil
	case !slices.Contains(l.conf.GetVoters(), id):
		return fmt.Errorf("%w: it is not a voter", ErrNotReady)
	case !l.active(id):
		return fmt.Errorf("%w: it cannot be reached", ErrNotReady)
	}
	return l.do(func() error { l.node.TransferLeader(id); return nil })
}

// active reports whether a voter was heard from recently.
func (l *Log) active(id uint64) bool {
	at, ok := l.heard[id]
	return id == uint64(l.id) || ok && l.ticks-at <= ElectionTicks
}

// change proposes a change of the voters. While leadership is being transferred raft
// drops it, as a network might.
func (l *Log) change(kind pb.ConfChangeType, id uint64) error {
	err := l.do(func() error {
		return l.node.ProposeConfChange(&pb.ConfChangeV2{Changes: []*pb.ConfChangeSingle{{Type: kind.Enum(), NodeId: proto.Uint64(id)}}})
	})
	if errors.Is(err, raft.ErrProposalDropped) {
		return nil
	}
	return err
}

// tickVoters makes voters of learners that have caught up, and resends a snapshot that
// did not arrive.
func (l *Log) tickVoters() error {
	if !l.leads() {
		clear(l.snapshots)
		return nil
	}
	var ready uint64
	var lost []uint64
	l.node.WithProgress(func(id uint64, kind raft.ProgressType, pr tracker.Progress) {
		if kind == raft.ProgressTypeLearner && ready == 0 && l.active(id) && pr.State == tracker.StateReplicate && pr.Match+caughtUp >= l.store.last {
			ready = id
		}
		if at, ok := l.snapshots[id]; ok && pr.State != tracker.StateSnapshot {
			delete(l.snapshots, id)
		} else if ok && l.ticks-at > snapshotTicks {
			lost = append(lost, id)
		}
	})
	for _, id := range lost {
		delete(l.snapshots, id)
		l.node.ReportSnapshot(id, raft.SnapshotFailure)
	}
	if ready != 0 {
		return l.change(pb.ConfChangeAddNode, ready)
	}
	return nil
}

// A Status is what a Log knows at one moment.
type Status struct {
	Cluster  string
	Node     cluster.NodeID
	Leader   cluster.NodeID // 0: not known
	Term     uint64
	Applied  uint64 // index of the last entry that a majority has, as far as this voter knows
	Last     uint64 // index of the last entry on disk
	Snapshot uint64 // index of the last snapshot
	Voters   []cluster.NodeID
	Learners []cluster.NodeID    // on their way to be voters
	Peers    []Peer              // what a leader knows of the others
	Leases   []cluster.NodeLease // of all nodes, while this voter leads; of a Node's Status only
	Err      error               // why this voter has stopped
}

// A Peer is another voter or learner, as the leader knows it.
type Peer struct {
	Node   cluster.NodeID
	Match  uint64 // index of the last entry that it has
	Active bool   // it was heard of a moment ago
}

// Status returns what the log knows.
func (l *Log) Status() Status {
	s := Status{Cluster: l.cluster, Node: l.id, Leader: l.ready.Leader, Term: l.ready.Term, Applied: l.applied, Last: l.store.last, Snapshot: l.snapshot, Err: l.err}
	for _, id := range l.conf.GetVoters() {
		s.Voters = append(s.Voters, cluster.NodeID(id))
	}
	for _, id := range l.conf.GetLearners() {
		s.Learners = append(s.Learners, cluster.NodeID(id))
	}
	if l.leads() {
		l.node.WithProgress(func(id uint64, _ raft.ProgressType, pr tracker.Progress) {
			if id != uint64(l.id) {
				s.Peers = append(s.Peers, Peer{cluster.NodeID(id), pr.Match, l.active(id)})
			}
		})
		sort.Slice(s.Peers, func(i, j int) bool { return s.Peers[i].Node < s.Peers[j].Node })
	}
	return s
}
