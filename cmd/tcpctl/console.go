package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/tcpctl/tcpctl/cmd/tcpctl/internal/config"
	"github.com/tcpctl/tcpctl/cmd/tcpctl/internal/control"
	"github.com/tcpctl/tcpctl/cmd/tcpctl/internal/instance"
	"github.com/tcpctl/tcpctl/proxy/api"
	"github.com/tcpctl/tcpctl/themes"
	"github.com/tcpctl/tcpctl/tui"
)

// showConsole runs the console of an instance of this process.
func showConsole(ctx context.Context, in *instance.Instance, hangup <-chan struct{}) (instance.ConsoleEnd, error) {
	cfg, err := consoleConfig(&in.File().Console)
	if err != nil {
		slog.Warn("console: " + err.Error())
	}
	local := in.Local()
	cfg.Source, cfg.Instance, cfg.Where, cfg.Hangup = local, local.Node.Name, "@local", hangup
	keepConsole(&cfg, local.Node.Name)
	if in.Fleet() != nil {
		cfg.Peer = func(node string) api.Source { return local.Peer(node) }
	}
	outcome, err := tui.Run(ctx, cfg)
	switch outcome {
	case tui.Hangup:
		return instance.ConsoleHungUp, err
	case tui.Detach:
		fmt.Fprintf(stderr, "tcpctl: process %d serves on; open its console with tcpctl attach, stop it with tcpctl stop\n", os.Getpid())
		return instance.ConsoleDetached, err
	}
	return instance.ConsoleClosed, err
}

// consoleConfig converts the file's settings of the console.
func consoleConfig(c *config.Console) (tui.Config, error) {
	cfg := tui.Config{ThemeDir: themeDir(), Keys: c.Keys, Confirm: c.Confirm, Mouse: c.Mouse, History: historyFile()}
	if c.Theme == "" || c.Theme == "default" {
		return cfg, nil // the default theme respects NO_COLOR
	}
	theme, err := themes.Load(c.Theme, cfg.ThemeDir)
	if err == nil {
		cfg.Theme = theme
	}
	return cfg, err
}

// themeDir returns the folder of the user's own themes.
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
	cmd.Flags().BoolVar(&readOnly, "read-only", false, "show only, refuse acts")
	return cmd
}

// attach runs the console on another process's engine until the operator closes it.
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
			file = f // whose [console] table applies to this user's console
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
	keepConsole(&cfg, cfg.Where)
	signals := instance.WatchSignals()
	defer signals.Close()
	ctx, cancel := context.WithCancel(cmd.Context())
	defer cancel()
	hup := make(chan struct{}, 1)
	cfg.Hangup = hup
	go relaySignals(ctx, signals, cancel, hup)
	_, err = tui.Run(ctx, cfg)
	return err
}

// relaySignals ends an attached console on the signals that end a process.
func relaySignals(ctx context.Context, s *instance.Signals, stop context.CancelFunc, hup chan<- struct{}) {
	select {
	case <-s.Stop:
		stop()
	case <-s.Hangup:
		hup <- struct{}{}
	case <-ctx.Done():
	}
}
