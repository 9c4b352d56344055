package proxy

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// ClusterWindow is a window of all engines that have a service, as the plan of its owner
// takes it through its steps; the service is closed on all of them when it is made. Its
// methods wait; an error that wraps ErrNoQuorum says that they may be called again.
type ClusterWindow interface {
	// Settled returns once no session is live on any engine, or the pause goes on beside
	// them. ErrGivenUp: a limit has passed, and the service is open again.
	Settled(ctx context.Context) (detail string, err error)
	// Command says on all engines that the owner's command runs: no deadline opens the
	// service. Or, with false, that nobody knows whether it does: its max does.
	Command(ctx context.Context, runs bool) error
	// Check has all engines check their backends, and returns once all checks have passed.
	Check(ctx context.Context) (detail string, err error)
	// Resume opens the service on all engines, at the rate of the window.
	Resume(ctx context.Context) error
	// Reported returns once all engines have said their last, or when none has said anything
	// new for 30 s.
	Reported(ctx context.Context)
	// Nodes are the parts of all nodes, as far as they are known.
	Nodes() []NodeReport
}

// NodeReport is one node's part of a plan on several.
type NodeReport struct {
	Node string `json:"node"`
	// State is how far it is: pausing, settled, checked, done, or unknown.
	State string `json:"state"`
	// Unknown says why its numbers are not those of the whole plan: "its lease ended
	// 13:02:11 UTC"; absent: they are, or will be.
	Unknown string  `json:"unknown,omitempty"`
	Quiet   bool    `json:"quiet,omitempty"` // no session that a pause waits for is live there any more, also as its lease has ended
	Live    int     `json:"live"`            // sessions
	Served  int64   `json:"served"`          // of those that were held
	Numbers Numbers `json:"numbers"`
}

// States of a NodeReport.
const (
	NodePausing = "pausing" // sessions are live there
	NodeSettled = "settled" // none is any more
	NodeChecked = "checked" // its checks have passed after the command
	NodeDone    = "done"    // its numbers are final
	NodeUnknown = "unknown"
)

// SetNodes makes the report one of all nodes: its numbers are the sum of those that are known.
func (r *Report) SetNodes(nodes []NodeReport) {
	if len(nodes) == 0 {
		return
	}
	r.Nodes, r.Numbers = nodes, Numbers{}
	for i := range nodes {
		if nodes[i].Unknown != "" {
			continue
		}
		n, sum := &nodes[i].Numbers, &r.Numbers
		sum.Held += n.Held
		sum.LongestSeconds = max(sum.LongestSeconds, n.LongestSeconds)
		sum.Abandoned += n.Abandoned
		sum.TimedOut += n.TimedOut
		sum.Cut += n.Cut
		sum.Failed += n.Failed
		sum.Rejected += n.Rejected
	}
}

func (r *Report) unknownNode() bool {
	for _, n := range r.Nodes {
		if n.State != NodeDone {
			return true
		}
	}
	return false
}

// AcrossNodes says in one sentence what is known of the clients of all nodes: "failed 0
// on 3 of 3 nodes". known are the nodes that have said their last.
func AcrossNodes(nodes []NodeReport) string {
	failed, known := int64(0), 0
	for _, n := range nodes {
		if n.State == NodeDone {
			failed, known = failed+n.Numbers.Failed, known+1
		}
	}
	return fmt.Sprintf("failed %d on %d of %d nodes", failed, known, len(nodes))
}

var clusterWindowSteps = []step{
	{"pause", clusterPauseStep},
	{stepCommand, clusterCommandStep},
	{"check", clusterCheckStep},
	{"resume", clusterResumeStep},
	{"release", clusterReleaseStep},
}

// clusterPauseStep waits for the sessions of all engines. That the command runs is agreed
// on before it begins: from then on no deadline opens the service.
func clusterPauseStep(p *Plan) (detail string, err error) {
	ctx, s := p.steps.Context(), p.service
	detail, err = p.opt.Cluster.Settled(ctx)
	if err == nil {
		err = p.opt.Cluster.Command(ctx, true)
	}
	if err == nil {
		s.queue.Do(func() {
			if c := s.cluster.pause; c != nil && c.ours != nil && s.pause.current == c.ours {
				p.ours = c.ours
			} else {
				err = errors.New("this node does not hold its clients any more")
			}
		})
	}
	if err != nil {
		p.abandonCluster()
		return "", err
	}
	return detail, nil
}

// abandonCluster opens the service where the command has not begun, or was aborted. If it
// cannot be said now, the pause ends at its max.
func (p *Plan) abandonCluster() {
	ctx, cancel := context.WithTimeout(context.Background(), clusterSayTimeout)
	defer cancel()
	if err := p.opt.Cluster.Resume(ctx); err != nil {
		p.service.engine.note(Event{Kind: EventPlan, Level: LevelAlarm, Service: p.service.name, By: p.opt.By,
			Text: fmt.Sprintf("the window of %s is over, and other nodes may hold their clients until its max: %v", p.service.name, err)})
	}
}

const (
	clusterSayTimeout  = 10 * time.Second
	clusterSayInterval = time.Second
)

func clusterCommandStep(p *Plan) (string, error) {
	detail, err := p.awaitCommand()
	if errors.Is(err, errAborted) { // otherwise it may run still
		p.abandonCluster()
	}
	return detail, err
}

// sayOrphan tells the other engines that the owner of the command is gone, so that the pause
// ends at its max (rule 18), or that it is back.
func (p *Plan) sayOrphan() {
	if p.opt.Cluster == nil {
		return
	}
	p.mu.Lock()
	lost := p.cmd.lost
	p.mu.Unlock()
	if lost == p.orphan {
		return
	}
	ctx, cancel := context.WithTimeout(p.steps.Context(), clusterSayTimeout)
	defer cancel()
	if p.opt.Cluster.Command(ctx, !lost) == nil {
		p.orphan = lost
	}
}

func clusterCheckStep(p *Plan) (detail string, err error) {
	err = p.untilHeard(func(ctx context.Context) error {
		detail, err = p.opt.Cluster.Check(ctx)
		return err
	})
	return detail, err
}

func clusterResumeStep(p *Plan) (string, error) { return "", p.untilHeard(p.opt.Cluster.Resume) }

// untilHeard repeats what no majority has heard: clients are held meanwhile.
func (p *Plan) untilHeard(say func(context.Context) error) error {
	for {
		err := say(p.steps.Context())
		if !errors.Is(err, ErrNoQuorum) {
			return err
		}
		select {
		case <-p.steps.Context().Done():
			return context.Cause(p.steps.Context())
		case <-time.After(clusterSayInterval):
		}
	}
}

// clusterReleaseStep waits for the numbers of all nodes.
func clusterReleaseStep(p *Plan) (string, error) {
	p.opt.Cluster.Reported(p.steps.Context())
	detail := AcrossNodes(p.opt.Cluster.Nodes())
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cmd.err != nil {
		return "", fmt.Errorf("the command failed: %w; the checks are good, so the service is open", p.cmd.err)
	}
	return detail, nil
}

func (p *Plan) clusterReports() []NodeReport {
	if p.opt.Cluster == nil {
		return nil
	}
	return p.opt.Cluster.Nodes()
}
