package main

import (
	"os"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/tcpctl/tcpctl/cmd/tcpctl/internal/build"
	"github.com/tcpctl/tcpctl/cmd/tcpctl/internal/config"
	"github.com/tcpctl/tcpctl/cmd/tcpctl/internal/fleet"
	"github.com/tcpctl/tcpctl/cmd/tcpctl/internal/instance"
	"github.com/tcpctl/tcpctl/proxy"
)

// launch holds the flags of a command that runs an engine.
type launch struct {
	noUI      bool
	grace     time.Duration
	path      string        // of the configuration file; "": none
	mesh      *fleet.Config // the mesh to join; nil: the file's
	noUpgrade string        // why no process can take over from this one; "": it can
}

// launchFlags gives a command the common flags.
func launchFlags(c *cobra.Command, l *launch) {
	c.GroupID = groupRun
	c.Flags().BoolVar(&l.noUI, "no-ui", false, "run without the console")
	durationVar(c.Flags(), &l.grace, "grace", 30*time.Second, "how long waiters and sessions may take to end at a stop before they are reset")
}

// wantsConsole reports whether to show the console: on a terminal, unless --no-ui.
func (l *launch) wantsConsole() bool {
	return !l.noUI && term.IsTerminal(int(os.Stdin.Fd())) && term.IsTerminal(int(os.Stdout.Fd()))
}

// start starts an instance with a file's settings, or with defaults if file is nil.
func (l *launch) start(cmd *cobra.Command, file *config.File, engine proxy.Config) (*instance.Instance, error) {
	c := instance.Config{File: file, Path: l.path, Engine: engine, Load: checkFile, Version: build.This().Text(), Mesh: l.mesh,
		Grace: l.grace, GraceFixed: cmd.Flags().Changed("grace"), NoUpgrade: l.noUpgrade, Stderr: stderr}
	c.Remote = showRemote
	c.Socket, _ = cmd.Flags().GetString("socket")
	if l.wantsConsole() {
		c.Console = showConsole
	}
	if l.path != "" && !c.GraceFixed {
		c.Grace = file.Limits.ShutdownGrace
	}
	return instance.New(cmd.Context(), c)
}

// run starts an instance and serves until it is stopped.
func (l *launch) run(cmd *cobra.Command, file *config.File, engine proxy.Config) error {
	in, err := l.start(cmd, file, engine)
	if err != nil {
		return err
	}
	return in.Serve()
}
