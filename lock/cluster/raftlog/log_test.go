package raftlog

import (
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/tcpctl/tcpctl/lock/cluster"
)

// TestOneThreeAndFiveVoters commit, and continue where they were after a restart.
func TestOneThreeAndFiveVoters(t *testing.T) {
	t.Parallel()
	for _, ids := range [][]cluster.NodeID{{7}, {1, 2, 3}, {1, 2, 3, 4, 5}} {
		t.Run(fmt.Sprint(len(ids)), func(t *testing.T) {
			n := newNet(t, 1, ids...)
			n.commit(100, n.all()...)
			for _, v := range n.all() {
				v.crash()
				if !v.start() {
					t.Fatal(v.err)
				}
			}
			n.commit(101, n.all()...)
			for _, v := range n.all() {
				if !v.has(100) {
					t.Errorf("voter %d has lost an entry", v.id)
				}
			}
		})
	}
}

var seeds = flag.Uint64("seeds", 10, "TestWhatIsCommittedSurvives runs this many seeds")

// TestWhatIsCommittedSurvives: a minority crashes at any time, even between a write and
// the messages after it, and the network loses, duplicates and delays.
func TestWhatIsCommittedSurvives(t *testing.T) {
	t.Parallel()
	for seed := range *seeds {
		t.Run(fmt.Sprint(seed), func(t *testing.T) { survive(t, seed) })
	}
}

func survive(t *testing.T, seed uint64) {
	ids := []cluster.NodeID{1, 2, 3}
	if seed%4 == 3 {
		ids = append(ids, 4, 5)
	}
	n := newNet(t, seed, ids...)
	n.rough = true
	var down []*voter
	writes := 0
	for _, v := range n.all() {
		v.fault = func() error {
			if writes--; writes == 0 {
				return errors.New("the process is killed here")
			}
			return nil
		}
		v.crash()
		v.start()
	}
	next := uint64(1000)
	for range 3000 {
		n.step()
		if l := n.leader(); l != nil && n.rng.IntN(8) == 0 {
			next++
			if l.log.Propose(member(next)) == nil && n.rng.IntN(2) == 0 {
				l.poll()
			}
		}
		for _, v := range n.all() { // killed at a write
			if v.log != nil && v.log.Err() != nil {
				v.crash()
				down = append(down, v)
			}
		}
		switch {
		case n.rng.IntN(100) == 0 && len(down) < (len(ids)-1)/2:
			if v := n.voters[ids[n.rng.IntN(len(ids))]]; n.rng.IntN(2) == 0 {
				writes = 1 + n.rng.IntN(3)
			} else if v.log != nil {
				v.crash()
				down = append(down, v)
			}
		case n.rng.IntN(60) == 0 && len(down) > 0:
			if v := down[0]; !v.start() {
				t.Fatalf("voter %d: %v", v.id, v.err)
			}
			down = down[1:]
		case n.rng.IntN(300) == 0:
			n.cutOff(ids[n.rng.IntN(len(ids))], true)
		case n.rng.IntN(100) == 0:
			clear(n.cut)
		}
	}
	n.rough, writes = false, 0
	clear(n.cut)
	for _, v := range down {
		v.start()
	}
	n.commit(1, n.all()...)
	if len(n.acked) < 20 {
		t.Errorf("only %d entries were committed", len(n.acked))
	}
	for _, v := range n.all() {
		for _, id := range n.acked {
			if !v.has(id) {
				t.Fatalf("voter %d has lost entry %d, which a leader had applied", v.id, id)
			}
		}
	}
}

// TestLeadershipIsHandedOver: proposals meanwhile are not lost silently.
func TestLeadershipIsHandedOver(t *testing.T) {
	n := newNet(t, 1, 1, 2, 3)
	n.commit(100, n.all()...)
	for range 5 {
		old := n.waitLeader()
		to := n.voters[old.id%3+1]
		if err := old.log.Lead(to.id); err != nil {
			t.Fatal(err)
		}
		old.poll()
		before := n.now
		n.until("the other leads", func() bool { return n.leader() == to })
		if ticks := (n.now - before) / 10; ticks >= ElectionTicks {
			t.Errorf("it took %d ticks: an election, not a transfer", ticks)
		}
	}
	l := n.waitLeader()
	other := n.voters[l.id%3+1]
	if err := other.log.Lead(l.id); !errors.Is(err, cluster.ErrNotLeader) {
		t.Errorf("asked of a follower: %v", err)
	}
	other.crash()
	n.pass(2 * ElectionTicks)
	if err := l.log.Lead(other.id); !errors.Is(err, ErrNotReady) {
		t.Errorf("to a voter that cannot be reached: %v", err)
	}
}

