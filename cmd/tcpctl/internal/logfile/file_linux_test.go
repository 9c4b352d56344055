package logfile

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestLinesAreWhole writes until the file size limit is reached in the middle of a line, in a
// separate process, since the limit applies to the whole process.
func TestLinesAreWhole(t *testing.T) {
	if path := os.Getenv("LOGFILE_TEST_FULL"); path != "" {
		fill(path)
		os.Exit(0) // skips the coverage report, which could not be written
	}
	path := filepath.Join(t.TempDir(), "a.log")
	again(t, "TestLinesAreWhole", "LOGFILE_TEST_FULL="+path)
	if got := read(t, path); got != strings.Repeat("0123456\n", 12) {
		t.Errorf("%q", got)
	}
}

func fill(path string) {
	signal.Ignore(unix.SIGXFSZ)
	unix.Setrlimit(unix.RLIMIT_FSIZE, &unix.Rlimit{Cur: 100, Max: 100})
	f, err := Open(path)
	if err != nil {
		panic(err)
	}
	n, err := f.Write([]byte(strings.Repeat("0123456\n", 20)))
	if n != 96 || err == nil {
		panic(fmt.Sprint(n, err))
	}
	if n, err := f.Write([]byte("0123456\n")); n != 0 || err == nil {
		panic(fmt.Sprint(n, err))
	}
	f.Close()
}

func TestAPipe(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pipe")
	if err := unix.Mkfifo(path, 0o600); err != nil {
		t.Skip(err)
	}
	if _, err := Open(path); err == nil {
		t.Fatal("a pipe without a reader was opened")
	}
	reader, err := os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	f, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	f.Write([]byte("line\n"))
	f.Close()
	if got, err := io.ReadAll(reader); string(got) != "line\n" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
}

// TestAPipeThatIsNotRead: neither Reopen nor Close waits for a Write that waits for the reader, and
// Reopen loses none of its lines.
func TestAPipeThatIsNotRead(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pipe")
	if err := unix.Mkfifo(path, 0o600); err != nil {
		t.Skip(err)
	}
	reader, err := os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	raw, err := reader.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	f, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	lines := []byte(strings.Repeat("0123456\n", 32<<10)) // more than a pipe takes
	write := func() (n chan int) {
		n = make(chan int, 1)
		go func() {
			written, _ := f.Write(lines)
			n <- written
		}()
		for full := 0; full < 64<<10; {
			raw.Control(func(fd uintptr) { full, err = unix.IoctlGetInt(int(fd), unix.TIOCINQ) })
			if err != nil {
				t.Fatal(err)
			}
		}
		return n
	}
	ends := func(what string, do func() error) {
		t.Helper()
		done := make(chan error, 1)
		go func() { done <- do() }()
		select {
		case err := <-done:
			if err != nil {
				t.Errorf("%s: %v", what, err)
			}
		case <-time.After(time.Minute):
			t.Fatalf("%s waits for the reader", what)
		}
	}
	n := write()
	ends("Reopen", f.Reopen)
	if got, err := io.ReadAll(io.LimitReader(reader, int64(len(lines)))); len(got) != len(lines) {
		t.Errorf("%d bytes of %d, %v", len(got), len(lines), err)
	}
	if got := <-n; got != len(lines) {
		t.Errorf("Write says %d of %d", got, len(lines))
	}
	n = write()
	ends("Close", f.Close)
	if got := <-n; got == len(lines) {
		t.Error("Write says that it wrote everything")
	}
}

// again runs one test of this binary in a separate process.
func again(t *testing.T, name, env string) {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^"+name+"$")
	cmd.Env = append(os.Environ(), env)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}
