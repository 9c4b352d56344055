package quorum

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/tcpctl/tcpctl/cmd/tcpctl/internal/statedir"
	"github.com/tcpctl/tcpctl/lock/cluster"
	"github.com/tcpctl/tcpctl/lock/cluster/raftlog"
	"github.com/tcpctl/tcpctl/mesh/meshinfo"
	"github.com/tcpctl/tcpctl/proxy/api"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A network is a mesh in memory, whose streams are pipes.
type network struct {
	t       testing.TB
	dir     string
	begin   time.Time
	mu      sync.Mutex
	nodes   map[string]*node // by name
	apart   map[string]bool  // nodes that are cut off
	version int              // of nodes started from now on; 0: the real one
	wg      sync.WaitGroup
}

// A node is one process; it implements Mesh.
type node struct {
	net   *network
	name  string
	part  *Part
	conns []net.Conn
	mu    sync.Mutex
	notes []string
}

func newNetwork(t testing.TB) *network {
	dir, err := os.MkdirTemp("/dev/shm", "quorum")
	if err != nil {
		dir = t.TempDir()
	}
	n := &network{t: t, dir: dir, begin: time.Now(), nodes: map[string]*node{}, apart: map[string]bool{}}
	return n
}

func (n *network) close() {
	for _, name := range n.names() {
		n.nodes[name].stop()
	}
	n.wg.Wait()
	os.RemoveAll(n.dir)
}

func (n *network) names() (all []string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for name := range n.nodes {
		all = append(all, name)
	}
	slices.Sort(all)
	return all
}

// start starts a node whose file names these voters.
func (n *network) start(name string, voters ...string) *node {
	n.t.Helper()
	return n.startWith(name, 3*time.Second, voters...)
}

func (n *network) startWith(name string, lease time.Duration, voters ...string) *node {
	n.t.Helper()
	nd := &node{net: n, name: name}
	part, err := Start(Config{
		Mesh: nd, Voters: voters, Dir: filepath.Join(n.dir, name), Lease: lease, Election: time.Second,
		version: n.version, Now: func() time.Duration { return time.Since(n.begin) }, Log: slog.New(slog.NewTextHandler(io.Discard, nil)),
		Note: func(_ bool, text string) {
			nd.mu.Lock()
			nd.notes = append(nd.notes, text)
			nd.mu.Unlock()
		},
	})
	if err != nil {
		n.t.Fatal(err)
	}
	n.mu.Lock()
	nd.part = part
	n.nodes[name] = nd
	n.mu.Unlock()
	return nd
}

func (nd *node) stop() {
	nd.net.mu.Lock()
	delete(nd.net.nodes, nd.name)
	nd.net.mu.Unlock()
	nd.part.Close()
	nd.net.mu.Lock()
	for _, c := range nd.conns {
		c.Close()
	}
	nd.net.mu.Unlock()
}

func meshIDOf(name string) string {
	sum := sha256.Sum256([]byte(name))
	return hex.EncodeToString(sum[:16])
}

func (nd *node) ID() string       { return meshIDOf(nd.name) }
func (nd *node) NodeName() string { return nd.name }

func (nd *node) Peers() (all []meshinfo.Peer) {
	nd.net.mu.Lock()
	defer nd.net.mu.Unlock()
	for name := range nd.net.nodes {
		if name != nd.name && !nd.net.apart[name] && !nd.net.apart[nd.name] {
			all = append(all, meshinfo.Peer{ID: meshIDOf(name), Name: name, State: meshinfo.Alive, Trusted: true})
		}
	}
	return all
}

func (nd *node) OpenStream(ctx context.Context, id string) (net.Conn, error) {
	nd.net.mu.Lock()
	defer nd.net.mu.Unlock()
	for name, to := range nd.net.nodes {
		if meshIDOf(name) != id || nd.net.apart[name] || nd.net.apart[nd.name] || to.part == nil {
			continue
		}
		ours, theirs := net.Pipe()
		nd.conns, to.conns = append(nd.conns, ours), append(to.conns, theirs)
		peer := meshinfo.Peer{ID: nd.ID(), Name: nd.name, State: meshinfo.Alive, Trusted: true}
		nd.net.wg.Go(func() {
			var first [1]byte
			if _, err := theirs.Read(first[:]); err != nil || first[0] != Magic {
				theirs.Close()
				return
			}
			to.part.Serve(peer, theirs)
		})
		return ours, nil
	}
	return nil, errors.New("no such peer")
}