// TestVotersComeAndGo: from one to three, replacing the first, and back to one.
func TestVotersComeAndGo(t *testing.T) {
	t.Parallel()
	n := newNet(t, 1, 1)
	n.commit(100, n.voters[1])
	for _, id := range []cluster.NodeID{2, 3, 4} {
		v := n.voter(id)
		if err := Join(v.dir, id, "c1"); err != nil {
			t.Fatal(err)
		}
		v.start()
		n.change(func(l *Log) error { return l.Add(id) }, func(s Status) bool { return slices.Contains(s.Voters, id) })
		n.commit(100+uint64(id), n.all()...)
	}
	l := n.waitLeader()
	first := l.id
	n.change(func(l *Log) error { return l.Remove(first) }, func(s Status) bool { return !slices.Contains(s.Voters, first) })
	n.until("another leads", func() bool { l := n.leader(); return l != nil && l.id != first })
	gone := n.voters[first]
	delete(n.voters, first)
	defer gone.crash()
	n.commit(200, n.all()...)
	for _, v := range n.all() {
		v.crash()
		v.start()
	}
	n.commit(201, n.all()...)
	for len(n.voters) > 1 {
		l := n.waitLeader()
		i := slices.IndexFunc(n.ids(), func(id cluster.NodeID) bool { return id != l.id })
		id := n.ids()[i]
		n.change(func(l *Log) error { return l.Remove(id) }, func(s Status) bool { return !slices.Contains(s.Voters, id) })
		n.voters[id].crash()
		delete(n.voters, id)
	}
	n.commit(202, n.all()...)
	if err := n.leader().log.Remove(n.leader().id); !errors.Is(err, ErrNotReady) {
		t.Errorf("the last voter is removed: %v", err)
	}
}

// change repeats ask until done.
func (n *net) change(ask func(*Log) error, done func(Status) bool) {
	n.t.Helper()
	n.until("a change of the voters", func() bool {
		l := n.leader()
		if l == nil {
			return false
		}
		if n.now%50 == 0 && !done(l.log.Status()) {
			if err := ask(l.log); err != nil && !errors.Is(err, ErrNotReady) {
				n.t.Fatal(err)
			}
			l.poll()
		}
		return done(l.log.Status())
	})
}

// TestNoRemovalBreaksTheMajority: if two of three can be reached, neither is removed.
func TestNoRemovalBreaksTheMajority(t *testing.T) {
	t.Parallel()
	n := newNet(t, 1, 1, 2, 3)
	n.commit(100, n.all()...)
	l := n.waitLeader()
	lost, other := n.voters[l.id%3+1], n.voters[(l.id+1)%3+1]
	lost.crash()
	n.pass(2 * ElectionTicks)
	if err := l.log.Remove(other.id); !errors.Is(err, ErrNotReady) {
		t.Errorf("a voter that is needed: %v", err)
	}
	if err := l.log.Remove(lost.id); err != nil {
		t.Errorf("a voter that is lost: %v", err)
	}
}

