package instance

import (
	"fmt"
	"time"

	"github.com/tcpctl/tcpctl/proxy"
)

// lingerFor is how long a process stays after its last client, so that its successors can read its
// last counts.
const lingerFor = time.Second

// serveRemaining serves the remaining clients after another process has taken
// over. They have no time limit; only a stop ends them.
func (in *Instance) serveRemaining(order stopOrder) {
	h := in.handover.Load()
	if in.HasConsole() {
		fmt.Fprintf(in.c.Stderr, "tcpctl: process %d has taken over; open its console with tcpctl attach\n", h.pid.Load())
	}
	in.log.Info("another process has taken over", "pid", h.pid.Load(), "remaining_clients", !proxy.HandoverOf(in.engine).Idle())
	tick := time.NewTicker(lingerFor / 10)
	defer tick.Stop()
	busy := time.Now()
	for order.reason == "" {
		select {
		case <-tick.C:
			if !proxy.HandoverOf(in.engine).Idle() {
				busy = time.Now()
			} else if time.Since(busy) >= lingerFor {
				order = stopOrder{reason: "the last client has been served", grace: lingerFor}
			}
		case <-in.signals.reopen:
			in.reopen()
		case <-in.signals.Hangup:
			in.log.Warn(fmt.Sprintf("SIGHUP: process %d has taken over from this one: reload that one", h.pid.Load()))
		case <-in.signals.upgrade:
			in.log.Warn(fmt.Sprintf("SIGUSR2: process %d has taken over from this one: upgrade that one", h.pid.Load()))
		case order = <-in.stop:
		case sig := <-in.signals.Stop:
			order.reason = sig.String()
		}
	}
	in.shutDown(order)
}
