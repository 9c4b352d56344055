package logfile

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
)

func TestAFileBeginsANewLine(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.log")
	if err := os.WriteFile(path, []byte("whole\nha"), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	f.Write([]byte("next\n"))
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if got := read(t, path); got != "whole\nha\nnext\n" {
		t.Errorf("%q", got)
	}
	if _, err := f.Write([]byte("late\n")); !errors.Is(err, fs.ErrClosed) {
		t.Errorf("write after the end: %v", err)
	}
	if err := f.Reopen(); !errors.Is(err, fs.ErrClosed) {
		t.Errorf("reopen after the end: %v", err)
	}
}

func TestReopenThatFailsKeepsTheOld(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "logs")
	os.Mkdir(dir, 0o700)
	f, err := Open(filepath.Join(dir, "a.log"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	moved := dir + ".old"
	if err := os.Rename(dir, moved); err != nil {
		t.Skip("a folder in use cannot be renamed here: ", err)
	}
	if err := f.Reopen(); err == nil {
		t.Fatal("the folder is not there")
	}
	if _, err := f.Write([]byte("goes on\n")); err != nil {
		t.Fatal(err)
	}
	if got := read(t, filepath.Join(moved, "a.log")); got != "goes on\n" {
		t.Errorf("%q", got)
	}
}
