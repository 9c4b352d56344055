package proxy

import (
	"cmp"
	"context"
	"fmt"
	"path"
	"time"

	"github.com/tcpctl/tcpctl/proxy/command"
	"github.com/tcpctl/tcpctl/proxy/health"
	"github.com/tcpctl/tcpctl/proxy/text"
)

// StartRestart drains the backend, runs its restart command, waits until its
// checks pass, and puts it back. If no other backend can serve meanwhile, clients
// are held.
func (b *Backend) StartRestart(o PlanOptions) (*Plan, error) {
	if len(b.config().Restart) == 0 {
		return nil, fmt.Errorf("proxy: %s has no restart command; give it one (restart = [...]), or use a window", b.target())
	}
	steps, end := b.restartSteps(o)
	return b.service.startPlan(PlanRestart, o, append(steps, end...))
}

// StartRoll runs StartRestart's steps for each matching backend in turn. It stops
// at the first failure.
func (s *Service) StartRoll(o PlanOptions) (*Plan, error) {
	var steps, end []step
	var names []string
	err := error(nil)
	s.queue.View(func() {
		for _, b := range s.backends.all {
			names = append(names, b.name)
			match := o.Match == ""
			if !match {
				if match, err = path.Match(o.Match, b.name); err != nil {
					err = fmt.Errorf("proxy: %q is not a pattern like pg-*", o.Match)
					return
				}
			}
			switch {
			case !match:
			case len(b.cfg.Restart) == 0:
				err = fmt.Errorf("proxy: %s has no restart command; give it one (restart = [...])", b.target())
				return
			default:
				var own []step
				own, end = b.restartSteps(o)
				within := guardBetween
				if len(steps) == 0 {
					within = guardAtFirst
				}
				steps = append(append(steps, b.guardStep(o, within)), own...)
			}
		}
	})
	if err == nil && len(steps) == 0 {
		err = fmt.Errorf("proxy: no backend of %s matches %q; it has: %s", s.name, o.Match, names)
	}
	if err != nil {
		return nil, err
	}
	return s.startPlan(PlanRoll, o, append(steps, end...))
}

// How long to wait until the other engines can do without a backend. One that has just
// learned that the previous backend is back may not have applied that yet, and a roll that
// stops there is half done. Before the first backend nothing is done, so a failure is
// reported soon.
const (
	guardAtFirst = 5 * time.Second
	guardBetween = 30 * time.Second
)

// guardStep checks whether all engines that have the service can do without the backend, as
// each of them sees it.
func (b *Backend) guardStep(o PlanOptions, within time.Duration) step {
	return step{"guard " + b.name, func(p *Plan) (string, error) {
		if o.Cluster == nil {
			return b.guard(nil, &o)
		}
		ctx, cancel := context.WithTimeout(p.steps.Context(), within)
		defer cancel()
		for {
			detail, err := b.guard(o.Cluster.Others(ctx), &o)
			if err == nil {
				return detail, nil
			}
			select {
			case <-time.After(clusterSayInterval):
			case <-ctx.Done():
				return "", cmp.Or(context.Cause(p.steps.Context()), err)
			}
		}
	}}
}

// guard checks this engine and the others.
func (b *Backend) guard(others []ClusterView, o *PlanOptions) (string, error) {
	here := b.service.Info()
	detail, err := (&ClusterView{Service: &here}).guard(b.name, o)
	for i := 0; i < len(others) && err == nil; i++ {
		v := &others[i]
		var there string
		if there, err = v.guard(b.name, o); err != nil {
			err = fmt.Errorf("%s: %w", v.Node, err)
		}
		detail += fmt.Sprintf("; %s: %s", v.Node, there)
	}
	if err != nil {
		return "", err
	}
	return detail, nil
}

