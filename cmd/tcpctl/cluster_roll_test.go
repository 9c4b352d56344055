//go:build unix

package main

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/tcpctl/tcpctl/proxy"
	"github.com/tcpctl/tcpctl/proxy/proxytest"
)

// restartNodes starts three nodes with the backends a and b. It returns the file that a restart
// writes when it begins, and a function that lets it end.
func restartNodes(t *testing.T) (all []*running, began string, end func()) {
	t.Helper()
	script, began, end := untilEnd(t, "$TCPCTL_BACKEND")
	var backends []string
	for _, name := range []string{"a", "b"} {
		b := startBackend(t, "x")
		backends = append(backends, fmt.Sprintf("{ name = %q, addr = %q, restart = [\"sh\", \"-c\", %q] }", name, b.addr, script))
	}
	all, _ = clusterBefore(t, func(string) string {
		return fmt.Sprintf("backends = [%s]\ncheck = { interval = \"200ms\" }\nscope = \"cluster\"\n", strings.Join(backends, ", "))
	})
	mayAct(all)
	return all, began, end
}

// TestARollOfACluster: one backend after the other is restarted on all nodes, and the report has a row for each node and backend.
// That the command that began it is killed meanwhile changes nothing.
func TestARollOfACluster(t *testing.T) {
	t.Parallel()
	all, began, end := restartNodes(t)
	clients := newCrowd(t, all)
	c := all[1].types("roll", "db", "--reason", "kernel patch")
	untilFile(t, began, "a")
	for _, in := range all {
		in.until("it drains a", func(s *proxy.ServiceInfo) bool {
			p := in.status().Cluster.Plan("db")
			return s.Backends[0].Reason == "drained" && s.Backends[1].Eligible && s.State == proxy.StateOpen && p != nil && p.Backend == "a" && p.Step == "command" && p.Owner == "edge-2"
		})
	}
	if out, status := runTcpctl(t, "window", "db", "--socket", all[0].socket, "--", "true"); status != exitFailed || !strings.Contains(out, "db/a is being restarted on all nodes") {
		t.Errorf("a window meanwhile: %d, %s", status, out)
	}
	c.cmd.Process.Kill()
	c.cmd.Wait()
	end()
	all[1].until("the roll is over", func(*proxy.ServiceInfo) bool { p := all[1].status().Plan; return p.State != proxy.PlanRunning })
	clients.stop(all)
	out := all[1].tcpctl("report")
	if !strings.Contains(out, ": done\n  failed 0 on 3 of 3 nodes") || len(regexp.MustCompile(`edge-\d +[ab] +done `).FindAllString(out, -1)) != 6 {
		t.Errorf("it says:\n%s", out)
	}
	if !regexp.MustCompile(`guard b: done, .*: 1 of 1 others up; edge-\d: 1 of 1 others up; edge-\d: 1 of 1 others up`).MatchString(out) {
		t.Errorf("its guard:\n%s", out)
	}
	if text, _ := os.ReadFile(began); string(text) != "a\nb\n" {
		t.Errorf("the commands have run %q", text)
	}
	for _, in := range all {
		in.until("both serve again", func(s *proxy.ServiceInfo) bool { return s.Backends[0].Eligible && s.Backends[1].Eligible })
	}
}

// TestRule27TheLeaderDiesInARestart: the backend gets no client from the surviving nodes, the
// command continues, and the report names the lost node.
func TestRule27TheLeaderDiesInARestart(t *testing.T) {
	t.Parallel()
	all, began, end := restartNodes(t)
	leader, others := leading(t, all)
	clients := newCrowd(t, others)
	c := others[0].types("restart", "db/a")
	untilFile(t, began, "a")
	leader.cmd.Process.Signal(syscall.SIGKILL)
	leader.cmd.Wait()
	others[1].until("another leads, and has found the lease to be over", func(s *proxy.ServiceInfo) bool {
		if s.Backends[0].Admin != proxy.AdminDrain || s.Backends[0].Active > 0 {
			t.Fatalf("the backend on a node that lives: %+v", s.Backends[0])
		}
		p := others[1].status().Cluster.Plan("db")
		return slices.ContainsFunc(p.Nodes, func(n proxy.NodeReport) bool { return n.State == proxy.NodeUnknown })
	})
	end()
	if status := c.status(); status != exitFailed {
		t.Errorf("status %d:\n%s", status, c.said())
	}
	clients.stop(others)
	if said := c.said(); !strings.Contains(said, "failed 0 on 2 of 3 nodes") || !regexp.MustCompile(`edge-\d +a +unknown: its lease ended \d\d:`).MatchString(said) {
		t.Errorf("it says:\n%s", said)
	}
	for _, in := range others {
		in.until("it serves again", func(s *proxy.ServiceInfo) bool { return s.Backends[0].Eligible })
	}
}

