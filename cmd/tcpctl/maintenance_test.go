//go:build unix

package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/tcpctl/tcpctl/proxy"
)

// typed is a command line that was started and may still run.
type typed struct {
	cmd *exec.Cmd
}

// types starts a command on the instance without waiting for it.
func (in *running) types(args ...string) *typed {
	in.t.Helper()
	c := &typed{cmd: exec.Command("tcpctl", append([]string{args[0], "--socket", in.socket}, args[1:]...)...)}
	// A file, not a pipe: a process that outlives the command must not block the test.
	out, err := os.Create(filepath.Join(in.t.TempDir(), "said"))
	if err != nil {
		in.t.Fatal(err)
	}
	defer out.Close()
	c.cmd.Stdout, c.cmd.Stderr = out, out
	if err := c.cmd.Start(); err != nil {
		in.t.Fatal(err)
	}
	in.t.Cleanup(func() { c.cmd.Process.Kill() })
	name := out.Name()
	in.t.Cleanup(func() {
		if text, _ := os.ReadFile(name); in.t.Failed() {
			in.t.Logf("tcpctl %s printed:\n%s", strings.Join(args, " "), text)
		}
	})
	return c
}

// status waits for the command's end.
func (c *typed) status() int {
	c.cmd.Wait()
	return c.cmd.ProcessState.ExitCode()
}

// atCommand begins a window whose command runs until end is called, and waits for the command to
// begin.
func (in *running) atCommand(service string, flags ...string) (c *typed, end func()) {
	in.t.Helper()
	mark := filepath.Join(in.t.TempDir(), "end")
	end = func() { os.WriteFile(mark, nil, 0o600) }
	in.t.Cleanup(end)
	args := append(append([]string{"window", service}, flags...), "--", "sh", "-c", "while [ -d "+filepath.Dir(mark)+" ] && ! [ -e "+mark+" ]; do sleep 0.05; done")
	c = in.types(args...)
	in.until("the command runs", func(s *proxy.ServiceInfo) bool {
		r, err := in.Report(context.Background(), "")
		return err == nil && s.Pause != nil && s.Pause.Step == "command" && r.Steps[1].State == proxy.StepRunning
	})
	return c, end
}

func newService(t *testing.T) (*backend, *configured) {
	t.Helper()
	b := startBackend(t, "a")
	return b, runConfigured(t, fmt.Sprintf("[services.db]\nlisten = \"127.0.0.1:0\"\nbackends = [{ name = \"a\", addr = %q }]\n", b.addr))
}

func (in *running) events() string { return in.tcpctl("events") }

func TestRule14ASecondOperatorIsToldWhoHasIt(t *testing.T) {
	t.Parallel()
	_, in := newService(t)
	c, end := in.atCommand("db", "--reason", "kernel patch")
	for _, args := range [][]string{{"window", "db", "--", "true"}, {"pause", "db"}, {"resume", "db"}, {"plan", "abort"}} {
		out, status := in.try(append(args[:1:1], args[1:]...)...)
		if len(args) > 2 {
			out, status = runTcpctl(t, append([]string{args[0], "--socket", in.socket}, args[1:]...)...)
		}
		who, _, _ := strings.Cut(in.service().Pause.Owner, "@")
		if status != 1 || !strings.Contains(out, who+"@") {
			t.Errorf("%v: status %d\n%s", args, status, out)
		}
	}
	if out := in.tcpctl("status"); !strings.Contains(out, "kernel patch") || !strings.Contains(out, "step command") {
		t.Errorf("status:\n%s", out)
	}
	end()
	if s := c.status(); s != 0 {
		t.Errorf("the window's status is %d", s)
	}
	in.until("it is open", func(s *proxy.ServiceInfo) bool { return s.State == proxy.StateOpen })
}

func TestRule18TheWindowsOwnerIsKilledByNine(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("waits for the owner's lease to run out")
	}
	_, in := newService(t)
	c, _ := in.atCommand("db", "--max", "5s")
	c.cmd.Process.Kill() // at once: it is missed after 3 s, which must be before the max
	c.cmd.Wait()
	held := make(chan error, 1)
	go func() { held <- oneVisit(in.addr(), "held") }()
	in.until("a client is held", func(s *proxy.ServiceInfo) bool { return s.Queue.Waiting == 1 })
	if err := <-held; err != nil {
		t.Errorf("the held client: %v", err)
	}
	story := in.events()
	at := 0
	for _, part := range []string{"begins", "is paused", "is gone: pausing until", "reached its deadline; resuming", "failed after"} {
		n := strings.Index(story[at:], part)
		if n < 0 {
			t.Fatalf("the events do not continue with %q:\n%s", part, story)
		}
		at += n
	}
}

func TestRule18NobodyReachesAHalfDoneBackend(t *testing.T) {
	t.Parallel()
	b, in := newService(t)
	c, end := in.atCommand("db", "--max", "400ms")
	for range 3 { // held and rejected, or refused at once if it comes late
		if err := oneVisit(in.addr(), "early"); err == nil {
			t.Error("a client reached a half-done backend")
		}
	}
	in.until("it is overdue", func(s *proxy.ServiceInfo) bool { return s.Pause != nil && s.Pause.Overdue })
	if out := in.tcpctl("status"); !strings.Contains(out, "overdue") {
		t.Errorf("status:\n%s", out)
	}
	if out := in.events(); !strings.Contains(out, "still running at the deadline") {
		t.Errorf("no alarm:\n%s", out)
	}
	end()
	if s := c.status(); s != 0 {
		t.Errorf("status %d", s)
	}
	in.until("it opens when the command has ended", func(s *proxy.ServiceInfo) bool { return s.State == proxy.StateOpen })
	if err := oneVisit(in.addr(), b.name); err != nil {
		t.Error(err)
	}
}

