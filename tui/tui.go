// Package tui is the console: what an operator looks at while touching a
// service that has clients. It draws what a Source says and acts through it;
// it cannot hurt the engine behind it. Nothing is pushed to it, and a terminal
// that is lost, that takes nothing, or a panic in a pane ends it alone.
//
//	outcome, err := tui.Run(ctx, tui.Config{Source: source, Instance: "edge-01", Where: "@local"})
//	switch outcome {
//	case tui.Stop:
//		shutDown()
//	case tui.Detach, tui.Hangup:
//		serveHeadless()
//	}
package tui

import (
	"io"

	"github.com/tcpctl/tcpctl/proxy/api"
	"github.com/tcpctl/tcpctl/themes"
	"github.com/tcpctl/tcpctl/tui/unasked"
)

func init() { unasked.Over() }

// Config is what a console needs. Only Source has no default.
type Config struct {
	Source api.Source
	// Peer is another node as a Source, asked by its name; nil where nobody
	// else can be asked. Whether it can be reached shows when it is.
	Peer func(node string) api.Source

	Instance string // the node's name, until the first status tells it
	Where    string // how it is reached: "@local", "@unix:/run/tcpctl.sock"

	Theme    *themes.Theme     // nil: "default", or "mono" where NO_COLOR is set
	ThemeDir string            // the user's own themes
	Keys     map[string]string // [console.keys]: action = "key", or several with spaces
	Confirm  string            // "default" or "", "always", "less"
	History  string            // a file for the command line's history; "": none

	ReadOnly bool // every act is refused
	Attached bool // q only leaves: the engine is in another process

	Input  io.Reader // os.Stdin
	Output io.Writer // os.Stdout

	// Hangup says that the terminal is lost. The process's main owns its
	// signals, so it feeds this from SIGHUP; end of input and a failed write
	// are noticed without it. Sent to or closed, once is enough.
	Hangup <-chan struct{}

	// Env looks up an environment variable; nil is os.LookupEnv.
	Env func(string) (string, bool)
}

// Outcome is why a console has ended.
type Outcome int

const (
	Ended  Outcome = iota // the context is done, or there was an error
	Detach                // the operator left; keep serving
	Stop                  // the operator asked to stop the service
	Hangup                // the terminal is lost; keep serving
)

func (o Outcome) String() string { return [...]string{"ended", "detach", "stop", "hangup"}[o] }
