package raftlog

import (
	"errors"
	"testing"

	pb "go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"

	"github.com/tcpctl/tcpctl/lock/cluster"
)

// known reports whether an error is one that the package documents.
func known(err error) bool {
	_, other := errors.AsType[*OtherClusterError](err)
	return err == nil || other || errors.Is(err, ErrMessage) || errors.Is(err, ErrBehind) || cluster.Newer(err)
}

// hostile returns messages that would make raft panic, or corrupt its log.
func hostile() (all []*pb.Message) {
	n := func(v uint64) *uint64 { return proto.Uint64(v) }
	entry := func(index, term uint64, kind pb.EntryType, data []byte) *pb.Entry {
		return &pb.Entry{Index: n(index), Term: n(term), Type: kind.Enum(), Data: data}
	}
	for _, m := range []*pb.Message{
		{Type: pb.MsgHeartbeat.Enum(), Commit: n(99)},
		{Type: pb.MsgHeartbeat.Enum(), Context: []byte{1, 2}},
		{Type: pb.MsgHeartbeatResp.Enum(), Context: []byte{1}},
		{Type: pb.MsgAppResp.Enum(), Index: n(1 << 40)},
		{Type: pb.MsgAppResp.Enum(), Index: n(1<<64 - 1), Reject: proto.Bool(true), RejectHint: n(1<<64 - 1)},
		{Type: pb.MsgApp.Enum(), Index: n(1), LogTerm: n(1), Entries: []*pb.Entry{entry(9, 1, 0, nil)}},
		{Type: pb.MsgApp.Enum(), Index: n(1), LogTerm: n(1), Entries: []*pb.Entry{entry(2, 900, 0, nil)}},
		{Type: pb.MsgApp.Enum(), Index: n(1), LogTerm: n(1), Entries: []*pb.Entry{entry(2, 1, pb.EntryConfChangeV2, []byte{0xff})}},
		{Type: pb.MsgApp.Enum(), Index: n(1), LogTerm: n(1), Commit: n(2), Entries: []*pb.Entry{entry(2, 1, 77, nil)}},
		{Type: pb.MsgApp.Enum(), Index: n(1 << 63), LogTerm: n(1), Commit: n(1 << 63)},
		{Type: pb.MsgSnap.Enum()},
		{Type: pb.MsgSnap.Enum(), Snapshot: &pb.Snapshot{Data: []byte("x"), Metadata: &pb.SnapshotMetadata{Index: n(50), Term: n(2), ConfState: &pb.ConfState{Voters: []uint64{1, 2, 3}}}}},
		{Type: pb.MsgSnap.Enum(), Snapshot: &pb.Snapshot{Data: cluster.NewState("c1").Snapshot(), Metadata: &pb.SnapshotMetadata{Index: n(50), Term: n(2), ConfState: &pb.ConfState{Voters: []uint64{1, 1, 0}}}}},
		{Type: pb.MsgStorageAppend.Enum()},
		{Type: pb.MsgHup.Enum()},
		{Type: pb.MsgProp.Enum(), Entries: []*pb.Entry{{Data: []byte("x")}}},
		{Type: pb.MsgReadIndex.Enum(), Entries: []*pb.Entry{{}}},
		{Type: pb.MsgReadIndexResp.Enum()},
		{Type: pb.MessageType(88).Enum()},
	} {
		m.From, m.To = n(2), n(1)
		m.Term = n(2)
		all = append(all, m)
	}
	return all
}

// removal is an entry that leaves its reader as the only voter, or leaves no voter.
func removal(ids ...uint64) *pb.Message {
	c := &pb.ConfChangeV2{}
	for _, id := range ids {
		c.Changes = append(c.Changes, &pb.ConfChangeSingle{Type: pb.ConfChangeRemoveNode.Enum(), NodeId: proto.Uint64(id)})
	}
	data, _ := proto.Marshal(c)
	return &pb.Message{Type: pb.MsgApp.Enum(), From: proto.Uint64(2), To: proto.Uint64(1), Term: proto.Uint64(2), Index: proto.Uint64(1), LogTerm: proto.Uint64(1), Commit: proto.Uint64(2),
		Entries: []*pb.Entry{{Index: proto.Uint64(2), Term: proto.Uint64(2), Type: pb.EntryConfChangeV2.Enum(), Data: data}}}
}

