package config

import (
	"errors"
	"strings"
)

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
