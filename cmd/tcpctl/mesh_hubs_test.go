//go:build unix

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tcpctl/tcpctl/mesh"
	"github.com/tcpctl/tcpctl/proxy/proxytest"
)

// hubNodes starts n instances with the hubs edge-1 and edge-2, used from four nodes on, and waits until each sees all.
func hubNodes(t *testing.T, n int) (all []*running) {
	t.Helper()
	dir := t.TempDir()
	secret := filepath.Join(dir, "secret")
	if err := os.WriteFile(secret, []byte(mesh.NewSecret()+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	b := startBackend(t, "x")
	ports := []string{proxytest.FreePort(t), proxytest.FreePort(t)}
	for i := range n {
		listen := "127.0.0.1:0"
		if i < len(ports) {
			listen = ports[i]
		}
		path := filepath.Join(dir, fmt.Sprintf("%d.toml", i))
		text := fmt.Sprintf(`
[services.db]
listen = "127.0.0.1:0"
backends = [{ name = "a", addr = %q }]
[mesh]
name = "large"
node = "edge-%d"
listen = %q
join = [%q, %q]
mdns = false
secret_file = %q
hubs = ["edge-1", "edge-2", "edge-x"]
full_up_to = 3
`, b.addr, i+1, listen, ports[0], ports[1], secret)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		all = append(all, runInstance(t, nil, "run", "--no-ui", "-c", path))
	}
	for _, in := range all {
		in.untilPeers(n - 1)
	}
	return all
}

// untilThrough waits until this node reaches node through a hub, and returns the output of tcpctl peers.
func (in *running) untilThrough(node, hubs string) string {
	in.t.Helper()
	for began := time.Now(); ; restSince(began) {
		out := in.tcpctl("peers")
		for line := range strings.Lines(out) {
			if f := strings.Fields(line); len(f) > 2 && f[0] == node && f[2] == "+" && strings.Contains(line, "through "+hubs) {
				return out
			}
		}
		if time.Since(began) > patience {
			in.t.Fatalf("%s is not reached through %s:\n%s", node, hubs, out)
		}
	}
}

func TestRule53NodesThatReachEachOtherThroughHubs(t *testing.T) {
	t.Parallel()
	all := hubNodes(t, 5)
	out := all[3].untilThrough("edge-5", "edge-")
	if !strings.Contains(out, "hub edge-x is not known") {
		t.Errorf("an unknown hub is not reported:\n%s", out)
	}
	if m := all[3].status().Mesh; !m.HubMode || len(m.Hubs) != 3 {
		t.Errorf("hub mode %v, hubs %q", m.HubMode, m.Hubs)
	}
	if out := all[3].tcpctl("status", "--peer", "edge-5"); !strings.Contains(out, "db") {
		t.Errorf("status of a node reached through a hub:\n%s", out)
	}
	if out := all[4].tcpctl("drain", "db/a", "--peer", "all", "--force"); strings.Count(out, "done: drain db/a") != 5 {
		t.Errorf("an act for all:\n%s", out)
	}
	all[0].cmd.Process.Signal(syscall.SIGKILL) // one hub of two
	all[3].untilThrough("edge-5", "edge-2")
	if out := all[3].tcpctl("ready", "db/a", "--peer", "edge-5"); !strings.Contains(out, "ready") {
		t.Errorf("an act through the other hub:\n%s", out)
	}
}
