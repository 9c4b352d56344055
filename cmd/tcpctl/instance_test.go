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

// running is a tcpctl that runs as a process of its own.
type running struct {
	*control.Client
	t       *testing.T
	cmd     *exec.Cmd
	socket  string
	logFile string
}

// runInstance starts tcpctl with a socket of its own, behind a prefix like
// a shell that sets limits, and waits until it answers.
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
	t.Cleanup(func() { killAll(in.socket) }) // after the next one: those that have taken over are no children of the test
	t.Cleanup(in.end)
	if _, err := waitReady(in.socket); err != nil {
		t.Fatalf("%v\n%s", err, in.log())
	}
	return in
}

// waitReady waits until an instance answers and has looked at its backends.
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
	in.cmd.Process.Signal(syscall.SIGINT) // the second ends the grace; two alike could come as one
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

// service is the only one that these instances have.
func (in *running) service() *proxy.ServiceInfo { return &in.status().Services[0] }

func (in *running) addr() string { return in.service().Listen[0] }

// until waits for the service to come to something.
func (in *running) until(what string, ok func(*proxy.ServiceInfo) bool) {
	in.t.Helper()
	for began := time.Now(); ; restSince(began) {
		s := in.service()
		if ok(s) {
			return
		}
		if time.Since(began) > patience {
			in.t.Fatalf("it never came to %q: %+v", what, s)
		}
	}
}

// restSince is the wait between two looks at a condition that has been waited for since began. What takes long
// is looked at less often: the looks of twenty tests at a time would take a part of the machine.
func restSince(began time.Time) {
	time.Sleep(min(max(10*time.Millisecond, time.Since(began)/16), 200*time.Millisecond))
}

// tcpctl runs a command on the instance, as people do, and gives what it said.
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
// the tests type more than a thousand of them, and to start a process costs ten times as much as its question.
// TestStories types them as people do.
var inProcess = strings.Fields("check close cluster drain events history kick mark open pause peers plan probe queue ready reload report resume sessions status top weight")

func runTcpctl(t *testing.T, args ...string) (out string, status int) {
	t.Helper()
	var both bytes.Buffer
	if slices.Contains(inProcess, args[0]) && !slices.Contains(args, "--wait") {
		w := text.NewWriter(&both)
		status = run(args, w, w)
		return both.String(), status
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*patience) // not for ever: run, with a file that should be refused
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
