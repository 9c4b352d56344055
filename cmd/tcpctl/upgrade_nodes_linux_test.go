package main

import (
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/tcpctl/tcpctl/proxy/api"
	"github.com/tcpctl/tcpctl/proxy/proxytest"
)

// TestUpgradeOfAllNodes upgrades one node after another while each has clients, none of which
// fails. It stops at a node whose binary does not start, and the same command continues there.
func TestUpgradeOfAllNodes(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	secret, first := filepath.Join(dir, "secret"), proxytest.FreePort(t)
	write(t, secret, strings.Repeat("s", 32)+"\n")
	b := startBackend(t, "x")
	var all []*upgradable
	for i, listen := range []string{first, "127.0.0.1:0", "127.0.0.1:0"} {
		path := filepath.Join(dir, fmt.Sprintf("%d.toml", i+1))
		write(t, path, fmt.Sprintf("[services.db]\nlisten = \"127.0.0.1:0\"\nbackends = [{ name = \"a\", addr = %q }]\n"+
			"[history]\nfile = \"off\"\n[mesh]\nname = \"m\"\nnode = \"edge-%d\"\nlisten = %q\njoin = [%q]\nmdns = false\nsecret_file = %q\n", b.addr, i+1, listen, first, secret))
		all = append(all, runInstalled(t, []string{"STATE_DIRECTORY=" + t.TempDir()}, "run", "--no-ui", "-c", path))
	}
	for _, in := range all {
		in.untilPeers(2)
	}
	var clients sync.WaitGroup
	stop, failed := make(chan struct{}), make(chan error, 100)
	var served3 [3]atomic.Int64
	for i, in := range all {
		addr := in.addr()
		for range 2 {
			clients.Go(func() { served(stop, addr, &served3[i], failed) })
		}
	}
	pids := func() (p [3]int) {
		for i, in := range all {
			p[i] = in.status().Node.PID
		}
		return p
	}
	before := pids()
	out := all[0].tcpctl("upgrade", "--nodes", "--dry-run")
	if strings.Count(out, "would upgrade") != 3 || pids() != before {
		t.Errorf("a dry run says:\n%s", out)
	}

	// edge-2 and edge-3 come before edge-1, which is asked.
	all[2].replace("exit 1")
	out, status := all[0].try("upgrade", "--nodes")
	if status != exitFailed || !strings.Contains(out, "edge-2: upgraded") || !strings.Contains(out, "edge-3: ") || !strings.Contains(out, "not tried: edge-1") {
		t.Errorf("status %d:\n%s", status, out)
	}
	all[1].follow(before[1])
	if now := pids(); now[1] == before[1] || now[0] != before[0] || now[2] != before[2] {
		t.Errorf("processes %v, and %v before", now, before)
	}

	all[2].replace(`exec "$REAL" "$@"`)
	out = all[0].tcpctl("upgrade", "--nodes")
	if strings.Count(out, ": upgraded, ") != 3 || !strings.HasPrefix(out, "edge-2: ") || !strings.Contains(out, "\nedge-1: upgraded") {
		t.Errorf("it says:\n%s", out)
	}
	for i, in := range all {
		in.follow(before[i])
	}
	close(stop)
	clients.Wait()
	select {
	case err := <-failed:
		t.Errorf("a client failed: %v", err)
	default:
	}
	for i := range served3 {
		if served3[i].Load() == 0 {
			t.Errorf("no client of edge-%d was served", i+1)
		}
	}
	for _, in := range all {
		in.ends()
	}
}

func TestUpgradeOrder(t *testing.T) {
	members := []api.Member{{Node: "edge-3"}, {Node: "edge-1"}, {Node: "edge-2"}}
	names := func(c *api.Cluster) (text string) {
		for _, m := range inOrder(members, c) {
			text += m.Node + " "
		}
		return text
	}
	if got := names(nil); got != "edge-1 edge-2 edge-3 " {
		t.Error(got)
	}
	if got := names(&api.Cluster{Leader: "edge-1"}); got != "edge-2 edge-3 edge-1 " {
		t.Error(got)
	}
}

func TestUpgradeKeepsAMajority(t *testing.T) {
	voter := func(name string, reached bool) api.Voter { return api.Voter{Name: name, Reached: reached} }
	for _, c := range []struct {
		voters []api.Voter
		node   string
		ok     bool
	}{
		{[]api.Voter{voter("a", true), voter("b", true), voter("c", true)}, "a", true},
		{[]api.Voter{voter("a", true), voter("b", true), voter("c", false)}, "a", false},
		{[]api.Voter{voter("a", true), voter("b", true), voter("c", false)}, "other", true},
		{[]api.Voter{voter("a", true)}, "a", true},
		{[]api.Voter{voter("a", true), voter("b", true), {Name: "c", Missing: true}}, "a", false},
		{[]api.Voter{voter("a", true), voter("b", true), voter("c", true), voter("d", true), voter("e", false)}, "a", true},
	} {
		if text, ok := othersAreMajority(&api.Cluster{Voters: c.voters}, c.node); ok != c.ok {
			t.Errorf("%+v without %s: %v, %s", c.voters, c.node, ok, text)
		}
	}
}