// cutOff ends all streams of a node and makes it unreachable, or reachable again.
func (n *network) cutOff(name string, apart bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.apart[name] = apart
	for _, c := range n.nodes[name].conns {
		c.Close()
	}
}

func (nd *node) said(text string) bool {
	nd.mu.Lock()
	defer nd.mu.Unlock()
	return slices.ContainsFunc(nd.notes, func(note string) bool { return strings.Contains(note, text) })
}

func until(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for range 3000 {
		if ok() {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	t.Fatalf("timeout waiting for: %s", what)
}

// voters returns the names of the voters, sorted, and of the leader.
func (nd *node) voters() (all []string, leader string) {
	c := nd.part.Status()
	for _, v := range c.Voters {
		if !v.Missing && !v.Learner {
			all = append(all, v.Name)
		}
	}
	return all, c.Leader
}

func (nd *node) sees(leader bool, voters ...string) func() bool {
	return func() bool {
		all, l := nd.voters()
		return slices.Equal(all, voters) && (l != "") == leader
	}
}

// form starts a cluster of three voters and one client node.
func form(t *testing.T) (n *network, a, b, c, d *node) {
	n = newNetwork(t)
	voters := []string{"a", "b", "c"}
	a, b, c, d = n.start("a", voters...), n.start("b", voters...), n.start("c", voters...), n.start("d", voters...)
	if _, err := d.part.Init(); err == nil || !strings.Contains(err.Error(), "not among the voters") {
		t.Errorf("a client makes a cluster: %v", err)
	}
	if _, err := a.part.Add(t.Context(), "b"); err == nil || !strings.Contains(err.Error(), "no cluster yet") {
		t.Errorf("before there is a cluster: %v", err)
	}
	if text, err := a.part.Init(); err != nil || !strings.Contains(text, "adds b, c") {
		t.Fatalf("Init: %q, %v", text, err)
	}
	if _, err := a.part.Init(); err == nil {
		t.Error("a second cluster is made")
	}
	began := time.Now()
	for _, nd := range []*node{a, b, c} {
		until(t, nd.name+" sees three voters", nd.sees(true, "a", "b", "c"))
	}
	if d := time.Since(began); d > 1400*time.Millisecond {
		t.Errorf("it took %v until three voted", d)
	}
	until(t, "the client knows the cluster", func() bool { return d.part.Status().ID == a.part.Status().ID })
	return n, a, b, c, d
}

// TestOneVoterMakesAClusterOfAll: the voters that the file names are added, the other nodes learn
// the cluster's id; the leadership is handed over on request and at a stop; a voter is replaced by
// changing the file.
func TestOneVoterMakesAClusterOfAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, a, b, c, d := form(t)
		defer n.close()
		ctx := t.Context()
		leads := func() *node {
			_, l := a.voters()
			return n.nodes[l]
		}
		to := "b"
		if leads() == b {
			to = "c"
		}
		if text, err := leads().part.Lead(ctx, to); err != nil || text != to+" leads" {
			t.Fatalf("%q, %v", text, err)
		}
		var leader *LeaderError
		if _, err := a.part.Lead(ctx, "c"); leads() != a && (!errors.As(err, &leader) || leader.Name != to || leader.ID != meshIDOf(to)) {
			t.Errorf("asked of a follower: %v", err)
		}
		if _, err := d.part.Lead(ctx, "c"); !errors.As(err, &leader) {
			t.Errorf("asked of a client: %v", err)
		}
		if _, err := leads().part.Lead(ctx, "x"); !Usage(err) {
			t.Errorf("to a node that is not known: %v", err)
		}
		if _, err := leads().part.Lead(ctx, "d"); err == nil || !strings.HasPrefix(err.Error(), "d: it is not a voter; ") {
			t.Errorf("to a client: %v", err)
		}
		if _, err := leads().part.Remove(ctx, "a", false); err == nil || !strings.Contains(err.Error(), "added again") {
			t.Errorf("one that the file names: %v", err)
		}
		if _, err := leads().part.Add(ctx, "d"); !Usage(err) {
			t.Errorf("one that the file does not name: %v", err)
		}
		old := leads()
		before := time.Now()
		old.stop()
		rest := []*node{a, b, c}
		rest = slices.DeleteFunc(rest, func(nd *node) bool { return nd == old })
		until(t, "another leads", func() bool { _, l := rest[0].voters(); return l != "" && l != old.name })
		if d := time.Since(before); d > 500*time.Millisecond {
			t.Errorf("no leader for %v after an orderly stop", d)
		}
		n.start(old.name, "a", "b", "c")
		until(t, "a leads, which is to be replaced", func() bool {
			_, l := n.nodes["a"].voters()
			if l != "" && l != "a" {
				n.nodes[l].part.Lead(ctx, "a")
			}
			return l == "a"
		})
		for _, nd := range []*node{a, b, c, d} {
			n.nodes[nd.name].part.SetVoters([]string{"b", "c", "d"})
		}
		d = n.nodes["d"]
		until(t, "d votes", d.sees(true, "a", "b", "c", "d"))
		text, err := "", errors.New("none")
		until(t, "a is removed", func() bool {
			_, l := d.voters()
			text, err = n.nodes[l].part.Remove(ctx, "a", false)
			return err == nil
		})
		if !strings.Contains(text, "the voters are b, c, d") {
			t.Errorf("removed: %q", text)
		}
		until(t, "three vote", d.sees(true, "b", "c", "d"))
	})
}

