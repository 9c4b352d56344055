package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tcpctl/tcpctl/cmd/tcpctl/internal/control"
	"github.com/tcpctl/tcpctl/proxy"
	"github.com/tcpctl/tcpctl/proxy/api"
	"github.com/tcpctl/tcpctl/proxy/text"
)

// running is a tcpctl that runs as a separate process.
type running struct {
	*control.Client
	t       *testing.T
	cmd     *exec.Cmd
	socket  string
	logFile string
}

// runInstance starts tcpctl with its own socket, under a prefix such as a shell that sets limits,
// and waits until it answers.
func runInstance(t *testing.T, prefix []string, args ...string) *running {
	t.Helper()
	// Not t.TempDir: a socket's path must be short.
	dir, err := os.MkdirTemp("", "tcpctl")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	in := &running{t: t, socket: filepath.Join(dir, "s"), logFile: filepath.Join(dir, "log")}
	words := append(append(prefix, "tcpctl"), append(args, "--socket", in.socket)...)
	in.cmd = exec.Command(words[0], words[1:]...)
	log, err := os.Create(in.logFile)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	in.cmd.Stderr = log
	if err := in.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	in.Client = control.Dial(in.socket)
	t.Cleanup(func() { killAll(in.socket) }) // runs after the next cleanup, since successors are not children of the test
	t.Cleanup(in.end)
	if _, err := waitReady(in.socket); err != nil {
		t.Fatalf("%v\n%s", err, in.log())
	}
	return in
}

// waitReady waits until an instance answers and has checked its backends.
func waitReady(socket string) (*api.Status, error) {
	src := control.Dial(socket)
	defer src.Close()
	for began := time.Now(); ; restSince(began) {
		st, err := src.Status(context.Background())
		if err == nil && !checking(st) {
			return st, nil
		}
		if time.Since(began) > patience {
			return nil, fmt.Errorf("no instance is ready on %s: %w", socket, err)
		}
	}
}

func checking(st *api.Status) bool {
	for _, s := range st.Services {
		for _, b := range s.Backends {
			if b.State == proxy.StateChecking && (b.Check == nil || b.Check.OK) {
				return true
			}
		}
	}
	return false
}

func (in *running) end() {
	in.Client.Close()
	in.cmd.Process.Signal(syscall.SIGTERM)
	in.cmd.Process.Signal(syscall.SIGINT) // the second signal ends the grace; two of one kind could be merged
	in.cmd.Wait()
	if in.t.Failed() {
		in.t.Logf("log of the instance:\n%s", in.log())
	}
}

func (in *running) log() string {
	text, _ := os.ReadFile(in.logFile)
	return string(text)
}

func (in *running) status() *api.Status {
	in.t.Helper()
	st, err := in.Status(context.Background())
	if err != nil {
		in.t.Fatal(err)
	}
	return st
}

// service returns the instance's only service.
func (in *running) service() *proxy.ServiceInfo { return &in.status().Services[0] }

func (in *running) addr() string { return in.service().Listen[0] }

// until waits for a condition of the service.
func (in *running) until(what string, ok func(*proxy.ServiceInfo) bool) {
	in.t.Helper()
	for began := time.Now(); ; restSince(began) {
		s := in.service()
		if ok(s) {
			return
		}
		if time.Since(began) > patience {
			in.t.Fatalf("timeout waiting for %q: %+v", what, s)
		}
	}
}

// restSince sleeps between two checks of a condition that has been awaited since began. The longer it takes,
// the less often it is checked: twenty tests that poll at a time would load the machine.
func restSince(began time.Time) {
	time.Sleep(min(max(10*time.Millisecond, time.Since(began)/16), 200*time.Millisecond))
}

// tcpctl runs a command on the instance, and returns its output.
func (in *running) tcpctl(args ...string) string {
	in.t.Helper()
	out, status := in.try(args...)
	if status != 0 {
		in.t.Fatalf("tcpctl %s: status %d\n%s", strings.Join(args, " "), status, out)
	}
	return out
}

func (in *running) try(args ...string) (out string, status int) {
	in.t.Helper()
	return runTcpctl(in.t, append(args, "--socket", in.socket)...)
}

// inProcess are the commands that ask an instance and print its answer, or read a file. They run in this process:
// the tests run more than a thousand of them, and starting a process costs ten times as much as the request.
// TestStories runs them as processes.
var inProcess = strings.Fields("check close cluster drain events history kick mark open pause peers plan probe queue ready reload report resume sessions status stop top upgrade weight")

func runTcpctl(t *testing.T, args ...string) (out string, status int) {
	t.Helper()
	var both bytes.Buffer
	if slices.Contains(inProcess, args[0]) && !slices.Contains(args, "--wait") {
		w := text.NewWriter(&both)
		status = run(args, w, w)
		return both.String(), status
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*patience) // so that run ends if it accepts a file that it should refuse
	defer cancel()
	cmd := exec.CommandContext(ctx, "tcpctl", args...)
	cmd.Stdout, cmd.Stderr = &both, &both
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return both.String(), cmd.ProcessState.ExitCode()
}

// sendSignal signals a process by its id.
func sendSignal(pid int, s syscall.Signal) error {
	p, err := os.FindProcess(pid)
	if err != nil {
		return err
	}
	return p.Signal(s)
}