// TestRule18ExitStatusesOfAWindow: a window that reaches its limit gives up with status 3 and does
// not run its command; a command that fails gives 1, and the service is open.
func TestRule18ExitStatusesOfAWindow(t *testing.T) {
	t.Parallel()
	_, in := newService(t)
	live, err := dial(in.addr())
	if err != nil {
		t.Fatal(err)
	}
	live.says("hello")
	if err := live.hears("a: hello"); err != nil {
		t.Fatal(err)
	}
	mark := filepath.Join(t.TempDir(), "ran")
	window := func(args ...string) (string, int) {
		return runTcpctl(t, append([]string{"window", "--socket", in.socket, "db"}, args...)...)
	}
	if out, status := window("--limit", "50ms", "--", "touch", mark); status != exitTime || !strings.Contains(out, "skipped") {
		t.Errorf("status %d\n%s", status, out)
	}
	if _, err := os.Stat(mark); err == nil {
		t.Error("the command ran")
	}
	if out, status := window("--dry-run", "--", "touch", mark); status != 0 || !strings.Contains(out, "nothing was done") {
		t.Errorf("--dry-run: status %d\n%s", status, out)
	}
	live.Close()
	if out, status := window("--", "sh", "-c", "exit 7"); status != exitFailed || !strings.Contains(out, "exit status 7") {
		t.Errorf("status %d\n%s", status, out)
	}
	if out, status := window("--", "no-such-program"); status != exitUsage || !strings.Contains(out, "nothing was paused") {
		t.Errorf("status %d\n%s", status, out)
	}
	if err := oneVisit(in.addr(), "after"); err != nil {
		t.Error(err)
	}
}

func TestRule22AReloadInTheMiddleOfAWindow(t *testing.T) {
	t.Parallel()
	_, in := newService(t)
	c, end := in.atCommand("db")
	held := make(chan error, 1)
	go func() { held <- oneVisit(in.addr(), "held") }()
	in.until("a client is held", func(s *proxy.ServiceInfo) bool { return s.Queue.Waiting == 1 })
	text, _ := os.ReadFile(in.path)
	write(t, in.path, strings.Replace(string(text), "\nlisten", "\nmax_sessions = 50\nlisten", 1))
	in.tcpctl("reload")
	if s := in.service(); s.Pause == nil || s.Pause.Step != "command" || s.Queue.Waiting != 1 {
		t.Errorf("after the reload: %+v", s)
	}
	end()
	if s := c.status(); s != 0 {
		t.Errorf("status %d", s)
	}
	if err := <-held; err != nil {
		t.Error(err)
	}
}

// TestRule18TheEngineIsStoppedInTheMiddleOfAWindow: after SIGTERM, a held client gets the grace period.
func TestRule18TheEngineIsStoppedInTheMiddleOfAWindow(t *testing.T) {
	t.Parallel()
	_, in := newService(t)
	c, end := in.atCommand("db")
	held := make(chan error, 1)
	addr := in.addr()
	go func() { held <- oneVisit(addr, "held") }()
	in.until("a client is held", func(s *proxy.ServiceInfo) bool { return s.Queue.Waiting == 1 })
	in.cmd.Process.Signal(syscall.SIGTERM)
	in.until("it stops", func(s *proxy.ServiceInfo) bool { return s.State == proxy.StateClosed })
	end() // within the grace
	if err := <-held; err != nil {
		t.Errorf("the held client: %v", err)
	}
	c.status() // the instance may end before the command gets the report
}

func TestPlansAreSteeredByTheirIDs(t *testing.T) {
	t.Parallel()
	_, in := newService(t)
	c, end := in.atCommand("db")
	if out, status := in.try("plan", "abort", "w99"); status != 1 || !strings.Contains(out, "w1") {
		t.Errorf("status %d: %s", status, out)
	}
	in.tcpctl("plan", "pause", "w1")
	end()
	in.until("it is held before its next step", func(*proxy.ServiceInfo) bool {
		r, err := in.Report(context.Background(), "w1")
		return err == nil && r.Steps[1].State == proxy.PlanDone && r.State == proxy.PlanPaused
	})
	in.tcpctl("plan", "next", "w1")
	if s := c.status(); s != 0 {
		t.Errorf("status %d", s)
	}
}

// steady is clients that connect again and again until told to stop.
type steady struct {
	stop   chan struct{}
	wg     sync.WaitGroup
	served atomic.Int64
}

func comeAgain(t *testing.T, n int, visit func() error) *steady {
	s := &steady{stop: make(chan struct{})}
	for range n {
		s.wg.Go(func() {
			for {
				select {
				case <-s.stop:
					return
				case <-time.After(pace):
				}
				if err := visit(); err != nil {
					t.Errorf("a client got %v", err)
					return
				}
				s.served.Add(1)
			}
		})
	}
	return s
}

func (s *steady) end() int64 {
	close(s.stop)
	s.wg.Wait()
	return s.served.Load()
}