// TestASlowVoterGetsASnapshot: no log has the entries that it misses. The first
// snapshot is lost.
func TestASlowVoterGetsASnapshot(t *testing.T) {
	t.Parallel()
	n := newNet(t, 1, 1, 2, 3)
	n.commit(100, n.all()...)
	l := n.waitLeader()
	slow := n.voters[l.id%3+1]
	n.cutOff(slow.id, true)
	others := slices.DeleteFunc(n.all(), func(v *voter) bool { return v == slow })
	for i := range uint64(compactEntries + 100) {
		l = n.waitLeader()
		_ = l.log.Propose(member(1000 + i%50))
		if i%100 == 0 {
			l.poll()
			n.step()
		}
	}
	n.commit(3, others...)
	if s := n.waitLeader().log.Status(); s.Snapshot < compactEntries {
		t.Fatalf("snapshot at %d", s.Snapshot)
	}
	n.until("a snapshot is sent", func() bool {
		n.cutOff(slow.id, false)
		n.cut[[2]cluster.NodeID{n.waitLeader().id, slow.id}] = false
		n.step()
		return len(n.waitLeader().log.snapshots) > 0
	})
	n.queue = nil // lost
	n.commit(4, n.all()...)
	for _, v := range n.all() {
		v.crash()
		if !v.start() {
			t.Fatal(v.err)
		}
		if !v.has(1000) || !v.has(3) {
			t.Errorf("voter %d does not have all members", v.id)
		}
	}
	if _, err := slow.log.store.mem.Term(50); err == nil {
		t.Error("the slow voter has old entries: it got no snapshot")
	}
}

// TestRule25NoMajorityNoConfirmation: a leader without a majority confirms no read, and
// stops leading.
func TestRule25NoMajorityNoConfirmation(t *testing.T) {
	t.Parallel()
	n := newNet(t, 1, 1, 2, 3)
	n.commit(100, n.all()...)
	l := n.waitLeader()
	if err := l.log.Confirm(1); err != nil {
		t.Fatal(err)
	}
	l.poll()
	n.until("a read is confirmed", func() bool { return l.read >= 1 })
	n.cutOff(l.id, true)
	if err := l.log.Confirm(2); err != nil {
		t.Fatal(err)
	}
	l.poll()
	n.pass(3 * ElectionTicks)
	if l.read >= 2 || l.log.leads() {
		t.Errorf("without a majority: confirmed %d, leads %t", l.read, l.log.leads())
	}
	if err := l.log.Confirm(3); !errors.Is(err, cluster.ErrNotLeader) {
		t.Errorf("Confirm: %v", err)
	}
	clear(n.cut)
	n.commit(101, n.all()...)
}

// TestAVoterThatWasCutOffDisturbsNobody: it asks first whether it would be elected.
func TestAVoterThatWasCutOffDisturbsNobody(t *testing.T) {
	t.Parallel()
	n := newNet(t, 1, 1, 2, 3)
	n.commit(100, n.all()...)
	l := n.waitLeader()
	term := l.term
	lost := n.voters[l.id%3+1]
	n.cutOff(lost.id, true)
	n.pass(10 * ElectionTicks)
	clear(n.cut)
	n.pass(5 * ElectionTicks)
	if n.leader() != l || l.term != term {
		t.Errorf("voter %d leads in term %d; it was voter %d in term %d", n.leader().id, n.leader().term, l.id, term)
	}
}

// A cluster without a quorum of its own, or a node without a clock, is refused.
func TestImpossibleClusters(t *testing.T) {
	dir := tempDir(t)
	for what, others := range map[string][]cluster.NodeID{"no node": {2, 0}, "itself": {1, 2}, "twice": {2, 2}, "raft's own": {math.MaxUint64}} {
		if err := Create(dir, 1, "c1", others...); err == nil || !strings.HasPrefix(err.Error(), "raftlog: voter ") {
			t.Errorf("%s: %v", what, err)
		}
	}
	if err := Create(dir, 1, strings.Repeat("x", 5000)); err == nil || len(err.Error()) > 300 {
		t.Errorf("a long id: %.400v", err)
	}
	none := filepath.Join(dir, "none")
	for what, err := range map[string]error{"create": Create(none, 1, "c1"), "join": Join(none, 1, "c1"), "rejoin": Rejoin(none)} {
		if !errors.Is(err, fs.ErrNotExist) || !strings.HasPrefix(err.Error(), "raftlog: ") {
			t.Errorf("%s in a folder that does not exist: %v", what, err)
		}
	}
	if _, err := Start(NodeConfig{LogConfig: LogConfig{Dir: dir, Node: 1}, Election: 1}); err == nil || !strings.Contains(err.Error(), "Election is 1ns") {
		t.Errorf("an election timeout below a tick: %v", err)
	}
}
