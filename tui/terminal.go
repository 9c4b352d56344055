package tui

import (
	"bytes"
	"io"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/term"
)

// restoreLimit bounds the last write: a stalled terminal must not delay the end of the process.
const restoreLimit = 200 * time.Millisecond

// leaveScreen leaves the alternate screen.
const leaveScreen = "\x1b[?1049l"

// restoreSequence resets what the console set: the mouse, bracketed paste, focus reports, the
// hidden cursor, colours, the alternate screen.
const restoreSequence = "\x1b[?1002l\x1b[?1006l\x1b[?2004l\x1b[?1004l\x1b[0m\x1b[?25h" + leaveScreen + "\r"

// terminal is the console's input and output. It notices the loss of either: Bubble Tea ignores
// errors of its writes, and the end of its input.
type terminal struct {
	input  io.Reader
	output io.Writer
	lost   chan error // receives one error at most

	raw   io.Writer
	mu    sync.Mutex  // one write at a time, so that none splits another
	left  atomic.Bool // the alternate screen was left: nothing is painted any more
	saved []saved
}

// saved is the terminal's state before the console.
type saved struct {
	fd    int
	state *term.State
}

func openTerminal(in io.Reader, out io.Writer) *terminal {
	if in == nil {
		in = os.Stdin
	}
	if out == nil {
		out = os.Stdout
	}
	t := &terminal{lost: make(chan error, 1), raw: out}
	t.input, t.output = &watchedReader{in, t}, writerFunc(t.setMode)
	if f, ok := in.(*os.File); ok {
		t.input = &watchedFile{watchedReader{f, t}, f}
		t.save(f)
	}
	if f, ok := out.(*os.File); ok {
		t.output = &watchedFile{watchedReader{f, t}, f}
		t.save(f)
	}
	return t
}

func (t *terminal) save(f *os.File) {
	fd := int(f.Fd())
	if state, err := term.GetState(fd); err == nil {
		t.saved = append(t.saved, saved{fd, state})
	}
}

// restore resets the tty's modes first, which cannot block, and then writes.
func (t *terminal) restore() {
	for _, s := range t.saved {
		_ = term.Restore(s.fd, s.state)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, _ = io.WriteString(t.raw, restoreSequence)
	}()
	select {
	case <-done:
	case <-time.After(restoreLimit):
	}
}

// failed records that the terminal is lost.
func (t *terminal) failed(err error) {
	select {
	case t.lost <- err:
	default:
	}
}

// setMode filters what Bubble Tea writes: the terminal's modes pass, but not what its renderer
// draws, since the painter draws.
func (t *terminal) setMode(p []byte) (int, error) {
	if !bytes.HasPrefix(p, []byte("\x1b[?")) {
		return len(p), nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if bytes.HasPrefix(p, []byte(leaveScreen)) && !t.left.Swap(true) {
		// tmux 3.3 leaves lines behind after a resize; how many depends on the cursor's position.
		_, _ = io.WriteString(t.raw, "\x1b[H\x1b[2J")
	}
	n, err := t.raw.Write(p)
	if err != nil {
		t.failed(err)
	}
	return n, err
}

// write sends a picture or a sequence, until the screen is left.
func (t *terminal) write(s string) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.left.Load() {
		return nil
	}
	_, err := io.WriteString(t.raw, s)
	if err != nil {
		t.failed(err)
	}
	return err
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

// watchedReader is an input whose loss is noticed.
type watchedReader struct {
	r io.Reader
	t *terminal
}

func (w *watchedReader) Read(p []byte) (int, error) {
	n, err := w.r.Read(p)
	if err != nil {
		w.t.failed(err)
	}
	return n, err
}

// watchedFile is an input with the descriptor that Bubble Tea needs: without one there is no raw
// mode, no size, and no way to end a read.
type watchedFile struct {
	watchedReader
	f *os.File
}

func (w *watchedFile) Write(p []byte) (int, error) { return w.t.setMode(p) }
func (w *watchedFile) Close() error                { return nil } // the caller owns it
func (w *watchedFile) Fd() uintptr                 { return w.f.Fd() }
func (w *watchedFile) Name() string                { return w.f.Name() }
