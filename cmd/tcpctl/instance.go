package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/tcpctl/tcpctl/cmd/tcpctl/internal/control"
	"github.com/tcpctl/tcpctl/cmd/tcpctl/internal/fleet"
	"github.com/tcpctl/tcpctl/proxy"
	"github.com/tcpctl/tcpctl/proxy/api"
)

// launch is what each command that runs an engine is told.
type launch struct {
	noUI  bool
	grace time.Duration
	path  string        // of the configuration file; "": there is none
	mesh  *fleet.Config // to join; nil: what the file says

	graceSet bool   // by a flag: the file does not change it
	bound    string // why no other process can take over from this one; "": one can
}

// launchFlags gives a command the flags that all of them share.
func launchFlags(c *cobra.Command, l *launch) {
	c.GroupID = groupRun
	c.Flags().BoolVar(&l.noUI, "no-ui", false, "run without the console")
	c.Flags().DurationVar(&l.grace, "grace", 30*time.Second, "how long sessions may take when it stops")
}

// wantsConsole says whether somebody sits in front of it.
func (l *launch) wantsConsole() bool {
	return !l.noUI && term.IsTerminal(int(os.Stdin.Fd())) && term.IsTerminal(int(os.Stdout.Fd()))
}

// stopOrder asks the instance to end.
type stopOrder struct {
	grace time.Duration
	why   string // "": another process has taken over
	all   bool   // the processes before this one end, too
}

// openControl opens the socket that was asked for, or the default one, or,
// where that is taken and no file says otherwise, one of our own.
func (in *instance) openControl(cmd *cobra.Command, node string) (*control.Server, error) {
	path, _ := cmd.Flags().GetString("socket")
	if path == "" {
		path = in.file.Control.Socket
	}
	o := control.Options{Node: node, Version: versionText(), Log: in.log.Logger, Mode: in.file.Control.Mode, Group: in.file.Control.Group,
		MaxConns: proxy.NewDescriptors(0).Control}
	if in.fleet != nil {
		o.Peers = in.fleet
	}
	if in.before != nil {
		path, o.Socket = in.before.Offer.Control, in.before.Offer.ControlSocket
	}
	if path != "" {
		s, err := control.Open(path, in.local, o)
		if errors.Is(err, control.ErrTaken) {
			return nil, fmt.Errorf("%w; give another place with --socket", err)
		}
		return s, err
	}
	s, err := control.Open(control.DefaultPath(), in.local, o)
	if !errors.Is(err, control.ErrTaken) {
		return s, err
	}
	if in.path != "" {
		return nil, fmt.Errorf("%w; stop it (tcpctl stop), or give another place with --socket", err)
	}
	path = control.OwnPath()
	in.log.Info("the default control socket is another instance's: use --socket " + path)
	return control.Open(path, in.local, o)
}

// askStop ends the instance soon; the answer to whoever asked goes out first.
func (in *instance) askStop(grace time.Duration, by, reason string) {
	select {
	case in.stop <- stopOrder{grace: grace, why: "stopped by " + by}:
	default:
	}
}

// letGoWithin is how long a stop waits for the process before this one.
const letGoWithin = 2 * time.Second

// serve runs until a signal, an act or the console ends it, and then gives
// clients the grace. A second signal ends it now.
func (in *instance) serve() error {
	defer in.close()
	if in.before == nil {
		in.tellReady()
	}
	defer in.systemd.KeepAlive(in.alive, in.log.Logger)()
	order := in.await()
	in.reloading.Lock()
	in.stopping = true // no handover begins any more
	in.reloading.Unlock()
	if h := in.handover.Load(); h != nil && h.stop() {
		in.serveRemaining(order)
		return nil
	}
	if in.before != nil { // which would take over again
		ctx, cancel := context.WithTimeout(context.Background(), letGoWithin)
		in.before.Settle(ctx)
		cancel()
	}
	if order.grace <= 0 {
		order.grace = in.usualGrace()
	}
	in.systemd.Stopping(order.grace, order.why) // who is not there need not know
	order.all = true
	in.shutDown(order)
	return nil
}

// shutDown ends the engine, in the grace or at the next signal or order, and
// waits as long for the processes before this one.
func (in *instance) shutDown(order stopOrder) {
	if order.grace <= 0 {
		order.grace = in.usualGrace()
	}
	in.log.Info("stopping: "+order.why, "grace", order.grace)
	ctx, cancel := context.WithTimeout(context.Background(), order.grace)
	defer cancel()
	go in.hurry(cancel)
	if order.all {
		in.generations.end(order.grace)
	}
	if in.engine.Shutdown(ctx) != nil {
		in.log.Warn("the grace was over before all sessions had ended: the rest was reset")
	}
	if order.all {
		in.generations.wait(ctx)
	}
}

// hurry ends the grace at the second signal, or order.
func (in *instance) hurry(now context.CancelFunc) {
	select {
	case <-in.signals.stop:
		now()
	case <-in.stop:
		now()
	case <-in.signals.closed:
	}
}

func (in *instance) usualGrace() time.Duration {
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.grace
}

// await blocks until something ends the instance. Headless, HUP reloads; with
// the console it is a lost terminal, and the engine goes on without one.
func (in *instance) await() stopOrder {
	console := in.openConsole()
	defer console.close()
	for {
		select {
		case sig := <-in.signals.stop:
			return stopOrder{why: sig.String()}
		case order := <-in.stop:
			return order
		case <-in.handedOver:
			return stopOrder{}
		case <-in.signals.hangup:
			if !console.hungUp() {
				in.hangup()
			}
		case <-in.signals.reopen:
			in.reopen()
		case <-in.signals.upgrade:
			in.acts.Go(func() { in.local.Do(context.Background(), api.Request{Act: "upgrade", By: "SIGUSR2"}) })
		case end := <-console.ended():
			if order, stop := in.consoleEnded(console, end); stop {
				return order
			}
		}
	}
}

// tellReady tells systemd, if that has started us, that clients can come.
func (in *instance) tellReady() {
	for _, name := range in.systemd.Unclaimed() {
		in.log.Warn("systemd has opened " + name + ", and no service listens there: its clients wait for nobody")
	}
	if err := in.systemd.Ready(fmt.Sprintf("%d services", len(in.engine.ServiceNames()))); err != nil {
		in.log.Warn(err.Error())
	}
}

// alive asks the engine for something, so that one that hangs is noticed.
func (in *instance) alive(ctx context.Context) error {
	_, err := in.local.Status(ctx)
	return err
}

// reopen opens the logs again, after a rotation.
func (in *instance) reopen() {
	for _, err := range []error{in.log.Reopen(), in.access.Reopen()} {
		if err != nil {
			in.log.Error("reopen: " + err.Error())
		}
	}
}
