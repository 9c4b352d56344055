//go:build unix

package main

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/tcpctl/tcpctl/proxy"
)

// scopeNodes starts three nodes whose service has scope cluster, and returns them once all can act
// on all.
func scopeNodes(t *testing.T) []*running {
	t.Helper()
	all, _ := clusterOf(t, "scope = \"cluster\"\n")
	mayAct(all)
	return all
}

// mayAct waits until each node knows all three, and acts on all nodes are possible.
func mayAct(all []*running) {
	for _, in := range all {
		in.until("it may do acts", func(*proxy.ServiceInfo) bool {
			_, status := in.try("weight", "db/"+in.service().Backends[0].Name, "1")
			if status != 0 {
				return false
			}
			out, _ := in.try("pause", "db", "--dry-run")
			return strings.Contains(out, "on 3 nodes")
		})
	}
}

// leading returns the leader and the other two nodes, once all three vote: a leader that still votes alone loses no
// majority with the others.
func leading(t *testing.T, all []*running) (leader *running, others []*running) {
	t.Helper()
	waitUntil(t, "three nodes vote", func() bool {
		others = nil
		for _, in := range all {
			if out := in.tcpctl("cluster", "status"); strings.Contains(out, "this node: leader") && strings.Count(out, " votes ") == 2 {
				leader = in
			} else {
				others = append(others, in)
			}
		}
		return leader != nil
	})
	return leader, others
}

// crowd is clients that visit each node repeatedly until stop is called. It counts how many each
// node has served.
type crowd struct {
	t      *testing.T
	all    sync.WaitGroup
	end    chan struct{}
	failed chan error
	served []*atomic.Int64
}

func newCrowd(t *testing.T, nodes []*running) *crowd { return newCrowdThat(t, nodes, saysHello) }

func newCrowdThat(t *testing.T, nodes []*running, visit func(*client) error) *crowd {
	c := &crowd{t: t, end: make(chan struct{}), failed: make(chan error, 100)}
	for _, in := range nodes {
		n, addr := new(atomic.Int64), in.addr()
		c.served = append(c.served, n)
		for range 3 {
			c.all.Go(func() { servedBy(c.end, addr, visit, n, c.failed) })
		}
	}
	return c
}

// stop ends the clients after each node has served some more.
func (c *crowd) stop(nodes []*running) {
	c.t.Helper()
	for i, in := range nodes {
		before := c.served[i].Load()
		in.until("clients are served", func(*proxy.ServiceInfo) bool { return c.served[i].Load() > before+3 || len(c.failed) > 0 })
	}
	close(c.end)
	c.all.Wait()
	select {
	case err := <-c.failed:
		c.t.Errorf("a client failed: %v", err)
	default:
	}
}

// allHold waits until three clients are held on each node.
func allHold(nodes []*running) {
	for _, in := range nodes {
		in.t.Helper()
		in.until("clients are held", func(s *proxy.ServiceInfo) bool { return s.Queue.Waiting == 3 && s.Sessions.Active == 0 })
	}
}

// TestAWindowOfACluster: the clients of all nodes are held while one command runs, and one report
// has all nodes' numbers.
func TestAWindowOfACluster(t *testing.T) {
	t.Parallel()
	all := scopeNodes(t)
	clients := newCrowd(t, all)
	c, began, end := all[1].typesWindow("--reason", "kernel patch")
	untilFile(t, began, "run")
	allHold(all)
	for _, in := range all {
		in.until("it knows of all nodes", func(s *proxy.ServiceInfo) bool {
			p := in.status().Cluster.Plan("db")
			return s.Pause != nil && s.Pause.Step == "command" && s.Pause.Scope == proxy.ScopeCluster && p != nil && p.Step == "command" && p.Owner == "edge-2" && len(p.Nodes) == 3 && len(p.Waits()) == 0 &&
				p.Nodes[0].Numbers.Held == 3 && p.Nodes[1].Numbers.Held == 3 && p.Nodes[2].Numbers.Held == 3
		})
	}
	if out, status := runTcpctl(t, "window", "db", "--socket", all[0].socket, "--", "true"); status != exitFailed || !strings.Contains(out, "paused already on all nodes") {
		t.Errorf("a second window: %d, %s", status, out)
	}
	end()
	if status := c.status(); status != 0 {
		t.Errorf("status %d:\n%s", status, c.said())
	}
	clients.stop(all)
	if said := c.said(); !strings.Contains(said, "failed 0 on 3 of 3 nodes") || !strings.Contains(said, "held 9 clients") || len(regexp.MustCompile(`edge-\d +- +done +3 `).FindAllString(said, -1)) != 3 {
		t.Errorf("it says:\n%s", said)
	}
	if text, _ := os.ReadFile(began); string(text) != "run\n" {
		t.Errorf("the command has run %q", text)
	}
	if out := all[1].tcpctl("report", "--json"); !strings.Contains(out, `"node": "edge-3"`) {
		t.Errorf("the report:\n%s", out)
	}
}

