package cluster

import (
	"slices"
	"time"
)

// reportsWithin is how long a plan that is over waits for the reports of nodes.
const reportsWithin = 30 * time.Second

// A leaderPlan is a plan whose time this leader counts. A new leader counts from its
// own begin: a pause may last longer than its Max, never shorter.
type leaderPlan struct {
	service string
	id      uint64
	step    Step
	until   time.Duration
	said    bool // its end is in a batch
}

// watchPlans begins to count for plans that are new, or have come to their end.
func (l *Leader) watchPlans(now time.Duration) {
	var plans []leaderPlan
	for _, sv := range l.state.services {
		p := sv.plan
		if p == nil {
			continue
		}
		i := slices.IndexFunc(l.plans, func(lp leaderPlan) bool { return lp.service == sv.name && lp.id == p.ID })
		switch {
		case i >= 0 && (l.plans[i].step == Resumed) == (p.Step == Resumed):
			plans = append(plans, l.plans[i])
			plans[len(plans)-1].step = p.Step
		case p.Step == Resumed:
			plans = append(plans, leaderPlan{sv.name, p.ID, p.Step, now + reportsWithin, false})
		case p.Max > 0:
			plans = append(plans, leaderPlan{sv.name, p.ID, p.Step, now + p.Max, false})
		}
	}
	l.plans = plans
}

// tickPlans ends pauses at their Max, except while a command runs whose owner is
// there, and forgets plans that all have reported, or that have waited long enough.
func (l *Leader) tickPlans(now time.Duration) {
	for i := range l.plans {
		lp := &l.plans[i]
		sv := l.state.service(lp.service)
		if lp.said || sv.plan == nil {
			continue
		}
		kind := OpResume
		switch {
		case lp.step == Resumed:
			if now < lp.until && !l.state.reported(sv.plan) {
				continue
			}
			kind = OpForget
		case now < lp.until:
			continue
		case lp.step == Command:
			if owner := l.state.member(sv.plan.Owner); owner != nil && owner.leased() && owner.Lease == sv.plan.Lease {
				continue
			}
		}
		lp.said = true
		l.batches = append(l.batches, Batch{Ops: []Op{{Kind: kind, Service: lp.service, Token: lp.id}}})
	}
}

// reported reports whether all members that have a lease have sent their last counts.
func (s *State) reported(p *Plan) bool {
	for _, m := range s.members {
		if r := p.report(m.Node); m.leased() && (r == nil || !r.Final) {
			return false
		}
	}
	return true
}
