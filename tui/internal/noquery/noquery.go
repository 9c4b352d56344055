// Package noquery keeps Bubble Tea from querying the terminal when the program
// starts. Bubble Tea's own init asks for the colour of the background and waits
// five seconds for the answer, in every program that is linked with it: where the
// terminal does not answer, even "tcpctl version" took that long, and what was
// typed meanwhile was taken for the answer and lost. The themes do not need it.
//
// A terminal that calls itself dumb is not asked, so it is called that while
// packages are initialised. This one imports os alone: by Go's order (by import
// path, as soon as all imports are done) it comes before os/exec, which Bubble
// Tea needs. A test of tui fails when that order changes.
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
