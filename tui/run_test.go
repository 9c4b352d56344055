package tui

import (
	"bytes"
	"context"
	"io"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tcpctl/tcpctl/proxy/api"
	"github.com/tcpctl/tcpctl/tui/internal/screen"
)

// hangs is how long a test waits before it fails; nothing is expected to take that long.
const hangs = time.Minute

type ending struct {
	outcome Outcome
	err     error
}

// runIt runs a console without a terminal: its input is a silent pipe, its output the test's.
func runIt(t *testing.T, ctx context.Context, cfg Config) (<-chan ending, *io.PipeWriter) {
	t.Helper()
	in, keys := io.Pipe()
	if cfg.Source == nil {
		cfg.Source = edge()
	}
	cfg.Input = in
	sizes := make(chan [2]int, 1)
	sizes <- [2]int{80, 24} // so that there is something to paint
	cfg.Sizes = sizes
	cfg.Env = func(name string) (string, bool) { return map[string]string{"TERM": "xterm-256color"}[name], true }
	done := make(chan ending, 1)
	go func() {
		o, err := Run(ctx, cfg)
		done <- ending{o, err}
	}()
	t.Cleanup(func() { keys.Close() })
	return done, keys
}

func wait(t *testing.T, done <-chan ending) ending {
	t.Helper()
	select {
	case e := <-done:
		return e
	case <-time.After(hangs):
		t.Fatal("Run does not return")
		return ending{}
	}
}

// stalled accepts some bytes and then blocks until it is freed, like an ssh whose other end is
// suspended.
type stalled struct {
	room    atomic.Int64
	blocked chan struct{}
	once    sync.Once
	free    chan struct{}
}

func newStalled(room int64) *stalled {
	s := &stalled{blocked: make(chan struct{}), free: make(chan struct{})}
	s.room.Store(room)
	return s
}

func (s *stalled) Write(p []byte) (int, error) {
	if s.room.Add(-int64(len(p))) < 0 {
		s.once.Do(func() { close(s.blocked) })
		<-s.free
	}
	return len(p), nil
}

func TestAStalledTerminalBlocksNothingElse(t *testing.T) {
	t.Parallel()
	for name, room := range map[string]int64{"from the first byte": 0, "after a while": 40} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			out := newStalled(room)
			done, _ := runIt(t, ctx, Config{Output: out})
			<-out.blocked
			cancel()
			if e := wait(t, done); e.outcome != Ended || e.err != nil {
				t.Errorf("%v %v", e.outcome, e.err)
			}
			close(out.free) // ends the blocked write
		})
	}
}

// However fast a terminal is resized, the console follows, and ends in time.
func TestResizedInALoop(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	sizes := make(chan [2]int)
	in, keys := io.Pipe()
	defer keys.Close()
	done := make(chan ending, 1)
	go func() {
		o, err := Run(ctx, Config{Source: sickFleet(), Input: in, Output: io.Discard, Sizes: sizes, Env: func(string) (string, bool) { return "xterm-256color", true }})
		done <- ending{o, err}
	}()
	for i := range 400 {
		sizes <- [2]int{1 + i*37%210, 1 + i*13%64}
	}
	cancel()
	if e := wait(t, done); e.outcome != Ended || e.err != nil {
		t.Errorf("%v %v", e.outcome, e.err)
	}
}

func TestAHangupWhileStalled(t *testing.T) {
	t.Parallel()
	hup := make(chan struct{})
	out := newStalled(0)
	done, _ := runIt(t, t.Context(), Config{Output: out, Hangup: hup})
	<-out.blocked
	close(hup)
	if e := wait(t, done); e.outcome != Hangup || e.err != nil {
		t.Errorf("%v %v", e.outcome, e.err)
	}
	close(out.free)
}

func TestTheEndOfInputIsAHangup(t *testing.T) {
	done, keys := runIt(t, t.Context(), Config{Output: io.Discard})
	keys.Close()
	if e := wait(t, done); e.outcome != Hangup || e.err != nil {
		t.Errorf("%v %v", e.outcome, e.err)
	}
}

