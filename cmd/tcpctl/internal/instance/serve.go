package instance

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/tcpctl/tcpctl/proxy/api"
)

// stopOrder is a request to stop the instance.
type stopOrder struct {
	grace  time.Duration // 0: the configured one
	reason string        // "": another process has taken over
	all    bool          // earlier processes must end, too
	signal bool          // a signal has asked for it
}

// Stop makes Serve return soon, and does not wait: the client that asked for it gets an
// answer first. A grace of 0 is the configured one.
func (in *Instance) Stop(grace time.Duration, by, reason string) {
	select {
	case in.stop <- stopOrder{grace: grace, reason: "stopped by " + by}:
	default:
	}
}

// settleTimeout is how long a stop waits for the predecessor.
const settleTimeout = 2 * time.Second

// Serve runs until a signal, an act or the console ends it, and then gives
// sessions the grace. A second signal ends them at once.
func (in *Instance) Serve() error {
	defer in.Close()
	if in.predecessor == nil {
		in.notifyReady()
	}
	defer in.systemd.KeepAlive(in.checkAlive, in.log.Logger)()
	console := in.openConsole() // shows a stop to its end
	defer console.close()
	order := in.await(console)
	in.reloading.Lock()
	in.stopping = true // no more handovers begin
	in.reloading.Unlock()
	if h := in.handover.Load(); h != nil && h.stop() {
		console.close()
		in.serveRemaining(order)
		return nil
	}
	if in.predecessor != nil { // otherwise the predecessor would take over again
		ctx, cancel := context.WithTimeout(context.Background(), settleTimeout)
		in.predecessor.Settle(ctx)
		cancel()
	}
	if order.grace <= 0 {
		order.grace = in.currentGrace()
	}
	in.systemd.Stopping(order.grace, order.reason) // an error means that no systemd listens
	order.all = true
	in.shutDown(order)
	return nil
}

// shutDown ends the engine within the grace, or at a second signal. It waits as long for earlier
// processes, if they must end, too.
func (in *Instance) shutDown(order stopOrder) {
	if order.grace <= 0 {
		order.grace = in.currentGrace()
	}
	in.log.Info("stopping: "+order.reason, "grace", order.grace)
	ctx, cancel := context.WithCancelCause(context.Background())
	defer cancel(nil)
	end := time.AfterFunc(order.grace, func() { cancel(errors.New("the grace ended before all sessions did")) })
	defer end.Stop()
	go in.changeGrace(ctx, cancel, end, order)
	if order.all {
		in.predecessors.end(order.grace)
	}
	in.sources.Close() // no more backends come or go
	if in.engine.Shutdown(ctx) != nil {
		in.log.Warn(context.Cause(ctx).Error() + ": the remaining sessions were reset")
	}
	if order.all {
		in.predecessors.wait(ctx)
	}
}

// changeGrace ends the grace at a second signal. Another order to stop is safe to repeat: it changes
// nothing, or, with a grace of its own, when the grace ends.
func (in *Instance) changeGrace(ctx context.Context, now context.CancelCauseFunc, end *time.Timer, first stopOrder) {
	signalled := first.signal
	for {
		select {
		case sig := <-in.signals.Stop:
			if signalled {
				now(errors.New("a second signal has ended the grace"))
			} else {
				in.log.Info("stopping already; another signal ends the grace", "signal", sig.String())
			}
			signalled = true
		case order := <-in.stop:
			if order.grace <= 0 {
				continue
			}
			in.log.Info("stopping: "+order.reason, "grace", order.grace)
			end.Reset(order.grace)
			if first.all {
				in.systemd.Stopping(order.grace, first.reason) // it would kill this process after the first grace
				in.predecessors.end(order.grace)
			}
		case <-in.signals.closed:
			return
		case <-ctx.Done():
			return
		}
	}
}

func (in *Instance) currentGrace() time.Duration {
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.grace
}

// await blocks until the instance must stop, or has handed over. Without a console, SIGHUP reloads;
// with one, it means that the terminal is lost, and the engine keeps serving without a console.
func (in *Instance) await(console *hostedConsole) stopOrder {
	for {
		select {
		case sig := <-in.signals.Stop:
			return stopOrder{reason: sig.String(), signal: true}
		case order := <-in.stop:
			return order
		case <-in.handedOver:
			return stopOrder{}
		case <-in.signals.Hangup:
			if !console.hungUp() {
				in.hangup()
			}
		case <-in.signals.reopen:
			in.reopen()
		case <-in.signals.upgrade:
			in.acts.Go(func() { in.local.Do(context.Background(), api.Request{Act: "upgrade", By: "SIGUSR2"}) })
		case end := <-console.ended():
			in.consoleEnded(console, end)
		}
	}
}

// notifyReady tells systemd, if that started this process, that clients can connect.
func (in *Instance) notifyReady() {
	for _, name := range in.systemd.Unclaimed() {
		in.log.Warn("systemd has opened " + name + ", but no service listens there: its clients are never accepted")
	}
	if err := in.systemd.Ready(fmt.Sprintf("%d services", len(in.engine.Operator().ServiceNames()))); err != nil {
		in.log.Warn(err.Error())
	}
}

// checkAlive asks the engine for its status, for the watchdog: a hanging engine does not answer.
func (in *Instance) checkAlive(ctx context.Context) error {
	_, err := in.local.Status(ctx)
	return err
}

// reopen opens the logs again, after a rotation.
func (in *Instance) reopen() {
	for _, err := range []error{in.log.Reopen(), in.access.Reopen()} {
		if err != nil {
			in.log.Error("reopen: " + err.Error())
		}
	}
}
