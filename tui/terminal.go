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

// restoreLimit bounds the writing of the last sequences: a terminal that takes
// nothing must not hold up the end of the process.
const restoreLimit = 200 * time.Millisecond

// leaveScreen goes back to the screen that the console found.
const leaveScreen = "\x1b[?1049l"

// restoreSequence ends what the console began: the mouse, bracketed paste, reports of
// focus, a hidden cursor, colours, the other screen.
const restoreSequence = "\x1b[?1002l\x1b[?1006l\x1b[?2004l\x1b[?1004l\x1b[0m\x1b[?25h" + leaveScreen + "\r"

// terminal is the console's way in and out. It notices when either is lost:
// Bubble Tea does not look at the errors of its writes, nor at the end of its
// input.
type terminal struct {
	input  io.Reader
	output io.Writer
	lost   chan error // one error, and then no more

	raw   io.Writer
	mu    sync.Mutex  // one write at a time, so that none lands in a picture
	left  atomic.Bool // the other screen was left: nothing is painted any more
	saved []saved
}

// saved is how a terminal was before.
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
		t.input = &watchedFile{f, t}
		t.save(f)
	}
	if f, ok := out.(*os.File); ok {
		t.output = &watchedFile{f, t}
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

// restore sets the modes first, which cannot block, and writes then.
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

// failed notes that the terminal is lost.
func (t *terminal) failed(err error) {
	select {
	case t.lost <- err:
	default:
	}
}

// setMode takes what Bubble Tea writes: the modes of the terminal pass, what its
// renderer draws does not, since the painter does that.
func (t *terminal) setMode(p []byte) (int, error) {
	if !bytes.HasPrefix(p, []byte("\x1b[?")) {
		return len(p), nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if bytes.HasPrefix(p, []byte(leaveScreen)) && !t.left.Swap(true) {
		// tmux 3.3 leaves lines of a screen that was resized, and how many
		// depends on where the cursor is.
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

// watchedReader is an input that is no file.
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

// watchedFile is a file as Bubble Tea wants it: with a descriptor, or there
// would be no raw mode, no size, and no way to end a read.
type watchedFile struct {
	f *os.File
	t *terminal
}

func (w *watchedFile) Read(p []byte) (int, error) {
	n, err := w.f.Read(p)
	if err != nil {
		w.t.failed(err)
	}
	return n, err
}

func (w *watchedFile) Write(p []byte) (int, error) { return w.t.setMode(p) }
func (w *watchedFile) Close() error                { return nil } // it was never ours
func (w *watchedFile) Fd() uintptr                 { return w.f.Fd() }
func (w *watchedFile) Name() string                { return w.f.Name() }
