package logfile

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"sync"
	"syscall"
	"time"

	"github.com/tcpctl/tcpctl/cmd/tcpctl/internal/fileerror"
)

// File is a file of lines that only grows, and that can be opened again under
// its name after a rotation. Its methods may be called from any goroutine.
type File struct {
	path    string
	writing sync.Mutex // held during a Write, which may wait for the reader of a pipe
	mu      sync.Mutex // guards f; never held during I/O
	f       *os.File   // nil: closed
}

// Open opens the file at path, which it makes where it is missing. A line
// that a crash has left unfinished is ended first.
func Open(path string) (*File, error) {
	f, err := openAppend(path)
	if err != nil {
		return nil, err
	}
	return &File{path: path, f: f}, nil
}

func openAppend(path string) (*os.File, error) {
	flags := os.O_RDWR | os.O_CREATE | os.O_APPEND
	if i, err := os.Stat(path); err == nil && i.Mode()&fs.ModeNamedPipe != 0 {
		// A pipe, such as /dev/stdout in a container: without O_NONBLOCK, opening one without a
		// reader would block; with it, this is an error.
		flags = os.O_WRONLY | syscall.O_NONBLOCK
	}
	f, err := os.OpenFile(path, flags, 0o640)
	if errors.Is(err, fs.ErrPermission) { // appending may still be allowed
		f, err = os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0)
	}
	if err != nil {
		return nil, fileerror.Unwritable(path, err)
	}
	if size, last := end(f); size > 0 && last != '\n' {
		f.Write([]byte{'\n'})
	}
	return f, nil
}

// end returns the size of a regular file and its last byte; 0 for anything else.
func end(f *os.File) (size int64, last byte) {
	i, err := f.Stat()
	if err != nil || !i.Mode().IsRegular() || i.Size() == 0 {
		return 0, 0
	}
	var b [1]byte
	if _, err := f.ReadAt(b[:], i.Size()-1); err != nil {
		return 0, 0
	}
	return i.Size(), b[0]
}

// Write appends whole lines. Of those for which there is no room, none is
// written in part: it returns the length of the lines that were written.
func (f *File) Write(p []byte) (int, error) {
	f.writing.Lock()
	defer f.writing.Unlock()
	out := f.now()
	if out == nil {
		return 0, fs.ErrClosed
	}
	n, err := out.Write(p)
	if err == nil || n == 0 {
		return n, err
	}
	whole := bytes.LastIndexByte(p[:n], '\n') + 1
	part := int64(n - whole)
	// Remove the partial line, unless another process has written after it.
	if size, last := end(out); part > 0 && size >= part && last == p[n-1] {
		if terr := out.Truncate(size - part); terr != nil {
			err = errors.Join(err, terr)
		}
	}
	return whole, err
}

func (f *File) now() *os.File {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.f
}

// Reopen opens the name again, which after a rotation is a new file; lines go
// on into the old one where that fails. Nothing is written to the old one
// after Reopen has returned without an error.
func (f *File) Reopen() error {
	old := f.now()
	if old == nil {
		return fs.ErrClosed
	}
	again, err := openAppend(f.path)
	if err != nil {
		return err
	}
	if same(old, again) { // there was no rotation
		return again.Close()
	}
	return f.replace(again)
}

func same(a, b *os.File) bool {
	was, err := a.Stat()
	if err != nil {
		return false
	}
	is, err := b.Stat()
	return err == nil && os.SameFile(was, is)
}

// Close closes the file. Closing twice does nothing.
func (f *File) Close() error {
	if err := f.replace(nil); !errors.Is(err, fs.ErrClosed) {
		return err
	}
	return nil
}

// lastWrite is how long a Write may go on once its file is to be closed.
const lastWrite = time.Second

// replace closes the file, after lines go into next.
func (f *File) replace(next *os.File) error {
	f.mu.Lock()
	old := f.f
	if old != nil {
		f.f = next
	}
	f.mu.Unlock()
	if old == nil {
		if next != nil {
			next.Close()
		}
		return fs.ErrClosed
	}
	old.SetWriteDeadline(time.Now().Add(lastWrite)) // of a pipe, whose reader may have stopped; other files have none
	f.writing.Lock()
	defer f.writing.Unlock()
	return old.Close()
}
