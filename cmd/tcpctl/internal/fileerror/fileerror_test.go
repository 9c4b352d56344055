package fileerror

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

func TestError(t *testing.T) {
	for want, e := range map[string]Error{
		"keys:2: it is no key; leave it out": {File: "keys", Line: 2, Column: 7, Text: "it is no key", Hint: "leave it out"},
		"keys: it is no file":                {File: "keys", Text: "it is no file"},
		"3 is too large; the most is 2":      {Text: "3 is too large", Hint: "the most is 2"},
	} {
		if got := e.Error(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	if !errors.Is(&Error{Text: "there is no such file", Err: fs.ErrNotExist}, fs.ErrNotExist) {
		t.Error("the error that it comes from is hidden")
	}
}

// TestSystem: what the system says of a path gets a hint, whatever it says.
func TestSystem(t *testing.T) {
	for errno, want := range map[error][2]string{
		fs.ErrNotExist:      {"F: file does not exist; put it there, or name another", "F: file does not exist; make its folder, or name another"},
		fs.ErrPermission:    {"F: permission denied; let this user read it, or run tcpctl as one who may", "F: permission denied; let this user write it, or name another"},
		syscall.EISDIR:      {"F: it is a folder; name a file in it", "F: it is a folder; name a file in it"},
		syscall.ENOSPC:      {"F: no space left on device; make room, or name another", "F: no space left on device; make room, or name another"},
		syscall.ENXIO:       {"F: it is a pipe that nobody reads; start its reader first", "F: it is a pipe that nobody reads; start its reader first"},
		errors.New("other"): {"F: other; name another", "F: other; name another"},
	} {
		err := &fs.PathError{Op: "open", Path: "F", Err: errno}
		if got := [2]string{Unreadable("F", err).Error(), Unwritable("F", err).Error()}; got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

func TestRead(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, make([]byte, 1<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	if b, err := Read(file, 1<<20); err != nil || len(b) != 1<<20 {
		t.Errorf("%d bytes, %v", len(b), err)
	}
	if err := os.WriteFile(file, make([]byte, 1<<20+1), 0o600); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		file:                     "it is larger than 1 MiB; is it the file that was meant?",
		dir:                      "it is a folder; name a file in it",
		filepath.Join(dir, "no"): Unreadable("", syscall.ENOENT).Text + "; put it there, or name another",
	} {
		if _, err := Read(path, 1<<20); err == nil || err.Error() != path+": "+want {
			t.Errorf("%v, want %s", err, want)
		}
	}
}
