package tui

import (
	"slices"
	"time"

	"github.com/tcpctl/tcpctl/themes"
	"github.com/tcpctl/tcpctl/tui/internal/screen"
)

// display is how the console shows any engine.
type display struct {
	cfg           Config
	clock         func() time.Time
	zone          *time.Location
	theme         *themes.Theme
	width, height int
	zoom          bool
}

// frame is what panes and dialogs draw and decide from: the engine that is shown, and how. They
// only read it, and return changes as an intent.
type frame struct {
	*display
	stats *stats  // of the engine that is shown
	own   *stats  // of the console's own engine, which knows the other nodes
	peer  string  // the node that is shown; "" is the console's own
	view  string  // the service that is shown; "" is all
	past  *rewind // the moment of the past that is shown; nil: now
}

// now is the engine's clock, or ours until it is known.
func (f *frame) now() time.Time {
	if f.stats.known() {
		return f.stats.now()
	}
	return f.clock()
}

// timeOf formats a time of day.
func (f *frame) timeOf(t time.Time) string { return t.In(f.zone).Format("15:04:05") }

// staleFor returns the age of what is shown, 0 while it is fresh.
func (f *frame) staleFor() time.Duration {
	if !f.stats.known() || f.past != nil {
		return 0
	}
	if age := f.clock().Sub(f.stats.received); age > staleAfter {
		return age
	}
	return 0
}

// nextService returns the service after this one; the first follows the last.
func (f *frame) nextService(now string) string {
	names := f.stats.serviceNames()
	if len(names) == 0 {
		return now
	}
	return names[(slices.Index(names, now)+1)%len(names)]
}

// planIsFresh reports whether to show a plan: one that runs, or has just ended.
func (f *frame) planIsFresh() bool {
	if f.foreignPlan() != nil {
		return true
	}
	plan := f.stats.plan()
	return plan != nil && (!hasEnded(plan) || f.stats.isReported(plan) && f.now().Sub(f.stats.report.Ended) < reportStays)
}

// away reports whether another node than the console's own is shown.
func (f *frame) away() bool { return f.peer != "" }

// ownName returns the name of the console's own node.
func (f *frame) ownName() string {
	if f.own.known() && f.own.status.Node.Name != "" {
		return screen.Safe(f.own.status.Node.Name)
	}
	return screen.Safe(f.cfg.Instance)
}

// nodeName returns the name of the node that is shown.
func (f *frame) nodeName() string {
	if f.away() {
		return screen.Safe(f.peer)
	}
	return f.ownName()
}
