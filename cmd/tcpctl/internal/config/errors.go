package config

import (
	"cmp"
	"fmt"
	"sort"
	"strings"

	"github.com/tcpctl/tcpctl/cmd/tcpctl/internal/fileerror"
)

// Error is one thing that is wrong with a file, or with a value.
type Error = fileerror.Error

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

// report collects the errors of a file, in any order.
type report struct {
	name     string
	lines    *index
	found    Errors
	reported map[string]bool // paths
	mistyped map[string]bool // paths whose values were not read, so that nothing below them is reported
}

// wrong reports an error at the key of a path. Only the first one of a key is kept: others may
// follow from it.
func (r *report) wrong(path, hint, format string, args ...any) {
	if r.reported[path] || r.unread(path) {
		return
	}
	r.skip(path)
	at := r.lines.find(path)
	r.found = append(r.found, Error{File: r.name, Line: at.line, Column: at.column, Text: fmt.Sprintf(format, args...), Hint: hint})
}

// mistype is wrong for a value that should be a table.
func (r *report) mistype(path, hint, format string, args ...any) {
	r.wrong(path, hint, format, args...)
	if r.mistyped == nil {
		r.mistyped = map[string]bool{}
	}
	r.mistyped[path] = true
}

// unread reports whether a path is below a mistyped one.
func (r *report) unread(path string) bool {
	for i, c := range path {
		if (c == '.' || c == '[') && r.mistyped[path[:i]] {
			return true
		}
	}
	return false
}

// skip suppresses errors about a path.
func (r *report) skip(path string) {
	if r.reported == nil {
		r.reported = map[string]bool{}
	}
	r.reported[path] = true
}

// inOrder returns the errors in the order of their lines.
func (r *report) inOrder() Errors {
	sort.SliceStable(r.found, func(i, j int) bool {
		a, b := &r.found[i], &r.found[j]
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column), cmp.Compare(a.Text, b.Text)) < 0
	})
	return r.found
}
