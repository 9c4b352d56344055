package fleet

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/tcpctl/tcpctl/mesh"
)

func take(t *testing.T, dir, node string) (*identity, string) {
	t.Helper()
	var log bytes.Buffer
	id, err := takeIdentity(dir, "office", node, "0.0.0.0:0", nil, slog.New(slog.NewTextHandler(&log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(id.release)
	return id, log.String()
}

func TestANodeIsTheSameAfterARestart(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	a, _ := take(t, dir, "ana's köln/[x] ..")
	second, _ := take(t, dir, "ana's köln/[x] ..") // while the first is in use
	other, _ := take(t, dir, "b")
	if a.key.Equal(second.key) || a.key.Equal(other.key) {
		t.Error("two nodes have one key")
	}
	a.release()
	second.release()
	again, _ := take(t, dir, "ana's köln/[x] ..")
	next, _ := take(t, dir, "ana's köln/[x] ..")
	if !again.key.Equal(a.key) || !next.key.Equal(second.key) {
		t.Error("the keys change over a restart")
	}
	files, err := os.ReadDir(dir)
	if err != nil || len(files) != 3 {
		t.Errorf("%v, %v", files, err)
	}
	for _, f := range files {
		if info, err := f.Info(); err != nil || info.Mode().Perm() != 0o600 && runtime.GOOS != "windows" {
			t.Errorf("%v, %v", info.Mode(), err)
		}
	}
}

func TestADamagedKeyIsSetAside(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	a, _ := take(t, dir, "a")
	a.release()
	for _, damage := range []string{"-----BEGIN", "no key at all", strings.Repeat("x", 1<<20)} {
		if err := os.WriteFile(a.path, []byte(damage), 0o600); err != nil {
			t.Fatal(err)
		}
		b, log := take(t, dir, "a")
		b.release()
		if b.key.Equal(a.key) || !strings.Contains(log, "cannot be read") {
			t.Errorf("%.20q: log %s", damage, log)
		}
		aside, err := os.ReadFile(strings.TrimSuffix(a.path, ".key") + ".damaged")
		if err != nil || !strings.HasPrefix(damage, string(aside)) {
			t.Errorf("%.20q: %.20q, %v", damage, aside, err)
		}
		again, log := take(t, dir, "a")
		again.release()
		if !again.key.Equal(b.key) || log != "" {
			t.Errorf("%.20q: then another key: %s", damage, log)
		}
	}
}

func TestAKeyThatOthersCanReadIsClosed(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("Unix only")
	}
	dir := t.TempDir()
	a, _ := take(t, dir, "a")
	a.release()
	os.Chmod(a.path, 0o644)
	_, log := take(t, dir, "a")
	if info, err := os.Stat(a.path); err != nil || info.Mode().Perm() != 0o600 || !strings.Contains(log, "read by others") {
		t.Errorf("%v, %v, log %s", info.Mode(), err, log)
	}
}

// TestAKeyThatIsHandedOver: in an upgrade, the new process has the key before the old one has
// released the file.
func TestAKeyThatIsHandedOver(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	old, _ := take(t, dir, "a")
	next, err := takeIdentity(dir, "office", "a", "0.0.0.0:0", old.key, slog.Default())
	if err != nil || next.path != old.path || next.file != nil {
		t.Fatalf("%+v, %v", next, err)
	}
	t.Cleanup(next.release)
	old.release()
	if locked, err := next.lock(); !locked {
		t.Errorf("the file is free, and not locked: %v", err)
	}
	if third, _ := take(t, dir, "a"); third.key.Equal(old.key) {
		t.Error("a third process has the key, too")
	}
}

func TestAFolderThatCannotBeMadeIsAWarning(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	c := Config{Mesh: mesh.Config{Name: "m", Node: "n"}, Log: slog.New(slog.NewTextHandler(&log, nil)), Keep: func() (string, error) { return file, nil }}
	c.TakeKey()()
	if c.Mesh.Key != nil || !strings.Contains(log.String(), "cannot be kept") {
		t.Errorf("%s", &log)
	}
}
