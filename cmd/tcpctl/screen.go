package main

import (
	"io"
	"os"
	"os/exec"

	"golang.org/x/term"

	"github.com/tcpctl/tcpctl/proxy/text"
)

// stdout and stderr are what every command prints to. What is printed has
// often come from elsewhere: from a client, a peer, a hook or a server. Passing
// here it can only be shown. What is drawn in place writes to the terminal
// itself, and calls text.Safe.
var stdout, stderr = text.NewWriter(os.Stdout), text.NewWriter(os.Stderr)

// onTerminal says whether out is stdout, and a terminal that can be drawn on.
func onTerminal(out io.Writer) bool {
	return out == io.Writer(stdout) && term.IsTerminal(int(os.Stdout.Fd()))
}

// drawing is the terminal itself, past the sanitizer.
func drawing() io.Writer { return os.Stdout }

// newProgress makes the line that tells of progress on stderr.
func newProgress() *progressLine {
	return &progressLine{live: term.IsTerminal(int(os.Stderr.Fd())), w: os.Stderr}
}

// shareTerminal gives the operator's own command the terminal as it is, but
// for stdout where that is one JSON document.
func shareTerminal(cmd *exec.Cmd, asJSON bool) {
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	if asJSON {
		cmd.Stdout = os.Stderr
	}
}
