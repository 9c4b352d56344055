package cluster

import (
	"slices"
	"time"
)

// planKept is how long a plan is kept after its end, unless another follows: nodes that
// come back amend their reports.
const planKept = 10 * time.Minute

// checksWithin is how long the checks after a command may exceed the Max, if it passed
// while the command ran.
const checksWithin = time.Minute

// A leaderPlan is a plan whose time this leader counts, from the beginning of its own
// term: a pause may last longer than its Max, never shorter.
type leaderPlan struct {
	service string
	id      uint64
	step    Step
	held    bool // its place is reserved
	until   time.Duration
	said    bool // the op that ends it is in a batch
}

// watchPlans starts the clock for plans that are new or have just ended.
func (l *Leader) watchPlans(now time.Duration) {
	var plans []leaderPlan
	for _, sv := range l.state.services {
		p := sv.plan
		if p == nil {
			continue
		}
		i := slices.IndexFunc(l.plans, func(lp leaderPlan) bool { return lp.service == sv.name && lp.id == p.ID })
		switch {
		case i >= 0 && (l.plans[i].step == Resumed) == (p.Step == Resumed) && l.plans[i].held == p.Reserved:
			lp := l.plans[i]
			if p.Step == Checking && lp.step != Checking {
				lp.until = max(lp.until, now+checksWithin)
			}
			lp.step = p.Step
			plans = append(plans, lp)
		case p.Reserved:
			plans = append(plans, leaderPlan{sv.name, p.ID, p.Step, true, now + p.Max, false})
		case p.Step == Resumed:
			plans = append(plans, leaderPlan{sv.name, p.ID, p.Step, false, now + planKept, false})
		case p.Max > 0:
			plans = append(plans, leaderPlan{sv.name, p.ID, p.Step, false, now + p.Max, false})
		}
	}
	l.plans = plans
}

// tickPlans ends plans at their Max, except while a command runs or a backend is
// checked and the owner is there, and forgets plans that ended long ago. A reserved
// place is its owner's as long as the owner is there, and for the Max without it.
func (l *Leader) tickPlans(now time.Duration) {
	for i := range l.plans {
		lp := &l.plans[i]
		sv := l.state.service(lp.service)
		if lp.said || sv.plan == nil {
			continue
		}
		op := Op{Kind: OpResume, Service: lp.service, Token: lp.id}
		switch {
		case now < lp.until:
			continue
		case lp.held:
			op.From = FreePlace
		case lp.step == Resumed:
			op.Kind = OpForget
		}
		// A backend that is being checked delays no client.
		atWork := lp.held || lp.step == Command || lp.step == Checking && sv.plan.Backend != ""
		if atWork && l.owned(sv.plan) {
			continue
		}
		lp.said = true
		l.batches = append(l.batches, Batch{Ops: []Op{op}})
	}
}

// owned reports whether the owner of a plan is there, as the process that began it.
func (l *Leader) owned(p *Plan) bool {
	owner := l.state.member(p.Owner)
	return owner != nil && owner.leased() && owner.Lease == p.Lease
}
