package raftlog

import (
	"context"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/tcpctl/tcpctl/lock/cluster"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A group is Nodes that send each other bytes, and agents.
type group struct {
	t      testing.TB
	dir    string
	begin  time.Time
	mu     sync.Mutex
	nodes  map[cluster.NodeID]*Node
	agents map[cluster.NodeID]*agent
	cut    map[cluster.NodeID]bool
	said   map[cluster.NodeID]Status // from Changed
	polls  map[cluster.NodeID]int    // how often the clock was read
}

// An agent is a cluster.Agent with its lock, as in a node of the mesh.
type agent struct {
	*cluster.Agent
	mu sync.Mutex
}

func newGroup(t testing.TB, voters ...cluster.NodeID) *group {
	return newGroupIn(t, tempDir(t), voters...)
}

func newGroupIn(t testing.TB, dir string, voters ...cluster.NodeID) *group {
	g := &group{t: t, dir: dir, begin: time.Now(), nodes: map[cluster.NodeID]*Node{}, agents: map[cluster.NodeID]*agent{}, cut: map[cluster.NodeID]bool{}, said: map[cluster.NodeID]Status{}, polls: map[cluster.NodeID]int{}}
	for i, id := range voters {
		mkdir(t, g.path(id))
		if err := Create(g.path(id), id, "c1", slices.Delete(slices.Clone(voters), i, i+1)...); err != nil {
			t.Fatal(err)
		}
		g.start(id)
	}
	return g
}

func (g *group) path(id cluster.NodeID) string {
	return filepath.Join(g.dir, string(rune('a'+id)))
}

func (g *group) now() time.Duration { return time.Since(g.begin) }

func (g *group) start(id cluster.NodeID) {
	n, err := Start(NodeConfig{
		LogConfig: LogConfig{Dir: g.path(id), Node: id, Logger: quiet, Send: func(all []Message) {
			for _, m := range all {
				g.mu.Lock()
				to := g.nodes[m.To]
				lost := g.cut[id] || g.cut[m.To]
				g.mu.Unlock()
				if to != nil && !lost {
					_ = to.Receive(id, m.Data)
				}
			}
		}},
		Lease:   3 * time.Second,
		Now:     func() time.Duration { g.mu.Lock(); g.polls[id]++; g.mu.Unlock(); return g.now() },
		Answer:  func(all []cluster.AnswerTo) { g.answer(id, all) },
		Changed: func(s Status) { g.mu.Lock(); g.said[id] = s; g.mu.Unlock() },
	})
	if err != nil {
		g.t.Fatal(err)
	}
	g.mu.Lock()
	g.nodes[id] = n
	g.mu.Unlock()
}

// answer brings answers to their agents, as bytes. A goroutine calls the agent, whose
// requests go to the node that is at work here.
func (g *group) answer(from cluster.NodeID, all []cluster.AnswerTo) {
	for _, r := range all {
		data := cluster.EncodeAnswer(r.Answer)
		g.mu.Lock()
		a := g.agents[r.To]
		lost := g.cut[from] || g.cut[r.To]
		g.mu.Unlock()
		if a == nil || lost {
			continue
		}
		answer, err := cluster.DecodeAnswer(data)
		if err != nil {
			g.t.Error(err)
			continue
		}
		g.with(r.To, func(a *agent) { a.Step(g.now(), answer) })
	}
}

// with calls an agent and sends its requests.
func (g *group) with(id cluster.NodeID, do func(a *agent)) {
	g.mu.Lock()
	a := g.agents[id]
	g.mu.Unlock()
	a.mu.Lock()
	do(a)
	ready := a.Ready()
	a.mu.Unlock()
	for _, r := range ready.Requests {
		g.mu.Lock()
		to := g.nodes[r.To]
		lost := g.cut[id] || g.cut[r.To]
		g.mu.Unlock()
		request, err := cluster.DecodeRequest(cluster.EncodeRequest(r.Request))
		if err != nil {
			g.t.Error(err)
			continue
		}
		if to != nil && !lost {
			to.Request(request)
		}
	}
}

// join starts an agent. ctx ends its ticks.
func (g *group) join(ctx context.Context, wg *sync.WaitGroup, id cluster.NodeID) {
	g.mu.Lock()
	g.agents[id] = &agent{Agent: cluster.NewAgent(cluster.AgentConfig{Node: id, Incarnation: 1, Voters: []cluster.NodeID{1, 2, 3}, Lease: 3 * time.Second})}
	g.mu.Unlock()
	wg.Go(func() {
		tick := time.NewTicker(50 * time.Millisecond)
		defer tick.Stop()
		for {
			g.with(id, func(a *agent) { a.Tick(g.now()) })
			select {
			case <-tick.C:
			case <-ctx.Done():
				return
			}
		}
	})
}

// until waits for a condition.
func (g *group) until(what string, ok func() bool) {
	g.t.Helper()
	for range 2000 {
		if ok() {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	g.t.Fatalf("%s: not reached", what)
}

func (g *group) leader() (found cluster.NodeID) {
	g.mu.Lock()
	nodes, cut := maps.Clone(g.nodes), maps.Clone(g.cut)
	g.mu.Unlock()
	for id, n := range nodes {
		if s := n.Status(); s.Leader == id && s.Err == nil && !cut[id] {
			found = id
		}
	}
	return found
}

func (g *group) close() {
	for _, n := range g.nodes {
		n.Close()
	}
}

func (a *agent) admit(now time.Duration, arrival uint64) (cluster.Grant, cluster.Reason) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.Admit(now, "db", arrival, 0)
}

// TestALockOverThreeNodes: agents, their messages as bytes, voters and their logs on
// disk. The leader is lost while a slot is held: the slot and the waiters stay.
func TestALockOverThreeNodes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGroup(t, 1, 2, 3)
		defer g.close()
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		defer wg.Wait()
		defer cancel()
		g.join(ctx, &wg, 11)
		g.join(ctx, &wg, 12)
		g.until("one slot", func() bool {
			did := false
			g.with(11, func(a *agent) { did = a.Act(g.now(), cluster.Op{Kind: cluster.OpSlots, Service: "db", From: 1}) })
			return did
		})
		g.with(11, func(a *agent) { a.WaitingUpTo(g.now(), "db", 1) })
		var first cluster.Grant
		g.until("the first is admitted", func() (ok bool) {
			var r cluster.Reason
			first, r = g.agents[11].admit(g.now(), 1)
			return r == ""
		})
		g.until("the second has a lease", func() (runs bool) {
			g.with(12, func(a *agent) { _, runs = a.Runs(g.now()) })
			return runs
		})
		reached := func() (index uint64) {
			for _, n := range g.nodes {
				_ = n.View(func(s *cluster.State) { index = max(index, s.Index()) })
			}
			return index
		}
		before := reached()
		g.with(12, func(a *agent) { a.WaitingUpTo(g.now(), "db", 1) })
		g.until("the second waits in the state", func() bool { return reached() > before && g.leader() != 0 })
		old := g.leader()
		g.mu.Lock()
		g.cut[old] = true
		g.mu.Unlock()
		lost := g.now()
		g.until("another leads", func() bool { l := g.leader(); return l != 0 && l != old })
		if d := g.now() - lost; d > 2*time.Second {
			t.Errorf("no leader for %v (rule 26: 2 s at most)", d)
		}
		if _, r := g.agents[12].admit(g.now(), 1); r == "" {
			t.Error("the second is admitted while the first has the slot")
		}
		g.with(11, func(a *agent) { a.Done("db", 1) })
		var second cluster.Grant
		g.until("the second is admitted", func() (ok bool) {
			var r cluster.Reason
			second, r = g.agents[12].admit(g.now(), 1)
			return r == ""
		})
		if second.Token <= first.Token {
			t.Errorf("token %d after token %d", second.Token, first.Token)
		}
		g.mu.Lock()
		clear(g.cut)
		g.mu.Unlock()
		g.until("all voters have it", func() bool {
			same := 0
			for _, n := range g.nodes {
				if n.Status().Applied == g.nodes[g.leader()].Status().Applied {
					same++
				}
			}
			return same == 3
		})
	})
}

