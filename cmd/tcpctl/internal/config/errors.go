package config

import (
	"cmp"
	"errors"
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

// Findings gathers what is wrong with a file beyond its text: what the parts
// of an instance say that are to run it.
type Findings struct{ r report }

// Findings begins with none.
func (f *File) Findings() *Findings { return &Findings{report{name: f.name, lines: f.lines}} }

// Wrong adds what is wrong with the value of a key, such as "log.file", and
// what to do about it; an *Error in err has its own hint.
func (x *Findings) Wrong(key, hint string, err error) {
	said := err.Error()
	if bad, ok := errors.AsType[*Error](err); ok && bad.Hint != "" {
		hint, said = bad.Hint, strings.TrimSuffix(said, "; "+bad.Hint)
	}
	x.r.wrong(key, hint, "%s", said)
}

// Add takes in Errors of the same file; nil is none.
func (x *Findings) Add(err error) {
	var all Errors
	switch {
	case errors.As(err, &all):
		x.r.found = append(x.r.found, all...)
	case err != nil:
		x.r.found = append(x.r.found, Error{File: x.r.name, Text: err.Error()})
	}
}

// Err is all of them in the order of the file, as Errors; nil where there is none.
func (x *Findings) Err() error {
	if len(x.r.found) == 0 {
		return nil
	}
	return x.r.inOrder()
}

// ServiceKey is the key of a service's value: "services.db.tls.cert".
func ServiceKey(service, key string) string { return join("services", service) + "." + key }
