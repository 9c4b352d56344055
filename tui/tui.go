// Package tui is the console: what an operator watches while changing a service
// that has clients. It draws what a Source answers and acts through it. It cannot
// hurt the engine: nothing is pushed to it, and a terminal that is lost or stalled,
// or a panic in a pane, ends the console alone.
//
//	outcome, err := tui.Run(ctx, tui.Config{Source: source, Instance: "edge-01", Where: "@local"})
//	switch outcome {
//	case tui.Detach, tui.Hangup:
//		serveHeadless()
//	}
//
// A stop is an act of the Source like the others: the console stays, and shows how
// many remain, until ctx is done.
package tui

import (
	"io"

	"github.com/tcpctl/tcpctl/proxy/api"
	"github.com/tcpctl/tcpctl/themes"
	"github.com/tcpctl/tcpctl/tui/internal/noquery"
)

func init() { noquery.End() }

// Config is what a console needs. Only Source has no default.
type Config struct {
	Source api.Source
	// Peer makes the Source of another node, by its name; nil where no other node
	// can be asked. Whether the node can be reached shows when it is asked.
	Peer func(node string) api.Source

	Instance string // the node's name, until the first status has it
	Where    string // how it is reached: "@local", "@unix:/run/tcpctl.sock"

	Theme    *themes.Theme     // nil: "default", or "mono" where NO_COLOR is set
	ThemeDir string            // the user's own themes
	Keys     map[string]string // [console.keys]: action = "key", or several with spaces
	Confirm  string            // "default" or "", "always", "less"
	Kept     Kept              // how the console was left the last time
	Keep     func(Kept)        // keeps that for the next time, in the background; nil keeps nothing
	History  string            // a file for the command line's history; "" keeps none

	ReadOnly bool // every act is refused
	Attached bool // q only leaves: the engine is in another process

	Input  io.Reader // os.Stdin
	Output io.Writer // os.Stdout
	// Sizes are the width and height of a terminal that is no file, the first at
	// once; nil: the Output is asked.
	Sizes <-chan [2]int

	Mouse bool // wheel and click select; else the mouse is the terminal's

	// Hangup says that the terminal is lost. The process's main owns its
	// signals, so it feeds this from SIGHUP; end of input and a failed write
	// are noticed without it. Sent to or closed, once is enough.
	Hangup <-chan struct{}

	// Env looks up an environment variable; nil is os.LookupEnv.
	Env func(string) (string, bool)
}

// Outcome is why a console ended.
type Outcome int

const (
	Ended  Outcome = iota // the context is done, or there was an error
	Detach                // the operator detached; keep serving
	Hangup                // the terminal is lost; keep serving
)

func (o Outcome) String() string { return [...]string{"ended", "detach", "hangup"}[o] }
