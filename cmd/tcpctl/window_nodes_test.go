//go:build unix

package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/tcpctl/tcpctl/proxy"
	"github.com/tcpctl/tcpctl/proxy/api"
)

// windowOnAll begins a window on all nodes through the first one. Its command appends a line to the
// file began, and runs until end is called.
func windowOnAll(all []*running, flags ...string) (c *typed, began string, end func()) {
	return all[0].typesWindow(append([]string{"--peer", "all"}, flags...)...)
}

// typesWindow is windowOnAll through in.
func (in *running) typesWindow(flags ...string) (c *typed, began string, end func()) {
	t := in.t
	t.Helper()
	script, began, end := untilEnd(t, "run")
	args := append(append([]string{"window", "db"}, flags...), "--", "sh", "-c", script)
	return in.types(args...), began, end
}

// untilEnd returns a shell command that appends word to the file began, and runs until end is
// called.
func untilEnd(t *testing.T, word string) (script, began string, end func()) {
	t.Helper()
	dir := t.TempDir()
	began = filepath.Join(dir, "began")
	mark := filepath.Join(dir, "end")
	end = func() { os.WriteFile(mark, nil, 0o600) }
	t.Cleanup(end)
	return fmt.Sprintf("echo %s >>%s; while [ -d %s ] && ! [ -e %s ]; do sleep 0.05; done", word, began, dir, mark), began, end
}

// window runs a window on all nodes.
func (in *running) window(args ...string) (out string, status int) {
	in.t.Helper()
	return runTcpctl(in.t, append([]string{"window", "db", "--socket", in.socket, "--peer", "all"}, args...)...)
}

// said returns what a started command has printed so far.
func (c *typed) said() string {
	b, _ := os.ReadFile(c.cmd.Stdout.(*os.File).Name())
	return string(b)
}

// saysHello is a short session of a client with the backend x.
func saysHello(c *client) error {
	if err := c.says("hello"); err != nil {
		return err
	}
	return c.hears("x: hello")
}

// served visits a node until stop is closed, and counts the visits.
func served(stop <-chan struct{}, addr string, ok *atomic.Int64, failed chan<- error) {
	servedBy(stop, addr, saysHello, ok, failed)
}

func servedBy(stop <-chan struct{}, addr string, visit func(*client) error, ok *atomic.Int64, failed chan<- error) {
	for {
		select {
		case <-stop:
			return
		case <-time.After(slowPace):
		}
		c, err := dial(addr)
		if err == nil {
			err = visit(c)
			c.Close()
		}
		if err != nil {
			failed <- err
			return
		}
		ok.Add(1)
	}
}

// TestRule52OneWindowOnAllNodes: clients of each node are held while one command runs, none fails,
// and there is one report.
func TestRule52OneWindowOnAllNodes(t *testing.T) {
	t.Parallel()
	all := nodes(t, 3, true)
	var clients sync.WaitGroup
	stop, failed := make(chan struct{}), make(chan error, 100)
	counts := make([]atomic.Int64, len(all))
	for i, in := range all {
		addr := in.addr()
		for range 3 {
			clients.Go(func() { served(stop, addr, &counts[i], failed) })
		}
	}
	c, began, end := windowOnAll(all, "--reason", "kernel patch")
	untilFile(t, began, "run")
	for _, in := range all {
		if s := in.service(); s.Pause == nil || s.Pause.Step != "command" || s.Sessions.Active > 0 {
			t.Errorf("while the command runs: %+v, %d live", s.Pause, s.Sessions.Active)
		}
		in.until("clients are held", func(s *proxy.ServiceInfo) bool { return s.Queue.Waiting == 3 })
	}
	end()
	if status := c.status(); status != 0 {
		t.Errorf("status %d:\n%s", status, c.said())
	}
	for i := range counts {
		before := counts[i].Load()
		all[i].until("clients are served again", func(*proxy.ServiceInfo) bool { return counts[i].Load() > before+3 })
	}
	close(stop)
	clients.Wait()
	select {
	case err := <-failed:
		t.Errorf("a client failed: %v", err)
	default:
	}
	if !strings.Contains(c.said(), "window of db: failed 0 on 3 of 3 nodes") || !regexp.MustCompile(`edge-3 +\S+ +done +3 `).MatchString(c.said()) {
		t.Errorf("it says:\n%s", c.said())
	}
	if text, _ := os.ReadFile(began); string(text) != "run\n" {
		t.Errorf("the command ran %q", text)
	}
}

// TestRule18AWindowOnAllNodesIsOverdue: the table says for how long on each.
func TestRule18AWindowOnAllNodesIsOverdue(t *testing.T) {
	t.Parallel()
	all := nodes(t, 3, true)
	c, began, end := windowOnAll(all, "--max", "1s")
	untilFile(t, began, "run")
	allOverdue(all)
	end()
	if status := c.status(); status != 0 {
		t.Errorf("status %d", status)
	}
	if rows := regexp.MustCompile(`(?m)^(?:NODE .* TOOK +OVERDUE|edge-\d .* done .*s +[\d.]+m?s)$`).FindAllString(c.said(), -1); len(rows) != 4 {
		t.Errorf("it says:\n%s", c.said())
	}
}