// TestNoMajorityNothingIsDone: acts fail with ErrNoQuorum, which is exit status 4.
func TestNoMajorityNothingIsDone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, a, b, c, d := form(t)
		defer n.close()
		n.cutOff("b", true)
		n.cutOff("c", true)
		for _, nd := range []*node{a, b, c} {
			until(t, "no leader", nd.sees(false, "a", "b", "c"))
			if _, err := nd.part.Lead(t.Context(), "c"); !errors.Is(err, ErrNoQuorum) {
				t.Errorf("%s: %v", nd.name, err)
			}
		}
		n.cutOff("a", true)
		until(t, "the client reaches no voter", func() bool {
			_, err := d.part.Remove(t.Context(), "a", true)
			return errors.Is(err, ErrNoQuorum)
		})
		for _, name := range []string{"a", "b", "c"} {
			n.cutOff(name, false)
		}
		until(t, "a leader again", a.sees(true, "a", "b", "c"))
	})
}

// TestRule30TwoClustersMeet: of two clusters made in one mesh, each reports both ids, and neither
// changes. A node that is started without its folder joins that of the other.
func TestRule30TwoClustersMeet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t)
		defer n.close()
		n.apart["b"] = true
		a, b := n.start("a", "a"), n.start("b", "b")
		for _, nd := range []*node{a, b} {
			if _, err := nd.part.Init(); err != nil {
				t.Fatal(err)
			}
			until(t, "it leads", nd.sees(true, nd.name))
		}
		a.part.SetVoters([]string{"a", "b", "c"})
		n.cutOff("b", false)
		ids := []string{a.part.Status().ID, b.part.Status().ID}
		for _, nd := range []*node{a, b} {
			until(t, nd.name+" says both ids", func() bool { return nd.said(ids[0]) && nd.said(ids[1]) && nd.said("is refused") })
		}
		if !a.sees(true, "a")() || !b.sees(true, "b")() || a.part.Status().ID != ids[0] || b.part.Status().ID != ids[1] {
			t.Error("they mixed")
		}
		folder := filepath.Join(n.dir, "b")
		if _, err := b.part.Rejoin(); err == nil || !strings.Contains(err.Error(), "remove "+folder) {
			t.Errorf("rejoin: %v", err)
		}
		b.stop()
		if err := os.RemoveAll(folder); err != nil {
			t.Fatal(err)
		}
		n.start("b", "a", "b", "c")
		until(t, "it votes with the others", a.sees(true, "a", "b"))
	})
}