// TestARollOfRedis restarts three of Debian's redis-server, one after another, while clients of all
// three nodes connect anew for each command.
func TestARollOfRedis(t *testing.T) {
	t.Parallel()
	for _, program := range []string{"redis-server", "redis-cli"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skip(program + " is not installed")
		}
	}
	var backends []string
	for i := range 3 {
		_, port, _ := net.SplitHostPort(proxytest.FreePort(t))
		dir := t.TempDir()
		stop := fmt.Sprintf("redis-cli -p %s shutdown nosave >%s/stop 2>&1", port, dir)
		start := fmt.Sprintf("redis-server --port %s --bind 127.0.0.1 --save '' --dir %s --daemonize yes >%s/start", port, dir, dir)
		if out, err := exec.Command("sh", "-c", start).CombinedOutput(); err != nil {
			t.Fatalf("redis-server: %v\n%s", err, out)
		}
		t.Cleanup(func() { exec.Command("sh", "-c", stop).Run() })
		backends = append(backends, fmt.Sprintf("{ name = %q, addr = \"127.0.0.1:%s\", restart = [\"sh\", \"-c\", %q] }", "redis-"+string(rune('1'+i)), port, stop+"; "+start))
	}
	all, _ := clusterBefore(t, func(string) string {
		return "backends = [" + strings.Join(backends, ", ") + "]\nscope = \"cluster\"\ncheck = { type = \"send-expect\", send = \"PING\\r\\n\", expect_bytes = \"+PONG\", interval = \"500ms\" }\n"
	})
	mayAct(all)
	clients := newCrowdThat(t, all, func(c *client) error {
		if err := c.says("PING\r"); err != nil {
			return err
		}
		return c.hears("+PONG\r")
	})
	out, status := runTcpctl(t, "roll", "db", "--socket", all[0].socket)
	clients.stop(all)
	var served int64
	for _, n := range clients.served {
		served += n.Load()
	}
	t.Logf("%d connections\n%s", served, out)
	if status != 0 || !strings.Contains(out, "failed 0 on 3 of 3 nodes") || len(regexp.MustCompile(`edge-\d +redis-\d +done `).FindAllString(out, -1)) != 9 {
		t.Errorf("status %d:\n%s", status, out)
	}
}

// TestADrainOfACluster waits for the sessions of all nodes, and names them.
func TestADrainOfACluster(t *testing.T) {
	t.Parallel()
	all, _, _ := restartNodes(t)
	var live []*client
	for range 4 { // some of them on backend a
		c := mustDial(t, all[2].addr())
		if err := saysHello(c); err != nil {
			t.Fatal(err)
		}
		live = append(live, c)
	}
	at := all[2].service().Backends[0].Active
	c := all[0].types("drain", "db/a", "--wait", "--reason", "disk swap")
	want := fmt.Sprintf("edge-3 %d live", at)
	if at > 0 {
		all[0].until("it names the node", func(*proxy.ServiceInfo) bool { return strings.Contains(c.said(), want) })
	}
	for _, l := range live {
		l.Close()
	}
	if status := c.status(); status != 0 || !strings.Contains(c.said(), "drained db/a on 3 nodes: edge-1 0 live, edge-2 0 live, edge-3 0 live") {
		t.Errorf("status %d:\n%s", status, c.said())
	}
	if out := all[1].tcpctl("status", "--json"); !strings.Contains(out, `"drains"`) {
		t.Errorf("no drains in\n%s", out)
	}
}

