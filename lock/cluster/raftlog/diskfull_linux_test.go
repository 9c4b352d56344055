package raftlog

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// TestRule34ADiskThatIsFull uses a small file system, which only root can make. Once
// there is space again, the voter continues from everything that it has confirmed.
func TestRule34ADiskThatIsFull(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := syscall.Mount("raftlog", dir, "tmpfs", 0, "size=1m"); err != nil {
		t.Skip("cannot mount a small file system: ", err)
	}
	defer syscall.Unmount(dir, syscall.MNT_DETACH)
	if err := Create(dir, 1, "c1"); err != nil {
		t.Fatal(err)
	}
	s, err := openStore(dir, 0)
	if err != nil {
		t.Fatal(err)
	}
	full := filepath.Join(dir, "other")
	if err := os.WriteFile(full, make([]byte, 800<<10), 0o600); err != nil {
		t.Fatal(err)
	}
	last := uint64(1)
	for err == nil {
		if err = s.save(hardState(2, 1), entries(2, last+1, last+1, 20_000), nil); err == nil {
			last++
		}
	}
	if !errors.Is(err, ErrDisk) || !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("a full disk: %v", err)
	}
	s.close()
	os.Remove(full)
	if s, err = openStore(dir, 0); err != nil {
		t.Fatal(err)
	}
	defer s.close()
	if s.last < last || last < 2 {
		t.Errorf("it has %d entries, and has confirmed %d", s.last, last)
	}
	if err := s.save(hardState(2, 1), entries(2, s.last+1, s.last+1, 20_000), nil); err != nil {
		t.Error(err)
	}
}
