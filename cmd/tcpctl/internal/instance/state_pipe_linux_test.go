package instance

import (
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// TestAStateFileThatIsAPipe is an error: to read it would wait for its writer, with the lock of reloads.
func TestAStateFileThatIsAPipe(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state")
	if err := unix.Mkfifo(path, 0o600); err != nil {
		t.Skip(err)
	}
	if _, _, err := readState(path); err == nil {
		t.Error("a pipe was read")
	}
}
