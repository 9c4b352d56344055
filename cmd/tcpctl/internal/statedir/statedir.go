// Package statedir is the folder in which an instance keeps what outlasts it.
package statedir

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// ErrNoLocks is of a file on a file system that knows no locks.
var ErrNoLocks = errors.New("the file system has no locks")

// Path is the state folder: $STATE_DIRECTORY (systemd's), else as root
// /var/lib/tcpctl, else $XDG_STATE_HOME/tcpctl, else ~/.local/state/tcpctl. It
// need not exist.
func Path() (string, error) {
	if dir, _, _ := strings.Cut(os.Getenv("STATE_DIRECTORY"), ":"); dir != "" {
		return dir, nil
	}
	if os.Getuid() == 0 {
		return "/var/lib/tcpctl", nil
	}
	if dir := os.Getenv("XDG_STATE_HOME"); filepath.IsAbs(dir) { // the XDG specification says to ignore a relative path
		return filepath.Join(dir, "tcpctl"), nil
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "", fmt.Errorf("there is no state folder: %w; set XDG_STATE_HOME", err)
	}
	return filepath.Join(home, ".local", "state", "tcpctl"), nil
}

// Make returns a folder below the state folder, and makes both, for this user
// alone, where they are missing.
func Make(name string) (string, error) {
	dir, err := Path()
	if err != nil {
		return "", err
	}
	dir = filepath.Join(dir, name)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", fmt.Errorf("state folder: %w", err)
	}
	if info, err := os.Stat(dir); err != nil || !info.IsDir() {
		return "", errors.Join(err, fmt.Errorf("state folder: %s is no folder", dir))
	}
	return dir, nil
}

// Replace writes a file whole, or not at all: a reader, and a process after a
// crash, get either the old content or the new. Only this user can read the file.
func Replace(path string, text []byte) error {
	tmp, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	defer os.Remove(tmp.Name()) // fails once the file is renamed
	_, err = tmp.Write(text)
	if err == nil {
		err = tmp.Sync()
	}
	if cerr := tmp.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return err
	}
	return os.Rename(tmp.Name(), path)
}

// OpenLocked opens a file, which it makes if need be, and locks it until it is closed, or this process ends. Nil without
// an error: another process has it locked. With ErrNoLocks the file is open, and not locked.
func OpenLocked(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	locked, err := lock(f)
	switch {
	case locked:
		return f, nil
	case errors.Is(err, ErrNoLocks):
		return f, err
	case err != nil:
		err = fmt.Errorf("%s: %w", path, err)
	}
	f.Close()
	return nil, err
}