// TestRule33AVoterRejoins: a voter whose log was lost while it was down is removed, and votes again.
func TestRule33AVoterRejoins(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, a, _, c, _ := form(t)
		defer n.close()
		if _, err := a.part.Rejoin(); err == nil {
			t.Error("a working voter discards its log")
		}
		c.stop()
		if err := os.Remove(filepath.Join(n.dir, "c", "log")); err != nil {
			t.Fatal(err)
		}
		c = n.start("c", "a", "b", "c")
		if s := c.part.Status(); s.Role != api.ClusterStopped || !strings.Contains(s.Error, "rejoin me") || !c.said("rejoin me") {
			t.Errorf("status %+v", s)
		}
		if err := c.part.Stopped(); !errors.Is(err, raftlog.ErrBehind) {
			t.Errorf("stopped: %v", err)
		}
		time.Sleep(5 * time.Second)
		if c.part.Stopped() == nil {
			t.Error("it votes by itself")
		}
		until(t, "it is removed", func() bool {
			_, l := a.voters()
			_, err := n.nodes[l].part.Remove(t.Context(), "c", true)
			return err == nil
		})
		if _, err := c.part.Rejoin(); err != nil {
			t.Fatal(err)
		}
		until(t, "it votes again", c.sees(true, "a", "b", "c"))
	})
}

// TestAMemberSpeaksToItsVoters: a client node gets a lease over the streams.
func TestAMemberSpeaksToItsVoters(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, _, _, _, d := form(t)
		defer n.close()
		c, err := d.part.Carrier()
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		m := n.member(c)
		c.SetPart(d.part)
		until(t, "it has a lease", m.runs)
	})
}

// A member is a cluster member of a process.
type member struct {
	net     *network
	carrier *Carrier
	mu      sync.Mutex
	agent   *cluster.Agent
}

func (n *network) member(c *Carrier) *member {
	m := &member{net: n, carrier: c, agent: cluster.NewAgent(cluster.AgentConfig{Node: c.Self(), Incarnation: c.Incarnation(), Lease: 3 * time.Second})}
	c.SetMember(func(r cluster.Answer) {
		m.mu.Lock()
		defer m.mu.Unlock()
		m.agent.Step(time.Since(n.begin), r)
	}, func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		m.agent.Renew(time.Since(n.begin))
	})
	return m
}

// runs does what is due for the member, and reports whether it has a lease.
func (m *member) runs() bool {
	voters := m.carrier.Voters()
	if len(voters) == 0 {
		return false
	}
	m.mu.Lock()
	now := time.Since(m.net.begin)
	m.agent.SetVoters(voters)
	if now >= m.agent.Deadline() {
		m.agent.Tick(now)
	}
	ready := m.agent.Ready()
	_, runs := m.agent.Runs(now)
	m.mu.Unlock()
	for _, r := range ready.Requests {
		m.carrier.Send(r)
	}
	return runs
}

// TestTwoProcessesOfOneNode: each has a lease of its own, whichever of them has the node's Part. A
// third process takes a free number.
func TestTwoProcessesOfOneNode(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, _, _, c, _ := form(t)
		defer n.close()
		old, err := c.part.Carrier()
		if err != nil {
			t.Fatal(err)
		}
		defer old.Close()
		first := n.member(old)
		old.SetPart(c.part)
		until(t, "the first has a lease", first.runs)

		incarnation, err := c.part.NextIncarnation()
		if err != nil {
			t.Fatal(err)
		}
		next, err := NewCarrier(filepath.Join(n.dir, "c"), c.part.Self(), incarnation, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer next.Close()
		if next.Self() == old.Self() || nodeOf(next.Self()) != nodeOf(old.Self()) {
			t.Fatalf("processes %x and %x", old.Self(), next.Self())
		}
		second := n.member(next)
		ours, theirs := net.Pipe()
		n.wg.Go(func() { old.Serve(ours) })
		n.wg.Go(func() { next.Serve(theirs) })
		until(t, "both have one", func() bool { return first.runs() && second.runs() })

		c.stop()
		old.SetPart(nil)
		c = n.start("c", "a", "b", "c")
		next.SetPart(c.part)
		for range 500 { // of 0.02 s: longer than a lease
			if !first.runs() || !second.runs() {
				t.Fatal("a lease is lost while the part goes to the other process")
			}
			time.Sleep(20 * time.Millisecond)
		}
		old.Close()
		third, err := NewCarrier(filepath.Join(n.dir, "c"), c.part.Self(), incarnation+2, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer third.Close()
		if third.Self() != old.Self() || third.Incarnation() <= next.Incarnation() {
			t.Errorf("process %x, incarnation %d: want %x again", third.Self(), third.Incarnation(), old.Self())
		}
	})
}

