package cluster

import (
	"slices"
	"time"
)

// Step handles a voter's answer.
func (a *Agent) Step(now time.Duration, r Answer) {
	a.check(now)
	if !r.Leads {
		if r.From == a.to && r.Leader != 0 && r.Leader != r.From {
			a.to, a.heard = r.Leader, now // give it time to answer
			a.next = min(a.next, now+renewEvery(a.cfg.Lease)/8)
		}
		return
	}
	if r.Incarnation != a.cfg.Incarnation {
		return
	}
	l := &a.lease
	switch {
	case l.number == 0 && r.Lease > l.last && !r.Ended:
		a.begin(now, r.Lease)
	case l.number == 0 || r.Lease != l.number:
		return // for another lease
	case r.Ended:
		a.end(now)
		return
	}
	a.heard, a.to, a.leader = now, r.From, r.From
	if r.Applied >= a.first && len(a.ops) > 0 {
		n := int(min(r.Applied-a.first, uint64(len(a.ops)-1))) + 1
		a.first += uint64(n)
		a.ops = a.ops[n:]
		a.unsent = max(a.unsent-n, 0)
	}
	l.renewed(now, r.Renewed, a.cfg.Lease)
	if r.Known > a.known {
		a.learn(now, r)
	}
	for _, g := range r.Grants {
		a.granted(g)
	}
	for _, s := range r.Shares {
		a.learnShare(s)
	}
	if l.runs(now) && r.Renewed > 0 {
		a.askGranted() // granted before the lease was lost for a while
	}
}

// begin repeats everything that holds under a new lease. The lease counts only once it
// is renewed: the hello may have been sent long ago.
func (a *Agent) begin(now time.Duration, number uint64) {
	a.lease.number, a.lease.lost, a.lease.until = number, true, 0
	a.first, a.ops, a.unsent, a.next = 1, nil, 0, now
	for _, sv := range a.services {
		if sv.serves {
			a.say(a.serveOp(sv.name, true))
		}
		if sv.line.unable {
			a.say(Op{Kind: OpAble, Service: sv.name})
		}
		if !sv.fact.Sharing {
			a.joinAll(sv)
		}
		a.reportPlan(sv)
		for _, p := range sv.parts {
			a.say(p.op(sv.name))
		}
	}
}

// end records that the lease has ended in the state, too. Waiters keep their order and
// join again, at the end; an unused grant is void. A session that continues without the
// lease (Keep) is forgotten.
func (a *Agent) end(now time.Duration) {
	if !a.lease.lost {
		a.lease.lost = true
		a.cut()
	}
	a.lease.last, a.lease.number = a.lease.number, 0
	a.ops, a.unsent, a.next = nil, 0, now
	for _, sv := range a.services {
		for _, g := range sv.granted {
			sv.line.insert(g.Arrival, g.Arrival)
		}
		for _, g := range sv.holding {
			if g.awaitsHook() {
				sv.line.insert(g.Arrival, g.Arrival)
			}
		}
		sv.granted, sv.refused, sv.holding = nil, nil, nil
		sv.share = agentShare{used: sv.share.used, came: sv.share.came} // the rest depends on the lease
	}
}

// granted takes a grant for a waiter that still waits for it. If the waiter has gone,
// an OpDone under way answers the grant. An answer has grants of its own lease only.
func (a *Agent) granted(g Grant) {
	a.seen = append(a.seen, Seen{g.Service, g.Token})
	sv := a.service(g.Service)
	if i := indexArrival(sv.refused, g.Arrival); i >= 0 && g.Token <= sv.refused[i].Token {
		return
	}
	if _, waits := sv.line.remove(g.Arrival); !waits {
		if sv.fact.Ordered > 0 && !sv.hasToken(g.Token) { // it got a slot of the node's share meanwhile
			a.say(Op{Kind: OpDone, Service: g.Service, From: g.Arrival, Token: g.Token})
		}
		return
	}
	sv.forgetRefused(g.Arrival)
	if sv.line.unable { // granted before the state knew that
		a.refuse(sv, g)
		return
	}
	sv.granted = append(sv.granted, g)
	a.ask(sv.name)
}

// learn takes the facts of the state, and reports what a plan needs.
func (a *Agent) learn(now time.Duration, r Answer) {
	a.known = r.Known
	for _, f := range r.Facts {
		sv := a.service(f.Service)
		before, ordered := sv.fact.Plan, sv.fact.Ordered
		if sv.fact = f; f.Ordered != ordered {
			a.reorder(sv)
		}
		sv.parts = slices.DeleteFunc(sv.parts, func(p backendPart) bool { return !sv.has(&p) })
		if f.Plan.ID != before.ID {
			sv.learned, sv.told, sv.done, sv.counts = now, false, 0, Counts{}
		}
		if f.Plan.ID != before.ID || f.Plan.Step != before.Step {
			a.reportPlan(sv)
			a.ask(sv.name)
		}
	}
}

func (a *Agent) askGranted() {
	for _, sv := range a.services {
		if len(sv.granted) > 0 || sv.fact.Sharing && len(sv.line.runs) > 0 || slices.ContainsFunc(sv.holding, Grant.awaitsHook) {
			a.ask(sv.name)
		}
	}
}

// hasToken reports whether the node holds the grant with this token.
func (sv *agentService) hasToken(token uint64) bool {
	is := func(g Grant) bool { return g.Token == token }
	return slices.ContainsFunc(sv.granted, is) || slices.ContainsFunc(sv.holding, is)
}

func (a *Agent) ask(name string) { a.ready.Ask = append(a.ready.Ask, name) }
