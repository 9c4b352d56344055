package text

import (
	"bytes"
	"cmp"
	"io"
	"sync"
	"unicode/utf8"
)

// Writer passes on what Safe shows of what is written to it; ends of lines and
// tabs stay. It is for the output of a whole program, whichever part of it forgets to
// call Safe: it cannot tell the end of a line from one in a name. Its methods
// may be called from any goroutine.
type Writer struct {
	mu   sync.Mutex
	to   io.Writer
	half []byte // the beginning of a rune that the next Write completes
	err  error  // see Err
}

// NewWriter gives a Writer that writes to to.
func NewWriter(to io.Writer) *Writer { return &Writer{to: to} }

// Write writes all of p, or fails with the error of the writer below, in
// which case it is not known how much of p was written.
func (w *Writer) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	rest := p
	if len(w.half) > 0 {
		rest = append(w.half, p...)
		w.half = nil
	}
	var out bytes.Buffer
	for len(rest) > 0 {
		if rest[0] >= 0x80 && !utf8.FullRune(rest) {
			w.half = bytes.Clone(rest)
			break
		}
		r, n := utf8.DecodeRune(rest)
		if r != '\n' && r != '\t' {
			r = Rune(r)
		}
		if r >= 0 {
			out.WriteRune(r)
		}
		rest = rest[n:]
	}
	if _, err := w.to.Write(out.Bytes()); err != nil {
		w.err = cmp.Or(w.err, err)
		return 0, err
	}
	return len(p), nil
}

// Err is the first error of the writer below; nil: all was written.
func (w *Writer) Err() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.err
}
