package proxy

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"
)

// ClusterWindow is a window on all engines that have a service, for the service or one of its
// backends. The plan of its owner calls its methods, one per step. From its creation the
// service is paused on all engines, or the backend gets no new clients. The methods wait; if
// an error wraps ErrNoQuorum, the call may be repeated.
type ClusterWindow interface {
	// Settled returns once no session is live on any engine, or the window goes on without
	// waiting for them. ErrGivenUp: a limit passed, and the window is over.
	Settled(ctx context.Context) (detail string, err error)
	// Command tells all engines whether the owner's command runs: with true, no deadline ends
	// the window; with false, nobody knows whether it runs, and max ends the window.
	Command(ctx context.Context, runs bool) error
	// Check makes all engines check their backends, and returns once all checks have passed.
	Check(ctx context.Context) (detail string, err error)
	// Resume resumes the service on all engines, at the rate of the window. Unless good, a
	// backend whose command has begun stays drained on all of them.
	Resume(ctx context.Context, good bool) error
	// Reported returns once all engines have sent their final report, or none has sent
	// anything new for 30 s.
	Reported(ctx context.Context)
	// Nodes returns the known parts of all nodes.
	Nodes() []NodeReport
}

// ClusterWindows begins the windows of one plan.
type ClusterWindows interface {
	// Begin begins the next window, of a backend, or of the service if backend is "".
	Begin(ctx context.Context, backend string) (ClusterWindow, error)
	// Others returns the service as the other engines that have it see it now.
	Others(ctx context.Context) []ClusterView
	// End ends the plan: no window follows, and other plans may begin. It does not wait.
	End()
}

// ClusterView is a service as one engine sees it now.
type ClusterView struct {
	Node    string       // "": this node
	Service *ServiceInfo // nil: unknown
	Unknown string       // why Service is unknown
	LeftOut bool         // the plan goes on without this node
}

// NodeReport is one node's part of a plan on several.
type NodeReport struct {
	Node    string `json:"node"`
	Backend string `json:"backend,omitempty"` // the backend of a restart or roll
	// State is the progress of the node: pausing, draining, settled, checked, done or unknown.
	State string `json:"state"`
	// Unknown is why the numbers do not cover the whole plan: "its lease ended
	// 13:02:11 UTC"; absent: they do, or will.
	Unknown string  `json:"unknown,omitempty"`
	Quiet   bool    `json:"quiet,omitempty"` // no session that a pause waits for is live on the node, or its lease has ended
	Live    int     `json:"live"`            // live sessions
	Served  int64   `json:"served"`          // held clients that were served; with a Backend: all clients admitted during the plan
	Numbers Numbers `json:"numbers"`
}

// States of a NodeReport.
const (
	NodePausing  = "pausing"  // sessions are live there
	NodeDraining = "draining" // likewise, of a plan of one backend
	NodeSettled  = "settled"  // none is any more
	NodeChecked  = "checked"  // its checks have passed after the command
	NodeDone     = "done"     // its numbers are final
	NodeUnknown  = "unknown"
)

// SetNodes makes r the report of all nodes: its numbers become the sum of the
// known ones.
func (r *Report) SetNodes(nodes []NodeReport) {
	if len(nodes) == 0 {
		return
	}
	r.Nodes, r.Numbers = nodes, Numbers{}
	for i := range nodes {
		if nodes[i].Unknown != "" {
			continue
		}
		r.Numbers.add(&nodes[i].Numbers)
	}
}

// add adds the numbers of other clients. Quantiles of the sum are not known.
func (n *Numbers) add(o *Numbers) {
	n.Held += o.Held
	n.LongestSeconds = max(n.LongestSeconds, o.LongestSeconds)
	n.Abandoned += o.Abandoned
	n.TimedOut += o.TimedOut
	n.Cut += o.Cut
	n.Failed += o.Failed
	n.Rejected += o.Rejected
}

func (r *Report) unknownNode() bool {
	return slices.ContainsFunc(r.Nodes, func(n NodeReport) bool { return n.State != NodeDone })
}

// AcrossNodes returns a sentence about the clients of all nodes: "failed 0 on 3
// of 3 nodes". A node counts as known once it has sent its final report for each
// backend. Clients that were rejected, as by a window beyond its deadline, are
// named beside those that failed (rule 9).
func AcrossNodes(nodes []NodeReport) string {
	failed, rejected, known := int64(0), int64(0), map[string]bool{}
	for _, n := range nodes {
		before, seen := known[n.Node]
		known[n.Node] = n.State == NodeDone && (before || !seen)
		if n.State == NodeDone {
			failed += n.Numbers.Failed
			rejected += n.Numbers.Rejected
		}
	}
	all, counts := len(known), fmt.Sprintf("failed %d", failed)
	if rejected > 0 {
		counts += fmt.Sprintf(", rejected %d", rejected)
	}
	maps.DeleteFunc(known, func(_ string, is bool) bool { return !is })
	return fmt.Sprintf("%s on %d of %d nodes", counts, len(known), all)
}

// clusterPart is the part of a plan that one ClusterWindow does on all engines.
type clusterPart struct {
	backend *Backend // nil: the service
	run     func(*Plan) (string, error)
}

func clusterWindowSteps() []step {
	c := clusterPart{nil, (*Plan).awaitCommand}
	return []step{{"pause", c.settle}, {stepCommand, c.command}, {"check", c.check}, {"resume", c.resume}, {"release", c.release}}
}

