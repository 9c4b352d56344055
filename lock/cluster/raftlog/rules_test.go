package raftlog

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	bolt "go.etcd.io/bbolt"
	pb "go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"

	"github.com/tcpctl/tcpctl/lock/cluster"
)

// copyDir returns a copy of a voter's folder.
func copyDir(t *testing.T, from string, names ...string) map[string][]byte {
	kept := map[string][]byte{}
	for _, name := range names {
		kept[name] = readFile(t, from, name)
	}
	return kept
}

func putBack(t *testing.T, dir string, kept map[string][]byte) {
	t.Helper()
	for name, b := range kept {
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// TestRule33ALogThatIsBehindDoesNotVote: however it fell behind, the voter does not
// start and says why, each time.
func TestRule33ALogThatIsBehindDoesNotVote(t *testing.T) {
	for name, lose := range map[string]func(t *testing.T, v *voter, old map[string][]byte){
		"the log is gone":          func(t *testing.T, v *voter, _ map[string][]byte) { os.Remove(filepath.Join(v.dir, logName)) },
		"the promise is gone":      func(t *testing.T, v *voter, _ map[string][]byte) { os.Remove(filepath.Join(v.dir, promiseName)) },
		"an older copy of the log": func(t *testing.T, v *voter, old map[string][]byte) { putBack(t, v.dir, old) },
		"the log is truncated":     func(t *testing.T, v *voter, _ map[string][]byte) { os.Truncate(filepath.Join(v.dir, logName), 100) },
		"the log is empty":         func(t *testing.T, v *voter, _ map[string][]byte) { os.Truncate(filepath.Join(v.dir, logName), 0) },
		"the promise is damaged": func(t *testing.T, v *voter, _ map[string][]byte) {
			os.WriteFile(filepath.Join(v.dir, promiseName), []byte("x"), 0o600)
		},
		"entries are missing": func(t *testing.T, v *voter, _ map[string][]byte) {
			edit(t, v, func(b *bolt.Bucket) { b.Delete(key(6)) })
		},
		"the last entry is missing":     func(t *testing.T, v *voter, _ map[string][]byte) { edit(t, v, deleteLast) },
		"a bit of an entry has flipped": func(t *testing.T, v *voter, _ map[string][]byte) { edit(t, v, turnBit) },
		"pages are damaged":             damage,
	} {
		t.Run(name, func(t *testing.T) {
			n := newNet(t, 1, 1, 2, 3)
			n.commit(100, n.all()...)
			v := n.voters[2]
			old := copyDir(t, v.dir, logName)
			for i := range uint64(20) {
				n.commit(101+i, n.all()...)
			}
			v.crash()
			lose(t, v, old)
			for i := range 2 {
				if i > 0 && name == "pages are damaged" {
					break // the file is locked until the process ends
				}
				if v.start() || !errors.Is(v.err, ErrBehind) || !strings.Contains(v.err.Error(), "rejoin me") {
					t.Fatalf("it starts: %v", v.err)
				}
			}
			rejoin(t, n, v)
		})
	}
}

// rejoin is what the operator then does.
func rejoin(t *testing.T, n *net, v *voter) {
	t.Helper()
	n.commit(200, n.voters[1], n.voters[3])
	n.change(func(l *Log) error { return l.Remove(v.id) }, func(s Status) bool { return len(s.Voters) == 2 })
	if err := Rejoin(v.dir); err != nil {
		t.Fatal(err)
	}
	if err := Join(v.dir, v.id, "c1"); err != nil {
		t.Fatal(err)
	}
	if !v.start() {
		t.Fatal(v.err)
	}
	n.change(func(l *Log) error { return l.Add(v.id) }, func(s Status) bool { return len(s.Voters) == 3 })
	n.commit(201, n.all()...)
	if !v.has(100) || !v.has(200) {
		t.Error("it does not have all members again")
	}
}

// TestRule33ARejoinThatFails: the log that stays is still measured by what its voter has promised.
func TestRule33ARejoinThatFails(t *testing.T) {
	dir := t.TempDir()
	if err := Create(dir, 1, "c1"); err != nil {
		t.Fatal(err)
	}
	l, err := Open(LogConfig{Dir: dir, Node: 1, Send: func([]Message) {}})
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	name := filepath.Join(dir, logName)
	if err := errors.Join(os.Rename(name, name+".aside"), os.MkdirAll(filepath.Join(name, "x"), 0o700)); err != nil {
		t.Fatal(err)
	}
	if err := Rejoin(dir); !errors.Is(err, ErrDisk) {
		t.Errorf("a log that cannot be removed: %v", err)
	}
	p, err := openPromise(dir, false)
	if err != nil {
		t.Fatal(err)
	}
	defer p.file.Close()
	if p.starts == 0 || p.last == 0 {
		t.Errorf("the promise is %+v", p.promise)
	}
}

// edit changes entries of a log.
func edit(t *testing.T, v *voter, do func(b *bolt.Bucket)) {
	t.Helper()
	db, err := bolt.Open(filepath.Join(v.dir, logName), 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if err := db.Update(func(tx *bolt.Tx) error { do(tx.Bucket(entryBucket)); return nil }); err != nil {
		t.Fatal(err)
	}
}

func deleteLast(b *bolt.Bucket) {
	k, _ := b.Cursor().Last()
	b.Delete(k)
}

func turnBit(b *bolt.Bucket) {
	k, v := b.Cursor().Last()
	v = append([]byte(nil), v...)
	v[len(v)-1] ^= 4
	b.Put(k, v)
}

// damage overwrites all pages except the roots.
func damage(t *testing.T, v *voter, _ map[string][]byte) {
	b := readFile(t, v.dir, logName)
	for i := 2 * os.Getpagesize(); i < len(b); i++ {
		b[i] = byte(i * 7)
	}
	putBack(t, v.dir, map[string][]byte{logName: b})
}

// TestRule33FoundByTheLeader: an old copy of the whole folder, including the promise,
// is detected when a leader names what this voter has confirmed.
func TestRule33FoundByTheLeader(t *testing.T) {
	n := newNet(t, 1, 1, 2, 3)
	n.commit(100, n.all()...)
	l := n.waitLeader()
	v := n.voters[l.id%3+1]
	v.crash()
	old := copyDir(t, v.dir, logName, promiseName)
	v.start()
	n.commit(101, n.all()...)
	n.commit(102, n.all()...)
	v.crash()
	putBack(t, v.dir, old)
	if !v.start() {
		t.Fatal(v.err)
	}
	n.until("it stops", func() bool { return v.log.Err() != nil })
	if err := v.log.Err(); !errors.Is(err, ErrBehind) {
		t.Errorf("stopped: %v", err)
	}
	if r := v.log.Ready(); r.Leader != 0 || v.log.Propose(member(7)) == nil || v.log.Advance() {
		t.Error("a log that has stopped still works")
	}
	n.commit(103, n.waitLeader())
}

// TestRule33AVoteIsKept: after rejoining, a voter does not vote in a term in which it
// may have voted.
func TestRule33AVoteIsKept(t *testing.T) {
	t.Parallel()
	dir := tempDir(t)
	if err := Create(dir, 1, "c1", 2, 3); err != nil {
		t.Fatal(err)
	}
	s, err := openStore(dir, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.save(hardState(9, 3), entries(9, 2, 4, 1), nil); err != nil {
		t.Fatal(err)
	}
	s.close()
	if err := errors.Join(Rejoin(dir), Join(dir, 1, "c1")); err != nil {
		t.Fatal(err)
	}
	if s, err = openStore(dir, 0); err != nil {
		t.Fatal(err)
	}
	defer s.close()
	if s.hard.GetTerm() != 9 || s.hard.GetVote() != 1 || s.last != 0 {
		t.Errorf("term %d, vote %d, last %d: want term 9, its own vote, no entry", s.hard.GetTerm(), s.hard.GetVote(), s.last)
	}
}

// TestRule34ADiskThatFailsEndsVoting, and the others continue. A file that must not
// grow stands for a full disk.
func TestRule34ADiskThatFailsEndsVoting(t *testing.T) {
	t.Parallel()
	for name, fail := range map[string]func(v *voter){
		"fsync":     func(v *voter) { v.log.store.fault = func() error { return errors.New("fsync: input/output error") } },
		"disk full": func(v *voter) { v.log.store.db.MaxSize = 1 << 16 },
		"promise":   func(v *voter) { v.log.store.promise.file.Close() },
	} {
		for _, who := range []string{"leader", "follower"} {
			t.Run(name+" of the "+who, func(t *testing.T) {
				n := newNet(t, 1, 1, 2, 3)
				n.commit(100, n.all()...)
				v := n.waitLeader()
				if who == "follower" {
					v = n.voters[v.id%3+1]
				}
				fail(v)
				sent := false
				next := uint64(1000)
				n.until("it stops", func() bool {
					if l := n.leader(); l != nil {
						next++
						_ = l.log.Propose(append(member(next), make([]byte, 0)...))
						l.poll()
					}
					return v.log.Err() != nil
				})
				if err := v.log.Err(); !errors.Is(err, ErrDisk) {
					t.Errorf("stopped: %v", err)
				}
				v.log.send = func([]Message) { sent = true }
				n.pass(5 * ElectionTicks)
				if sent || v.log.leads() || v.log.Ready().Leader != 0 {
					t.Error("it still takes part")
				}
				var others []*voter
				for _, o := range n.all() {
					if o != v {
						others = append(others, o)
					}
				}
				n.commit(3, others...)
				v.crash() // and is repaired
				if !v.start() {
					t.Fatal(v.err)
				}
				n.commit(4, n.all()...)
			})
		}
	}
}

// TestRule30TwoClustersOfOneName: each refuses the other cluster's messages and reports
// both ids.
func TestRule30TwoClustersOfOneName(t *testing.T) {
	t.Parallel()
	a, b := newNet(t, 1, 1, 2), newNet(t, 2, 3)
	b.voters[3].crash()
	if err := errors.Join(os.RemoveAll(b.voters[3].dir), os.Mkdir(b.voters[3].dir, 0o700), Create(b.voters[3].dir, 3, "c2", 1)); err != nil {
		t.Fatal(err)
	}
	b.voters[3].start()
	for _, x := range []struct{ from, to *voter }{{a.voters[1], b.voters[3]}, {b.voters[3], a.voters[1]}} {
		var sent []Message
		x.from.log.send = func(all []Message) { sent = append(sent, all...) }
		for range 5 * ElectionTicks {
			x.from.log.Tick()
			x.from.log.Advance()
		}
		if len(sent) == 0 {
			t.Fatal("nothing was sent")
		}
		before := x.to.log.Status()
		err := x.to.log.Step(x.from.id, sent[0].Data)
		other, ok := errors.AsType[*OtherClusterError](err)
		if !ok || other.Ours != x.to.log.Cluster() || other.Theirs != x.from.log.Cluster() || !strings.Contains(err.Error(), "c1") || !strings.Contains(err.Error(), "c2") {
			t.Errorf("error %v", err)
		}
		if now := x.to.log.Status(); now.Term != before.Term || now.Last != before.Last || now.Err != nil {
			t.Errorf("it took part: %+v", now)
		}
	}
}

// TestANewerEntryStopsTheVoter: it also stops voting, as it cannot apply the entry.
func TestANewerEntryStopsTheVoter(t *testing.T) {
	t.Parallel()
	n := newNet(t, 1, 1, 2, 3)
	n.commit(100, n.all()...)
	l := n.waitLeader()
	newer := cluster.EncodeEntry([]cluster.Batch{{Node: 1, Ops: []cluster.Op{{Kind: 200}}}})
	_ = l.log.Propose(newer)
	n.until("all stop", func() bool {
		for _, v := range n.all() {
			if !cluster.Newer(v.log.Err()) {
				v.poll()
				return false
			}
		}
		return true
	})
}

// TestTheLogIsOfOneNode: a folder that is in use, or was copied to another node, is
// refused.
func TestTheLogIsOfOneNode(t *testing.T) {
	t.Parallel()
	dir := tempDir(t)
	if _, err := Open(LogConfig{Dir: dir, Node: 1, Logger: quiet}); !errors.Is(err, ErrNone) {
		t.Errorf("an empty folder: %v", err)
	}
	if err := Create(dir, 1, "c1"); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(LogConfig{Dir: dir, Node: 2, Logger: quiet}); err == nil || !strings.Contains(err.Error(), "is of node 1") {
		t.Errorf("another node's: %v", err)
	}
	if err := Create(dir, 1, "c2"); err == nil || !strings.Contains(err.Error(), "already exists") {
		t.Errorf("a second cluster: %v", err)
	}
	l, err := Open(LogConfig{Dir: dir, Node: 1, Logger: quiet})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if _, err := Open(LogConfig{Dir: dir, Node: 1, Logger: quiet}); !errors.Is(err, ErrInUse) {
		t.Errorf("in use: %v", err)
	}
	if err := Create(dir, 0, "c1"); err == nil {
		t.Error("no node")
	}
}

// TestAVoteSurvivesACrash: only one of two candidates in a term gets it.
func TestAVoteSurvivesACrash(t *testing.T) {
	t.Parallel()
	dir := tempDir(t)
	if err := Create(dir, 1, "c1", 2, 3); err != nil {
		t.Fatal(err)
	}
	granted := map[uint64]bool{}
	for _, from := range []uint64{2, 3, 2} {
		l, err := Open(LogConfig{Dir: dir, Node: 1, Logger: quiet, Send: func(all []Message) {
			for _, m := range all {
				if r, _ := decodeFrame("c1", m.Data); r.GetType() == pb.MsgVoteResp && !r.GetReject() {
					granted[r.GetTo()] = true
				}
			}
		}})
		if err != nil {
			t.Fatal(err)
		}
		data, _ := encodeFrame("c1", &pb.Message{Type: pb.MsgVote.Enum(), From: proto.Uint64(from), To: proto.Uint64(1), Term: proto.Uint64(5), Index: proto.Uint64(1), LogTerm: proto.Uint64(1)})
		if err := l.Step(cluster.NodeID(from), data); err != nil {
			t.Fatal(err)
		}
		l.Advance()
		l.store.close() // a crash
	}
	if !granted[2] || granted[3] {
		t.Errorf("votes of term 5: %v", granted)
	}
}
