package main

import (
	"io"
	"os"
	"os/exec"

	"golang.org/x/term"

	"github.com/tcpctl/tcpctl/proxy/text"
)

// stdout and stderr are what every command prints to. They make text from clients, peers, hooks and
// servers safe for a terminal. Code that draws in place writes to the terminal itself, and calls
// text.Safe.
var stdout, stderr = text.NewWriter(os.Stdout), text.NewWriter(os.Stderr)

// onTerminal reports whether out is stdout, and a terminal.
func onTerminal(out io.Writer) bool {
	return out == io.Writer(stdout) && term.IsTerminal(int(os.Stdout.Fd()))
}

// drawing returns the terminal itself, bypassing the sanitizer.
func drawing() io.Writer { return os.Stdout }

// newProgress makes a progress line on stderr.
func newProgress() *progressLine {
	return &progressLine{live: term.IsTerminal(int(os.Stderr.Fd())), w: os.Stderr}
}

// shareTerminal gives the operator's command the terminal itself, except stdout if that is for a
// JSON document.
func shareTerminal(cmd *exec.Cmd, asJSON bool) {
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	if asJSON {
		cmd.Stdout = os.Stderr
	}
}