// openTest opens one of three voters, without the others.
func openTest(t testing.TB) *Log {
	dir := tempDir(t)
	if err := Create(dir, 1, "c1", 2, 3); err != nil {
		t.Fatal(err)
	}
	l, err := Open(LogConfig{Dir: dir, Node: 1, Logger: quiet, Send: func([]Message) {}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

// leadTest makes the voter lead.
func leadTest(l *Log) {
	for range 3 * ElectionTicks {
		l.Tick()
		l.Advance()
		term := l.term()
		for _, kind := range []pb.MessageType{pb.MsgPreVoteResp, pb.MsgVoteResp} {
			data, _ := encodeFrame("c1", &pb.Message{Type: kind.Enum(), From: proto.Uint64(2), To: proto.Uint64(1), Term: proto.Uint64(term + uint64(map[bool]int{true: 1}[kind == pb.MsgPreVoteResp]))})
			_ = l.Step(2, data)
			l.Advance()
		}
		if l.leads() {
			return
		}
	}
}

// TestHostileMessagesAreErrors: none of them causes a panic or is accepted, by a
// follower or a leader.
func TestHostileMessagesAreErrors(t *testing.T) {
	t.Parallel()
	for i, m := range hostile() {
		for _, lead := range []bool{false, true} {
			l := openTest(t)
			if lead {
				leadTest(l)
				if !l.leads() {
					t.Fatal("it does not lead")
				}
			}
			m.Term = proto.Uint64(l.term())
			data, err := encodeFrame("c1", m)
			if err != nil {
				t.Fatal(err)
			}
			last := l.store.last
			err = l.Step(2, data)
			if confirms := m.GetType() == pb.MsgAppResp && m.GetIndex() < maxNumber; err == nil && (lead || !confirms) || !known(err) {
				t.Errorf("message %d (%v), leading %t: %v", i, m.GetType(), lead, err)
			}
			l.Advance()
			if l.store.last != last {
				t.Errorf("message %d (%v), leading %t: accepted", i, m.GetType(), lead)
			}
		}
	}
	for _, m := range []*pb.Message{removal(1, 2, 3), removal(1), removal(3)} {
		l := openTest(t)
		data, _ := encodeFrame("c1", m)
		_ = l.Step(2, data)
		l.Advance()
		for range 3 * ElectionTicks {
			l.Tick()
			l.Advance()
		}
		if err := l.Err(); !known(err) {
			t.Errorf("a removal: %v", err)
		}
	}
}

// TestAMessageIsOfItsStream: a voter cannot speak for another one.
func TestAMessageIsOfItsStream(t *testing.T) {
	t.Parallel()
	l := openTest(t)
	data, _ := encodeFrame("c1", &pb.Message{Type: pb.MsgHeartbeat.Enum(), From: proto.Uint64(2), To: proto.Uint64(1), Term: proto.Uint64(5)})
	if err := l.Step(3, data); !errors.Is(err, ErrMessage) {
		t.Errorf("from another voter: %v", err)
	}
	for n := range data[:8] {
		if err := l.Step(2, data[:n]); err == nil {
			t.Errorf("%d bytes: no error", n)
		}
	}
	newerData := append([]byte{frameVersion + 1}, data[1:]...)
	if err := l.Step(2, newerData); !cluster.Newer(err) || l.Err() != nil {
		t.Errorf("newer: %v, stopped %v", err, l.Err())
	}
	if err := l.Step(2, data); err != nil || l.term() != 5 {
		t.Errorf("from the sender itself: %v", err)
	}
}

// FuzzStep: no bytes crash a voter, whatever it is doing.
func FuzzStep(f *testing.F) {
	for _, m := range append(hostile(), removal(3)) {
		data, _ := encodeFrame("c1", m)
		f.Add(data, true)
		f.Add(data, false)
	}
	for _, kind := range []pb.MessageType{pb.MsgVote, pb.MsgPreVote, pb.MsgTimeoutNow, pb.MsgAppResp} {
		data, _ := encodeFrame("c1", &pb.Message{Type: kind.Enum(), From: proto.Uint64(2), To: proto.Uint64(1), Term: proto.Uint64(3), Index: proto.Uint64(1), LogTerm: proto.Uint64(1)})
		f.Add(data, true)
	}
	f.Fuzz(func(t *testing.T, data []byte, lead bool) {
		l := openTest(t)
		if lead {
			leadTest(l)
		}
		for range 2 {
			if err := l.Step(2, data); !known(err) {
				t.Fatalf("error %v", err)
			}
			l.Advance()
			l.Tick()
			l.Advance()
			l.Ready()
		}
		if !known(l.Err()) {
			t.Fatalf("stopped: %v", l.Err())
		}
	})
}
