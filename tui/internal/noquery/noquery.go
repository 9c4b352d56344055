// Package noquery keeps Bubble Tea from querying the terminal when the program starts. In every
// program linked with it, Bubble Tea's init asks for the background colour and waits up to five
// seconds for the answer: on a terminal that does not answer, even "tcpctl version" took that long,
// and keys typed meanwhile were taken for the answer and lost. The themes do not need it.
//
// A dumb terminal is not asked, so TERM is set to dumb while packages are initialised. This package
// imports only os: in Go's order (by import path, once all imports are initialised) it comes before
// os/exec, which Bubble Tea imports. A test of tui fails if that order changes.
package noquery

import "os"

var term, set = os.LookupEnv("TERM")

func init() { os.Setenv("TERM", "dumb") }

// End gives TERM its value back. It is called by an init that comes after Bubble
// Tea's.
func End() {
	if set {
		os.Setenv("TERM", term)
	} else {
		os.Unsetenv("TERM")
	}
}