// TestRule27ADryRun: it shows what is live on all nodes, which node would own the plan, and a node that is lost.
func TestRule27ADryRun(t *testing.T) {
	t.Parallel()
	all, _, _ := restartNodes(t)
	c := mustDial(t, all[2].addr())
	defer c.Close()
	if err := saysHello(c); err != nil {
		t.Fatal(err)
	}
	dry := func(in *running, target string, argv ...string) string {
		args := append([]string{argv[0], target, "--socket", in.socket, "--dry-run"}, argv[1:]...)
		out, status := runTcpctl(t, args...)
		if status != 0 || !strings.Contains(out, "nothing was done") {
			t.Errorf("%s: status %d\n%s", argv[0], status, out)
		}
		return out
	}
	for _, argv := range [][]string{{"window", "--", "false"}, {"roll"}, {"pause"}} {
		out := dry(all[1], "db", argv...)
		if !strings.Contains(out, "edge-1: 0 live, 0 waiting\n  edge-2: 0 live, 0 waiting\n  edge-3: 1 live, 0 waiting\n") || strings.Contains(out, "warning") {
			t.Errorf("%s:\n%s", argv[0], out)
		}
		if owns := strings.Contains(out, "one transaction of 3 nodes, which edge-2 owns"); owns != (argv[0] != "pause") {
			t.Errorf("%s:\n%s", argv[0], out)
		}
	}
	for _, args := range [][]string{{"window", "db", "--", "true"}, {"window", "db", "--dry-run", "--", "true"}, {"roll", "db"}, {"restart", "db/a"}} {
		args = append([]string{args[0], "--peer", "all", "--socket", all[0].socket}, args[1:]...)
		if out, status := runTcpctl(t, args...); status != exitUsage || !strings.Contains(out, "its scope is cluster; leave out --peer") {
			t.Errorf("%s of each node, where one is of all: status %d\n%s", args[1:], status, out)
		}
	}
	at := all[2].service().Backends
	for i, name := range []string{"a", "b"} {
		if out := dry(all[0], "db/"+name, "restart"); !strings.Contains(out, fmt.Sprintf("edge-3: %d live, 0 waiting\n", at[i].Active)) {
			t.Errorf("restart %s:\n%s", name, out)
		}
	}
	leading(t, all) // wait until all vote
	all[1].cmd.Process.Signal(syscall.SIGKILL)
	all[1].cmd.Wait()
	all[2].until("its lease is over", func(*proxy.ServiceInfo) bool {
		return strings.Contains(dry(all[2], "db", "window", "--", "false"), "edge-2: unknown: its lease ended")
	})
	for _, tc := range []struct{ act, asked, leftOut string }{
		{"window", "hold its clients", "its clients are not held"},
		{"roll", "drain each backend", "it goes on sending its clients to each backend while that is restarted"},
		{"restart", "drain a", "it goes on sending its clients to a while that is restarted"},
	} {
		argv, target := []string{tc.act}, "db"
		switch tc.act {
		case "window":
			argv = append(argv, "--", "false")
		case "restart":
			target = "db/a"
		}
		if out := dry(all[2], target, argv...); !strings.Contains(out, "edge-2 cannot be asked to "+tc.asked+": its lease ended") || !strings.Contains(out, "; nothing is done without it; use --force") {
			t.Errorf("%s without it:\n%s", tc.act, out)
		}
		argv = slices.Insert(argv, 1, "--force")
		if out := dry(all[2], target, argv...); !strings.Contains(out, "edge-2 is left out, as its lease ended") || !strings.Contains(out, ": "+tc.leftOut) {
			t.Errorf("%s with --force:\n%s", tc.act, out)
		}
	}
	for _, in := range []*running{all[0], all[2]} {
		if s := in.service(); s.Pause != nil || s.Backends[0].Admin != proxy.AdminReady || in.status().Plan != nil {
			t.Errorf("something was done: %+v", s)
		}
	}
}
