package raftlog

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	pb "go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"

	"github.com/tcpctl/tcpctl/lock/cluster"
)

// content describes what a store contains.
func (s *store) content() string {
	snap, _ := s.mem.Snapshot()
	text := fmt.Sprintf("term %d vote %d, snapshot %d:", s.hard.GetTerm(), s.hard.GetVote(), snap.GetMetadata().GetIndex())
	for i := snap.GetMetadata().GetIndex() + 1; i <= s.last; i++ {
		e, err := s.mem.Entries(i, i+1, 1<<20)
		if err != nil {
			return err.Error()
		}
		text += fmt.Sprintf(" %d/%d=%d", i, e[0].GetTerm(), len(e[0].GetData()))
	}
	return text
}

func entries(term uint64, from, to uint64, size int) (all []*pb.Entry) {
	for i := from; i <= to; i++ {
		all = append(all, &pb.Entry{Index: proto.Uint64(i), Term: proto.Uint64(term), Data: make([]byte, size+int(i))})
	}
	return all
}

func hardState(term, vote uint64) *pb.HardState {
	return &pb.HardState{Term: proto.Uint64(term), Vote: proto.Uint64(vote), Commit: proto.Uint64(1)}
}

// saves are writes that a voter may make, in order.
var saves = []func(s *store) error{
	func(s *store) error { return s.save(hardState(2, 1), entries(2, 2, 3, 10), nil) },
	func(s *store) error { return s.save(hardState(2, 1), entries(2, 4, 60, 300), nil) },
	func(s *store) error { return s.save(hardState(3, 0), nil, nil) },
	func(s *store) error { return s.save(hardState(3, 0), entries(3, 50, 51, 20), nil) }, // replaces 50..60
	func(s *store) error {
		return s.compact(40, 5, &pb.ConfState{Voters: []uint64{1}}, cluster.NewState("c1").Snapshot())
	},
	func(s *store) error { return s.save(hardState(3, 0), entries(3, 52, 80, 5000), nil) },
	func(s *store) error {
		return s.save(hardState(4, 2), nil, &pb.Snapshot{Data: cluster.NewState("c1").Snapshot(), Metadata: &pb.SnapshotMetadata{
			ConfState: &pb.ConfState{Voters: []uint64{1}}, Index: proto.Uint64(500), Term: proto.Uint64(4)}})
	},
	func(s *store) error { return s.save(hardState(4, 2), entries(4, 501, 502, 9), nil) },
}

// TestACrashAtEachWriteLeavesBeforeOrAfter: wherever the writing of pages is cut off,
// the file has the content before or after the save; once save has returned, the
// latter.
func TestACrashAtEachWriteLeavesBeforeOrAfter(t *testing.T) {
	t.Parallel()
	dir := tempDir(t)
	if err := Create(dir, 1, "c1"); err != nil {
		t.Fatal(err)
	}
	s, err := openStore(dir, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	page := os.Getpagesize()
	tried := 0
	for i, save := range saves {
		before, old, promised := s.content(), readFile(t, dir, logName), readFile(t, dir, promiseName)
		if err := save(s); err != nil {
			t.Fatalf("save %d: %v", i, err)
		}
		after, now, promisedNow := s.content(), readFile(t, dir, logName), readFile(t, dir, promiseName)
		if got := contentOf(t, now, promisedNow); got != after {
			t.Fatalf("save %d: the file has\n%s, memory has\n%s", i, got, after)
		}
		// bbolt writes and syncs pages, and then one of the two roots, pages 0 and 1.
		for _, at := range changed(old, now, page) {
			half := slices.Clone(old)
			if len(now) > len(old) {
				half = append(half, make([]byte, len(now)-len(old))...)
			}
			upTo := at * page
			if at < 2 {
				copy(half, now) // all pages are written, and half of this root
				copy(half[at*page:(at+1)*page], old[at*page:(at+1)*page])
				copy(half[at*page:], now[at*page:at*page+40])
			} else {
				copy(half[2*page:upTo+page/2], now[2*page:upTo+page/2])
			}
			tried++
			// The promise is written after the log, unless it is reduced.
			for _, p := range [][]byte{promised, promisedNow} {
				if p[0] != promised[0] && at >= 2 {
					continue
				}
				if got := contentOf(t, half, promised); got != before && got != after {
					t.Fatalf("save %d, cut off at page %d:\n%s\nbefore %s\nafter  %s", i, at, got, before, after)
				}
			}
		}
	}
	if tried < 30 {
		t.Errorf("only %d places were tried", tried)
	}
}

func readFile(t *testing.T, dir, name string) []byte {
	b, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// contentOf returns the content of a copy of a log, as the next process sees it.
func contentOf(t *testing.T, log, promised []byte) string {
	t.Helper()
	dir := tempDir(t)
	defer os.RemoveAll(dir)
	for name, b := range map[string][]byte{logName: log, promiseName: promised} {
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s, err := openStore(dir, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	return s.content()
}

// changed returns the pages that differ.
func changed(old, now []byte, page int) (all []int) {
	for at := 0; at*page < len(now); at++ {
		from, to := at*page, (at+1)*page
		if to > len(old) || string(old[from:to]) != string(now[from:to]) {
			all = append(all, at)
		}
	}
	return all
}

// TestAPromiseThatIsTornIsTheOneBefore: one of two slots is damaged at a time.
func TestAPromiseThatIsTornIsTheOneBefore(t *testing.T) {
	t.Parallel()
	dir, d := tempDir(t), tempDir(t)
	p, err := openPromise(dir, true)
	if err != nil {
		t.Fatal(err)
	}
	defer p.file.Close()
	for i := range uint64(6) {
		before := readFile(t, dir, promiseName)
		p.promise = promise{1, i, 10 * i}
		if err := p.write(true); err != nil {
			t.Fatal(err)
		}
		now := readFile(t, dir, promiseName)
		for cut := range now {
			torn := append(slices.Clone(now[:cut]), before[min(cut, len(before)):]...)
			os.WriteFile(filepath.Join(d, promiseName), torn, 0o600)
			got, err := openPromise(d, false)
			switch {
			case err != nil && !errors.Is(err, ErrBehind):
				t.Fatal(err)
			case err != nil && i > 0:
				t.Fatalf("cut at %d of write %d: %v", cut, i, err)
			case err == nil && got.term != i && (i == 0 || got.term != i-1):
				t.Fatalf("cut at %d of write %d: term %d", cut, i, got.term)
			}
			if got != nil {
				got.file.Close()
			}
		}
	}
}