// TestRule36NodesOfAnotherVersion: nodes of different versions refuse each other and name both
// versions; a node that thus reaches no voter knows why.
func TestRule36NodesOfAnotherVersion(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, a, _, _, d := form(t)
		defer n.close()
		d.stop()
		n.version = version + 1
		d = n.start("d", "a", "b", "c")
		until(t, "both say so", func() bool {
			return d.said("it has version 1 of the cluster's streams, and this node 2") && a.said("it has version 2 of the cluster's streams, and this node 1")
		})
		until(t, "d gets no slots", d.part.OtherVersion)
		if a.part.OtherVersion() || len(a.part.Status().Voters) != 3 {
			t.Errorf("a: %+v", a.part.Status())
		}
		d.stop()
		n.version = version
		d = n.start("d", "a", "b", "c")
		until(t, "d reaches them", func() bool { return !d.part.OtherVersion() && d.part.linked(a.part.self) })
	})
}

// TestALeaseIsTheClusters: a node whose lease differs from the cluster's takes no part, whether it
// belonged to the cluster before or not, and says so.
func TestALeaseIsTheClusters(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, a, _, c, _ := form(t)
		defer n.close()
		e := n.startWith("e", 10*time.Second, "a", "b", "c")
		until(t, "e says both", func() bool { return e.said("10s") && e.said("3s") })
		until(t, "a says both", func() bool { return a.said("10s") && a.said("3s") })
		if e.part.Status().ID != "" {
			t.Error("it has joined")
		}
		c.stop()
		c = n.startWith("c", 2*time.Second, "a", "b", "c")
		if s := c.part.Status(); s.Role != api.ClusterStopped || !strings.Contains(s.Error, "2s") {
			t.Errorf("status %+v", s)
		}
		if _, err := c.part.Rejoin(); err == nil {
			t.Error("it discards its log")
		}
		time.Sleep(5 * time.Second)
		c.stop()
		c = n.start("c", "a", "b", "c")
		until(t, "it votes again", c.sees(true, "a", "b", "c"))
	})
}

// Two instances on one machine cannot have one folder: with one memory they would have one
// incarnation twice. A process that takes the place of another of its node can, and so can a node whose
// key was replaced.
func TestAFolderIsOneNodes(t *testing.T) {
	n := newNetwork(t)
	defer n.close()
	start := func(name string) (*Part, error) {
		return Start(Config{Mesh: &node{net: n, name: name}, Voters: []string{"a"}, Dir: filepath.Join(n.dir, "one"), Lease: 3 * time.Second, Election: time.Second,
			Now: func() time.Duration { return time.Since(n.begin) }, Log: slog.New(slog.DiscardHandler), Note: func(bool, string) {}})
	}
	a, err := start("a")
	if err != nil {
		t.Fatal(err)
	}
	refused := func() {
		t.Helper()
		if _, err := start("b"); err == nil || !strings.Contains(err.Error(), "another instance") {
			t.Fatalf("a second node has its folder: %v", err)
		}
	}
	refused()
	next, err := start("a")
	if err != nil {
		t.Fatal(err)
	}
	a.Close()
	for end := time.Now().Add(time.Minute); ; time.Sleep(time.Millisecond) { // until the next process has the lock
		f, err := statedir.OpenLocked(filepath.Join(n.dir, "one", "node.lock"))
		if err != nil || time.Now().After(end) {
			t.Fatalf("the next process has no lock: %v", err)
		}
		if f == nil {
			break
		}
		f.Close()
	}
	refused()
	next.Close()
	b, err := start("b")
	if err != nil {
		t.Fatal(err)
	}
	b.Close()
}

// Which of two nodes is meant by a voter's name is not known: neither is taken, and an alarm says so.
func TestTwoNodesOfOneName(t *testing.T) {
	n := newNetwork(t)
	defer n.close()
	a := n.start("a", "a", "b")
	peer := func(id string) meshinfo.Peer {
		return meshinfo.Peer{ID: meshIDOf(id), Name: "b", State: meshinfo.Alive, Trusted: true}
	}
	for _, c := range []struct {
		peers []meshinfo.Peer
		want  []string
	}{{[]meshinfo.Peer{peer("x")}, nil}, {[]meshinfo.Peer{peer("y"), peer("x")}, []string{"b"}}} {
		if got := a.part.learn(c.peers); !slices.Equal(got, c.want) {
			t.Errorf("of %d nodes: %q", len(c.peers), got)
		}
		if id, _ := NodeOf(meshIDOf("x")); !slices.Contains(a.part.Voters(), id) {
			t.Errorf("of %d nodes it takes %v", len(c.peers), a.part.Voters())
		}
	}
}

