// Package notify alerts an operator through a program: it runs the program for
// each event of the configured kinds, with the event as JSON on its standard
// input.
//
//	n, err := notify.Start(notify.Config{Run: []string{"/usr/local/bin/page"}, Node: "edge-01"}, source, logger)
//	if err != nil {
//		return err
//	}
//	defer n.Close() // after the engine's end, which is an event, too
//
// It reads the engine's events by their numbers, as all readers do, so an
// unresponsive program delays nothing but the next notification.
package notify

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/tcpctl/tcpctl/proxy"
	"github.com/tcpctl/tcpctl/proxy/api"
	"github.com/tcpctl/tcpctl/proxy/command"
)

// Config is the table [notify].
type Config struct {
	Run     []string      // the program and its arguments; none: no notifications
	On      []string      // kinds of events; nil: Default
	Node    string        // passed to the program
	Timeout time.Duration // of one run; 0: 30 s
}

// Default are the kinds of events that are notified unless On is set.
var Default = []string{proxy.EventBackendDown, proxy.EventPauseNear, proxy.EventQueueOld, proxy.EventWindow, proxy.EventHookFailing}

const (
	room       = 64 // events that may wait for the program
	closeGrace = 5 * time.Second
	killGrace  = time.Second
	sayAgain   = time.Minute
	outputMost = 500 // bytes of what the program printed that are logged
)

// Notifier runs a program for events.
type Notifier struct {
	source api.Source
	log    *slog.Logger
	cfg    atomic.Pointer[Config]
	run    runner

	events  chan proxy.Event
	dropped atomic.Uint64

	stopReading context.CancelFunc
	stopRunning context.CancelFunc
	done        chan struct{} // closed when the last program has ended
}

// runner is a command.Runner.
type runner interface {
	Run(context.Context, command.Command) command.Result
	Close()
}

// Start begins with the next event; call it before the engine starts, or its
// first events are missed. It fails when a kind is not known. Close it.
func Start(c Config, source api.Source, log *slog.Logger) (*Notifier, error) {
	return start(c, source, log, &command.Runner{})
}

func start(c Config, source api.Source, log *slog.Logger, run runner) (*Notifier, error) {
	n := &Notifier{source: source, log: log, run: run, events: make(chan proxy.Event, room), done: make(chan struct{})}
	if err := n.Set(c); err != nil {
		return nil, err
	}
	page, err := source.Events(context.Background(), 0, false)
	if err != nil {
		return nil, fmt.Errorf("notify: %w", err)
	}
	var reading, running context.Context
	reading, n.stopReading = context.WithCancel(context.Background())
	running, n.stopRunning = context.WithCancel(context.Background())
	go n.read(reading, page.Last)
	go n.runAll(running)
	return n, nil
}

// Set changes the program and the kinds of events, from the next event on.
func (n *Notifier) Set(c Config) error {
	if c.On == nil {
		c.On = Default
	}
	if c.Timeout <= 0 {
		c.Timeout = 30 * time.Second
	}
	for _, kind := range c.On {
		if !slices.Contains(proxy.EventKinds, kind) {
			return fmt.Errorf("notify: on = %q is not a kind of event; use one of: %s", kind, strings.Join(proxy.EventKinds, ", "))
		}
	}
	n.cfg.Store(&c)
	return nil
}

// Dropped is how many events the program was not run for, because they came
// faster than it ended.
func (n *Notifier) Dropped() uint64 { return n.dropped.Load() }

// Close runs the program for the events so far, for some seconds at most, and
// kills one that runs longer.
func (n *Notifier) Close() {
	n.stopReading()
	select {
	case <-n.done:
	case <-time.After(closeGrace):
		n.stopRunning()
		<-n.done
	}
	n.stopRunning()
	n.run.Close()
}

// read queues the events of the configured kinds. It never waits for the program.
func (n *Notifier) read(ctx context.Context, since uint64) {
	defer close(n.events)
	for ctx.Err() == nil {
		page, err := n.source.Events(ctx, since, true)
		if err != nil {
			select {
			case <-ctx.Done():
			case <-time.After(time.Second):
			}
			continue
		}
		since = n.offer(page)
	}
	// Events up to the end.
	if page, err := n.source.Events(context.Background(), since, false); err == nil {
		n.offer(page)
	}
}

func (n *Notifier) offer(page proxy.EventPage) (since uint64) {
	n.dropped.Add(page.Dropped)
	c := n.cfg.Load()
	for _, ev := range page.Events {
		if ev.Past || len(c.Run) == 0 || !slices.Contains(c.On, ev.Kind) {
			continue
		}
		select {
		case n.events <- ev:
		default:
			n.dropped.Add(1)
		}
	}
	return page.Last
}

// notification is what the program reads.
type notification struct {
	proxy.Event
	Node    string `json:"node,omitempty"`
	Dropped uint64 `json:"dropped,omitempty"` // events before this one for which the program was not run
}

// runAll runs the program for one event after another.
func (n *Notifier) runAll(ctx context.Context) {
	defer close(n.done)
	var failures burst
	var missed uint64
	for ev := range n.events {
		c := n.cfg.Load()
		if ctx.Err() != nil || len(c.Run) == 0 {
			continue
		}
		dropped := n.Dropped()
		text, err := json.Marshal(notification{ev, c.Node, dropped - missed})
		if err != nil {
			n.log.Warn("notify: an event could not be written", "error", err)
			continue
		}
		missed = dropped
		r := n.run.Run(ctx, command.Command{Argv: c.Run, Stdin: bytes.NewReader(append(text, '\n')), Timeout: c.Timeout, Grace: killGrace,
			Env: []string{"TCPCTL_EVENT=" + ev.Kind, "TCPCTL_SERVICE=" + ev.Service, "TCPCTL_BACKEND=" + ev.Backend, "TCPCTL_NODE=" + c.Node}})
		n.logResult(&failures, ev, r)
	}
}

// logResult logs how a run ended, a burst of failures once.
func (n *Notifier) logResult(b *burst, ev proxy.Event, r command.Result) {
	output := lastOf(r.Output)
	if r.Err == nil {
		if b.failed > 0 {
			n.log.Info("notify: the program works again", "failed", b.failed)
		}
		*b = burst{}
		if output != "" {
			n.log.Info("notify: the program printed something", "kind", ev.Kind, "event", ev.Seq, "output", output)
		}
		return
	}
	b.failed++
	if time.Since(b.said) < sayAgain {
		return
	}
	b.said = time.Now()
	n.log.Warn("notify: the program failed; run it by hand with the event on its standard input", "kind", ev.Kind, "event", ev.Seq, "error", r.Err,
		"output", output, "failed", b.failed, "dropped", n.Dropped())
}

// burst is a series of failures.
type burst struct {
	failed int
	said   time.Time
}

// lastOf returns the end of the output, where errors are.
func lastOf(output string) string {
	output = strings.TrimSpace(output)
	if over := len(output) - outputMost; over > 0 {
		output = "…" + strings.ToValidUTF8(output[over:], "")
	}
	return output
}
