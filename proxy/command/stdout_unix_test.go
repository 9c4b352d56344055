//go:build unix

package command

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"
	"time"
)

// Standard output goes to Stdout in full, until a write to that fails.
func TestStdout(t *testing.T) {
	var r Runner
	defer r.Close()
	var out bytes.Buffer
	got := r.Run(context.Background(), Command{Argv: []string{"sh", "-c", "echo to the log >&2; seq 20000"}, Stdout: &out})
	if got.Err != nil || got.LastLine() != "to the log" || !strings.HasSuffix(out.String(), "\n20000\n") || !strings.HasPrefix(out.String(), "1\n2\n") {
		t.Errorf("got %+v and %d bytes", got, out.Len())
	}
	full := &refusing{limit: 1 << 16}
	got = r.Run(context.Background(), Command{Argv: []string{"yes"}, Stdout: full, Timeout: time.Minute})
	if got.Err == nil || got.TimedOut || full.taken > full.limit {
		t.Errorf("got %+v after %d bytes", got, full.taken)
	}
}

type refusing struct{ taken, limit int }

func (w *refusing) Write(b []byte) (int, error) {
	if w.taken+len(b) > w.limit {
		return 0, errors.New("full")
	}
	w.taken += len(b)
	return len(b), nil
}
