package raftlog

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/tcpctl/tcpctl/lock/cluster"
)

var quiet = slog.New(slog.NewTextHandler(io.Discard, nil))

// tempDir is on a file system in memory, where there is one: only the order of fsyncs
// matters.
func tempDir(t testing.TB) string {
	dir, err := os.MkdirTemp("/dev/shm", "raftlog")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// A net is voters in one goroutine with a network between them that loses, duplicates
// and delays messages, all by the seed.
type net struct {
	t      testing.TB
	rng    *rand.Rand
	dir    string
	voters map[cluster.NodeID]*voter
	queue  []packet
	now    int
	rough  bool
	cut    map[[2]cluster.NodeID]bool
	agreed map[uint64]cluster.LogEntry // entries that any voter has applied
	acked  []uint64                    // members whose entry a leader has applied
}

type packet struct {
	at       int
	from, to cluster.NodeID
	data     []byte
}

// A voter is a Log with the state over it.
type voter struct {
	net   *net
	id    cluster.NodeID
	dir   string
	log   *Log // nil: the voter is down
	state *cluster.State
	term  uint64
	lead  cluster.NodeID
	read  uint64 // last confirmed read
	fault func() error
	size  int
	err   error // from opening the log
}

// newNet makes a cluster of these voters and starts all of them.
func newNet(t testing.TB, seed uint64, voters ...cluster.NodeID) *net {
	n := &net{t: t, rng: rand.New(rand.NewPCG(seed, 2)), dir: tempDir(t), voters: map[cluster.NodeID]*voter{}, cut: map[[2]cluster.NodeID]bool{}, agreed: map[uint64]cluster.LogEntry{}}
	for i, id := range voters {
		v := n.voter(id)
		others := slices.Delete(slices.Clone(voters), i, i+1)
		if err := Create(v.dir, id, "c1", others...); err != nil {
			t.Fatal(err)
		}
		v.start()
	}
	t.Cleanup(func() {
		for _, v := range n.voters {
			v.crash()
		}
	})
	return n
}

// voter makes a voter's empty folder.
func (n *net) voter(id cluster.NodeID) *voter {
	v := &voter{net: n, id: id, dir: filepath.Join(n.dir, fmt.Sprint(id))}
	if err := os.Mkdir(v.dir, 0o700); err != nil {
		n.t.Fatal(err)
	}
	n.voters[id] = v
	return v
}

func (n *net) ids() (ids []cluster.NodeID) {
	for id := range n.voters {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return ids
}

func (v *voter) start() bool {
	log, err := Open(LogConfig{Dir: v.dir, Node: v.id, Logger: quiet, fault: v.fault, maxSize: v.size, Send: func(all []Message) {
		for _, m := range all {
			v.net.send(v.id, m)
		}
	}})
	if v.err = err; err != nil {
		return false
	}
	if v.state, err = log.State(); err != nil {
		v.net.t.Fatal(err)
	}
	v.log = log
	v.poll()
	return true
}

// crash ends the process without a message: what was written stays.
func (v *voter) crash() {
	if v.log != nil {
		v.log.store.close()
		v.log = nil
	}
}

// poll does what a Node does.
func (v *voter) poll() {
	if v.log == nil {
		return
	}
	v.log.Advance()
	r := v.log.Ready()
	v.term, v.lead, v.read = r.Term, r.Leader, r.Confirmed
	if r.Snapshot != nil {
		s, err := cluster.RestoreState(r.Snapshot)
		if err != nil {
			v.net.t.Fatalf("voter %d: %v", v.id, err)
		}
		v.state = s
	}
	for _, e := range r.Entries {
		if known, ok := v.net.agreed[e.Index]; ok && (known.Term != e.Term || !bytes.Equal(known.Data, e.Data)) {
			v.net.t.Fatalf("voter %d has an entry %d that differs from another voter's", v.id, e.Index)
		}
		v.net.agreed[e.Index] = e
		if _, err := v.state.Apply(e.Index, e.Data); err != nil {
			v.log.Stop(err)
			return
		}
		if v.lead == v.id && len(e.Data) > 0 {
			batches, _ := cluster.DecodeEntry(e.Data)
			v.net.acked = append(v.net.acked, uint64(batches[0].Node))
		}
	}
	if v.log.CompactDue() {
		_ = v.log.Compact(v.state.Snapshot())
		v.log.Advance()
	}
}

func (n *net) send(from cluster.NodeID, m Message) {
	times := 1
	delay := 1
	if n.rough {
		switch r := n.rng.IntN(100); {
		case r < 5:
			times = 0
		case r < 8:
			times = 2
		}
		delay = 1 + n.rng.IntN(4)
		if n.rng.IntN(30) == 0 {
			delay = n.rng.IntN(100)
		}
	}
	for range times {
		n.queue = append(n.queue, packet{n.now + delay, from, m.To, slices.Clone(m.Data)})
	}
}

// step advances the time by a tenth of a tick.
func (n *net) step() {
	n.now++
	due := n.queue
	n.queue = nil
	for _, p := range due {
		if p.at > n.now {
			n.queue = append(n.queue, p)
			continue
		}
		if v := n.voters[p.to]; v != nil && v.log != nil && !n.cut[[2]cluster.NodeID{p.from, p.to}] {
			_ = v.log.Step(p.from, p.data)
			v.poll()
		}
	}
	for i, id := range n.ids() {
		if v := n.voters[id]; v.log != nil && (n.now+i*3)%10 == 0 {
			v.log.Tick()
			v.poll()
		}
	}
}

// until runs steps until ok.
func (n *net) until(what string, ok func() bool) {
	n.t.Helper()
	for range 20_000 {
		if ok() {
			return
		}
		n.step()
	}
	n.t.Fatalf("%s: not reached", what)
}

func (n *net) pass(ticks int) {
	for range 10 * ticks {
		n.step()
	}
}

// leader returns the voter that leads in the highest term, or nil.
func (n *net) leader() (found *voter) {
	for _, id := range n.ids() {
		if v := n.voters[id]; v.log != nil && v.log.leads() && (found == nil || v.term > found.term) {
			found = v
		}
	}
	return found
}

func (n *net) waitLeader() *voter {
	n.t.Helper()
	n.until("a leader", func() bool { return n.leader() != nil })
	return n.leader()
}

// member is an entry that makes a node a member, which shows in the state.
func member(id uint64) []byte {
	return cluster.EncodeEntry([]cluster.Batch{{Node: cluster.NodeID(id), Ops: []cluster.Op{{Kind: cluster.OpMember}}}})
}

func (v *voter) has(id uint64) bool {
	return v.state != nil && slices.ContainsFunc(v.state.Members(), func(m cluster.Member) bool { return m.Node == cluster.NodeID(id) })
}

// commit proposes a member until it is in the state of these voters.
func (n *net) commit(id uint64, all ...*voter) {
	n.t.Helper()
	n.until(fmt.Sprintf("entry %d", id), func() bool {
		if l := n.leader(); l != nil && !l.has(id) && n.now%20 == 0 {
			if l.log.Propose(member(id)) == nil {
				l.poll()
			}
		}
		return !slices.ContainsFunc(all, func(v *voter) bool { return !v.has(id) })
	})
}

func (n *net) cutOff(id cluster.NodeID, cut bool) {
	for _, other := range n.ids() {
		n.cut[[2]cluster.NodeID{id, other}], n.cut[[2]cluster.NodeID{other, id}] = cut, cut
	}
}

func (n *net) all() (all []*voter) {
	for _, id := range n.ids() {
		all = append(all, n.voters[id])
	}
	return all
}
