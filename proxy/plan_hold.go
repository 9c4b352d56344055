package proxy

import (
	"fmt"
	"slices"
	"time"
)

// PauseByPlan is PauseInfo.By of a pause that a plan has begun because no
// backend served any more while it was at work (rules 18a and 20a).
const PauseByPlan = "plan"

// servingChangedLocked is called when a backend may have begun or ceased to serve: a
// current plan holds the clients while none serves; without a plan they are rejected if
// the service is set to reject.
func (s *Service) servingChangedLocked() {
	s.changes.notifyLocked()
	s.backends.returnSomeLocked()
	s.holdForPlanLocked()
	s.rejectWaitersLocked()
}

// holdForPlanLocked pauses the service during a plan while no backend serves, and
// resumes it once one does. After an operator or the deadline has ended that pause, it
// does not begin again before a backend has served.
func (s *Service) holdForPlanLocked() {
	if slices.ContainsFunc(s.backends.all, (*Backend).serves) {
		if work := s.planAtWorkLocked(); work.waived != nil {
			*work.waived = false
		}
		if p := s.pause.current; p != nil && p.by == PauseByPlan {
			s.engine.note(Event{Kind: EventService, Level: LevelGood, Service: s.name, By: p.owner,
				Text: fmt.Sprintf("a backend of %s serves again: resuming", s.name)})
			s.pause.resumeLocked(p.owner, p.rate)
		}
		return
	}
	work := s.planAtWorkLocked()
	if work.waived == nil || *work.waived || s.pause.current != nil || s.listeners == nil {
		return
	}
	now := time.Now()
	held := &pause{owner: work.by, by: PauseByPlan, reason: "no backend serves", since: now, until: now.Add(work.max), then: ThenKeep, plan: work.plan, rate: work.rate}
	s.engine.note(Event{Kind: EventService, Level: LevelAlarm, Service: s.name, By: work.by,
		Text: fmt.Sprintf("no backend of %s serves during the %s: holding its clients until one does, or until %s",
			s.name, work.what, clockTime(held.until))})
	s.pause.beginLocked(held)
}

// atWork is a plan that holds the clients if no backend serves.
type atWork struct {
	by, what string
	max      time.Duration
	rate     float64
	plan     *Plan // nil: another engine's plan
	waived   *bool // nil: no plan
}

// planAtWorkLocked returns the plan of this engine, or else that of a backend on all
// engines.
func (s *Service) planAtWorkLocked() atWork {
	switch p, c := s.plan, s.cluster.pause; {
	case p != nil:
		return atWork{p.opt.By, p.kind + " " + p.report.ID, p.opt.Max, p.opt.Rate, p, &p.waived}
	case c != nil && !c.over && c.Backend != "":
		return atWork{c.By, PlanRestart + " of " + c.Backend + " on all nodes", c.Max, c.rate, nil, &c.waived}
	}
	return atWork{}
}

// waivePlanLocked is called when the service's pause is ended although no backend may
// serve: its plan begins no other pause before one has served.
func (ps *pauseState) waivePlanLocked() {
	s := ps.service
	if work := s.planAtWorkLocked(); work.waived != nil && ps.current.by == PauseByPlan {
		*work.waived = true
	}
}

// beginLocked holds the service's clients from now on.
func (ps *pauseState) beginLocked(p *pause) {
	s := ps.service
	ps.freezeLocked(true, p.since)
	ps.release = nil
	ps.current = p
	s.quiet.updateLocked()
	s.changes.notifyLocked()
	if p.limit != nil {
		s.timer.set(*p.limit)
	}
	s.timer.set(p.nearMax())
	ps.settleLocked()
}
