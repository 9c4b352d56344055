//go:build unix

package main

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/tcpctl/tcpctl/proxy"
	"github.com/tcpctl/tcpctl/proxy/api"
)

// TestNodesOfOneNameAreDistinguished: and each of their labels can be used.
func TestNodesOfOneNameAreDistinguished(t *testing.T) {
	t.Parallel()
	all := nodesOf(t, true, "localhost", "localhost", "köln[x]%2F#1", "all")
	var labels []string
	for _, p := range all[0].status().Mesh.Peers {
		labels = append(labels, p.Label)
	}
	slices.Sort(labels)
	if !strings.HasPrefix(labels[0], "all#") || labels[1] != "köln[x]%2F#1" || !regexp.MustCompile(`^localhost#[0-9a-f]{8}$`).MatchString(labels[2]) {
		t.Fatalf("labels %q", labels)
	}
	for _, node := range append(labels, all[0].status().Mesh.Label, all[0].status().Mesh.Peers[0].ID, all[0].status().Mesh.Peers[0].Addr) {
		var st api.Status
		if err := json.Unmarshal([]byte(all[0].tcpctl("status", "--peer", node, "--json")), &st); err != nil {
			t.Fatal(err)
		}
		if m := st.Mesh; m.Label != node && m.ID != node && m.Listen != node && !strings.Contains(node, "127.0.0.1:") {
			t.Errorf("--peer %q: %s, %s answers", node, m.Label, m.ID)
		}
	}
	if out, status := all[0].try("status", "--peer", "localhost"); status != exitUsage || strings.Count(out, "localhost#") != 2 {
		t.Errorf("status %d: want both to choose from:\n%s", status, out)
	}
	out := all[3].tcpctl("drain", "db/a", "--peer", "all")
	if n := len(regexp.MustCompile(`done: drain db/a`).FindAllString(out, -1)); n != 4 {
		t.Errorf("%d of 4:\n%s", n, out)
	}
	for i, in := range all {
		if b := in.status().Backend("db/a"); b.Admin != proxy.AdminDrain {
			t.Errorf("on node %d it is %s", i, b.Admin)
		}
	}
}

// TestReadingOverAllNodes: each reading command shows all nodes in one document.
func TestReadingOverAllNodes(t *testing.T) {
	t.Parallel()
	all := nodes(t, 3, true)
	_ = all[1].tcpctl("pause", "db")
	addr := all[1].addr()
	waiter := mustDial(t, addr)
	defer waiter.Close()
	all[1].until("one waits", func(s *proxy.ServiceInfo) bool { return s.Queue.Waiting == 1 })
	client := mustDial(t, all[2].addr())
	defer client.Close()
	client.says("hello")
	if err := client.hears("x: hello"); err != nil {
		t.Fatal(err)
	}
	for command, want := range map[string][]string{
		"status":   {"NODE +SERVICE", "edge-1 +db", "edge-2 +db .*paused", "edge-2 +by ", "edge-3 +  a"},
		"queue db": {"NODE +# +ID", "edge-2 +1 +s"},
		"sessions": {"NODE +ID", "edge-3 +s"},
		"events":   {"edge-1 +[0-9:]+ . db listens", "edge-2 +[0-9:]+ . .*pause", "edge-3 +[0-9:]+ . "},
		"peers":    {"NODE +NODE", "edge-1 +edge-1 .*self", "edge-1 +edge-2", "edge-2 +edge-1", "edge-3 +edge-3 .*self"},
	} {
		args := append(strings.Fields(command), "--peer", "all")
		out := all[0].tcpctl(args...)
		for _, w := range want {
			if !regexp.MustCompile("(?m)^" + w).MatchString(out) {
				t.Errorf("%s does not show %q:\n%s", command, w, out)
			}
		}
		var list []struct{ Node any }
		text := all[0].tcpctl(append(args, "--json")...)
		if err := json.Unmarshal([]byte(text), &list); err != nil || len(list) == 0 {
			t.Errorf("%s --json: %v:\n%s", command, err, text)
		}
		for _, one := range list {
			if !strings.Contains(fmt.Sprint(one.Node), "edge-") {
				t.Errorf("%s --json: of which node is %v?", command, one)
			}
		}
	}
	for _, args := range [][]string{{"status", "--watch"}, {"report"}, {"attach"}, {"version"}, {"check"}, {"kick", "s1"}, {"drain", "db/a", "--wait"}, {"themes"}} {
		if out, status := all[0].try(append([]string{args[0], "--peer", "all"}, args[1:]...)...); status != exitUsage {
			t.Errorf("%v for all nodes: status %d:\n%s", args, status, out)
		}
	}

	// A node that does not answer is an element, too.
	all[2].halts()
	goOn := sync.OnceFunc(func() { all[2].cmd.Process.Signal(syscall.SIGCONT) })
	defer goOn()
	out, status := all[0].try("sessions", "--peer", "all")
	if status != exitFailed || !strings.Contains(out, "edge-3: ") || !strings.Contains(out, "2 of 3 nodes: done; unknown: edge-3") {
		t.Errorf("status %d:\n%s", status, out)
	}
	for began := time.Now(); ; restSince(began) {
		out, status = all[0].try("drain", "db/b", "--peer", "all", "--force")
		if status != exitFailed || time.Since(began) > patience {
			t.Fatalf("status %d:\n%s", status, out)
		}
		if strings.Contains(out, "unknown: unreachable: down (unresponsive), last seen") {
			break
		}
	}

	// A departed node is not an error.
	goOn()
	all[0].untilPeers(2)
	all[2].end()
	for began := time.Now(); !strings.Contains(all[0].tcpctl("events"), "peer edge-3 has departed"); restSince(began) {
		if time.Since(began) > patience {
			t.Fatal("edge-3 never departed")
		}
	}
	out = all[0].tcpctl("drain", "db/b", "--peer", "all", "--force")
	if strings.Count(out, "done: ") != 2 || !strings.Contains(out, "edge-3 was not asked: it departed from the mesh") {
		t.Errorf("after it has departed:\n%s", out)
	}
}

// TestPeerWithoutAMesh: it is wrong usage, and the message says what to do.
func TestPeerWithoutAMesh(t *testing.T) {
	t.Parallel()
	b := startBackend(t, "x")
	in := runInstance(t, nil, "proxy", "--name", "db", "--listen", "127.0.0.1:0", "--backend", b.addr)
	for _, peer := range []string{"x", "all"} {
		for _, args := range [][]string{{"status"}, {"sessions"}, {"queue", "db"}, {"events"}, {"peers"}, {"drain", "db/" + b.addr, "--force"}} {
			if out, status := in.try(append(args, "--peer", peer)...); status != exitUsage || !strings.Contains(out, "in no mesh") || !strings.Contains(out, "[mesh] table") {
				t.Errorf("%v --peer %s: status %d:\n%s", args, peer, status, out)
			}
		}
	}
}
