package proxy

import (
	"fmt"

	"github.com/tcpctl/tcpctl/proxy/text"
)

// A ClusterPause of one backend: each engine keeps its clients away from it, and holds
// them if no other serves (rule 18a).

// holdBackendLocked takes the backend of p out of service, unless a plan of only this
// engine holds it.
func (c *clusterState) holdBackendLocked(p *clusterPause) {
	s := c.service
	b := s.backends.byNameLocked(p.Backend)
	if b == nil || b.holds[holdPlan].runs() {
		return
	}
	p.hold = p.newHold(b)
	s.engine.note(Event{Kind: EventAdmin, Service: s.name, Backend: b.name, By: p.By,
		Text: fmt.Sprintf("%s is being drained on all nodes, for a restart: %s live here", b.target(), text.Plural(b.active, "session"))})
	b.setHoldLocked(holdPlan, p.hold)
	if b.active == 0 {
		s.backends.emptiedLocked(b)
	}
}

func (p *clusterPause) newHold(b *Backend) *hold {
	h := b.newHold(AdminDrain, DrainOptions{Limit: p.Limit, Then: p.Then, Quiet: p.Quiet, By: p.By, Reason: p.Reason})
	h.cluster = p
	return h
}

// releaseBackendLocked ends what p has done to its backend.
func (c *clusterState) releaseBackendLocked(p *clusterPause) {
	for _, b := range c.service.backends.all {
		if p.hold != nil && b.holds[holdPlan] == p.hold {
			b.setHoldLocked(holdPlan, nil)
		}
	}
}

// liveThereLocked is liveLocked for a plan of one backend. A node without that backend
// has nothing to wait for.
func (p *clusterPause) liveThereLocked(s *Service) (live int, settled bool) {
	active, held := 0, true
	for _, b := range s.backends.all {
		if b.name == p.Backend {
			active += b.active
			live += b.ownLocked()
			held = held && (b.removing || p.hold != nil && b.holds[holdPlan] == p.hold)
		}
	}
	kept := p.hold != nil && p.Limit > 0 && p.hold.until == nil && p.Then == ThenKeep
	return live, held && s.hooks.running == "" && (active == 0 || kept) // a hook may use it
}

// holdsLocked reports whether this engine keeps its clients away from the backend.
func (p *clusterPause) holdsLocked(b *Backend) bool {
	return p != nil && !p.over && p.Backend == b.name && p.hold != nil && b.holds[holdPlan] == p.hold
}

// ClusterDrain is one engine's part of a drain or maint of a backend on all
// engines.
type ClusterDrain struct {
	Backend string
	Live    int    // live sessions
	Cut     int    // sessions cut at the limit
	State   string // DrainRuns, or how the drain ended on this engine
}

// States of a ClusterDrain.
const (
	DrainRuns  = "draining"
	DrainDone  = "done"  // no session is live on the backend
	DrainKept  = "kept"  // the limit passed, and remaining sessions are not waited for
	DrainReady = "ready" // an operator made the backend ready on this engine only
	// DrainGivenUp means that the limit passed under ThenAbort: the backend must become ready on all engines, and stays
	// drained on this one until then.
	DrainGivenUp = "given_up"
)

// Drains returns this process's part in each backend that is out of service on
// all engines.
func (u ClusterUser) Drains() (all []ClusterDrain) {
	s := u.service
	s.queue.View(func() {
		for name, said := range s.cluster.backends {
			if said.Admin != "" {
				all = append(all, s.cluster.drainLocked(name, &said))
			}
		}
	})
	return all
}

func (c *clusterState) drainLocked(name string, said *ClusterBackend) ClusterDrain {
	s := c.service
	d, ready, over, givenUp := ClusterDrain{Backend: name, State: DrainRuns}, false, true, false
	for _, b := range s.backends.all {
		if b.name != name {
			continue
		}
		d.Live += b.ownLocked()
		switch h := b.holds[holdOperator]; {
		case h == nil:
			ready = true
		default:
			d.Cut += h.cut
			givenUp = givenUp || h.givenUp
			over = over && h.until == nil && h.then == ThenKeep
		}
	}
	switch {
	case givenUp:
		d.State = DrainGivenUp
	case ready:
		d.State = DrainReady
	case d.Live == 0:
		d.State = DrainDone
	case over && said.Limit > 0:
		d.State = DrainKept
	}
	return d
}

// goOnLocked makes t continue from the final numbers of was.
func (t *tally) goOnLocked(was *clusterPause) {
	n := Numbers{}
	if was.final != nil {
		n = was.final.Numbers
	}
	t.counts.Cut, t.counts.Failed, t.counts.Rejected = was.tally.counts.Cut+n.Cut, was.tally.counts.Failed+n.Failed, was.tally.counts.Rejected+n.Rejected
	t.queueCounts.Abandoned, t.queueCounts.TimedOut = was.tally.queueCounts.Abandoned+n.Abandoned, was.tally.queueCounts.TimedOut+n.TimedOut
}