// TestRule52OnAllOrOnNone: if one node refuses, the window ends on the others before the command.
func TestRule52OnAllOrOnNone(t *testing.T) {
	t.Parallel()
	all := nodes(t, 3, true)
	all[1].tcpctl("pause", "db", "--reason", "mine")
	out, status := all[0].window("--", "touch", filepath.Join(t.TempDir(), "never"))
	if status != exitFailed || !strings.Contains(out, "edge-2: failed before the command had begun; it was not run") || !strings.Contains(out, "paused already, by") {
		t.Errorf("status %d:\n%s", status, out)
	}
	for _, n := range []int{0, 2} {
		all[n].until("it is open", func(s *proxy.ServiceInfo) bool { return s.State == proxy.StateOpen && s.Pause == nil })
	}
	if s := all[1].service(); s.Pause == nil || s.Pause.Reason != "mine" {
		t.Errorf("the other operator's pause is %+v", s.Pause)
	}
}

// TestRule52ALimitOnOneNode: if sessions outlive the limit under abort on one node, the command
// does not run.
func TestRule52ALimitOnOneNode(t *testing.T) {
	t.Parallel()
	all := nodes(t, 2, true)
	client := mustDial(t, all[1].addr())
	defer client.Close()
	client.says("hello")
	if err := client.hears("x: hello"); err != nil {
		t.Fatal(err)
	}
	c, began, _ := windowOnAll(all, "--limit", "300ms", "--then", "abort", "--json")
	if status := c.status(); status != exitTime {
		t.Errorf("status %d:\n%s", status, c.said())
	}
	if _, err := os.Stat(began); err == nil {
		t.Error("the command ran")
	}
	for _, in := range all {
		in.until("it is open", func(s *proxy.ServiceInfo) bool { return s.State == proxy.StateOpen && s.Pause == nil })
	}
	var answers []struct {
		Node    string
		Outcome api.Outcome
		Result  proxy.Report
	}
	said := c.said()
	if i := strings.Index(said, "["); i < 0 || json.NewDecoder(strings.NewReader(said[i:])).Decode(&answers) != nil || len(answers) != 2 {
		t.Fatalf("it says:\n%s", said)
	}
	if a, b := answers[0], answers[1]; a.Node != "edge-1" || a.Result.State != proxy.PlanAborted || b.Result.State != proxy.PlanTimedOut {
		t.Errorf("%+v", answers)
	}
	client.says("still here")
	if err := client.hears("x: still here"); err != nil {
		t.Errorf("the session that outlived the limit: %v", err)
	}
}

// TestRule52ANodeDiesInTheMiddle: the others end their windows, and the report names the node whose
// numbers are unknown.
func TestRule52ANodeDiesInTheMiddle(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("waits for a node that does not come back")
	}
	all := nodes(t, 3, true)
	c, began, end := windowOnAll(all)
	untilFile(t, began, "run")
	all[2].cmd.Process.Signal(syscall.SIGKILL)
	all[2].cmd.Wait()
	end()
	if status := c.status(); status != exitFailed {
		t.Errorf("status %d:\n%s", status, c.said())
	}
	if said := c.said(); !strings.Contains(said, "failed 0 on 2 of 3 nodes") || !regexp.MustCompile(`edge-3 +\S+ +unknown: no answer since`).MatchString(said) {
		t.Errorf("it says:\n%s", said)
	}
	for _, in := range all[:2] {
		in.until("it is open", func(s *proxy.ServiceInfo) bool { return s.State == proxy.StateOpen })
	}
}

// TestRule52ANodeThatCannotBeReached: it is named before anything is paused, and left out with
// --force.
func TestRule52ANodeThatCannotBeReached(t *testing.T) {
	t.Parallel()
	all := nodes(t, 2, true)
	all[1].halts()
	defer all[1].cmd.Process.Signal(syscall.SIGCONT)
	for began := time.Now(); ; restSince(began) {
		out, status := all[0].window("--dry-run", "--", "true")
		if strings.Contains(out, "unknown: unreachable") {
			break
		}
		if time.Since(began) > patience {
			t.Fatalf("status %d:\n%s", status, out)
		}
	}
	out, status := all[0].window("--", "true")
	if status != exitFailed || !strings.Contains(out, "edge-2 cannot be asked to hold its clients") || !strings.Contains(out, "nothing was paused") {
		t.Errorf("status %d:\n%s", status, out)
	}
	if strings.Contains(all[0].events(), "is paused") {
		t.Error("the service was paused")
	}
	out, status = all[0].window("--force", "--", "true")
	if status != 0 || !strings.Contains(out, "edge-2 is left out, and may admit clients") || !strings.Contains(out, "failed 0 on 1 of 1 nodes") {
		t.Errorf("status %d:\n%s", status, out)
	}
}
