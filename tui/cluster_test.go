package tui

import (
	"errors"
	"fmt"
	"testing"
	"time"

	tea "github.com/charmbracelet/bubbletea"

	"github.com/tcpctl/tcpctl/mesh/meshinfo"
	"github.com/tcpctl/tcpctl/proxy"
	"github.com/tcpctl/tcpctl/proxy/api"
)

// Ids of nodes in the mesh; the cluster uses their beginning.
const (
	idOne, idTwo, idThree = "1a1a1a1a1a1a1a1aff", "2b2b2b2b2b2b2b2bff", "3c3c3c3c3c3c3c3cff"
)

func shortID(id string) string { return id[:clusterID] }

// clustered is the node of the golden screens, as a voter of a cluster that edge-02 leads; the lock
// of office is of that cluster.
func clustered() *fake {
	f := edge()
	heal(f)
	f.status.Mesh.ID, f.status.Mesh.Label = idOne, "edge-01"
	f.status.Mesh.Peers[0].ID, f.status.Mesh.Peers[1].ID = idTwo, idThree
	voter := func(name, id string, leads bool) api.Voter {
		return api.Voter{Name: name, ID: shortID(id), Leads: leads, Reached: true}
	}
	f.status.Cluster = &api.Cluster{Name: "lab", ID: "9f31c2a7", Role: api.ClusterVoter, Leader: "edge-02", Term: 4, Applied: 902, LeaseSeconds: 2.4,
		Voters: []api.Voter{voter("edge-01", idOne, false), voter("edge-02", idTwo, true), voter("edge-03", idThree, false)}}
	f.status.Services[1].Lock = &proxy.LockInfo{Slots: 1, Scope: proxy.ScopeCluster, LeaseSeconds: 2.4, WhenLost: proxy.Hold}
	leader := f.peer("edge-02")
	seen := *f.status.Cluster
	seen.Role, seen.Voters = api.ClusterLeader, append([]api.Voter(nil), seen.Voters...)
	for i, entry := range []uint64{902, 902, 890} {
		seen.Voters[i].Entry = entry
	}
	seen.Leases = []api.NodeLease{{Name: "edge-01", ID: shortID(idOne), LeaseSeconds: 2.6}, {Name: "edge-02", ID: shortID(idTwo), LeaseSeconds: 3}}
	leader.status.Cluster = &seen
	return f
}

// TestAClusterOnTheScreen: who leads and, for each node, whether it votes, how long its lease runs
// and what it lacks, according to the leader.
func TestAClusterOnTheScreen(t *testing.T) {
	t.Parallel()
	for _, s := range []struct {
		name string
		w, h int
	}{{"80x24", 80, 24}, {"120x40", 120, 40}, {"60x20", 60, 20}} {
		c := newConsole(t, clustered(), s.w, s.h)
		c.live()
		c.press("3")
		c.look()
		golden(t, "cluster-peers-"+s.name, c)
	}
	c := newConsole(t, clustered(), 120, 40)
	c.engine.change(func(f *fake) { f.status.Mesh.Peers[1].State = meshinfo.Down })
	c.live()
	c.sees("cluster lab: edge-02 leads, 3 of 3")
	c.press("3 enter")
	c.sees("runs for 2.6s still, if it is not renewed", "nothing: it has all entries of the leader")
	c.press("esc j j enter")
	c.sees("none: it grants no slots", "12 entries behind the leader")
}

func TestALeaderIsAskedOnlyWhileNodesAreShown(t *testing.T) {
	t.Parallel()
	engine := clustered()
	c := newConsole(t, engine, 80, 24)
	c.live()
	c.pass(time.Minute)
	asked := func() int { return engine.peer("edge-02").times("status") }
	if n := asked(); n > 0 {
		t.Errorf("the leader was asked %d times", n)
	}
	c.press("3")
	c.look()
	if asked() == 0 {
		t.Error("the leader was not asked")
	}
}

