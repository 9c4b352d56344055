package logfile

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/tcpctl/tcpctl/proxy/text"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func read(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func newLog(t *testing.T, c Config) *Log {
	t.Helper()
	l, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

func TestALogChangesWhileInUse(t *testing.T) {
	a, b := filepath.Join(t.TempDir(), "a.log"), filepath.Join(t.TempDir(), "b.log")
	l := newLog(t, Config{File: a})
	old := l.With("who", "engine") // follows changes, too
	old.Debug("not yet")
	old.Info("one")
	untilHas(t, a, "one")
	if err := l.Set(Config{Level: "debug", Format: "json", File: b}); err != nil {
		t.Fatal(err)
	}
	old.Debug("two")
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if got := read(t, a); strings.Count(got, "\n") != 1 || !strings.Contains(got, "level=INFO msg=one who=engine") {
		t.Errorf("the first file: %q", got)
	}
	var line map[string]any
	if err := json.Unmarshal([]byte(read(t, b)), &line); err != nil || line["msg"] != "two" || line["who"] != "engine" {
		t.Errorf("the second file: %v, %v", line, err)
	}
}

// untilHas waits until a line has been written.
func untilHas(t *testing.T, path, text string) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !strings.Contains(read(t, path), text); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%s never had %q", path, text)
		}
	}
}

// A log may be read on a terminal: whatever a client's name contains, a log line is one line
// without escape sequences, and JSON decodes to what was logged.
func TestALineHasNoEscapes(t *testing.T) {
	const nasty = "\x1b[2J\u009b31m\u202e\nmsg=forged\x7f"
	for _, format := range []string{"text", "json"} {
		file := filepath.Join(t.TempDir(), "log")
		l := newLog(t, Config{File: file, Format: format})
		l.Info(nasty, "client", nasty)
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		got := strings.TrimSuffix(read(t, file), "\n")
		if text.Safe(got) != got {
			t.Errorf("%s: %q", format, got)
		}
		var line map[string]any
		if format == "json" && (json.Unmarshal([]byte(got), &line) != nil || line["client"] != nasty) {
			t.Errorf("%q does not decode to %q", got, nasty)
		}
	}
}

func TestABadLogChangesNothing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.log")
	l := newLog(t, Config{File: path})
	for _, c := range []Config{
		{Level: "loud"}, {Format: "xml"}, {File: filepath.Join(t.TempDir(), "no", "such", "folder.log")}, {File: t.TempDir()},
	} {
		if err := l.Set(c); err == nil {
			t.Errorf("%+v was accepted", c)
		}
		if _, err := New(c); err == nil {
			t.Errorf("%+v was accepted at the start", c)
		}
	}
	l.Info("still here")
	l.Close()
	if got := read(t, path); !strings.Contains(got, "still here") {
		t.Errorf("%q", got)
	}
}

func TestUnderAConsoleNothingReachesTheScreen(t *testing.T) {
	var screen bytes.Buffer
	l := newLog(t, Config{Console: true})
	l.out.stderr = &screen
	l.Error("not on the screen")
	if l.Enabled(t.Context(), slog.LevelError) {
		t.Error("a line is formatted although there is no output")
	}
	if err := l.Reopen(); err != nil {
		t.Error(err)
	}
	// The console has ended, but the engine keeps running.
	if err := l.Set(Config{}); err != nil {
		t.Fatal(err)
	}
	l.Info("headless")
	l.Close()
	if got := screen.String(); strings.Contains(got, "not on") || !strings.Contains(got, "headless") {
		t.Errorf("the screen shows %q", got)
	}
}

// stuck is a terminal stopped with Ctrl-S.
type stuck struct {
	bytes.Buffer
	arrived, free chan struct{}
	once          sync.Once
}

func (s *stuck) Write(p []byte) (int, error) {
	s.once.Do(func() { close(s.arrived) })
	<-s.free
	return s.Buffer.Write(p)
}

func TestAStuckTerminalBlocksNobody(t *testing.T) {
	screen := &stuck{arrived: make(chan struct{}), free: make(chan struct{})}
	l := newLog(t, Config{})
	l.out.stderr = screen
	l.Info("first")
	<-screen.arrived
	for i := range 5000 {
		l.Info("line", "n", i) // would hang here
	}
	lost := l.Lost()
	if lost < 900 {
		t.Errorf("%d lines were lost, of 5000 and room for 4096", lost)
	}
	close(screen.free)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	got := screen.String()
	if !strings.Contains(got, fmt.Sprintf("lines=%d", lost)) {
		t.Error("no line says that lines were lost")
	}
	if n := strings.Count(got, "msg=line"); uint64(n)+lost != 5000 {
		t.Errorf("%d written and %d lost, of 5000", n, lost)
	}
}

// TestALossIsToldOnceThereIsRoom: not while nothing can be written, and with the reason.
func TestALossIsToldOnceThereIsRoom(t *testing.T) {
	var screen bytes.Buffer
	failed := make(chan string, 10)
	full := true // of the writing goroutine's
	l := newLog(t, Config{})
	l.out.stderr = writer(func(p []byte) (int, error) {
		if full {
			full = !strings.Contains(string(p), "msg=two")
			failed <- string(p)
			return 0, errors.New("disk full")
		}
		return screen.Write(p)
	})
	for _, word := range []string{"one", "two"} {
		l.Info(word)
		if got := <-failed; !strings.Contains(got, "msg="+word) {
			t.Errorf("on a full disk it writes %q", got)
		}
	}
	l.Info("three")
	l.Close()
	got := screen.String()
	if lost := strings.Index(got, `msg="lines of the log were lost" lines=2 error="disk full"`); lost < strings.Index(got, "msg=three") || strings.Count(got, "lost") != 1 {
		t.Errorf("it has written\n%s", got)
	}
}

func TestRotation(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.log")
	l := newLog(t, Config{File: path})
	l.Info("before")
	untilHas(t, path, "before")
	if err := os.Rename(path, path+".1"); err != nil {
		t.Fatal(err)
	}
	if err := l.Reopen(); err != nil {
		t.Fatal(err)
	}
	l.Info("after")
	l.Close()
	if old, new := read(t, path+".1"), read(t, path); !strings.Contains(old, "before") || !strings.Contains(new, "after") || strings.Contains(old, "after") {
		t.Errorf("old %q, new %q", old, new)
	}
}

func TestSpoolCountsWhatCouldNotBeWritten(t *testing.T) {
	full := errors.New("disk full")
	losing := make(chan error, 1)
	s := NewSpool(SpoolConfig[string]{Size: 10, To: writer(func(p []byte) (int, error) { return 4, full }),
		Append: func(lines []byte, v string) []byte { return append(lines, v...) }})
	s.Put("one\n")
	s.Close()
	s.Put("late\n")
	if s.Lost() != 1 { // the first line was written, despite the error; the late one was not
		t.Errorf("%d lost", s.Lost())
	}
	s = NewSpool(SpoolConfig[string]{To: writer(func(p []byte) (int, error) { return 0, full }),
		Append: func(lines []byte, v string) []byte { return append(lines, v...) },
		Losing: losing})
	for range 100 {
		s.PutWait("line\n")
	}
	s.Close()
	if why := <-losing; s.Lost() != 100 || why != full {
		t.Errorf("%d lost: %v", s.Lost(), why)
	}
	if s.PutWait("late\n") {
		t.Error("a closed spool accepted a value")
	}
}

type writer func([]byte) (int, error)

func (w writer) Write(p []byte) (int, error) { return w(p) }
