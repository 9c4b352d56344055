// Package command runs programs for an engine: hooks, exec checks, restarts.
// Each runs without a shell in a process group of its own, with a time limit
// (TERM, then KILL to the whole group) and with its output bounded.
package command

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"time"
)

// Command is one program to run.
type Command struct {
	Argv    []string      // program and arguments; no shell is used
	Env     []string      // added to this process's environment: "KEY=value"
	Stdin   io.Reader     // nil: empty
	Stdout  io.Writer     // gets standard output in place of Result.Output; if it returns an error, the program's output is closed; may be nil
	Timeout time.Duration // 0: no limit
	Grace   time.Duration // time between TERM and KILL; 0: 5 s
}

// Result is the outcome of a command. The zero value is a success without output.
type Result struct {
	Err      error  // nil: exit status 0
	TimedOut bool   // the time limit ended it
	Output   string // end of the output, both streams
	Dropped  int64  // number of bytes of output before that
	Took     time.Duration
}

// outputKept is how much of the output is kept: its end, where errors are.
const outputKept = 8 << 10

const (
	defaultGrace = 5 * time.Second
	// outputDelay is how long to wait for output once the program has
	// ended: a surviving child may hold the pipe for ever.
	outputDelay = 100 * time.Millisecond
	// wholeOutputDelay is the same where there is output that has not been read: on a busy
	// machine it may be our reader that is late.
	wholeOutputDelay = 3 * time.Second
)

// Runner runs commands, and owns the pipes that their children keep open. The
// zero value is ready to use.
type Runner struct {
	wg    sync.WaitGroup
	mu    sync.Mutex
	pipes map[*os.File]bool
	shut  bool
}

// Run runs c and waits until it exits. If it leaves a child in the background,
// the child keeps running, and its output is discarded.
func (r *Runner) Run(ctx context.Context, c Command) Result {
	began := time.Now()
	out := &tail{}
	err, timedOut := r.run(ctx, c, out)
	text, dropped := out.text()
	return Result{Err: err, TimedOut: timedOut, Output: text, Dropped: dropped, Took: time.Since(began)}
}

func (r *Runner) run(ctx context.Context, c Command, out *tail) (err error, timedOut bool) {
	if len(c.Argv) == 0 {
		return errors.New("command: no program is given"), false
	}
	cmd := exec.Command(c.Argv[0], c.Argv[1:]...)
	cmd.Env = append(os.Environ(), c.Env...)
	cmd.Stdin = c.Stdin
	cmd.WaitDelay = outputDelay // for a child that holds standard input
	ownGroup(cmd)
	pr, pw, err := os.Pipe()
	if err != nil {
		return fmt.Errorf("command: %w", err), false
	}
	cmd.Stdout, cmd.Stderr = pw, pw
	if c.Stdout != nil {
		cmd.Stdout, cmd.WaitDelay = c.Stdout, wholeOutputDelay
	}
	err = cmd.Start()
	pw.Close()
	if err != nil {
		pr.Close()
		return fmt.Errorf("command: %w", err), false
	}
	drained := r.drain(pr, out)
	timedOut = wait(ctx, cmd, c, &err)
	awaitOutput(pr, drained)
	if c.Stdout == nil && errors.Is(err, exec.ErrWaitDelay) {
		err = nil // exit status 0, and it had no need of all its standard input
	}
	switch {
	case timedOut:
		err = fmt.Errorf("command: %s did not end within %s", c.Argv[0], c.Timeout)
	case ctx.Err() != nil:
		err = fmt.Errorf("command: %s was ended: %w", c.Argv[0], ctx.Err())
	case err != nil:
		err = fmt.Errorf("command: %s: %w", c.Argv[0], err)
	}
	return err, timedOut
}

// wait waits for the program, ends it at its limit or with ctx, and reports whether the
// limit ended it.
func wait(ctx context.Context, cmd *exec.Cmd, c Command, err *error) (timedOut bool) {
	ended := make(chan struct{})
	go waitFor(cmd, err, ended)
	var limit <-chan time.Time
	if c.Timeout > 0 {
		limit = time.After(c.Timeout)
	}
	select {
	case <-ended:
		return false
	case <-limit:
		timedOut = true
	case <-ctx.Done():
	}
	terminate(cmd)
	grace := c.Grace
	if grace <= 0 {
		grace = defaultGrace
	}
	select {
	case <-ended:
	case <-time.After(grace):
	}
	// The rest of the group is ended with it.
	kill(cmd)
	<-ended
	return timedOut
}

// awaitOutput waits until the output has been read: to its end, or what is in the pipe if
// a child holds that.
func awaitOutput(pipe *os.File, drained <-chan struct{}) {
	for limit := time.Now().Add(wholeOutputDelay); ; {
		select {
		case <-drained:
			return
		case <-time.After(outputDelay):
		}
		if !hasUnread(pipe) || time.Now().After(limit) {
			return
		}
	}
}

func waitFor(cmd *exec.Cmd, err *error, ended chan<- struct{}) {
	*err = cmd.Wait()
	close(ended)
}

// drain reads what the program and its children print, until the last of them closes
// the pipe or Close does.
func (r *Runner) drain(pipe *os.File, out *tail) <-chan struct{} {
	done := make(chan struct{})
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.shut {
		pipe.Close()
		close(done)
		return done
	}
	if r.pipes == nil {
		r.pipes = map[*os.File]bool{}
	}
	r.pipes[pipe] = true
	r.wg.Go(func() { r.read(pipe, out, done) })
	return done
}

func (r *Runner) read(pipe *os.File, out *tail, done chan<- struct{}) {
	defer close(done)
	io.Copy(out, pipe)
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.pipes, pipe)
	pipe.Close()
}

// Close closes the pipes that children still hold open. The context of running
// commands must have ended before.
func (r *Runner) Close() {
	r.mu.Lock()
	r.shut = true
	for pipe := range r.pipes {
		pipe.Close()
	}
	r.mu.Unlock()
	r.wg.Wait()
}

// tail keeps the end of what is written to it.
type tail struct {
	mu    sync.Mutex
	kept  []byte
	total int64
}

func (t *tail) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.total += int64(len(b))
	t.kept = append(t.kept, b...)
	if over := len(t.kept) - outputKept; over > 0 {
		t.kept = append(t.kept[:0], t.kept[over:]...)
	}
	return len(b), nil
}

func (t *tail) text() (string, int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return strings.ToValidUTF8(string(t.kept), "?"), t.total - int64(len(t.kept))
}

// LastLine returns the last line of the output that is not blank, for a message.
func (r Result) LastLine() string {
	lines := strings.Split(strings.TrimSpace(r.Output), "\n")
	return strings.TrimSpace(lines[len(lines)-1])
}
