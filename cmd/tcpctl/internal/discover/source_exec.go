package discover

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/tcpctl/tcpctl/proxy/command"
)

// execSource runs a program that prints a JSON list on standard output and exits with 0.
// TCPCTL_SERVICE is in its environment.
type execSource struct {
	argv    []string
	service string
	timeout time.Duration
	runner  command.Runner
}

// execGrace is the time between SIGTERM and SIGKILL.
const execGrace = time.Second

func (e *execSource) ask(ctx context.Context, _ time.Duration) (answer, error) {
	out := &bounded{}
	r := e.runner.Run(ctx, command.Command{Argv: e.argv, Env: []string{"TCPCTL_SERVICE=" + e.service},
		Stdout: out, Timeout: e.timeout, Grace: execGrace})
	switch {
	case out.full:
		return answer{}, fmt.Errorf("%s printed more than 1 MiB", e.argv[0])
	case r.Err != nil && r.LastLine() != "":
		return answer{}, fmt.Errorf("%w: %.200s", r.Err, r.LastLine())
	case r.Err != nil:
		return answer{}, r.Err
	}
	found, err := parseList(out.text)
	if err != nil {
		return answer{}, fmt.Errorf("%s: %w", e.argv[0], err)
	}
	return answer{backends: found, valid: forever}, nil
}

func (e *execSource) close() { e.runner.Close() }

// forever is the validity of answers that do not state one: Spec.Refresh limits it.
const forever = 1 << 62 * time.Nanosecond

// bounded is a buffer of limited size: beyond it, the program's writes fail with a closed pipe. It
// has no ReadFrom, with which io.Copy would bypass Write.
type bounded struct {
	text []byte
	full bool
}

var errFull = errors.New("too much output")

func (b *bounded) Write(p []byte) (int, error) {
	if len(b.text)+len(p) > maxBytes {
		b.full = true
		return 0, errFull
	}
	b.text = append(b.text, p...)
	return len(p), nil
}
