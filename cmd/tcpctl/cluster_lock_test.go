//go:build unix

package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tcpctl/tcpctl/mesh"
	"github.com/tcpctl/tcpctl/proxy"
	"github.com/tcpctl/tcpctl/proxy/api"
	"github.com/tcpctl/tcpctl/proxy/proxytest"
)

// clusterNodes starts three nodes whose service has one slot in the cluster. It returns them with
// their configuration files, and the file that on_expire writes.
func clusterNodes(t *testing.T) (all []*running, files []string, fenced string) {
	t.Helper()
	fenced = filepath.Join(t.TempDir(), "fenced")
	all, files = clusterOf(t, fmt.Sprintf(`lock = { slots = 1, scope = "cluster" }
hooks = { on_expire = { run = ["/bin/sh", "-c", "echo $TCPCTL_REASON $TCPCTL_TOKEN >> $0", %q] }, ready = "none" }
`, fenced))
	for _, in := range all {
		in.until("it has a lease", func(s *proxy.ServiceInfo) bool { return s.Lock.LeaseSeconds > 0 })
	}
	return all, files, fenced
}

// clusterOf starts three nodes of one cluster with one backend; lines are added to their service.
func clusterOf(t *testing.T, lines string) (all []*running, files []string) {
	t.Helper()
	b := startBackend(t, "x")
	return clusterBefore(t, func(string) string {
		return fmt.Sprintf("backends = [{ name = \"a\", addr = %q }]\ncheck = { type = \"none\" }\n", b.addr) + lines
	})
}