// TestWithoutAQuorum: a node that reaches no majority says so in red, and what happens to its
// clients.
func TestWithoutAQuorum(t *testing.T) {
	t.Parallel()
	lost := func(f *fake) {
		s := f.status.Cluster
		s.Leader, s.LeaseSeconds = "", 0
		for i := range s.Voters {
			s.Voters[i].Leads, s.Voters[i].Reached = false, i == 0
		}
		f.status.Services[1].Lock.LeaseSeconds = 0
	}
	for _, s := range []struct {
		name string
		w, h int
	}{{"80x24", 80, 24}, {"120x40", 120, 40}, {"60x20", 60, 20}, {"40x10", 40, 10}} {
		c := newConsole(t, clustered(), s.w, s.h)
		c.engine.change(lost)
		c.live()
		golden(t, "cluster-lost-"+s.name, c)
	}
	c := newConsole(t, clustered(), 120, 40)
	c.engine.change(lost)
	c.live()
	c.sees("no quorum: holding", "clients that need a slot wait; not reached: edge-02, edge-03")
	c.engine.change(func(f *fake) { f.status.Services[1].Lock.WhenLost = proxy.Reject })
	c.look()
	c.sees("no quorum: rejecting", "turned away")
	c.engine.change(func(f *fake) { f.status.Cluster.Leader = "edge-02" })
	c.look()
	c.sees("no lease: rejecting")
	c.engine.change(func(f *fake) { f.status.Cluster.ID = "" })
	c.look()
	c.sees("not made yet: rejecting", "tcpctl cluster init")
	c.engine.change(func(f *fake) {
		s := f.status.Cluster
		s.ID, s.LeaseSeconds, s.Role, s.Error = "9f31c2a7", 2.4, api.ClusterStopped, "its log is behind what it promised: rejoin me"
	})
	c.look()
	c.sees("NO VOTE", "rejoin me")
	c.seesNot("rejecting")
}

// lined is clustered with clients: one of edge-02 has the slot, and clients wait at all three
// nodes.
func lined() *fake {
	f := clustered()
	waiter := func(arrival uint64, client string, waited float64) proxy.WaiterInfo {
		return proxy.WaiterInfo{ID: fmt.Sprintf("s%d", 100+arrival), Client: client, WaitedSeconds: waited, State: proxy.WaiterWaiting, Reason: proxy.ReasonCluster, Arrival: arrival}
	}
	lock := func(lease float64, holders ...proxy.HolderInfo) proxy.LockInfo {
		return proxy.LockInfo{Slots: 1, Scope: proxy.ScopeCluster, LeaseSeconds: lease, Holders: holders}
	}
	f.line = &api.NodeLine{Process: idOne, Lock: lock(2.4), Waiters: []proxy.WaiterInfo{waiter(5, "10.2.0.4:40112", 192), waiter(6, "10.2.0.8:41877", 151), waiter(7, "10.2.0.4:40190", 118)}}
	f.waiters = f.line.Waiters
	f.status.Services[1].Queue.Waiting = 3
	f.status.Services[1].Sessions.Active = 0
	two, three := f.peer("edge-02"), f.peer("edge-03")
	two.line = &api.NodeLine{Process: idTwo, Lock: lock(2.7, proxy.HolderInfo{ID: "s41", Client: "10.2.0.9:51344", HeldSeconds: 41, Token: 88}), Waiters: []proxy.WaiterInfo{waiter(3, "10.2.0.7:39001", 177)},
		Places: &api.Places{Entry: 902, Held: []api.HeldPlace{{Node: "edge-02", Process: idTwo, Arrival: 2, Token: 88, LeaseSeconds: 2.9}},
			Waiting: []api.PlaceRun{{Node: "edge-01", Process: idOne, From: 5, To: 5}, {Node: "edge-02", Process: idTwo, From: 3, To: 3},
				{Node: "edge-01", Process: idOne, From: 6, To: 7}, {Node: "edge-03", Process: idThree, From: 1, To: 2}}}}
	three.line = &api.NodeLine{Process: idThree, Lock: lock(2.2), Waiters: []proxy.WaiterInfo{waiter(1, "10.2.0.5:55120", 80), waiter(2, "[2001:db8:7:3::15]:37412", 44)}}
	return f
}

// TestOneQueueOfAllNodes: who has the slot and who waits, on any node.
func TestOneQueueOfAllNodes(t *testing.T) {
	t.Parallel()
	for _, s := range []struct {
		name string
		w, h int
	}{{"80x24", 80, 24}, {"120x40", 120, 40}, {"60x20", 60, 20}, {"40x10", 40, 10}} {
		c := newConsole(t, lined(), s.w, s.h)
		c.live()
		c.press("2")
		c.look()
		golden(t, "cluster-queue-"+s.name, c)
	}
	c := newConsole(t, lined(), 80, 24)
	c.live()
	c.look()
	golden(t, "cluster-strip-80x24", c) // as a strip of another pane
	lost := lined()
	lost.peer("edge-03").change(func(f *fake) { f.err = errors.New("no answer in time") })
	c = newConsole(t, lost, 80, 24)
	c.live()
	c.press("2")
	c.look()
	golden(t, "cluster-queue-silent-80x24", c)
	c.press("G enter")
	c.sees("not known: its node does not answer")
	c.press("esc K")
	c.sees("edge-03 does not answer")
}

