package config

import (
	"cmp"
	"fmt"
	"slices"
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

// Errors are all that is wrong with a file, in its order.
type Errors []Error

// Error gives one a line.
func (e Errors) Error() string {
	lines := make([]string, len(e))
	for i := range e {
		lines[i] = e[i].Error()
	}
	return strings.Join(lines, "\n")
}

// report gathers what is wrong with a file while it is looked through, in
// whatever order.
type report struct {
	name     string
	lines    *index
	found    Errors
	reported map[string]bool // paths
}

// wrong notes that something is wrong with the key of a path. Only the first
// thing is reported: the second may be what follows from it.
func (r *report) wrong(path, hint, format string, args ...any) {
	if r.reported[path] {
		return
	}
	r.skip(path)
	at := r.lines.find(path)
	r.found = append(r.found, Error{File: r.name, Line: at.line, Column: at.column, Text: fmt.Sprintf(format, args...), Hint: hint})
}

// skip suppresses errors about a path.
func (r *report) skip(path string) {
	if r.reported == nil {
		r.reported = map[string]bool{}
	}
	r.reported[path] = true
}

// inOrder gives what was found, first line first.
func (r *report) inOrder() Errors {
	slices.SortStableFunc(r.found, func(a, b Error) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column), cmp.Compare(a.Text, b.Text))
	})
	return r.found
}