// lockedBuffer is a terminal's output that may be read concurrently.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func TestADoneContextEndsIt(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	out := &lockedBuffer{}
	done, _ := runIt(t, ctx, Config{Output: out})
	for !strings.Contains(out.String(), "\x1b[?1049h") {
		time.Sleep(time.Millisecond)
	}
	cancel()
	if e := wait(t, done); e.outcome != Ended || e.err != nil {
		t.Errorf("%v %v", e.outcome, e.err)
	}
	for _, seq := range []string{"\x1b[?1049l", "\x1b[?25h", "\x1b[?2004l"} {
		if !strings.Contains(out.String(), seq) {
			t.Errorf("the terminal is not restored: %q is missing", seq)
		}
	}
}

// broken panics at its first query.
type broken struct{ api.Source }

func (broken) Status(context.Context) (*api.Status, error) { panic("no status today") }

func TestAPanicEndsTheConsoleAlone(t *testing.T) {
	out := &lockedBuffer{}
	done, _ := runIt(t, t.Context(), Config{Output: out, Source: broken{edge()}})
	e := wait(t, done)
	if e.err == nil || !strings.Contains(e.err.Error(), "no status today") || !strings.Contains(e.err.Error(), "run_test.go") {
		t.Errorf("%v %v", e.outcome, e.err)
	}
	if !strings.Contains(out.String(), "\x1b[?1049l") {
		t.Error("the alternate screen is still on")
	}
}

// badPane panics when it is drawn.
type badPane struct{ *peersPane }

func (badPane) draw(*frame, *screen.Canvas, bool) { panic("a pane panics") }

func TestAPanicInAPaneIsCaught(t *testing.T) {
	c := newConsole(t, edge(), 80, 24)
	c.panes[panePeers] = badPane{c.panes[panePeers].(*peersPane)}
	c.press("3")
	c.View()
	if c.crash == nil || !strings.Contains(c.crash.Error(), "a pane panics") {
		t.Fatal(c.crash)
	}
	if _, cmd := c.Update(tickMsg{}); cmd == nil {
		t.Error("it does not end")
	}
}

func TestTheEnvironmentChoosesTheLook(t *testing.T) {
	for _, x := range []struct {
		env   string
		ascii bool
		mono  bool
		plain bool
	}{
		{"TERM=xterm-256color LANG=en_US.UTF-8", false, false, false},
		{"TERM=xterm-256color", false, false, false},
		{"TERM=xterm LANG=C", true, false, false},
		{"TERM=xterm LANG=C LC_ALL=C.UTF-8", false, false, false},
		{"TERM=xterm LC_CTYPE=POSIX LANG=en_US.UTF-8", true, false, false},
		{"TERM=xterm NO_COLOR=1 LANG=de_DE.utf8", false, true, false},
		{"TERM=dumb LANG=en_US.UTF-8", true, true, true},
		{"TERM=linux LANG=en_US.UTF-8", true, false, false},
	} {
		env := map[string]string{}
		for _, kv := range strings.Fields(x.env) {
			k, v, _ := strings.Cut(kv, "=")
			env[k] = v
		}
		l := capabilitiesOf(func(name string) (string, bool) { v, ok := env[name]; return v, ok })
		if l.ascii != x.ascii || l.mono != x.mono || l.plain != x.plain {
			t.Errorf("%s: %+v", x.env, l)
		}
	}
}

// Without colours the selection is still visible: by a sign, and reverse.
func TestNoColourKeepsTheSelection(t *testing.T) {
	for env, want := range map[string]string{"NO_COLOR": "\x1b[0;7m", "TERM": "> + UP"} {
		c := newConsole(t, edge(), 80, 24)
		err := c.colours.fit(func(name string) (string, bool) {
			if name != env {
				return "", false
			}
			return map[string]string{"NO_COLOR": "1", "TERM": "dumb"}[env], true
		})
		if err != nil {
			t.Fatal(err)
		}
		view := c.View()
		if !strings.Contains(view, want) {
			t.Errorf("%s: %q is missing", env, want)
		}
		if strings.Contains(view, "\x1b[3") || strings.Contains(view, ";3") {
			t.Errorf("%s: there are colours", env)
		}
		c.sees("> + UP       pg-a")
	}
}