// TestAVoterWithoutClientsIsSeldomWoken: being woken is its cost. A follower has two
// messages in a beat, and no ticks; a leader has two answers.
func TestAVoterWithoutClientsIsSeldomWoken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGroup(t, 1, 2, 3)
		defer g.close()
		g.until("a leader", func() bool { return g.leader() != 0 })
		time.Sleep(time.Second)
		leader := g.leader()
		g.mu.Lock()
		clear(g.polls)
		g.mu.Unlock()
		const beats = 40
		time.Sleep(beats * beatTicks * g.nodes[leader].tick())
		g.mu.Lock()
		polls := maps.Clone(g.polls)
		g.mu.Unlock()
		for id, n := range polls {
			most := 2 * beats
			if id == leader {
				most = 5 * beats
			}
			if n > most || n < beats/2 {
				t.Errorf("voter %d of %v, led by %d, was woken %d times in %d beats", id, polls, leader, n, beats)
			}
		}
		if now := g.leader(); now != leader || len(polls) != 3 {
			t.Errorf("%d leads, and %d led before", now, leader)
		}
	})
}

// TestNodesComeAndGo: added, leading, removed; Changed reports each.
func TestNodesComeAndGo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGroup(t, 1)
		defer g.close()
		ctx, began := t.Context(), time.Now()
		g.until("it leads", func() bool { return g.leader() == 1 })
		if d := time.Since(began); d > 200*time.Millisecond {
			t.Errorf("a voter without others leads after %v", d)
		}
		for _, id := range []cluster.NodeID{2, 3} {
			mkdir(t, g.path(id))
			if err := Join(g.path(id), id, "c1"); err != nil {
				t.Fatal(err)
			}
			g.start(id)
			if err := g.nodes[1].Add(ctx, id); err != nil {
				t.Fatal(err)
			}
		}
		if err := g.nodes[2].Add(ctx, 4); !errors.Is(err, cluster.ErrNotLeader) {
			t.Errorf("asked of a follower: %v", err)
		}
		late, cancel := context.WithTimeout(ctx, 2*time.Second)
		if err := g.nodes[1].Add(late, 4); !errors.Is(err, ErrNotReady) || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("a node that does not exist: %v", err)
		}
		cancel()
		if err := g.nodes[1].Remove(ctx, 4); err != nil {
			t.Fatal(err)
		}
		if err := g.nodes[1].Lead(ctx, 3); err != nil {
			t.Fatal(err)
		}
		g.until("3 leads", func() bool { return g.leader() == 3 })
		if err := g.nodes[1].SetMember(9, false); !errors.Is(err, cluster.ErrNotLeader) {
			t.Errorf("SetMember at a follower: %v", err)
		}
		if err := g.nodes[3].SetMember(9, false); err != nil {
			t.Fatal(err)
		}
		g.until("9 is a member everywhere", func() bool {
			all := true
			for _, n := range g.nodes {
				_ = n.View(func(s *cluster.State) { all = all && len(s.Members()) == 1 })
			}
			return all
		})
		if err := g.nodes[3].Remove(ctx, 1); err != nil {
			t.Fatal(err)
		}
		g.until("it is reported", func() bool {
			g.mu.Lock()
			defer g.mu.Unlock()
			s := g.said[2]
			return s.Leader == 3 && slices.Equal(s.Voters, []cluster.NodeID{2, 3})
		})
		g.nodes[1].Close()
		if err := g.nodes[1].Close(); err != nil {
			t.Errorf("closed twice: %v", err)
		}
		if err := g.nodes[1].View(func(*cluster.State) {}); !errors.Is(err, ErrClosed) {
			t.Errorf("closed: %v", err)
		}
		if err := g.nodes[2].Receive(1, []byte{1}); !errors.Is(err, ErrMessage) {
			t.Errorf("garbage: %v", err)
		}
	})
}

// TestRule34ANodeServesOn: its voter has stopped, and it answers that it does not lead.
func TestRule34ANodeServesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGroup(t, 1, 2, 3)
		defer g.close()
		g.until("a leader", func() bool { return g.leader() != 0 })
		old := g.leader()
		n := g.nodes[old]
		n.post(true, func() { n.log.store.fault = func() error { return errors.New("no space left on device") } })
		g.until("it stops", func() bool {
			_ = n.SetMember(50, false) // refused before the leader's first entry is agreed on
			return errors.Is(n.Status().Err, ErrDisk)
		})
		g.until("it is reported", func() bool { g.mu.Lock(); defer g.mu.Unlock(); return g.said[old].Err != nil })
		g.until("another leads", func() bool { l := g.leader(); return l != 0 && l != old })
		if err := n.View(func(*cluster.State) {}); err != nil {
			t.Error(err)
		}
	})
}

func mkdir(t testing.TB, dir string) {
	t.Helper()
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
}
