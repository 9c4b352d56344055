package config

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
)

func TestFind(t *testing.T) {
	t.Chdir(t.TempDir())
	user, etc := t.TempDir(), t.TempDir()
	want := func(root bool, path string) {
		t.Helper()
		if got, err := find(root, user, etc); got != path || err != nil {
			t.Errorf("root %v: got %q, %v, want %q", root, got, err, path)
		}
	}
	write := func(path string) string {
		t.Helper()
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, Init(), 0o644); err != nil {
			t.Fatal(err)
		}
		return path
	}
	if _, err := find(false, user, etc); !errors.Is(err, ErrNone) {
		t.Errorf("want ErrNone, got %v", err)
	}
	system := write(filepath.Join(etc, "tcpctl", "tcpctl.toml"))
	want(false, system)
	own := write(filepath.Join(user, "tcpctl", "tcpctl.toml"))
	want(false, own)
	want(true, own)
	write("tcpctl.toml")
	want(false, "tcpctl.toml")
	want(true, own)
}

// A path in the file is relative to the file's folder, not to ours.
func TestRelativePaths(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "secret"), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	text := "[mesh]\nname = \"x\"\nsecret_file = \"secret\"\n[log]\nfile = \"log/tcpctl.log\"\n"
	f, err := parse(filepath.Join(dir, "tcpctl.toml"), []byte(text), true)
	if err != nil {
		t.Fatal(err)
	}
	if f.Mesh.SecretFile != filepath.Join(dir, "secret") || f.Log.File != filepath.Join(dir, "log/tcpctl.log") {
		t.Errorf("got %q and %q", f.Mesh.SecretFile, f.Log.File)
	}
}
