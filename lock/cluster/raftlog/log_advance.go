package raftlog

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"go.etcd.io/raft/v3"
	pb "go.etcd.io/raft/v3/raftpb"

	"github.com/tcpctl/tcpctl/lock/cluster"
)

// A snapshot is due after so many entries, or so many bytes of entries.
const (
	compactEntries = 4096
	compactBytes   = 8 << 20
)

// Advance writes to disk what Step, Propose and Tick have led to, sends the messages
// that follow from it, and makes the results available to Ready. It reports whether
// there was anything to do.
func (l *Log) Advance() bool {
	any := false
	for l.err == nil && l.node.HasReady() {
		any = true
		_ = l.do(l.advance)
	}
	return any
}

func (l *Log) advance() error {
	rd := l.node.Ready()
	early, late := split(rd.Messages)
	l.sendAll(early) // a leader's entries, before it has written them itself
	if err := l.save(rd); err != nil {
		return err
	}
	l.sendAll(late)
	if err := l.take(rd); err != nil {
		return err
	}
	l.node.Advance(rd)
	l.report()
	return nil
}

// split separates the messages that confirm what this voter has on disk.
func split(all []*pb.Message) (early, late []*pb.Message) {
	for _, m := range all {
		switch m.GetType() {
		case pb.MsgAppResp, pb.MsgVoteResp, pb.MsgPreVoteResp:
			late = append(late, m)
		default:
			early = append(early, m)
		}
	}
	return early, late
}

// save writes what must be on disk. The commit index alone is not written, as it is
// found again, except for a change of voters: a voter that forgot it could count
// another majority as one.
func (l *Log) save(rd raft.Ready) error {
	changes := slices.ContainsFunc(rd.CommittedEntries, func(e *pb.Entry) bool { return e.GetType() != pb.EntryNormal })
	if !rd.MustSync && !changes && raft.IsEmptySnap(rd.Snapshot) {
		return nil
	}
	hard := rd.HardState
	if raft.IsEmptyHardState(hard) {
		hard = l.node.BasicStatus().HardState
	}
	return l.store.save(hard, rd.Entries, rd.Snapshot)
}

// take collects what Ready returns.
func (l *Log) take(rd raft.Ready) error {
	if !raft.IsEmptySnap(rd.Snapshot) {
		meta := rd.Snapshot.GetMetadata()
		l.ready.Snapshot, l.ready.Entries = rd.Snapshot.GetData(), nil
		l.applied, l.snapshot, l.conf, l.size = meta.GetIndex(), meta.GetIndex(), meta.GetConfState(), 0
		l.due = false
	}
	for _, e := range rd.CommittedEntries {
		if err := l.takeEntry(e); err != nil {
			return err
		}
	}
	for _, r := range rd.ReadStates {
		if len(r.RequestCtx) == 16 && binary.BigEndian.Uint64(r.RequestCtx) == l.ready.Term {
			l.ready.Confirmed = max(l.ready.Confirmed, binary.BigEndian.Uint64(r.RequestCtx[8:]))
		}
	}
	return nil
}

func (l *Log) takeEntry(e *pb.Entry) error {
	entry := cluster.LogEntry{Index: e.GetIndex(), Term: e.GetTerm(), Data: e.GetData()}
	change, err := confChange(e)
	if err != nil {
		return err
	}
	if change != nil {
		entry.Data = nil
		l.conf = l.node.ApplyConfChange(change)
		l.due = true
		l.logger.Info("cluster: the voters have changed", "voters", hexes(l.conf.GetVoters()), "learners", hexes(l.conf.GetLearners()))
	}
	l.ready.Entries = append(l.ready.Entries, entry)
	l.applied = e.GetIndex()
	l.size += len(e.GetData())
	return nil
}

// report makes Ready return who leads. What was confirmed in another term does not count.
func (l *Log) report() {
	s := l.node.BasicStatus()
	if s.GetTerm() != l.ready.Term {
		l.ready.Confirmed, l.asked = 0, 0
	}
	l.ready.Term, l.ready.Leader = s.GetTerm(), cluster.NodeID(s.Lead)
	if s.Lead == uint64(l.id) && s.RaftState != raft.StateLeader {
		l.ready.Leader = 0
	}
}

func (l *Log) sendAll(all []*pb.Message) {
	var out []Message
	for _, m := range all {
		data, err := encodeFrame(l.cluster, m)
		if err != nil || len(data) > MaxFrame {
			l.logger.Error("cluster: a message to a voter cannot be sent", "to", fmt.Sprintf("%x", m.GetTo()), "bytes", len(data), "error", err)
			continue
		}
		if m.GetType() == pb.MsgSnap {
			l.snapshots[m.GetTo()] = l.ticks
		}
		out = append(out, Message{cluster.NodeID(m.GetTo()), data})
	}
	if len(out) > 0 {
		l.send(out)
	}
}

// CompactDue reports whether Compact should be called: there are many entries, or a
// joining node waits for a snapshot that names it.
func (l *Log) CompactDue() bool {
	return l.err == nil && l.returned > l.snapshot && (l.due || l.returned-l.snapshot >= l.every || l.size >= compactBytes)
}

// Compact replaces entries by a snapshot: state is that after all entries that Ready
// has returned.
func (l *Log) Compact(state []byte) error {
	if l.returned != l.applied {
		return fmt.Errorf("%w: entries up to %d are not in the state yet", ErrNotReady, l.applied)
	}
	return l.do(func() error {
		if err := l.store.compact(l.returned, l.every/8, l.conf, state); err != nil {
			return err
		}
		l.snapshot, l.due, l.size = l.returned, false, 0
		return nil
	})
}

// stops reports whether this voter stops because of err.
func stops(err error) bool {
	return errors.Is(err, ErrDisk) || errors.Is(err, ErrBehind) || cluster.Newer(err)
}

func hexes(ids []uint64) (all []string) {
	for _, id := range ids {
		all = append(all, fmt.Sprintf("%x", id))
	}
	return all
}
