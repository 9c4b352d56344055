package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/tcpctl/tcpctl/cmd/tcpctl/internal/config"
	"github.com/tcpctl/tcpctl/cmd/tcpctl/internal/control"
	"github.com/tcpctl/tcpctl/proxy/api"
	"github.com/tcpctl/tcpctl/themes"
	"github.com/tcpctl/tcpctl/tui"
)

// console is the console of this process, if it has one.
type console struct {
	hup    chan struct{}
	end    chan consoleEnd
	cancel context.CancelFunc
}

type consoleEnd struct {
	outcome tui.Outcome
	err     error
}

// openConsole shows the console where it is wanted; a nil one does nothing.
func (in *instance) openConsole() *console {
	if !in.console {
		return nil
	}
	cfg, err := consoleConfig(&in.file.Console)
	if err != nil {
		in.log.Warn("console: " + err.Error())
	}
	cfg.Source, cfg.Instance, cfg.Where = in.local, in.local.Node.Name, "@local"
	if in.fleet != nil {
		cfg.Peer = func(node string) api.Source { return in.local.Peer(node) }
	}
	c := &console{hup: make(chan struct{}, 1), end: make(chan consoleEnd, 1)}
	cfg.Hangup = c.hup
	var ctx context.Context
	ctx, c.cancel = context.WithCancel(context.Background())
	go c.run(ctx, cfg)
	return c
}

func (c *console) run(ctx context.Context, cfg tui.Config) {
	outcome, err := tui.Run(ctx, cfg)
	c.end <- consoleEnd{outcome, err}
}

// ended tells how the console has ended, once.
func (c *console) ended() <-chan consoleEnd {
	if c == nil {
		return nil
	}
	return c.end
}

// hungUp tells the console that its terminal is lost; false where there is
// none any more.
func (c *console) hungUp() bool {
	if c == nil || c.cancel == nil {
		return false
	}
	select {
	case c.hup <- struct{}{}:
	default:
	}
	return true
}

// close ends the console and waits until the terminal is as it was.
func (c *console) close() {
	if c == nil || c.cancel == nil {
		return
	}
	c.cancel()
	<-c.end
	c.cancel = nil
}

// consoleEnded goes on without the console, or stops where its operator has
// asked for that.
func (in *instance) consoleEnded(c *console, end consoleEnd) (order stopOrder, stop bool) {
	c.cancel()
	c.cancel = nil
	if end.err != nil {
		in.log.Error("the console has ended: " + end.err.Error())
	}
	// Without the screen, lines may go to stderr: where a terminal is left.
	in.mu.Lock()
	in.screen = end.outcome == tui.Hangup
	in.mu.Unlock()
	if err := in.log.Set(logConfig(in.current(), in.onScreen())); err != nil {
		in.log.Warn("log: " + err.Error())
	}
	switch end.outcome {
	case tui.Stop:
		return stopOrder{why: "stopped in the console"}, true
	case tui.Detach:
		fmt.Fprintf(stderr, "tcpctl: serving on as process %d; look again with tcpctl attach, end it with tcpctl stop\n", os.Getpid())
	}
	return stopOrder{}, false
}

// consoleConfig is what the file says of the console.
func consoleConfig(c *config.Console) (tui.Config, error) {
	cfg := tui.Config{ThemeDir: themeDir(), Keys: c.Keys, Confirm: c.Confirm, History: historyFile()}
	if c.Theme == "" || c.Theme == "default" {
		return cfg, nil // which looks at NO_COLOR
	}
	theme, err := themes.Load(c.Theme, cfg.ThemeDir)
	if err == nil {
		cfg.Theme = theme
	}
	return cfg, err
}

// themeDir is where the user's own themes are.
func themeDir() string {
	if dir, err := os.UserConfigDir(); err == nil {
		return filepath.Join(dir, "tcpctl", "themes")
	}
	return ""
}

func historyFile() string {
	dir, err := os.UserCacheDir()
	if err != nil || os.MkdirAll(filepath.Join(dir, "tcpctl"), 0o700) != nil {
		return ""
	}
	return filepath.Join(dir, "tcpctl", "history")
}

func attachCommand() *cobra.Command {
	var readOnly bool
	cmd := &cobra.Command{
		Use: "attach", Short: "Open the console on a running instance", Args: cobra.NoArgs, GroupID: groupLook,
		RunE: func(cmd *cobra.Command, args []string) error { return attach(cmd, readOnly) },
	}
	cmd.Flags().BoolVar(&readOnly, "read-only", false, "look only")
	return cmd
}

// attach shows the console of another process's engine, until it is left.
func attach(cmd *cobra.Command, readOnly bool) error {
	l := launch{}
	if !l.wantsConsole() {
		return usage("attach needs a terminal; try: tcpctl status, tcpctl events -f")
	}
	src := source(cmd)
	defer src.Close()
	if _, err := src.Status(cmd.Context()); err != nil {
		return err
	}
	file := config.New()
	if path, err := config.Find(); err == nil {
		if f, err := config.Load(path); err == nil {
			file = f // of which the console's part is the user's
		}
	}
	cfg, err := consoleConfig(&file.Console)
	if err != nil {
		fmt.Fprintln(stderr, "tcpctl: console: "+err.Error())
	}
	where := src.Path()
	if where == control.DefaultPath() {
		where = "local"
	} else {
		where = "unix:" + where
	}
	cfg.Peer = func(node string) api.Source { return src.Peer(node) }
	cfg.Source, cfg.Where, cfg.Attached, cfg.ReadOnly = src, "@"+where, true, readOnly
	signals := watchSignals()
	defer signals.close()
	ctx, cancel := context.WithCancel(cmd.Context())
	defer cancel()
	hup := make(chan struct{}, 1)
	cfg.Hangup = hup
	go relaySignals(ctx, signals, cancel, hup)
	_, err = tui.Run(ctx, cfg)
	return err
}

// relaySignals ends an attached console by what ends a process.
func relaySignals(ctx context.Context, s *signals, stop context.CancelFunc, hup chan<- struct{}) {
	select {
	case <-s.stop:
		stop()
	case <-s.hangup:
		hup <- struct{}{}
	case <-ctx.Done():
	}
}