// shared is lined with the slots of office divided into shares, which nodes grant by themselves:
// edge-01 uses all of its share, edge-02 waits for a slot that is free at edge-03.
func shared() *fake {
	f := lined()
	f.status.Services[1].Lock.Slots, f.status.Services[1].Lock.Order, f.status.Services[1].Lock.Share = 30, proxy.OrderShares, 6
	two, three := f.peer("edge-02"), f.peer("edge-03")
	for i, n := range []*fake{f, two, three} {
		n.line.Lock.Slots, n.line.Lock.Order, n.line.Lock.Share, n.line.Lock.Holders = 30, proxy.OrderShares, []int{6, 14, 10}[i], nil
		for k := range []int{6, 2, 1}[i] {
			n.line.Lock.Holders = append(n.line.Lock.Holders, proxy.HolderInfo{ID: fmt.Sprintf("s%d%d", i+4, k), Client: fmt.Sprintf("10.2.%d.%d:51344", i, 9+k),
				HeldSeconds: float64(41 - 3*k - i), Token: uint64(i+301)<<16 + uint64(k) + 1})
		}
	}
	three.line.Waiters = nil
	two.line.Places.Held, two.line.Places.Waiting = nil, nil
	two.line.Places.Shares = []api.SharePlace{{Node: "edge-01", Process: idOne, Slots: 6}, {Node: "edge-02", Process: idTwo, Slots: 14}, {Node: "edge-03", Process: idThree, Slots: 10}}
	return f
}

// TestSlotsByShareOnTheScreen shows the clients of all nodes, and this node's share of the slots.
func TestSlotsByShareOnTheScreen(t *testing.T) {
	t.Parallel()
	for _, s := range []struct {
		name string
		w, h int
		keys string
	}{{"80x24", 80, 24, ""}, {"end-80x24", 80, 24, "G"}, {"120x40", 120, 40, ""}, {"60x20", 60, 20, ""}} {
		c := newConsole(t, shared(), s.w, s.h)
		c.live()
		c.press("2 " + s.keys)
		c.look()
		golden(t, "cluster-shares-"+s.name, c)
	}
}

// TestAKickGoesToTheClientsNode: the client of another node is kicked by that node.
func TestAKickGoesToTheClientsNode(t *testing.T) {
	t.Parallel()
	engine := lined()
	c := newConsole(t, engine, 120, 40)
	c.live()
	c.press("2")
	c.look()
	c.press("j K") // the first waiter, a client of this node
	c.sees("10.2.0.4:40112")
	c.press("y")
	if acts := engine.acts(); len(acts) != 1 || acts[0].Act != "kick" || acts[0].Targets[0] != "s105" {
		t.Errorf("here: %v", acts)
	}
	c.press("k K") // the holder
	c.look()
	c.sees("edge-02")
	c.press("y")
	if acts := engine.peer("edge-02").acts(); len(acts) != 1 || acts[0].Act != "kick" || acts[0].Targets[0] != "s41" || len(engine.acts()) != 1 {
		t.Errorf("there: %v, here: %v", acts, engine.acts())
	}
	c = newConsole(t, lined(), 120, 40)
	c.live()
	c.press("2")
	c.look()
	c.press("g space space K")
	c.sees("several nodes")
}

func TestNodesAreAskedForTheQueueOnlyWhileItIsShown(t *testing.T) {
	t.Parallel()
	engine := lined()
	c := newConsole(t, engine, 60, 20) // shows one pane only
	c.live()
	c.pass(time.Minute)
	asked := func() int { return engine.peer("edge-03").times("line") }
	if n := asked(); n > 0 {
		t.Errorf("asked %d times", n)
	}
	c.press("2")
	c.look()
	if asked() == 0 {
		t.Error("not asked")
	}
}

// windowed is clustered while a window of db-front is under way on all nodes. owned means that this
// node owns it.
func windowed(owned bool) *fake {
	f := clustered()
	f.status.Cluster.Plans = []api.ClusterPlan{
		{Service: "office", ID: 3, Owner: "edge-03", Step: "resumed", Since: start.Add(-time.Hour), Nodes: []proxy.NodeReport{{Node: "edge-03", State: proxy.NodeDone}}},
		{Service: "db-front", ID: 7, Window: true, Owner: "edge-02", By: "ana@edge-02", Reason: "kernel patch", Since: start.Add(-40 * time.Second), Step: "pause", Nodes: []proxy.NodeReport{
			{Node: "edge-01", State: proxy.NodeSettled, Quiet: true, Numbers: proxy.Numbers{Held: 212}},
			{Node: "edge-02", State: proxy.NodePausing, Live: 3, Numbers: proxy.Numbers{Held: 96}},
			{Node: "edge-03", State: proxy.NodeUnknown, Unknown: "its lease ended 14:01:58 UTC"},
		}},
	}
	f.status.Services[0].State = proxy.StatePaused
	f.status.Services[0].Pause = &proxy.PauseInfo{Owner: "ana@edge-02", By: "window", Reason: "kernel patch", Since: start.Add(-40 * time.Second), Until: start.Add(80 * time.Second), Held: 212}
	if owned {
		f.status.Cluster.Plans[1].Owner, f.status.Cluster.Plans[1].By = "edge-01", "ana@edge-01"
		f.status.Plan = &proxy.PlanInfo{ID: "w4", Kind: proxy.PlanWindow, Service: "db-front", Owner: "ana@edge-01", Reason: "kernel patch", State: proxy.PlanRunning, Steps: []proxy.StepInfo{
			{What: "pause", State: "running", Seconds: 40}, {What: "command", State: "waiting"}, {What: "check", State: "waiting"}, {What: "resume", State: "waiting"}, {What: "release", State: "waiting"}}}
	}
	return f
}

