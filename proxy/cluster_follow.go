package proxy

import (
	"fmt"
	"slices"
	"time"

	"github.com/tcpctl/tcpctl/proxy/text"
)

// clusterGrace is how long beyond its Max a window without a command waits for the
// others to end it; after that its clients are rejected.
const clusterGrace = 10 * time.Second

func (c *clusterState) followLocked(f ClusterFacts) (differs []string) {
	if !c.known {
		c.known = true
		c.service.changes.notifyLocked()
	}
	if !c.service.quiet.retired { // before the plan, so that a backend that it leaves drained is not ready in between
		differs = c.followBackendsLocked(f.Backends)
	}
	c.followPauseLocked(f)
	return differs
}

// followPauseLocked begins or ends a pause.
func (c *clusterState) followPauseLocked(f ClusterFacts) {
	p := c.pause
	if p != nil && !p.over && p.ID != f.Pause.ID {
		p.over = true
		if p.ours != nil && c.service.pause.current == p.ours {
			c.service.pause.resumeLocked(p.By, f.Rate)
		}
		c.releaseBackendLocked(p)
		c.service.changes.notifyLocked()
	}
	switch {
	case f.Pause.ID == 0:
		return
	case p == nil || p.ID != f.Pause.ID:
		if p != nil && p.final == nil {
			p.tally.forgetLocked()
		}
		p = &clusterPause{ClusterPause: f.Pause, tally: &tally{service: c.service, own: true}, granted: c.service.stats.queueCounts.Granted}
		p.tally.beginLocked()
		if was := c.pause; was != nil && p.Roll != "" && was.Roll == p.Roll {
			p.tally.goOnLocked(was)
		}
		c.pause = p
	}
	p.Command, p.rate = f.Pause.Command, f.Rate
	switch {
	case p.Backend != "" && p.hold == nil:
		c.holdBackendLocked(p)
	case p.Backend == "" && p.ours == nil:
		c.beginPauseLocked(p)
	}
}

// beginPauseLocked closes the service. It replaces an operator's pause of only this
// engine, but not a plan's, which has already closed it.
func (c *clusterState) beginPauseLocked(p *clusterPause) {
	s, now := c.service, time.Now()
	if s.quiet.retired {
		return // removed by a reload: its waiters are served, and waited for
	}
	if cur := s.pause.current; cur != nil && cur.plan != nil && !cur.plan.over() {
		return
	}
	p.ours = &pause{owner: p.By, by: "pause", reason: p.Reason, since: now, until: now.Add(p.Max), then: p.Then, quiet: p.Quiet, cluster: p}
	if p.Window {
		p.ours.by = PlanWindow
	}
	if limit := now.Add(p.Limit); p.Limit > 0 && limit.Before(p.ours.until) {
		p.ours.limit = &limit
	}
	s.engine.note(Event{Kind: EventService, Service: s.name, By: p.By,
		Text: fmt.Sprintf("%s is being paused on all nodes, until %s: %s live here", s.name, clockTime(p.ours.until), text.Plural(s.active-s.bypassing, "session"))})
	s.pause.beginLocked(p.ours)
}

// followBackendsLocked applies what has changed since backends were last followed.
func (c *clusterState) followBackendsLocked(all []ClusterBackend) (differs []string) {
	next := map[string]ClusterBackend{}
	for _, to := range all {
		next[to.Name] = to
	}
	before := c.backends
	c.backends = next
	for _, b := range slices.Clone(c.service.backends.all) {
		if b.removing {
			continue
		}
		to, was := saidOf(next, b.name), saidOf(before, b.name)
		if was.Admin != to.Admin || was.DrainOptions != to.DrainOptions {
			c.setAdminLocked(b, to)
		}
		if to.Weight >= 0 && to.Weight != b.weight && to.Weight != was.Weight {
			b.weight = to.Weight
			c.service.servingChangedLocked()
		}
		if to.Weight >= 0 && to.Weight != b.cfg.Weight {
			differs = append(differs, fmt.Sprintf("%s: the file of this node has weight = %d; on all nodes it is %d, which holds", b.target(), b.cfg.Weight, to.Weight))
		}
	}
	return differs
}

// saidOf returns what was set for a backend, possibly nothing.
func saidOf(all map[string]ClusterBackend, name string) ClusterBackend {
	if b, said := all[name]; said {
		return b
	}
	return ClusterBackend{Name: name, Weight: -1}
}

func (c *clusterState) setAdminLocked(b *Backend, to ClusterBackend) {
	if to.Admin == "" {
		if b.holds[holdOperator] != nil {
			b.setHoldLocked(holdOperator, nil)
		}
		return
	}
	b.holdLocked(to.Admin, to.DrainOptions)
	if b.holds[holdOperator].everywhere = true; b.active == 0 {
		c.service.backends.emptiedLocked(b)
	}
}

// adoptLocked applies what operators have set on all engines to a backend that is new,
// or that a reload has changed.
func (c *clusterState) adoptLocked(b *Backend) {
	to := saidOf(c.backends, b.name)
	if to.Admin != "" && b.holds[holdOperator] == nil {
		b.holds[holdOperator] = &hold{state: to.Admin, by: to.By, reason: to.Reason, since: time.Now(), then: ThenKeep, emptyNoted: true}
	}
	if to.Weight >= 0 {
		b.weight = to.Weight
	}
	if p := c.pause; p != nil && !p.over && p.Backend == b.name && b.holds[holdPlan] == nil {
		if p.hold == nil {
			p.hold = p.newHold(b)
		}
		b.holds[holdPlan] = p.hold
	}
}

// outlivesDeadlineLocked reports whether a pause of all engines continues at its
// deadline. A window does: only the others know whether its command runs, and nobody
// may reach a half-done backend.
func (p *clusterPause) outlivesDeadlineLocked(s *Service) bool {
	if !p.Window {
		p.expired = true
		s.changes.notifyLocked()
		return false
	}
	if p.ours.overdue || !p.Command && time.Since(p.ours.until) < clusterGrace {
		return true
	}
	p.ours.overdueLocked(s, "window of "+s.name+" on all nodes continues beyond its deadline")
	return true
}

// giveUpLocked records that live sessions have outlived the limit under ThenAbort. The
// pause ends on all engines, or on none.
func (p *clusterPause) giveUpLocked(s *Service) {
	p.givenUp, p.ours.limit = true, nil
	s.changes.notifyLocked()
}