// guard checks whether one engine can do without its backend of that name.
func (v *ClusterView) guard(name string, o *PlanOptions) (detail string, err error) {
	switch {
	case v.LeftOut:
		return "left out, " + v.Unknown, nil
	case v.Service == nil:
		return "", fmt.Errorf("its backends are unknown: %s; use --force to leave it out", v.Unknown)
	}
	up, others := 0, 0
	for i := range v.Service.Backends {
		if other := &v.Service.Backends[i]; other.Name != name {
			others++
			if other.Serves() {
				up++
			}
		}
	}
	minUp := o.MinUp
	if minUp == 0 && len(v.Service.Backends) > 1 {
		minUp = 1
	}
	detail = fmt.Sprintf("%d of %d others up", up, others)
	waited := time.Duration(v.Service.Queue.OldestSeconds * float64(time.Second))
	switch {
	case up < minUp:
		return "", fmt.Errorf("only %s, %d wanted", detail, minUp)
	case o.MaxWait > 0 && waited > o.MaxWait:
		return "", fmt.Errorf("a client has waited %s, more than max_wait (%s)", waited.Round(time.Second), o.MaxWait)
	}
	return detail, nil
}

// restartSteps returns the steps of one backend, and those that follow the last backend.
func (b *Backend) restartSteps(o PlanOptions) (steps, end []step) {
	if o.Cluster != nil {
		return b.clusterRestartSteps(), nil
	}
	return []step{
		{"drain " + b.name, b.drainStep},
		{"restart " + b.name, b.commandStep},
		{"check " + b.name, b.checkStep},
		{"ready " + b.name, b.readyStep},
	}, []step{releaseStep}
}

// drainStep takes the backend out of service, and holds clients if no other can serve
// them (rule 20).
func (b *Backend) drainStep(p *Plan) (detail string, err error) {
	s := b.service
	h := &hold{state: AdminDrain, by: p.opt.By, reason: p.opt.Reason, since: time.Now(), then: p.opt.Then, quiet: p.opt.Quiet, plan: p}
	h.until = p.limit(h.since)
	cut := 0
	s.queue.Update(func() {
		if !s.backends.othersServeLocked(b) {
			if err = p.pauseLocked(PlanRestart); err != nil {
				return
			}
		}
		h.startedWith = b.active
		b.setHoldLocked(holdPlan, h)
		if h.until != nil {
			s.timer.set(*h.until)
		}
	})
	if err != nil {
		return "", err
	}
	err = p.until(func() (bool, error) {
		cut = h.cut // not all that were cut meanwhile: others may end at their idle timeout
		switch {
		case b.holds[holdPlan] != h:
			return true, ErrGivenUp
		case s.hooks.running != "":
			return false, nil // the hook may use this backend
		case b.active == 0:
			return true, nil
		case h.until == nil && h.then == ThenKeep && p.opt.Limit >= 0:
			detail = fmt.Sprintf(", %s kept", text.Plural(b.active, "session"))
			return true, nil
		}
		return false, nil
	})
	if err != nil {
		s.queue.Update(func() { b.setHoldLocked(holdPlan, nil) })
		p.endPause()
		return "", err
	}
	return drainedText(h.startedWith, cut) + detail, nil
}

// commandStep runs the backend's restart command, on this host, as our user.
func (b *Backend) commandStep(p *Plan) (string, error) {
	r := b.service.engine.commands.Run(p.steps.Context(), command.Command{Argv: b.config().Restart, Timeout: p.opt.Max,
		Env: HookCall{Service: b.service.name, Backend: b.name, Reason: PlanRestart}.env()})
	if r.Err != nil && r.LastLine() != "" {
		return "", fmt.Errorf("%w: %s", r.Err, r.LastLine())
	}
	return r.LastLine(), r.Err
}

// checkStep waits for successful checks (rule 11).
func (b *Backend) checkStep(p *Plan) (string, error) {
	if b.service.config().Check.Type == health.None {
		return "not checked", nil
	}
	if err := b.service.backends.awaitGood(p.steps.Context(), []*Backend{b}, 1); err != nil {
		if aborted := context.Cause(p.steps.Context()); aborted != nil {
			return "", aborted
		}
		return "", fmt.Errorf("no good checks within %s: it stays drained", b.config().readyTimeout())
	}
	return b.Info().Check.Detail, nil
}

func (b *Backend) readyStep(p *Plan) (string, error) {
	b.service.queue.Update(func() { b.setHoldLocked(holdPlan, nil) })
	p.endPause()
	return b.Info().State, nil
}

// releaseStep waits until all held clients are served, so that the report covers them.
var releaseStep = step{"release", func(p *Plan) (string, error) {
	s := p.service
	return "", p.until(func() (bool, error) {
		held := s.pause.current != nil && s.pause.current.plan == p
		return !held && !s.pause.releasingLocked(), nil
	})
}}
