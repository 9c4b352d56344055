package raftlog

import (
	"go.etcd.io/raft/v3"
	pb "go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"

	"github.com/tcpctl/tcpctl/lock/cluster"
)

// maxNumber bounds terms and indexes, so that no message makes them overflow.
const maxNumber = 1 << 62

// check rejects messages that no voter sends, many of which would make raft panic.
func (l *Log) check(m *pb.Message) error {
	from := m.GetFrom()
	switch {
	case m.GetTo() != uint64(l.id):
		return corrupt("for node %x", m.GetTo())
	case from == 0 || from == uint64(l.id) || raft.IsLocalMsgTarget(from):
		return corrupt("from node %x", from)
	case m.GetTerm() == 0 || max(m.GetTerm(), m.GetLogTerm(), m.GetIndex(), m.GetCommit(), m.GetRejectHint()) > maxNumber:
		return corrupt("%s: a number is out of range", m.GetType())
	case len(m.GetResponses()) > 0:
		return corrupt("%s with responses", m.GetType())
	case m.GetType() != pb.MsgApp && len(m.GetEntries()) > 0:
		return corrupt("%s with entries", m.GetType())
	}
	switch m.GetType() {
	case pb.MsgApp:
		return checkEntries(m)
	case pb.MsgSnap:
		return checkSnapshot(m.GetSnapshot())
	case pb.MsgHeartbeat:
		return l.checkHeartbeat(m)
	case pb.MsgHeartbeatResp:
		return checkContext(m)
	case pb.MsgAppResp:
		if leads := l.node.BasicStatus().RaftState == raft.StateLeader; leads && m.GetTerm() <= l.term() && !m.GetReject() && m.GetIndex() > l.store.last {
			return corrupt("%x confirms entry %d, but there are %d", from, m.GetIndex(), l.store.last)
		}
	case pb.MsgVote, pb.MsgVoteResp, pb.MsgPreVote, pb.MsgPreVoteResp, pb.MsgTimeoutNow:
	default: // messages within a process, and reads, which only the leader is asked for
		return corrupt("%s", m.GetType())
	}
	return nil
}

// checkHeartbeat detects that this log is behind: a leader names as committed only
// entries that this voter has confirmed.
func (l *Log) checkHeartbeat(m *pb.Message) error {
	if err := checkContext(m); err != nil {
		return err
	}
	if m.GetTerm() >= l.term() && m.GetCommit() > l.store.last {
		return behind("it ends at entry %d, but %x knows that this voter had entry %d", l.store.last, m.GetFrom(), m.GetCommit())
	}
	return nil
}

func checkContext(m *pb.Message) error {
	if n := len(m.GetContext()); n != 0 && n != 8 {
		return corrupt("%s with a context of %d bytes", m.GetType(), n)
	}
	return nil
}

func checkEntries(m *pb.Message) error {
	index, term := m.GetIndex(), m.GetLogTerm()
	for _, e := range m.GetEntries() {
		index++
		if e.GetIndex() != index || e.GetTerm() < term || e.GetTerm() > m.GetTerm() {
			return corrupt("entry %d of term %d after entry %d of term %d", e.GetIndex(), e.GetTerm(), index-1, term)
		}
		term = e.GetTerm()
		if _, err := confChange(e); err != nil {
			return corrupt("entry %d: %v", index, err)
		}
	}
	return nil
}

// checkSnapshot checks a snapshot before it replaces the log.
func checkSnapshot(s *pb.Snapshot) error {
	meta := s.GetMetadata()
	conf := meta.GetConfState()
	if meta.GetIndex() == 0 || meta.GetIndex() > maxNumber || meta.GetTerm() == 0 || meta.GetTerm() > maxNumber || len(conf.GetVoters()) == 0 {
		return corrupt("a snapshot without index, term or voters")
	}
	seen := map[uint64]bool{}
	for _, ids := range [][]uint64{conf.GetVoters(), conf.GetLearners()} {
		for _, id := range ids {
			if id == 0 || raft.IsLocalMsgTarget(id) || seen[id] {
				return corrupt("a snapshot names voter %x", id)
			}
			seen[id] = true
		}
	}
	if len(conf.GetVotersOutgoing()) > 0 || len(conf.GetLearnersNext()) > 0 {
		return corrupt("a snapshot of a change of voters that this version does not use")
	}
	if _, err := cluster.RestoreState(s.GetData()); err != nil {
		if cluster.Newer(err) {
			return err
		}
		return corrupt("a snapshot: %v", err)
	}
	return nil
}

// confChange returns the change of voters in an entry, or nil.
func confChange(e *pb.Entry) (*pb.ConfChangeV2, error) {
	switch e.GetType() {
	case pb.EntryNormal:
		return nil, nil
	case pb.EntryConfChange:
		c := new(pb.ConfChange)
		if err := proto.Unmarshal(e.GetData(), c); err != nil {
			return nil, err
		}
		return c.AsV2(), nil
	case pb.EntryConfChangeV2:
		c := new(pb.ConfChangeV2)
		return c, proto.Unmarshal(e.GetData(), c)
	}
	return nil, newer("an entry", uint64(e.GetType()))
}