// clusterBefore starts three nodes of one cluster; lines returns each node's lines of the service.
func clusterBefore(t *testing.T, lines func(node string) string) (all []*running, files []string) {
	t.Helper()
	dir := logDir(t)
	secret, first := filepath.Join(dir, "secret"), proxytest.FreePort(t)
	if err := os.WriteFile(secret, []byte(mesh.NewSecret()+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for i := range 3 {
		listen := "127.0.0.1:0"
		if i == 0 {
			listen = first
		}
		node := fmt.Sprintf("edge-%d", i+1)
		text := fmt.Sprintf(`
[services.db]
listen = "127.0.0.1:0"
%s[history]
file = "off"
[mesh]
name = "lab"
node = %q
listen = %q
join = [%q]
mdns = false
secret_file = %q
[cluster]
voters = ["edge-1", "edge-2", "edge-3"]
dir = %q
`, lines(node), node, listen, first, secret, filepath.Join(dir, fmt.Sprint(i)))
		path := filepath.Join(dir, fmt.Sprintf("%d.toml", i))
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		files = append(files, path)
		all = append(all, runInstance(t, nil, "run", "--no-ui", "-c", path))
	}
	for _, in := range all {
		in.untilPeers(2)
	}
	if out := all[0].tcpctl("cluster", "init"); !strings.Contains(out, "edge-1 votes") {
		t.Errorf("init: %s", out)
	}
	return all, files
}

// line returns the cluster's queue of the service db, as seen by this node.
func (in *running) line() (line api.Line) {
	in.t.Helper()
	if err := json.Unmarshal([]byte(in.tcpctl("queue", "db", "--json")), &line); err != nil {
		in.t.Fatal(err)
	}
	return line
}

// seesTheLine checks that each node shows the same queue: holder has the slot, at the third node,
// and next waits at the first.
func seesTheLine(t *testing.T, all []*running, holder, next *client) {
	t.Helper()
	for _, in := range all {
		var line api.Line
		for began := time.Now(); ; restSince(began) { // its voter may learn of it a moment later
			line = in.line()
			if len(line.Holders) == 1 && len(line.Waiters) == 1 && line.Waiters[0].Position == 1 && len(line.Unknown) == 0 && line.Slots == 1 {
				break
			}
			if time.Since(began) > patience {
				t.Fatalf("the line: %+v", line)
			}
		}
		if h := line.Holders[0]; h.Node != "edge-3" || h.Client != holder.LocalAddr().String() || h.Token == 0 || h.HeldSeconds == 0 || h.LeaseSeconds == 0 {
			t.Errorf("the holder: %+v", h)
		}
		if w := line.Waiters[0]; w.Node != "edge-1" || w.Client != next.LocalAddr().String() || w.Position != 1 || w.Reason != proxy.ReasonCluster {
			t.Errorf("the waiter: %+v", w)
		}
		var out string
		for began := time.Now(); ; restSince(began) { // a node may be too busy to say in time who its clients are
			if out = in.tcpctl("queue", "db"); !strings.Contains(out, "does not answer") || time.Since(began) > patience {
				break
			}
		}
		for _, text := range []string{"edge-3", holder.LocalAddr().String(), "holds", "lease", "edge-1", next.LocalAddr().String()} {
			if !strings.Contains(out, text) {
				t.Errorf("no %q in\n%s", text, out)
			}
		}
	}
}

// TestALockOverThreeNodes: one slot for the clients of all nodes, with growing tokens. When a node
// is killed, its slot moves once its lease is over.
func TestALockOverThreeNodes(t *testing.T) {
	t.Parallel()
	all, files, fenced := clusterNodes(t)
	holder, err := dial(all[2].addr())
	if err != nil {
		t.Fatal(err)
	}
	defer holder.Close()
	holder.says("hello")
	if err := holder.hears("x: hello"); err != nil {
		t.Fatal(err)
	}
	held := all[2].service().Lock
	if held.Scope != proxy.ScopeCluster || len(held.Holders) != 1 || held.Holders[0].Token == 0 {
		t.Errorf("the lock of the node that has the slot: %+v", held)
	}
	next, err := dial(all[0].addr())
	if err != nil {
		t.Fatal(err)
	}
	defer next.Close()
	next.says("hello")
	all[0].until("a client waits for the slot of another node", func(s *proxy.ServiceInfo) bool { return s.Reason == proxy.ReasonCluster })
	seesTheLine(t, all, holder, next)

	text, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	node := strings.Replace(strings.Replace(string(text), `, scope = "cluster"`, "", 1), "on_expire", "on_ttl", 1)
	if err := os.WriteFile(files[0], []byte(node), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, status := all[0].try("reload"); status == 0 || !strings.Contains(out, "lock.scope of service \"db\" can only change with a restart") {
		t.Errorf("a reload that makes the lock this node's: status %d\n%s", status, out)
	}

	if out := all[1].tcpctl("cluster", "slots", "db", "2"); !strings.Contains(out, "db has 2 slots on all nodes") {
		t.Errorf("cluster slots: %s", out)
	}
	all[0].until("it knows the slots", func(s *proxy.ServiceInfo) bool { return s.Lock.Slots == 2 })
	if err := next.hears("x: hello"); err != nil {
		t.Fatal(err)
	}
	if out := all[1].tcpctl("cluster", "slots", "db", "1"); !strings.Contains(out, "1 slot on all") {
		t.Errorf("cluster slots: %s", out)
	}
	next.Close() // it had the second slot
	all[0].until("its slot is not there any more", func(s *proxy.ServiceInfo) bool { return s.Lock.InUse == 0 })
	if next, err = dial(all[0].addr()); err != nil {
		t.Fatal(err)
	}
	defer next.Close()
	next.says("hello")
	all[0].until("a client waits", func(s *proxy.ServiceInfo) bool { return s.Queue.Waiting == 1 })
	if out, status := all[0].try("cluster", "slots", "web", "2"); status != exitUsage || !strings.Contains(out, "no service of that name") {
		t.Errorf("of a service that is not there: status %d\n%s", status, out)
	}

	leading(t, all)
	all[2].cmd.Process.Signal(syscall.SIGKILL)
	all[2].cmd.Wait()
	if err := next.hears("x: hello"); err != nil {
		t.Fatalf("the slot of the dead node: %v", err)
	}
	now := all[0].service().Lock
	if len(now.Holders) != 1 || now.Holders[0].Token <= held.Holders[0].Token {
		t.Errorf("after token %d: %+v", held.Holders[0].Token, now.Holders)
	}
	if said, _ := os.ReadFile(fenced); string(said) != fmt.Sprintf("on_expire %d\n", now.Holders[0].Token) {
		t.Errorf("on_expire said %q", said)
	}
}
