package statedir

import (
	"os"
	"path/filepath"
	"runtime"
	"testing"
)

func TestPath(t *testing.T) {
	t.Setenv("STATE_DIRECTORY", "/srv/one:/srv/two")
	t.Setenv("XDG_STATE_HOME", "/home/x/state")
	t.Setenv("HOME", "/home/x")
	if dir, err := Path(); dir != "/srv/one" || err != nil {
		t.Errorf("%q, %v", dir, err)
	}
	t.Setenv("STATE_DIRECTORY", "")
	want := []string{"/home/x/state/tcpctl", "/home/x/.local/state/tcpctl"}
	if os.Getuid() == 0 {
		want = []string{"/var/lib/tcpctl", "/var/lib/tcpctl"}
	}
	if runtime.GOOS == "windows" {
		t.Skip("Unix only")
	}
	if dir, err := Path(); dir != want[0] || err != nil {
		t.Errorf("%q, %v", dir, err)
	}
	t.Setenv("XDG_STATE_HOME", "relative")
	if dir, err := Path(); dir != want[1] || err != nil {
		t.Errorf("%q, %v", dir, err)
	}
}

func TestMakeIsForThisUserAlone(t *testing.T) {
	t.Setenv("STATE_DIRECTORY", filepath.Join(t.TempDir(), "state"))
	dir, err := Make("mesh")
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range []string{dir, filepath.Dir(dir)} {
		if info, err := os.Stat(d); err != nil || info.Mode().Perm() != 0o700 && runtime.GOOS != "windows" {
			t.Errorf("%s: %v, %v", d, info.Mode(), err)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "file"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if dir, err := Make("mesh/file"); err == nil {
		t.Errorf("%s is a file", dir)
	}
}
