package instance

import (
	"fmt"
	"os"
	"time"

	"github.com/tcpctl/tcpctl/cmd/tcpctl/internal/notify"
	"github.com/tcpctl/tcpctl/cmd/tcpctl/internal/upgrade"
	"github.com/tcpctl/tcpctl/proxy"
)

// stopListening leaves new clients to the successor, once the acts in progress have ended.
func (h *handover) stopListening() (upgrade.State, error) {
	in := h.in
	in.acting.Lock()
	h.step.Store(stepHanding)
	in.acting.Unlock()
	if err := proxy.HandoverOf(in.engine).Ready(); err != nil {
		return upgrade.State{}, err
	}
	proxy.HandoverOf(in.engine).StopListening()
	in.history.Suspend() // the successor continues from the counters in this snapshot
	return h.snapshot(), nil
}

// yield also leaves requests to the successor: those to the control socket and for metrics.
func (h *handover) yield(pid int) {
	h.pid.Store(int32(pid))
	h.step.Store(stepTaken)
	h.in.control.Pause()
	if h.in.metrics != nil {
		h.in.metrics.Pause()
	}
	if h.in.ssh != nil {
		h.in.ssh.Pause()
	}
}

// release leaves everything else to the successor.
func (h *handover) release(pid int) {
	in := h.in
	h.step.Store(stepReleased)
	in.systemd.HandOver(pid)       // an error means that no systemd listens
	in.notify.Set(notify.Config{}) // the successor notifies
	in.sources.Close()             // and asks the sources
	if in.fleet != nil {
		in.fleet.Close() // two processes cannot be one node, or listen on one port
	}
	in.releaseServers() // consoles over SSH show this process: operators can connect to the next
}

// resume takes everything back after a failed handover, including the successor's counts.
func (h *handover) resume(counted proxy.Remaining) {
	in := h.in
	taken := h.step.Load() == stepTaken
	const failed = "failed"
	proxy.HandoverOf(in.engine).Follow(failed, &proxy.Remaining{Counters: counted.Counters, Sessions: counted.Sessions})
	proxy.HandoverOf(in.engine).Follow(failed, nil)
	listeners := h.offer.Listeners
	h.offer.Listeners = nil // they belong to the engine again
	if err := proxy.HandoverOf(in.engine).StartListening(listeners); err != nil {
		in.log.Error("upgrade: " + err.Error())
	}
	in.control.Start()
	if in.metrics != nil {
		in.metrics.Start()
	}
	if in.ssh != nil {
		in.ssh.Start()
	}
	in.history.Resume()
	h.step.Store(stepOffered)
	if taken {
		in.engine.Operator().Note(proxy.Event{Kind: proxy.EventEngine, Level: proxy.LevelAlarm, By: h.by,
			Text: fmt.Sprintf("upgrade: process %d ended soon after it had taken over; process %d serves again", h.pid.Load(), os.Getpid())})
	}
}

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
			order.reason, order.signal = sig.String(), true
		}
	}
	in.shutDown(order)
}