// TestRule27TheLeaderDiesInAWindow: gates stay closed, the command continues, and no client of the
// other nodes fails; the report names the lost node.
func TestRule27TheLeaderDiesInAWindow(t *testing.T) {
	t.Parallel()
	leader, others := leading(t, scopeNodes(t))
	clients := newCrowd(t, others)
	c, began, end := others[0].typesWindow()
	untilFile(t, began, "run")
	others[1].until("it knows that the command runs", func(s *proxy.ServiceInfo) bool { return s.Pause.Step == "command" })
	leader.cmd.Process.Signal(syscall.SIGKILL)
	leader.cmd.Wait()
	allHold(others)
	others[1].until("another leads, and has found the lease to be over", func(s *proxy.ServiceInfo) bool {
		if s.State != proxy.StatePaused || s.Pause.Step != "command" || s.Sessions.Active > 0 {
			t.Fatalf("the gate of a node that lives: %s, %+v", s.State, s.Pause)
		}
		p := others[1].status().Cluster.Plan("db")
		return slices.ContainsFunc(p.Nodes, func(n proxy.NodeReport) bool { return n.State == proxy.NodeUnknown })
	})
	end()
	if status := c.status(); status != exitFailed {
		t.Errorf("status %d:\n%s", status, c.said())
	}
	clients.stop(others)
	if said := c.said(); !strings.Contains(said, "failed 0 on 2 of 3 nodes") || !regexp.MustCompile(`edge-\d +- +unknown: its lease ended \d\d:`).MatchString(said) {
		t.Errorf("it says:\n%s", said)
	}
}

// TestRule18TheOwnerOfAClustersWindow: it is killed; the command continues, and all nodes resume at
// the max.
func TestRule18TheOwnerOfAClustersWindow(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("waits for the owner's lease to run out")
	}
	all := scopeNodes(t)
	clients := newCrowd(t, all)
	c, began, end := all[0].typesWindow("--max", "6s")
	untilFile(t, began, "run")
	c.cmd.Process.Kill()
	c.cmd.Wait()
	allHold(all)
	clients.stop(all)
	if text, _ := os.ReadFile(began); string(text) != "run\n" {
		t.Errorf("the command has run %q", text)
	}
	end()
	all[0].until("the plan is over", func(*proxy.ServiceInfo) bool { return all[0].status().Plan.State == proxy.PlanFailed })
	if out := all[0].tcpctl("report"); !strings.Contains(out, "failed 0 on ") {
		t.Errorf("the report:\n%s", out)
	}
}

// TestRule18AClustersWindowIsOverdue: its report says for how long, as that of one node does.
func TestRule18AClustersWindowIsOverdue(t *testing.T) {
	t.Parallel()
	all := scopeNodes(t)
	c, began, end := all[1].typesWindow("--max", "1s")
	untilFile(t, began, "run")
	allOverdue(all)
	end()
	if status := c.status(); status != 0 || !regexp.MustCompile(`(?m)^  overdue: it ran \S+ past its --max`).MatchString(c.said()) {
		t.Errorf("status %d:\n%s", status, c.said())
	}
}

func allOverdue(all []*running) {
	for _, in := range all {
		in.until("it is overdue", func(s *proxy.ServiceInfo) bool { return s.Pause != nil && s.Pause.Overdue })
	}
}

// TestNoQuorumNothingIsDone: acts fail with exit status 4, and --here acts on the node alone.
func TestNoQuorumNothingIsDone(t *testing.T) {
	t.Parallel()
	all := scopeNodes(t)
	leading(t, all)
	for _, in := range all[1:] {
		in.cmd.Process.Signal(syscall.SIGKILL)
		in.cmd.Wait()
	}
	in := all[0]
	in.until("it has no lease", func(*proxy.ServiceInfo) bool {
		_, status := in.try("weight", "db/a", "1")
		return status == exitQuorum
	})
	for _, args := range [][]string{{"pause", "db"}, {"drain", "db/a", "--force"}, {"resume", "db"}, {"window", "db", "--socket", in.socket, "--", "true"}} {
		if args[0] != "window" {
			args = append(args, "--socket", in.socket)
		}
		if out, status := runTcpctl(t, args...); status != exitQuorum || !strings.Contains(out, "nothing was done") {
			t.Errorf("%s: status %d\n%s", args[0], status, out)
		}
	}
	if s := in.service(); s.Pause != nil || s.Backends[0].Admin != proxy.AdminReady {
		t.Errorf("something was done: %+v", s)
	}
	in.tcpctl("pause", "db", "--here")
	if s := in.service(); s.Pause == nil || s.Pause.Scope != "" {
		t.Errorf("paused here: %+v", s.Pause)
	}
	in.tcpctl("resume", "db", "--here")
}
