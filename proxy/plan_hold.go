package proxy

import (
	"fmt"
	"slices"
	"time"
)

// PauseByPlan is PauseInfo.By of a pause that a plan has begun because no
// backend served any more while it was at work (rules 18a and 20a).
const PauseByPlan = "plan"

// servingChangedLocked is called where a backend may have begun to serve, or
// ceased to: a plan that is at work holds the clients while none does, or lets
// them go on; without one they are turned away where the service is set to.
func (s *Service) servingChangedLocked() {
	s.changes.notifyLocked()
	s.backends.returnSomeLocked()
	s.holdForPlanLocked()
	s.rejectWaitersLocked()
}

// holdForPlanLocked pauses the service while a plan is at work and no backend
// serves, and resumes it once one does. Once that pause was ended, by an
// operator or by its deadline, there is no other before one has served again.
func (s *Service) holdForPlanLocked() {
	if slices.ContainsFunc(s.backends.all, (*Backend).serves) {
		if s.plan != nil {
			s.plan.waived = false
		}
		if p := s.pause.current; p != nil && p.by == PauseByPlan {
			s.engine.note(Event{Kind: EventService, Level: LevelGood, Service: s.name, By: p.owner,
				Text: fmt.Sprintf("a backend of %s serves again: resuming", s.name)})
			s.pause.resumeLocked(p.owner, p.plan.opt.Rate)
		}
		return
	}
	p := s.plan
	if p == nil || p.waived || s.pause.current != nil || s.listeners == nil {
		return
	}
	now := time.Now()
	held := &pause{owner: p.opt.By, by: PauseByPlan, reason: "no backend serves", since: now, until: now.Add(p.opt.Max), then: ThenKeep, plan: p}
	s.engine.note(Event{Kind: EventService, Level: LevelAlarm, Service: s.name, By: p.opt.By,
		Text: fmt.Sprintf("no backend of %s serves during the %s %s: holding its clients until one does, or until %s",
			s.name, p.kind, p.report.ID, clockTime(held.until))})
	s.pause.beginLocked(held)
}

// waivePlanLocked is called where the service's pause is ended although no
// backend may serve: its plan does not begin another before one has served.
func (ps *pauseState) waivePlanLocked() {
	s := ps.service
	if s.plan != nil && ps.current.by == PauseByPlan {
		s.plan.waived = true
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

// hasPlan says whether a plan is at work on the service.
func (s *Service) hasPlan() (yes bool) {
	s.queue.View(func() { yes = s.plan != nil })
	return yes
}
