// Package fileerror has the common form of errors in files that operators write: FILE:LINE: TEXT;
// HINT.
package fileerror

import (
	"strconv"
	"strings"
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
