package main

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/tcpctl/tcpctl/mesh"
	"github.com/tcpctl/tcpctl/proxy"
)

// namespaced starts three nodes of one cluster, each in a network namespace; lines are added to
// their service. at runs a program in a node's namespace.
func namespaced(t *testing.T, lines string) (s *segment, all []*running, at func(node int, argv ...string) *exec.Cmd) {
	t.Helper()
	s = newSegment(t)
	dir := logDir(t)
	write(t, filepath.Join(dir, "secret"), mesh.NewSecret()+"\n")
	var spaces []string
	for i := range 3 {
		host, ns := s.host()
		spaces = append(spaces, ns)
		path := filepath.Join(dir, fmt.Sprintf("%d.toml", i))
		write(t, path, fmt.Sprintf(`[services.db]
listen = "127.0.0.1:7000"
scope = "cluster"
%s[history]
file = "off"
[mesh]
name = "lab"
node = "edge-%d"
listen = "10.0.0.%d:7460"
join = ["10.0.0.1:7460", "10.0.0.2:7460", "10.0.0.3:7460"]
mdns = false
secret_file = %q
[cluster]
voters = ["edge-1", "edge-2", "edge-3"]
dir = %q
`, lines, i+1, host, filepath.Join(dir, "secret"), filepath.Join(dir, fmt.Sprint(i))))
		all = append(all, runInstance(t, []string{"ip", "netns", "exec", ns}, "run", "--no-ui", "-c", path))
	}
	for _, in := range all {
		in.untilPeers(2)
	}
	all[0].tcpctl("cluster", "init")
	mayAct(all)
	return s, all, func(node int, argv ...string) *exec.Cmd {
		return exec.Command("ip", append([]string{"netns", "exec", spaces[node]}, argv...)...)
	}
}

// TestRule27ANodeIsCutOffInAWindow: PostgreSQL restarts under pgbench on three nodes, and one node
// is cut off while the command runs. No transaction fails on any; the report names the node, and is
// completed once it is back.
func TestRule27ANodeIsCutOffInAWindow(t *testing.T) {
	t.Parallel()
	pg := newPostgres(t)
	_, port, _ := net.SplitHostPort(pg.addr)
	s, all, at := namespaced(t, fmt.Sprintf("backends = [{ name = \"pg\", addr = \"unix:%s/.s.PGSQL.%s\" }]\n", pg.dir, port))
	const each = 15 // at 10 a second, so that some come after the window
	names := [...]string{"edge-1", "edge-2", "edge-3"}
	var benches []*exec.Cmd
	var said []*os.File
	for i := range all {
		out, err := os.Create(filepath.Join(t.TempDir(), "out"))
		if err != nil {
			t.Fatal(err)
		}
		defer out.Close()
		bench := at(i, "pgbench", "-n", "-h", "127.0.0.1", "-p", "7000", "-U", "postgres", "-C", "-c", "4", "-j", "4", "-t", fmt.Sprint(each), "-R", "10", "postgres")
		bench.Stdout, bench.Stderr = out, out
		if err := bench.Start(); err != nil {
			t.Fatal(err)
		}
		benches, said = append(benches, bench), append(said, out)
	}
	for _, in := range all {
		in.until("transactions are done", func(s *proxy.ServiceInfo) bool { return s.Sessions.Total > each/2 })
	}
	script, began, end := untilEnd(t, "run")
	c := all[0].types(append([]string{"window", "db", "--reason", "minor release", "--", "sh", "-c", script + "; exec \"$@\"", "sh"}, pg.ctl("restart")...)...)
	untilFile(t, began, "run")
	leading(t, all)
	s.cut(3)
	all[0].until("its lease is over", func(*proxy.ServiceInfo) bool {
		p := all[0].status().Cluster.Plan("db")
		return slices.ContainsFunc(p.Nodes, func(n proxy.NodeReport) bool { return n.State == proxy.NodeUnknown })
	})
	end()
	if status := c.status(); status != exitFailed {
		t.Errorf("status %d:\n%s", status, c.said())
	}
	if said := c.said(); !strings.Contains(said, "failed 0 on 2 of 3 nodes") || !regexp.MustCompile(`edge-3 +- +unknown: its lease ended \d\d:`).MatchString(said) {
		t.Errorf("it says:\n%s", said)
	}
	if in := all[2].service(); in.State != proxy.StatePaused || in.Sessions.Active > 0 {
		t.Errorf("the node that is cut off: %s, %d live", in.State, in.Sessions.Active)
	}
	s.heal(3)
	all[0].until("it has amended the report", func(*proxy.ServiceInfo) bool {
		return strings.Contains(all[0].tcpctl("report"), "failed 0 on 3 of 3 nodes")
	})
	for i, bench := range benches {
		err := bench.Wait()
		text := readFile(t, said[i].Name())
		if err != nil || !strings.Contains(text, "number of failed transactions: 0 ") || !strings.Contains(text, fmt.Sprintf("actually processed: %d/%[1]d", 4*each)) {
			t.Errorf("pgbench at %s: %v\n%s", names[i], err, text)
		}
		if n := all[i].service().Sessions; n.Failed+n.Cut+n.Rejected != 0 || n.Total < 4*each {
			t.Errorf("%s has counted %+v", names[i], n)
		}
		t.Logf("pgbench at %s:\n%s", names[i], text)
	}
	t.Logf("at its end the window said:\n%s\nand later:\n%s", c.said(), all[0].tcpctl("report"))
}