// TestTheMemoryIsLost: a voter whose file of the cluster is damaged, or gone, votes again, with an incarnation that it
// has not had: its log has the cluster's id.
func TestTheMemoryIsLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t)
		defer n.close()
		a := n.start("a", "a")
		if _, err := a.part.Init(); err != nil {
			t.Fatal(err)
		}
		file := filepath.Join(n.dir, "a", keptName)
		for name, lose := range map[string]func() error{
			"damaged": func() error { return os.WriteFile(file, []byte("{"), 0o600) },
			"gone":    func() error { return os.Remove(file) },
		} {
			until(t, "it leads", a.sees(true, "a"))
			id, last := a.part.Status().ID, a.part.kept.Starts
			a.stop()
			if err := lose(); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Second)
			a = n.start("a", "a")
			until(t, "it leads again", a.sees(true, "a"))
			if now := a.part.kept.Starts; now <= last || a.part.Status().ID != id {
				t.Errorf("%s: incarnation %d after %d, cluster %s", name, now, last, a.part.Status().ID)
			}
			if a.said(file+".damaged") != (name == "damaged") {
				t.Errorf("%s: %q", name, a.notes)
			}
		}
	})
}

// TestALogThatMayNotVote: a voter whose log is of another cluster than the node belongs to is closed again. It would vote,
// though this node says that it does not, and have the log that a rejoin replaces.
func TestALogThatMayNotVote(t *testing.T) {
	n := newNetwork(t)
	defer n.close()
	a := n.start("a", "a")
	if _, err := a.part.Init(); err != nil {
		t.Fatal(err)
	}
	a.part.mu.Lock()
	a.part.kept.Cluster = "another"
	err := a.part.keep()
	a.part.mu.Unlock()
	if err != nil {
		t.Fatal(err)
	}
	a.stop()
	a = n.start("a", "a")
	if !a.said("does not vote") {
		t.Errorf("%q", a.notes)
	}
	log, err := raftlog.Open(raftlog.LogConfig{Dir: filepath.Join(n.dir, "a"), Node: a.part.self, Send: func([]raftlog.Message) {}})
	if err != nil {
		t.Fatalf("its log is in use: %v", err)
	}
	log.Close()
}

// TestAnActAfterTheEnd: an act that runs while the part is closed leaves no voter behind, which nobody would close and
// which would keep the log from the next process.
func TestAnActAfterTheEnd(t *testing.T) {
	n := newNetwork(t)
	defer n.close()
	a := n.start("a", "a")
	a.stop()
	if _, err := a.part.Init(); err == nil {
		t.Error("it has made a cluster")
	}
	log, err := raftlog.Open(raftlog.LogConfig{Dir: filepath.Join(n.dir, "a"), Node: a.part.self, Send: func([]raftlog.Message) {}})
	if errors.Is(err, raftlog.ErrInUse) {
		a.part.voter().Close()
		t.Fatal("a voter runs")
	}
	if err == nil {
		log.Close()
	}
}

// TestANameIsLost: a voter that is down, and whose name is lost with cluster.json, is shown once.
func TestANameIsLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, a, _, c, _ := form(t)
		defer n.close()
		until(t, "they vote", a.sees(true, "a", "b", "c"))
		c.stop()
		a.stop()
		if err := os.Remove(filepath.Join(n.dir, "a", keptName)); err != nil {
			t.Fatal(err)
		}
		a = n.start("a", "a", "b", "c")
		met := func(v api.Voter) bool { return v.Name == "b" && v.Reached }
		until(t, "a and b agree", func() bool { s := a.part.Status(); return s.Leader != "" && slices.ContainsFunc(s.Voters, met) })
		missing := func(v api.Voter) bool { return v.Missing }
		if s := a.part.Status(); len(s.Voters) != 3 || slices.ContainsFunc(s.Voters, missing) || len(s.File.Voters) != 3 {
			t.Errorf("%+v", s)
		}
	})
}
