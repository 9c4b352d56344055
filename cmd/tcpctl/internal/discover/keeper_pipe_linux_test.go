package discover

import (
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// TestAKeptFileThatIsAPipe is an error: a start would wait for its writer.
func TestAKeptFileThatIsAPipe(t *testing.T) {
	path := filepath.Join(t.TempDir(), "found")
	if err := unix.Mkfifo(path, 0o600); err != nil {
		t.Skip(err)
	}
	if _, err := (&keeper{path: path}).read(); err == nil {
		t.Error("a pipe was read")
	}
}
