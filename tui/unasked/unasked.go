// Package unasked keeps Bubble Tea from asking the terminal a question when the
// program starts. Its own init asks for the colour of the background and waits
// five seconds for an answer, in every program that is linked with it: where
// the terminal does not answer, even "tcpctl version" took that long, and what
// was typed meanwhile was taken for the answer and lost. Our themes do not
// need to know.
//
// A terminal that calls itself dumb is not asked, so it is called that while
// packages are initialised. This one imports os alone: by Go's order (by import
// path, as soon as all imports are done) it comes before os/exec, which Bubble
// Tea needs. A change of that order fails a test of tui.
package unasked

import "os"

var term, set = os.LookupEnv("TERM")

func init() { os.Setenv("TERM", "dumb") }

// Over gives the terminal its name back. It is called by an init that comes
// after Bubble Tea's.
func Over() {
	if set {
		os.Setenv("TERM", term)
	} else {
		os.Unsetenv("TERM")
	}
}