func (b *Backend) clusterRestartSteps() []step {
	c := clusterPart{b, b.commandStep}
	return []step{
		{"drain " + b.name, c.settle},
		{"restart " + b.name, c.command},
		{"check " + b.name, c.check},
		{"ready " + b.name, c.resume},
		{"report " + b.name, c.release},
	}
}

// window returns the current window.
func (p *Plan) window() ClusterWindow {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.windows[len(p.windows)-1]
}

// settle begins the window, and waits for the sessions of all engines. The engines agree
// that the command runs before it begins: from then on no deadline ends the window.
func (c clusterPart) settle(p *Plan) (detail string, err error) {
	ctx, name := p.steps.Context(), ""
	if c.backend != nil {
		name = c.backend.name
	}
	w, err := p.opt.Cluster.Begin(ctx, name)
	if err != nil {
		return "", err
	}
	p.mu.Lock()
	p.windows = append(p.windows, w)
	p.mu.Unlock()
	detail, err = w.Settled(ctx)
	if err == nil {
		err = w.Command(ctx, true)
	}
	if err == nil {
		err = c.holdsHere(p)
	}
	if err != nil {
		p.abandonCluster()
		return "", err
	}
	return detail, nil
}

// holdsHere returns an error if this engine no longer does its part.
func (c clusterPart) holdsHere(p *Plan) (err error) {
	s := p.service
	s.queue.Do(func() {
		switch on := s.cluster.pause; {
		case c.backend != nil && !on.holdsLocked(c.backend):
			err = fmt.Errorf("this node sends clients to %s again", c.backend.name)
		case c.backend != nil:
		case on == nil || on.ours == nil || s.pause.current != on.ours:
			err = errors.New("this node no longer holds its clients")
		default:
			p.ours = on.ours
		}
	})
	return err
}

// abandonCluster ends the window if the command has not begun, has failed at a backend, or
// was aborted. If the other engines cannot be reached, this node tells them later; without
// it, the window ends at its max.
func (p *Plan) abandonCluster() {
	ctx, cancel := context.WithTimeout(context.Background(), clusterSayTimeout)
	defer cancel()
	if err := p.window().Resume(ctx, false); err != nil {
		p.service.engine.note(Event{Kind: EventPlan, Level: LevelAlarm, Service: p.service.name, By: p.opt.By,
			Text: fmt.Sprintf("the %s of %s has ended, but other nodes continue it until a majority is reached, or until its max: %v", p.kind, p.service.name, err)})
	}
}

const (
	clusterSayTimeout  = 10 * time.Second
	clusterSayInterval = time.Second
)

// command runs the command, or waits for it. After an abort a window's command may still
// run.
func (c clusterPart) command(p *Plan) (string, error) {
	detail, err := c.run(p)
	if err != nil && c.backend != nil || errors.Is(err, errAborted) {
		p.abandonCluster()
	}
	return detail, c.drained(err)
}

// drained adds to an error that the backend is not put back.
func (c clusterPart) drained(err error) error {
	if err == nil || c.backend == nil {
		return err
	}
	return fmt.Errorf("%w; %s stays drained on all nodes", err, c.backend.name)
}

// sayOrphan tells the other engines that the owner of the command is gone, so that the
// pause ends at its max (rule 18), or that it is back.
func (p *Plan) sayOrphan() {
	if p.opt.Cluster == nil {
		return
	}
	w := p.window()
	p.mu.Lock()
	lost := p.cmd.lost
	p.mu.Unlock()
	if lost == p.orphan {
		return
	}
	ctx, cancel := context.WithTimeout(p.steps.Context(), clusterSayTimeout)
	defer cancel()
	if w.Command(ctx, !lost) == nil {
		p.orphan = lost
	}
}

// check waits for successful checks on all engines. For a service they may take until
// its max, since its clients are held until then anyway.
func (c clusterPart) check(p *Plan) (detail string, err error) {
	ctx, w := p.steps.Context(), p.window()
	if c.backend != nil {
		var cancel context.CancelFunc
		within := c.backend.config().readyTimeout()
		ctx, cancel = context.WithTimeoutCause(ctx, within+clusterSayTimeout, fmt.Errorf("not within %s", within)) // other engines count it from when they hear of it
		defer cancel()
	}
	err = untilHeard(ctx, func(ctx context.Context) error {
		detail, err = w.Check(ctx)
		return err
	})
	if err != nil && c.backend != nil {
		p.abandonCluster()
	}
	return detail, c.drained(err)
}

func (c clusterPart) resume(p *Plan) (string, error) {
	w := p.window()
	err := untilHeard(p.steps.Context(), func(ctx context.Context) error { return w.Resume(ctx, true) })
	if err != nil { // otherwise it would stay for ever, as its owner is there
		p.abandonCluster()
	}
	return "", c.drained(err)
}

// untilHeard repeats what no majority has received: clients are held meanwhile.
func untilHeard(ctx context.Context, say func(context.Context) error) error {
	for {
		err := say(ctx)
		if !errors.Is(err, ErrNoQuorum) {
			return err
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(clusterSayInterval):
		}
	}
}

// release waits for the numbers of all nodes.
func (c clusterPart) release(p *Plan) (string, error) {
	w := p.window()
	w.Reported(p.steps.Context())
	detail := AcrossNodes(w.Nodes())
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cmd.err != nil {
		return "", fmt.Errorf("the command failed: %w; the checks are good, so the service is open", p.cmd.err)
	}
	return detail, nil
}

func (p *Plan) clusterReports() (all []NodeReport) {
	p.mu.Lock()
	windows := p.windows
	p.mu.Unlock()
	for _, w := range windows {
		all = append(all, w.Nodes()...)
	}
	return all
}
