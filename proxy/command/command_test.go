//go:build unix

package command

import (
	"context"
	"io"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// sh runs a script of the test.
func sh(t *testing.T, script string, timeout time.Duration) Result {
	t.Helper()
	var r Runner
	t.Cleanup(r.Close)
	return r.Run(t.Context(), Command{Argv: []string{"/bin/sh", "-c", script}, Timeout: timeout,
		Grace: 100 * time.Millisecond, Env: []string{"TCPCTL_SERVICE=office"}})
}

func TestRun(t *testing.T) {
	r := sh(t, `echo "for $TCPCTL_SERVICE"; echo second >&2`, 0)
	if r.Err != nil || r.Output != "for office\nsecond\n" || r.LastLine() != "second" {
		t.Errorf("%+v", r)
	}
	if r := sh(t, "exit 3", 0); r.Err == nil || !strings.Contains(r.Err.Error(), "exit status 3") {
		t.Errorf("%+v", r)
	}
	var run Runner
	defer run.Close()
	if r := run.Run(t.Context(), Command{Argv: []string{"/no/such/program"}}); r.Err == nil {
		t.Error("a program that does not exist succeeded")
	}
}

func TestItsTimeIsLimited(t *testing.T) {
	// It ignores TERM, and so does its child.
	r := sh(t, `trap "" TERM; sh -c 'trap "" TERM; echo $$; sleep 1000' & wait; sleep 1000`, 50*time.Millisecond)
	if !r.TimedOut || r.Err == nil {
		t.Fatalf("%+v", r)
	}
	child, err := strconv.Atoi(strings.TrimSpace(r.Output))
	if err != nil {
		t.Skip("the child had no time to print its pid")
	}
	for end := time.Now().Add(time.Minute); syscall.Kill(child, 0) == nil; time.Sleep(10 * time.Millisecond) {
		state, _ := os.ReadFile("/proc/" + strconv.Itoa(child) + "/stat")
		if strings.Contains(string(state), ") Z ") {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("its child still runs: %s", state)
		}
	}
}

func TestAFloodIsBounded(t *testing.T) {
	r := sh(t, "yes | head -c 100000000; echo end", 0)
	if r.Err != nil || len(r.Output) > outputKept || r.LastLine() != "end" || r.Dropped < 90000000 {
		t.Errorf("%d bytes kept, %d dropped, %v", len(r.Output), r.Dropped, r.Err)
	}
}

func TestAChildMayHoldTheOutput(t *testing.T) {
	r := sh(t, "sleep 1000 & echo $!", 10*time.Second)
	if r.Err != nil || r.TimedOut {
		t.Fatalf("%+v", r)
	}
	child, err := strconv.Atoi(strings.TrimSpace(r.Output))
	if err != nil {
		t.Fatal(err)
	}
	if syscall.Kill(child, 0) != nil {
		t.Error("the child, a service perhaps, was killed with its parent")
	}
	syscall.Kill(child, syscall.SIGKILL)
}

// TestStandardInputIsLate: a program that has succeeded has not failed because nobody came to write its standard input.
func TestStandardInputIsLate(t *testing.T) {
	var r Runner
	defer r.Close()
	for program, succeeds := range map[string]bool{"true": true, "false": false} {
		in, w := io.Pipe()
		time.AfterFunc(3*outputDelay, func() { w.Close() })
		if got := r.Run(t.Context(), Command{Argv: []string{program}, Stdin: in}); (got.Err == nil) != succeeds {
			t.Errorf("%s: %+v", program, got)
		}
	}
}

func TestTheContextEndsIt(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	var run Runner
	defer run.Close()
	time.AfterFunc(20*time.Millisecond, cancel)
	r := run.Run(ctx, Command{Argv: []string{"sleep", "1000"}})
	if r.Err == nil || r.TimedOut {
		t.Errorf("%+v", r)
	}
}