// TestAWindowOfAllNodes: there is a line for each node, on the owner, on another node, and after
// the end.
func TestAWindowOfAllNodes(t *testing.T) {
	t.Parallel()
	for _, s := range []struct {
		name string
		w, h int
	}{{"80x24", 80, 24}, {"120x40", 120, 40}, {"60x20", 60, 20}} {
		for _, owned := range []bool{true, false} {
			c := newConsole(t, windowed(owned), s.w, s.h)
			c.live()
			c.press("6")
			c.look()
			golden(t, fmt.Sprintf("cluster-window-%s-%t", s.name, owned), c)
		}
	}
	c := newConsole(t, windowed(false), 80, 24)
	c.live()
	golden(t, "cluster-window-strip-80x24", c)
	c.press("6 a")
	c.sees("open edge-02, whose plan it is")
	c = newConsole(t, windowed(true), 100, 30)
	c.live()
	c.press("6")
	c.engine.change(func(f *fake) {
		plan := *f.status.Plan
		plan.State = proxy.PlanDone
		f.status.Plan = &plan
		f.status.Cluster.Plans[1].Step = "resumed"
		f.report = proxy.Report{ID: "w4", Kind: proxy.PlanWindow, Service: "db-front", State: proxy.PlanDone, Seconds: 51, Ended: start, Steps: plan.Steps, Numbers: proxy.Numbers{Held: 320, Failed: 1},
			Nodes: []proxy.NodeReport{{Node: "edge-01", State: proxy.NodeDone, Served: 212, Numbers: proxy.Numbers{Held: 212}},
				{Node: "edge-02", State: proxy.NodeDone, Served: 107, Numbers: proxy.Numbers{Held: 108, Failed: 1}}, {Node: "edge-03", State: proxy.NodeUnknown, Unknown: "its lease ended 14:01:58 UTC"}}}
	})
	c.pass(time.Second)
	c.sees("failed 1 on 2 of 3 nodes; edge-03: its lease ended 14:01:58 UTC")
	golden(t, "cluster-window-ended-100x30", c)
	c.send(tea.WindowSizeMsg{Width: 80, Height: 24})
	golden(t, "cluster-window-ended-80x24", c)
}

// TestARestartOnAllNodes: each line names the backend, even on a small screen.
func TestARestartOnAllNodes(t *testing.T) {
	t.Parallel()
	engine := windowed(false)
	p := &engine.status.Cluster.Plans[1]
	p.Backend = "pg-b"
	for i := range p.Nodes {
		p.Nodes[i].Backend = "pg-b"
	}
	for _, w := range []int{80, 120} {
		c := newConsole(t, engine, w, 40)
		c.live()
		c.press("6")
		c.look()
		c.sees("restart of db-front/pg-b on 3 nodes", "edge-02 pg-b")
		golden(t, fmt.Sprintf("cluster-restart-%dx40", w), c)
	}
}

// TestAnActThatHoldsOnAllNodes: only one node is asked; the dialog shows what is live on the
// others, and can limit the act to this node.
func TestAnActThatHoldsOnAllNodes(t *testing.T) {
	t.Parallel()
	engine := clustered()
	engine.status.Services[0].Scope = proxy.ScopeCluster
	c := newConsole(t, engine, 80, 24)
	c.live()
	c.press("k P")
	golden(t, "cluster-pause-80x24", c)
	c.sees("on edge-02, too: 380 live, 0 waiting", "on edge-03, too: 12 live, 2 waiting")
	c.press("y")
	acts := engine.acts()
	if len(acts) != 1 || acts[0].Act != "pause" || acts[0].Here || len(engine.peer("edge-02").acts()) > 0 {
		t.Errorf("asked: %+v, and at edge-02: %+v", acts, engine.peer("edge-02").acts())
	}
	c.press("P shift+tab right")
	c.sees("--here", "(o)edge-01 alone")
	c.seesNot("too: 380 live")
}
