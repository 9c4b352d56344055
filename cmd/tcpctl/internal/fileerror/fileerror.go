// Package fileerror has the common form of errors in files that operators write: FILE:LINE: TEXT;
// HINT.
package fileerror

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"syscall"
)

// Error is one thing that is wrong with a file, or with a value.
type Error struct {
	File   string
	Line   int // from 1; 0: of no line
	Column int // from 1, in bytes; 0: unknown
	Text   string
	Hint   string // what to do about it; may be empty
	Err    error  // what it comes from; may be nil
}

func (e Error) Error() string {
	var b strings.Builder
	if e.File != "" {
		b.WriteString(e.File + ":")
		if e.Line > 0 {
			b.WriteString(strconv.Itoa(e.Line) + ":")
		}
		b.WriteByte(' ')
	}
	b.WriteString(e.Text)
	if e.Hint != "" {
		b.WriteString("; " + e.Hint)
	}
	return b.String()
}

// Unwrap gives Err.
func (e Error) Unwrap() error { return e.Err }

// Read reads a regular file of at most max bytes, which are whole MiB. Its error is an *Error. A pipe is
// refused: to open one waits for its writer, perhaps for ever, and in an instance so
// do those who need the file.
func Read(path string, max int) ([]byte, error) {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return nil, Unreadable(path, err)
	case info.IsDir():
		return nil, Unreadable(path, syscall.EISDIR)
	case !info.Mode().IsRegular():
		return nil, &Error{File: path, Text: "it is not a regular file", Hint: "name a file"}
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, Unreadable(path, err)
	}
	defer f.Close()
	content, err := io.ReadAll(io.LimitReader(f, int64(max)+1))
	switch {
	case err != nil:
		return nil, Unreadable(path, err)
	case len(content) > max:
		return nil, &Error{File: path, Text: fmt.Sprintf("it is larger than %d MiB", max>>20), Hint: "is it the file that was meant?"}
	}
	return content, nil
}

// Unreadable says why a file cannot be read.
func Unreadable(path string, err error) *Error {
	return system(path, err, "put it there, or name another", "let this user read it, or run tcpctl as one who may")
}

// Unwritable says why a file or a folder cannot be written.
func Unwritable(path string, err error) *Error {
	return system(path, err, "make its folder, or name another", "let this user write it, or name another")
}

// system is an error of the system, in its words, with a hint.
func system(path string, err error, missing, forbidden string) *Error {
	e := &Error{File: path, Text: err.Error(), Hint: "name another", Err: err}
	if p, ok := errors.AsType[*fs.PathError](err); ok {
		e.Text = p.Err.Error()
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		e.Hint = missing
	case errors.Is(err, fs.ErrPermission):
		e.Hint = forbidden
	case errors.Is(err, syscall.EISDIR):
		e.Text, e.Hint = "it is a folder", "name a file in it"
	case errors.Is(err, syscall.ENOSPC):
		e.Hint = "make room, or name another"
	case errors.Is(err, syscall.ENXIO):
		e.Text, e.Hint = "it is a pipe that nobody reads", "start its reader first"
	}
	return e
}
