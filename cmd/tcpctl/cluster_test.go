package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tcpctl/tcpctl/mesh"
	"github.com/tcpctl/tcpctl/proxy/proxytest"
)

// logDir returns a folder for the logs of a cluster, in memory if the system has such a folder: each entry is
// synced, which takes long on a busy disk.
func logDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "tcpctl")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// A clusterLab has the processes of one cluster, by name; each has its own file and folder.
type clusterLab struct {
	t     *testing.T
	dir   string
	join  string
	nodes map[string]*running
}

func newClusterLab(t *testing.T, names ...string) *clusterLab {
	t.Helper()
	l := &clusterLab{t: t, dir: logDir(t), join: proxytest.FreePort(t), nodes: map[string]*running{}}
	if err := os.WriteFile(filepath.Join(l.dir, "secret"), []byte(mesh.NewSecret()+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for i, name := range names {
		listen := "127.0.0.1:0"
		if i == 0 {
			listen = l.join
		}
		write(t, l.path(name), fmt.Sprintf(`[services.db]
listen = "127.0.0.1:0"
backends = ["127.0.0.1:1"]
check = { type = "none" }
[history]
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
`, name, listen, l.join, filepath.Join(l.dir, "secret"), filepath.Join(l.dir, name)))
		l.start(name)
	}
	return l
}

func (l *clusterLab) path(name string) string { return filepath.Join(l.dir, name+".toml") }

func (l *clusterLab) start(name string) {
	l.t.Helper()
	l.nodes[name] = runInstance(l.t, nil, "run", "--no-ui", "-c", l.path(name))
}

// kill is kill -9.
func (l *clusterLab) kill(name string) {
	l.nodes[name].cmd.Process.Kill()
	l.nodes[name].cmd.Wait()
}

// until waits until the output of a node's cluster status is ok.
func (l *clusterLab) until(name, what string, ok func(out string) bool) {
	l.t.Helper()
	out := ""
	for began := time.Now(); time.Since(began) < patience; restSince(began) {
		if out = l.nodes[name].tcpctl("cluster", "status"); ok(out) {
			return
		}
	}
	l.t.Fatalf("%s never said %q:\n%s", name, what, out)
}

// leader returns the leader according to a node, once three nodes vote.
func (l *clusterLab) leader(name string, not string) (leader string) {
	l.t.Helper()
	l.until(name, "three vote and one leads", func(out string) bool {
		fmt.Sscanf(out, "cluster %s %s leads", new(string), &leader)
		return strings.Contains(out, leader+" leads") && leader != "" && leader != not && strings.Count(out, " votes ") == 2
	})
	return leader
}

// doctor waits until the doctor at a node says all of these.
func (l *clusterLab) doctor(name string, status int, says ...string) {
	l.t.Helper()
	for began := time.Now(); ; restSince(began) {
		out, got := l.nodes[name].try("cluster", "doctor")
		if got == status && !slices.ContainsFunc(says, func(text string) bool { return !strings.Contains(out, text) }) {
			l.t.Log("\n" + out)
			return
		}
		if time.Since(began) > patience {
			l.t.Fatalf("the doctor never said %q: status %d\n%s", says, got, out)
		}
	}
}

// TestAClusterIsRecovered: two of three voters are lost. With --force, one continues alone; the
// fourth node follows, and one that comes back rejoins.
func TestAClusterIsRecovered(t *testing.T) {
	t.Parallel()
	l := newClusterLab(t, "edge-1", "edge-2", "edge-3", "edge-4")
	l.doctor("edge-1", exitFailed, "the cluster was never formed", "tcpctl cluster init")
	l.nodes["edge-1"].tcpctl("cluster", "init")
	l.leader("edge-1", "")
	l.doctor("edge-4", 0, "nothing is wrong")
	l.until("edge-4", "it is a client", func(out string) bool { return strings.Contains(out, "this node: client") })
	last := l.nodes["edge-1"]
	before := last.status().Cluster.ID
	if out, status := last.try("cluster", "recover", "--force"); status != exitFailed || !strings.Contains(out, "nothing is lost") {
		t.Errorf("with a majority: %d, %s", status, out)
	}
	other := filepath.Join(l.dir, "other.toml")
	text, err := os.ReadFile(l.path("edge-1"))
	if err != nil {
		t.Fatal(err)
	}
	write(t, other, string(text)+"lease = \"5s\"\n")
	if out, status := runTcpctl(t, "check", "-c", other); status != 0 || !strings.Contains(out, `lease = "5s" in this node's file, and "3s" in the cluster`) {
		t.Errorf("check of another lease: %d, %s", status, out)
	}
	l.kill("edge-2")
	l.kill("edge-3")
	l.until("edge-1", "no leader", func(out string) bool { return strings.Contains(out, "no leader") && strings.Count(out, " no ") >= 3 })
	l.doctor("edge-1", exitFailed, "no voter leads: of 3 voters none reaches more than 1", "tcpctl cluster recover", "edge-2: it does not answer")
	if out, status := last.try("cluster", "recover"); status != exitFailed || !strings.Contains(out, "edge-2, edge-3 can never come back") || !strings.Contains(out, "--force") {
		t.Errorf("without --force: %d, %s", status, out)
	}
	if out := last.tcpctl("cluster", "recover", "--dry-run"); !strings.Contains(out, "what the others have agreed on since is lost") {
		t.Errorf("a dry run: %s", out)
	}
	for began := time.Now(); ; restSince(began) { // until every lease must have ended
		out, status := last.try("cluster", "recover", "--force")
		if status == 0 {
			break
		}
		if !strings.Contains(out, "may hold leases") || time.Since(began) > patience {
			t.Fatalf("recover: %d, %s", status, out)
		}
	}
	l.until("edge-1", "it leads", func(out string) bool {
		return strings.Contains(out, "edge-1 leads") && !strings.Contains(out, before)
	})
	id := last.status().Cluster.ID
	l.until("edge-4", "it follows", func(out string) bool { return strings.Contains(out, id) })
	l.start("edge-2")
	l.until("edge-2", "it is refused", func(out string) bool {
		return strings.Contains(out, before) && strings.Contains(out, id) && strings.Contains(out, "cluster rejoin")
	})
	l.nodes["edge-2"].tcpctl("cluster", "rejoin")
	l.until("edge-2", "it votes", func(out string) bool { return strings.Contains(out, id) && strings.Contains(out, "this node: voter") })
}

// TestAClusterOfProcesses: one node makes the cluster, all join; the leader is killed, a majority
// is lost and comes back, and a lost log is rebuilt.
func TestAClusterOfProcesses(t *testing.T) {
	t.Parallel()
	l := newClusterLab(t, "edge-1", "edge-2", "edge-3", "edge-4")
	if out := l.nodes["edge-4"].tcpctl("cluster", "status"); !strings.Contains(out, "no cluster yet") {
		t.Errorf("before: %s", out)
	}
	if out, status := l.nodes["edge-4"].try("cluster", "init"); status != exitFailed || !strings.Contains(out, "not among the voters") {
		t.Errorf("init at a client: %d, %s", status, out)
	}
	l.nodes["edge-1"].tcpctl("cluster", "init")
	for _, name := range []string{"edge-1", "edge-2", "edge-3"} {
		l.leader(name, "")
	}
	l.until("edge-4", "it is a client", func(out string) bool { return strings.Contains(out, "this node: client") })
	if out := l.nodes["edge-4"].tcpctl("cluster", "lead", "edge-2"); !strings.Contains(out, "edge-2 leads") {
		t.Errorf("lead, asked of a client: %s", out)
	}
	l.kill("edge-2")
	next := l.leader("edge-1", "edge-2")
	other := map[string]string{"edge-1": "edge-3", "edge-3": "edge-1"}[next]
	l.kill(next)
	l.until(other, "no leader", func(out string) bool { return strings.Contains(out, "no leader") })
	if out, status := l.nodes[other].try("cluster", "lead", other); status != exitQuorum || !strings.Contains(out, "nothing was done") {
		t.Errorf("without a majority: %d, %s", status, out)
	}
	if err := os.Remove(filepath.Join(l.dir, "edge-2", "log")); err != nil {
		t.Fatal(err)
	}
	l.start("edge-2")
	if out := l.nodes["edge-2"].tcpctl("cluster", "status"); !strings.Contains(out, "rejoin me") {
		t.Errorf("without its log: %s", out)
	}
	l.start(next)
	l.leader(other, "edge-2")
	l.until("edge-2", "it has a lease, and names the leader", func(out string) bool { return strings.Contains(out, " leads; this node: stopped, lease ") })
	for began := time.Now(); ; restSince(began) { // until the mesh reaches a voter
		out, status := l.nodes["edge-2"].try("cluster", "rejoin")
		if status == 0 {
			break
		}
		if time.Since(began) > patience {
			t.Fatalf("rejoin: %d, %s", status, out)
		}
	}
	l.until("edge-2", "it votes again", func(out string) bool {
		return strings.Contains(out, "this node: voter") && strings.Count(out, " votes ") == 2
	})
}
