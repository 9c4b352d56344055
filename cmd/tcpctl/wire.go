package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/tcpctl/tcpctl/cmd/tcpctl/internal/control"
	"github.com/tcpctl/tcpctl/proxy"
	"github.com/tcpctl/tcpctl/proxy/api"
)

// launch is what each command that runs an engine is told.
type launch struct {
	noUI  bool
	grace time.Duration
	log   *slog.Logger
}

// launchFlags gives a command the flags that all of them share.
func launchFlags(c *cobra.Command, l *launch) {
	c.GroupID = groupRun
	c.Flags().BoolVar(&l.noUI, "no-ui", false, "run without the console")
	c.Flags().DurationVar(&l.grace, "grace", 30*time.Second, "how long sessions may take when it stops")
}

// instance is everything that runs in one tcpctl.
type instance struct {
	engine  *proxy.Engine
	local   *api.Local
	control *control.Server
	stop    chan stopOrder
	signals *signals
}

// stopOrder asks the instance to end.
type stopOrder struct {
	grace time.Duration
	why   string
}

// newInstance builds an engine and opens its control socket and listeners, or
// nothing.
func newInstance(cmd *cobra.Command, cfg proxy.Config, l *launch) (*instance, error) {
	l.log = newLog(os.Stderr)
	cfg.Log = l.log
	engine, err := proxy.New(cfg)
	if err != nil {
		return nil, coded{exitUsage, err}
	}
	node, err := os.Hostname()
	if err != nil {
		node = "localhost"
	}
	// Before there is a socket that a signal could leave behind.
	in := &instance{engine: engine, stop: make(chan stopOrder, 1), signals: watchSignals()}
	in.local = &api.Local{Engine: engine, Node: api.Node{Name: node, Version: versionText(), Started: time.Now()},
		By: userName() + "@" + node, Stop: in.askStop}
	if in.control, err = openControl(cmd, in.local, node, l); err != nil {
		in.signals.close()
		return nil, err
	}
	if err := engine.Start(); err != nil {
		in.control.Close()
		in.signals.close()
		return nil, err
	}
	return in, nil
}

// openControl opens the socket that was asked for, or the default one, or,
// where that is taken, one of our own.
func openControl(cmd *cobra.Command, source api.Source, node string, l *launch) (*control.Server, error) {
	path, _ := cmd.Flags().GetString("socket")
	if path != "" {
		s, err := control.Serve(path, source, node, l.log)
		if errors.Is(err, control.ErrTaken) {
			return nil, fmt.Errorf("%w; give another place with --socket", err)
		}
		return s, err
	}
	s, err := control.Serve(control.DefaultPath(), source, node, l.log)
	if !errors.Is(err, control.ErrTaken) {
		return s, err
	}
	path = control.OwnPath()
	l.log.Info("the default control socket is another instance's: use --socket " + path)
	return control.Serve(path, source, node, l.log)
}

// askStop ends the instance soon; the answer to whoever asked goes out first.
func (in *instance) askStop(grace time.Duration, by, reason string) {
	select {
	case in.stop <- stopOrder{grace, "stopped by " + by}:
	default:
	}
}

// serve runs until a signal or an act ends it, and then gives clients the
// grace. A second signal ends it now.
func (in *instance) serve(l *launch) error {
	defer in.signals.close()
	order := in.await(in.signals, l)
	if order.grace <= 0 {
		order.grace = l.grace
	}
	l.log.Info("stopping: "+order.why, "grace", order.grace)
	ctx, cancel := context.WithTimeout(context.Background(), order.grace)
	defer cancel()
	go in.signals.hurry(cancel)
	err := in.engine.Shutdown(ctx)
	in.control.Close()
	if err != nil {
		l.log.Warn("the grace was over before all sessions had ended: the rest was reset")
	}
	return nil
}
