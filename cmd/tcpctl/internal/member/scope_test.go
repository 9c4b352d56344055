package member_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tcpctl/tcpctl/cmd/tcpctl/internal/member"
	"github.com/tcpctl/tcpctl/lock/cluster"
	"github.com/tcpctl/tcpctl/proxy"
	"github.com/tcpctl/tcpctl/proxy/api"
	"github.com/tcpctl/tcpctl/proxy/proxytest"
)

// A scoped is a node whose service has scope cluster, and no lock.
type scoped struct {
	*testing.T
	member *member.Member
	engine *proxy.Engine
	svc    *proxy.Service
	config proxy.ServiceConfig
	mu     sync.Mutex
	warned []string
	end    func() // stops the node
}

// echoes runs an echo server.
func echoes(t *testing.T) string {
	t.Helper()
	return proxytest.Serve(t, func(c net.Conn) { io.Copy(c, c) })
}

// start starts a node of the hub.
func (h *hub) start(t *testing.T, node cluster.NodeID, lease time.Duration, backend string, change func(*proxy.ServiceConfig)) *scoped {
	t.Helper()
	n := &scoped{T: t}
	n.member = member.New(member.Config{Lease: lease, Keep: h.keep, Warn: func(_, text string) {
		n.mu.Lock()
		defer n.mu.Unlock()
		n.warned = append(n.warned, text)
	}})
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := n.member.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	c := proxy.ServiceConfig{Name: "db", Listen: []string{proxytest.FreePort(t)}, Scope: proxy.ScopeCluster, Cluster: n.member.Scope,
		Check: proxy.CheckConfig{Type: "none"}, Backends: []proxy.BackendConfig{{Name: "a", Addr: backend}}}
	if change != nil {
		change(&c)
	}
	if c.Lock.Scope == proxy.ScopeCluster {
		c.Shared = n.member.Share("db", member.ValuesOf(&c))
	}
	n.config = c
	e, err := proxy.New(proxy.Config{Services: []proxy.ServiceConfig{c}})
	if err == nil {
		err = e.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	n.engine, n.svc = e, e.Service("db")
	n.member.Join(link{h, node})
	n.end = sync.OnceFunc(func() {
		e.Close()
		h.link(node, true) // so that its departure is heard at once
		n.member.Leave(time.Second)
		cancel()
		wg.Wait()
	})
	t.Cleanup(n.end)
	return n
}

// threeNodes starts three nodes that know each other.
func threeNodes(t *testing.T, lease time.Duration, change func(*proxy.ServiceConfig)) (*hub, []*scoped) {
	t.Helper()
	return nodesOf(t, newHub(t, lease), lease, change)
}

func nodesOf(t *testing.T, h *hub, lease time.Duration, change func(*proxy.ServiceConfig)) (*hub, []*scoped) {
	t.Helper()
	backend := echoes(t)
	var all []*scoped
	for i := range 3 {
		all = append(all, h.start(t, cluster.NodeID(i+1), lease, backend, change))
	}
	for _, n := range all {
		eventually(t, "all nodes know of each other", func() bool { return len(n.member.Facts("db").Nodes) == 3 })
	}
	return h, all
}

// do carries out an act on all nodes.
func (n *scoped) do(act, target string, change func(*api.Request)) (string, error) {
	r := &api.Request{Act: act, Targets: []string{target}, By: "ana@edge-1", Options: api.Options{Limit: time.Minute, Then: proxy.ThenAbort, Max: time.Minute}}
	if change != nil {
		change(r)
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	return n.member.Do(ctx, target, r)
}

func (n *scoped) must(act, target string, change func(*api.Request)) {
	n.Helper()
	if said, err := n.do(act, target, change); err != nil || !strings.Contains(said, "on 3 nodes") {
		n.Fatalf("%s %s: %q, %v", act, target, said, err)
	}
}

func (n *scoped) until(what string, ok func(proxy.ServiceInfo) bool) {
	n.Helper()
	eventually(n.T, what, func() bool { return ok(n.svc.Info()) })
}

// dial connects a client, which sends something and waits for its echo.
func (n *scoped) dial() net.Conn {
	n.Helper()
	c, err := net.Dial("tcp", n.svc.Info().Listen[0])
	if err != nil {
		n.Fatal(err)
	}
	n.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(patience))
	fmt.Fprintln(c, "hello")
	return c
}

func (n *scoped) hears(c net.Conn) {
	n.Helper()
	c.SetReadDeadline(time.Now().Add(patience))
	if line, err := bufio.NewReader(c).ReadString('\n'); line != "hello\n" {
		n.Fatalf("a client heard %q, %v", line, err)
	}
}

// TestRule37ActsOnAllNodes: a pause, a drain and a weight take effect on all nodes, and on a node
// that starts later before it serves.
func TestRule37ActsOnAllNodes(t *testing.T) {
	t.Parallel()
	h, all := threeNodes(t, 10*second, nil)
	live := all[2].dial()
	all[2].hears(live)
	all[0].must("pause", "db", nil)
	var held []net.Conn
	for _, n := range all {
		held = append(held, n.dial())
		n.until("a client is held", func(i proxy.ServiceInfo) bool { return i.Queue.Waiting == 1 && i.Pause.Scope == proxy.ScopeCluster })
	}
	nodeState := func(node string) (one proxy.NodeReport) {
		for _, r := range all[1].member.Plans()[0].Nodes {
			if r.Node == node {
				one = r
			}
		}
		return one
	}
	eventually(t, "the live session is known", func() bool {
		r := nodeState("node-3")
		return r.State == proxy.NodePausing && r.Live == 1 && nodeState("node-1").State == proxy.NodeSettled
	})
	live.Close()
	eventually(t, "no session is live", func() bool { return len(all[1].member.Plans()[0].Waits()) == 0 })
	if _, err := all[1].do("pause", "db", func(r *api.Request) { r.By = "bob" }); err == nil || !strings.Contains(err.Error(), "paused already on all nodes, by ana@edge-1") {
		t.Errorf("a second pause: %v", err)
	}
	if _, err := all[1].do("pause", "db", nil); !errors.Is(err, proxy.ErrAlready) {
		t.Errorf("the same again: %v", err)
	}
	all[1].must("drain", "db/a", nil)
	all[2].must("weight", "db/a", func(r *api.Request) { r.Args = []string{"7"} })
	for _, n := range all {
		n.until("it drains", func(i proxy.ServiceInfo) bool { return i.Backends[0].Admin == proxy.AdminDrain })
		n.until("it has the weight", func(i proxy.ServiceInfo) bool { return i.Backends[0].Weight == 7 })
	}

	fourth := h.start(t, 4, 10*second, echoes(t), func(c *proxy.ServiceConfig) { c.Backends[0].Weight = 3 })
	late := fourth.dial()
	fourth.until("its client is held by the pause", func(i proxy.ServiceInfo) bool { return i.Reason == proxy.ReasonPaused && i.Queue.Waiting == 1 })
	if i := fourth.svc.Info(); i.Backends[0].Admin != proxy.AdminDrain || i.Backends[0].Weight != 7 || i.Sessions.Active != 0 {
		t.Errorf("a node that was started later has %+v", i.Backends[0])
	}
	eventually(t, "its file differs, with a warning", func() bool {
		fourth.mu.Lock()
		defer fourth.mu.Unlock()
		return strings.Contains(strings.Join(fourth.warned, "\n"), "db/a: the file of this node has weight = 3; on all nodes it is 7, which holds")
	})
	if said, err := all[0].do("ready", "db/a", nil); err != nil || !strings.Contains(said, "on 4 nodes") {
		t.Errorf("ready: %q, %v", said, err)
	}
	if said, err := all[2].do("resume", "db", nil); err != nil || !strings.Contains(said, "on 4 nodes") {
		t.Errorf("resume: %q, %v", said, err)
	}
	for i, c := range held {
		all[i].hears(c)
	}
	fourth.hears(late)
	if _, err := all[0].do("resume", "db", nil); !errors.Is(err, api.ErrHere) {
		t.Errorf("nothing is paused: %v", err)
	}
}

// TestRule37TheLimitOfAPause: with abort, if it passes on one node, all nodes resume.
func TestRule37TheLimitOfAPause(t *testing.T) {
	t.Parallel()
	_, all := threeNodes(t, 10*second, nil)
	live := all[2].dial()
	all[2].hears(live)
	w, err := all[0].member.Window(context.Background(), "db", "", &api.Request{By: "ana", Options: api.Options{Limit: 300 * time.Millisecond, Then: proxy.ThenAbort, Max: time.Minute}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Settled(context.Background()); !errors.Is(err, proxy.ErrGivenUp) || !strings.Contains(err.Error(), "1 session still live on node-3") {
		t.Errorf("settled: %v", err)
	}
	for _, n := range all {
		n.until("it is open", func(i proxy.ServiceInfo) bool { return i.State == proxy.StateOpen })
	}
}

// TestRule28QuorumLostDuringAPause: each node ends the pause at its own max, and no act is carried out.
func TestRule28QuorumLostDuringAPause(t *testing.T) {
	t.Parallel()
	h, all := threeNodes(t, lostLease, nil)
	all[0].must("pause", "db", func(r *api.Request) { r.Max = 2 * time.Second })
	var held []net.Conn
	for _, n := range all {
		n.until("it is paused, or was", func(i proxy.ServiceInfo) bool {
			return i.Pause != nil || n.member.Facts("db").Plan.Step == cluster.Resumed
		})
		held = append(held, n.dial())
	}
	h.stop(true)
	for i, n := range all {
		n.hears(held[i])
		eventually(t, "it has no lease", func() bool { return n.member.Lease() == 0 })
		if _, err := n.do("pause", "db", nil); !errors.Is(err, proxy.ErrNoQuorum) {
			t.Errorf("a pause without a majority: %v", err)
		}
		if i := n.svc.Info(); i.State != proxy.StateOpen {
			t.Errorf("it is %s", i.State)
		}
	}
	h.stop(false)
	for _, n := range all {
		eventually(t, "all know that it is over", func() bool {
			p := n.member.Facts("db").Plan
			return n.member.Lease() > 0 && p.Step == cluster.Resumed
		})
	}
	all[1].must("pause", "db", nil)
}

// TestRule28QuorumLostDuringACommand: the service stays closed on all nodes, and new clients are
// rejected once the max has passed; with a quorum again, the window completes.
func TestRule28QuorumLostDuringACommand(t *testing.T) {
	t.Parallel()
	h, all := threeNodes(t, lostLease, nil)
	ctx := context.Background()
	w, err := all[0].member.Window(ctx, "db", "", &api.Request{By: "ana", Options: api.Options{Then: proxy.ThenAbort, Max: 2 * time.Second}})
	if err != nil {
		t.Fatal(err)
	}
	if said, err := w.Settled(ctx); err != nil || said != "no session is live on 3 nodes" {
		t.Fatalf("settled: %q, %v", said, err)
	}
	if err := w.Command(ctx, true); err != nil {
		t.Fatal(err)
	}
	for _, n := range all {
		n.until("it knows that the command runs", func(i proxy.ServiceInfo) bool { return i.Pause != nil && i.Pause.Step == "command" })
	}
	h.stop(true)
	for _, n := range all {
		n.until("it is overdue", func(i proxy.ServiceInfo) bool { return i.Pause != nil && i.Pause.Overdue })
		n.turnedAway()
		eventually(t, "it has no lease", func() bool { return n.member.Lease() == 0 })
		if i := n.svc.Info(); i.Sessions.Active != 0 || i.Pause == nil {
			t.Errorf("without a majority: %s, %d live", i.State, i.Sessions.Active)
		}
	}
	if _, err := w.Check(ctx); !errors.Is(err, proxy.ErrNoQuorum) {
		t.Errorf("a step without a majority: %v", err)
	}
	h.stop(false)
	eventually(t, "the checks are good on all nodes", func() bool {
		_, err := w.Check(ctx)
		return err == nil
	})
	if err := w.Resume(ctx, true); err != nil {
		t.Fatal(err)
	}
	for _, n := range all {
		n.hears(n.dial())
	}
	w.Reported(ctx)
	if said := proxy.AcrossNodes(w.Nodes()); said != "failed 0, rejected 3 on 3 of 3 nodes" {
		t.Errorf("it reports %s: %+v", said, w.Nodes())
	}
}

// TestRule18AWindowOfAllNodesOutlivesMax: on each node, the client that was held has failed, and the
// one that came later is rejected, as in a window of one node.
func TestRule18AWindowOfAllNodesOutlivesMax(t *testing.T) {
	t.Parallel()
	_, all, w := overdue(t, 10*second)
	for _, n := range all {
		n.turnedAway()
		n.until("the newcomer is counted", func(i proxy.ServiceInfo) bool { return i.Sessions.Rejected == 1 })
	}
	if said := all[0].ended(w); said != "failed 3, rejected 3 on 3 of 3 nodes" {
		t.Errorf("it reports %s: %+v", said, w.Nodes())
	}
	for _, n := range w.Nodes() {
		if is := n.Numbers; is.Held != 1 || is.Failed != 1 || is.Rejected != 1 {
			t.Errorf("it reports %+v", n)
		}
	}
	for _, n := range all {
		n.hears(n.dial())
	}
}

// TestRule28OverdueIsNotForgotten: after a node was cut off for longer than its lease, a voter restarted from a
// snapshot, and a reload removed the service and added it again, new clients are still rejected, and all counts
// are in the report.
func TestRule28OverdueIsNotForgotten(t *testing.T) {
	t.Parallel()
	h, all, w := overdue(t, lostLease)
	n := all[2]
	rejected := int64(0)
	isOverdue := func(when string) {
		t.Helper()
		n.until("it is overdue "+when, func(i proxy.ServiceInfo) bool { return i.Pause != nil && i.Pause.Overdue })
		before := n.svc.Info().Sessions.Rejected
		n.turnedAway()
		n.until("the newcomer is counted "+when, func(i proxy.ServiceInfo) bool { return i.Sessions.Rejected == before+1 })
		rejected++
	}
	isOverdue("at first")
	h.link(3, false)
	eventually(t, "its lease is over", func() bool { return !all[0].member.Facts("db").Nodes[2].Lease })
	isOverdue("without a lease")
	h.link(3, true)
	eventually(t, "it has a lease again", func() bool { return n.member.Lease() > 0 && all[0].member.Facts("db").Nodes[2].Lease })
	isOverdue("with its next lease")
	h.restores(t, lostLease)
	isOverdue("while a voter begins anew")
	eventually(t, "the voter answers", func() bool {
		return h.voterSays(func(s *cluster.State) bool { p, is := s.Plan("db"); return is && p.Step == cluster.Command })
	})
	n.reloads()
	isOverdue("after a reload")
	eventually(t, "all have a lease", func() bool {
		for _, s := range all[0].member.Facts("db").Nodes {
			if !s.Lease {
				return false
			}
		}
		return len(all[0].member.Facts("db").Nodes) == 3
	})
	eventually(t, "the checks are good", func() bool { _, err := w.Check(context.Background()); return err == nil })
	if err := w.Resume(context.Background(), true); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the report has all of it", func() bool {
		w.Reported(context.Background())
		nodes := w.Nodes()
		return proxy.AcrossNodes(nodes) == fmt.Sprintf("failed 3, rejected %d on 3 of 3 nodes", rejected) && nodes[2].Numbers.Failed == 1 && nodes[2].Numbers.Rejected == rejected
	})
	n.hears(n.dial())
}

// overdue returns a window whose command has outlived its max, after which one held client of each
// node has failed. If the machine stalls for that long, it tries again with a longer max.
func overdue(t *testing.T, lease time.Duration) (*hub, []*scoped, proxy.ClusterWindow) {
	t.Helper()
	for longest := 500 * time.Millisecond; ; longest *= 2 {
		h, all := threeNodes(t, lease, nil)
		ctx := context.Background()
		w, err := all[0].member.Window(ctx, "db", "", &api.Request{By: "ana", Options: api.Options{Then: proxy.ThenAbort, Max: longest}})
		if err == nil {
			_, err = w.Settled(ctx)
		}
		if err == nil {
			err = w.Command(ctx, true)
		}
		held := 0
		for i := 0; i < len(all) && err == nil; i++ {
			if c, err := net.Dial("tcp", all[i].svc.Info().Listen[0]); err == nil { // otherwise it is too late, and was reset
				t.Cleanup(func() { c.Close() })
				fmt.Fprintln(c, "hello")
			}
			all[i].until("its client is held, or too late", func(s proxy.ServiceInfo) bool {
				in := s.Pause != nil && !s.Pause.Overdue
				if in && s.Queue.Waiting == 1 {
					held++
				}
				return !in || s.Queue.Waiting == 1
			})
		}
		if held == len(all) {
			for _, n := range all {
				n.until("its client has failed", func(i proxy.ServiceInfo) bool { return i.Pause.Overdue && i.Sessions.Failed == 1 })
			}
			return h, all, w
		}
		t.Logf("the machine stood still for %s: %v", longest, err)
		for _, n := range all {
			n.end()
		}
	}
}

// turnedAway checks that a new client is reset.
func (n *scoped) turnedAway() {
	n.Helper()
	c, err := net.Dial("tcp", n.svc.Info().Listen[0])
	if err != nil {
		return // reset before the dial returned
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(patience))
	if _, err := io.ReadAll(c); err == nil || os.IsTimeout(err) {
		n.Errorf("a newcomer was not reset: %v", err)
	}
}

// TestRule27ANodeIsLostInAWindow: if it is lost before it has reported, the window is given up and
// names it; if later, the window continues, and the report names it.
func TestRule27ANodeIsLostInAWindow(t *testing.T) {
	t.Parallel()
	h, all := threeNodes(t, lostLease, nil)
	ctx := context.Background()
	r := &api.Request{By: "ana", Options: api.Options{Then: proxy.ThenAbort, Max: time.Minute}}
	w, err := all[0].member.Window(ctx, "db", "", r)
	if err == nil {
		_, err = w.Settled(ctx)
	}
	if err != nil {
		t.Fatal(err)
	}
	h.link(3, false)
	eventually(t, "its lease is over", func() bool { return w.Nodes()[2].State == proxy.NodeUnknown })
	if waits := all[1].member.Plans()[0].Waits(); len(waits) > 0 {
		t.Errorf("it had said that no session is live, and is waited for: %q", waits)
	}
	if err := w.Command(ctx, true); err != nil {
		t.Errorf("it had said that no session is live: %v", err)
	}
	if _, err := w.Check(ctx); err != nil {
		t.Error(err)
	}
	if err := w.Resume(ctx, true); err != nil {
		t.Error(err)
	}
	if i := all[2].svc.Info(); i.Pause == nil {
		t.Error("the node that is cut off has opened by itself")
	}
	w.Reported(ctx)
	nodes := w.Nodes()
	if said := proxy.AcrossNodes(nodes); said != "failed 0 on 2 of 3 nodes" || !strings.HasPrefix(nodes[2].Unknown, "its lease ended ") {
		t.Errorf("it reports %s: %+v", said, nodes)
	}
	if _, err := all[0].member.Window(ctx, "db", "", r); err == nil || !strings.Contains(err.Error(), "node-3 cannot be asked to hold its clients: its lease ended") || !strings.Contains(err.Error(), "nothing is done without it") {
		t.Errorf("the next window: %v", err)
	}
	h.link(3, true)
	eventually(t, "it is back, and amends the report", func() bool { return proxy.AcrossNodes(w.Nodes()) == "failed 0 on 3 of 3 nodes" })
	all[2].until("it is open", func(i proxy.ServiceInfo) bool { return i.State == proxy.StateOpen })
	all[1].end()
	eventually(t, "a node that stops in order is not missed", func() bool { return len(all[0].member.Facts("db").Nodes) == 2 })
}

// TestRule32AWindowOutlivesAReload: a client that is held while the command runs stays held if a
// reload removes the service.
func TestRule32AWindowOutlivesAReload(t *testing.T) {
	t.Parallel()
	_, all := threeNodes(t, 10*second, nil)
	ctx := context.Background()
	w, err := all[0].member.Window(ctx, "db", "", &api.Request{By: "ana", Options: api.Options{Then: proxy.ThenAbort, Max: time.Minute}})
	if err == nil {
		_, err = w.Settled(ctx)
	}
	if err == nil {
		err = w.Command(ctx, true)
	}
	if err != nil {
		t.Fatal(err)
	}
	held := all[2].dial()
	all[2].until("a client is held", func(i proxy.ServiceInfo) bool { return i.Queue.Waiting == 1 })
	if _, err := all[2].engine.Apply(proxy.Config{Services: []proxy.ServiceConfig{{Name: "web", Listen: []string{"127.0.0.1:0"}}}}); err != nil {
		t.Fatal(err)
	}
	if i := all[2].svc.Info(); i.Pause == nil || i.Queue.Waiting != 1 {
		t.Errorf("while the command runs: %+v, %d waiting", i.Pause, i.Queue.Waiting)
	}
	if err := w.Resume(ctx, true); err != nil {
		t.Fatal(err)
	}
	all[2].hears(held)
}

// begun returns a window of the node whose command runs.
func (n *scoped) begun(force bool) proxy.ClusterWindow {
	n.Helper()
	ctx := context.Background()
	w, err := n.member.Window(ctx, "db", "", &api.Request{By: "ana", Options: api.Options{Then: proxy.ThenAbort, Max: time.Minute, Force: force}})
	if err == nil {
		_, err = w.Settled(ctx)
	}
	if err == nil {
		err = w.Command(ctx, true)
	}
	if err != nil {
		n.Fatal(err)
	}
	return w
}

// ended ends the window, and returns the summary of all nodes' clients.
func (n *scoped) ended(w proxy.ClusterWindow) string {
	n.Helper()
	ctx := context.Background()
	if _, err := w.Check(ctx); err != nil {
		n.Error(err)
	}
	if err := w.Resume(ctx, true); err != nil {
		n.Error(err)
	}
	w.Reported(ctx)
	return proxy.AcrossNodes(w.Nodes())
}

// TestRule27ANodeThatTookNoPart: the clients of a node that was left out were not held, and are not
// reported once it is back.
func TestRule27ANodeThatTookNoPart(t *testing.T) {
	t.Parallel()
	h, all := threeNodes(t, lostLease, nil)
	h.link(3, false)
	eventually(t, "its lease is over", func() bool { return !all[0].member.Facts("db").Nodes[2].Lease })
	w := all[0].begun(true)
	if said := all[0].ended(w); said != "failed 0 on 2 of 3 nodes" {
		t.Errorf("it reports %s: %+v", said, w.Nodes())
	}
	h.link(3, true)
	eventually(t, "it is back", func() bool {
		return all[2].member.Lease() > 0 && all[2].member.Facts("db").Plan.Step == cluster.Resumed
	})
	for _, weight := range []string{"2", "3"} { // its report on the plan is sent before the second
		all[2].must("weight", "db/a", func(r *api.Request) { r.Args = []string{weight} })
	}
	if nodes := w.Nodes(); proxy.AcrossNodes(nodes) != "failed 0 on 2 of 3 nodes" || nodes[2].Unknown != "it took no part: its clients were not held" {
		t.Errorf("once it is back: %+v", nodes)
	}
}

// TestRule27ANodeThatStopsInAWindow: the report has its numbers.
func TestRule27ANodeThatStopsInAWindow(t *testing.T) {
	t.Parallel()
	_, all := threeNodes(t, 10*second, nil)
	w := all[0].begun(false)
	held := all[2].dial()
	all[2].until("a client is held", func(i proxy.ServiceInfo) bool { return i.Queue.Waiting == 1 })
	all[2].end()
	held.Close()
	eventually(t, "it has the service no more", func() bool { return len(all[0].member.Facts("db").Nodes) == 2 })
	all[0].ended(w)
	if nodes := w.Nodes(); len(nodes) != 3 || nodes[2].State != proxy.NodeDone || nodes[2].Numbers.Held != 1 {
		t.Errorf("it reports %+v", nodes)
	}
}

// TestRule27AnotherPauseFollows: before all nodes have sent their final report. What is unknown
// about the window stays unknown.
func TestRule27AnotherPauseFollows(t *testing.T) {
	t.Parallel()
	h, all := threeNodes(t, lostLease, nil)
	w := all[0].begun(false)
	h.link(3, false)
	eventually(t, "its lease is over", func() bool { return w.Nodes()[2].State == proxy.NodeUnknown })
	all[0].ended(w)
	if said, err := all[1].do("pause", "db", nil); err != nil {
		t.Fatal(said, err)
	}
	eventually(t, "the other pause is known", func() bool { return all[0].member.Facts("db").Plan.Step == cluster.Paused })
	h.link(3, true)
	eventually(t, "it is back", func() bool { return all[2].member.Lease() > 0 })
	if nodes := w.Nodes(); proxy.AcrossNodes(nodes) != "failed 0 on 2 of 3 nodes" || !strings.HasPrefix(nodes[2].Unknown, "its lease ended ") {
		t.Errorf("it reports %+v", nodes)
	}
}

// TestRule37AServiceThatAReloadTakesAway: a window on the other nodes waits for its sessions.
func TestRule37AServiceThatAReloadTakesAway(t *testing.T) {
	t.Parallel()
	_, all := threeNodes(t, 10*second, nil)
	live := all[2].dial()
	all[2].hears(live)
	if _, err := all[2].engine.Apply(proxy.Config{Services: []proxy.ServiceConfig{{Name: "web", Listen: []string{"127.0.0.1:0"}}}}); err != nil {
		t.Fatal(err)
	}
	ctx := context.Background()
	w, err := all[0].member.Window(ctx, "db", "", &api.Request{By: "ana", Options: api.Options{Then: proxy.ThenAbort, Max: time.Minute}})
	if err != nil {
		t.Fatal(err)
	}
	untilThirdIsWaitedFor(t, w)
	live.Close()
	if said, err := w.Settled(ctx); err != nil {
		t.Errorf("settled: %q, %v", said, err)
	}
	if err := w.Resume(ctx, true); err != nil {
		t.Error(err)
	}
	eventually(t, "the node has the service no more", func() bool { return len(all[0].member.Facts("db").Nodes) == 2 })
}

// untilThirdIsWaitedFor waits until a window waits for one session on the third of three nodes.
func untilThirdIsWaitedFor(t *testing.T, w proxy.ClusterWindow) {
	t.Helper()
	eventually(t, "it is waited for", func() bool {
		nodes := w.Nodes()
		return len(nodes) == 3 && nodes[2].Live == 1 && nodes[2].State == proxy.NodePausing && nodes[0].State == proxy.NodeSettled
	})
}

// reloads applies a configuration without the service, and then one with it.
func (n *scoped) reloads() {
	n.Helper()
	for _, c := range []proxy.ServiceConfig{{Name: "web", Listen: []string{"127.0.0.1:0"}}, n.config} {
		if _, err := n.engine.Apply(proxy.Config{Services: []proxy.ServiceConfig{c}}); err != nil {
			n.Fatal(err)
		}
	}
	n.svc = n.engine.Service("db")
}

// TestRule32AServiceThatComesAgain: a window waits for the sessions of a service that a reload has removed on one
// node, even if a new one has its name; the report counts the clients held by both.
func TestRule32AServiceThatComesAgain(t *testing.T) {
	t.Parallel()
	_, all := threeNodes(t, 10*second, nil)
	n := all[2]
	live := n.dial()
	n.hears(live)
	n.reloads() // before the window
	ctx := context.Background()
	w, err := all[0].member.Window(ctx, "db", "", &api.Request{By: "ana", Options: api.Options{Then: proxy.ThenAbort, Max: time.Hour}})
	if err != nil {
		t.Fatal(err)
	}
	untilThirdIsWaitedFor(t, w)
	live.Close()
	if said, err := w.Settled(ctx); err != nil || said != "no session is live on 3 nodes" {
		t.Fatalf("settled: %q, %v", said, err)
	}
	if err := w.Command(ctx, true); err != nil {
		t.Fatal(err)
	}
	held := []net.Conn{n.dial()}
	n.until("a client is held", func(i proxy.ServiceInfo) bool { return i.Queue.Waiting == 1 })
	n.reloads() // during the window
	n.until("it is closed", func(i proxy.ServiceInfo) bool { return i.Pause != nil && i.Pause.Scope == proxy.ScopeCluster })
	held = append(held, n.dial())
	n.until("another client is held", func(i proxy.ServiceInfo) bool { return i.Queue.Waiting == 1 })
	if said := all[0].ended(w); said != "failed 0 on 3 of 3 nodes" {
		t.Errorf("it reports %s: %+v", said, w.Nodes())
	}
	for _, c := range held {
		n.hears(c)
	}
	if nodes := w.Nodes(); nodes[2].Numbers.Held != 2 || nodes[2].Served != 2 {
		t.Errorf("it reports %+v", nodes[2])
	}
}

// TestRule27SessionsThatAreKept: with on_lost = "keep" the sessions of a lost node continue without slots, so
// the end of its lease proves nothing: a window without it is refused unless forced.
func TestRule27SessionsThatAreKept(t *testing.T) {
	t.Parallel()
	h := newHub(t, 3*second)
	h.keep = true
	_, all := nodesOf(t, h, 3*second, func(c *proxy.ServiceConfig) { c.Lock = proxy.LockConfig{Slots: 3, Scope: proxy.ScopeCluster} })
	eventually(t, "the slots are known", func() bool { return all[0].member.Facts("db").Slots == 3 })
	live := all[2].dial()
	all[2].hears(live)
	h.link(3, false)
	eventually(t, "its lease is over", func() bool { return !all[0].member.Facts("db").Nodes[2].Lease })
	r := &api.Request{By: "ana", Options: api.Options{Then: proxy.ThenAbort, Max: time.Hour}}
	ctx := context.Background()
	if _, err := all[0].member.Window(ctx, "db", "", r); err == nil || !strings.Contains(err.Error(), "node-3 cannot be asked to hold its clients: its lease ended") || !strings.Contains(err.Error(), `its sessions may go on (on_lost = "keep")`) {
		t.Errorf("a window without it: %v", err)
	}
	fmt.Fprintln(live, "hello")
	all[2].hears(live)
	r.Force = true
	w, err := all[0].member.Window(ctx, "db", "", r)
	if err != nil {
		t.Fatal(err)
	}
	if said, err := w.Settled(ctx); err != nil || !strings.Contains(said, "on 2 nodes; left out: node-3") {
		t.Errorf("by force: %q, %v", said, err)
	}
}

// TestRule37ReloadsAndNewBackends: what is in force on all nodes outlives a reload with other
// values, and applies to a backend that comes later.
func TestRule37ReloadsAndNewBackends(t *testing.T) {
	t.Parallel()
	h, backend := newHub(t, 10*second), echoes(t)
	var c proxy.ServiceConfig
	n := h.start(t, 1, 10*second, backend, func(s *proxy.ServiceConfig) { c = *s })
	eventually(t, "it knows of itself", func() bool { return len(n.member.Facts("db").Nodes) == 1 })
	for _, act := range []func() (string, error){
		func() (string, error) {
			return n.do("weight", "db/a", func(r *api.Request) { r.Args = []string{"7"} })
		},
		func() (string, error) { return n.do("maint", "db/b", nil) },
	} {
		if said, err := act(); err != nil || !strings.Contains(said, "on 1 node") {
			t.Errorf("%q, %v", said, err)
		}
	}
	c.Backends = []proxy.BackendConfig{{Name: "a", Addr: backend, Weight: 3}, {Name: "b", Addr: backend}}
	if _, err := n.engine.Apply(proxy.Config{Services: []proxy.ServiceConfig{c}}); err != nil {
		t.Fatal(err)
	}
	if i := n.svc.Info(); i.Backends[0].Weight != 7 || i.Backends[1].Admin != proxy.AdminMaint {
		t.Errorf("after a reload: weight %d, %s", i.Backends[0].Weight, i.Backends[1].Admin)
	}
}
