package cluster

import (
	"cmp"
	"slices"
	"time"
)

// A Reason is why a waiter waits.
type Reason string

const (
	ReasonCluster Reason = "cluster"       // it is not its turn over all nodes
	ReasonLease   Reason = "cluster_lease" // the node has no lease: no majority is reached
	ReasonPaused  Reason = "paused"        // paused on all nodes
	ReasonLost    Reason = "lease_lost"    // its place is gone with the lease under which it was admitted: it waits for nothing
)

// An agentService is what an agent knows of one service.
type agentService struct {
	name    string
	line    line    // waiters here; place and arrival are the same
	granted []Grant // not taken by Admit yet
	holding []Grant // admitted
	refused []Grant // requeued: a grant that arrives late must not admit again
	serves  bool    // the engine reports for itself: see Serve
	told    bool    // the engine has reported on the plan
	done    uint64  // Done of that report
	counts  Counts  // Counts of that report
	parts   []backendPart
	fact    Fact
	learned time.Duration // when the node learned of the plan
	share   agentShare    // slots that the node hands out by itself
}

// Since returns when the node learned of the plan of a service.
func (a *Agent) Since(name string) time.Duration { return a.service(name).learned }

// WaitingUpTo reports that all arrivals of the service up to this one wait. It may be
// repeated.
func (a *Agent) WaitingUpTo(now time.Duration, name string, arrival uint64) {
	a.check(now)
	sv := a.service(name)
	if from := sv.line.joined + 1; arrival >= from {
		sv.line.append(from, arrival, from)
		if sv.fact.Sharing {
			sv.share.arrive(now, arrival)
		} else {
			a.say(Op{Kind: OpJoin, Service: name, From: from, To: arrival})
		}
	}
}

// joinAll repeats who waits.
func (a *Agent) joinAll(sv *agentService) {
	for _, r := range sv.line.runs {
		a.say(Op{Kind: OpJoin, Service: sv.name, From: r.from, To: r.to})
	}
}

// Admit takes the slot that was granted to arrival, or returns the Reason why it has
// none. If the grant requires hooks (Hook, Expired), the session must not begin yet:
// call Admit again with ran, the token for which they have run, and the grant that it
// then returns requires none. Hooks that ran while there was no lease have to run
// again.
func (a *Agent) Admit(now time.Duration, name string, arrival, ran uint64) (Grant, Reason) {
	a.check(now)
	sv := a.service(name)
	if !a.lease.runs(now) {
		return Grant{}, ReasonLease
	}
	if i := indexArrival(sv.holding, arrival); i >= 0 { // admitted before: a pause waits for this session
		return a.hooksRan(&sv.holding[i], ran), ""
	}
	i := indexArrival(sv.granted, arrival)
	_, waits := sv.line.find(arrival)
	switch {
	case i < 0 && !waits && arrival <= sv.line.joined:
		return Grant{}, ReasonLost
	case a.Closed(now, name):
		return Grant{}, ReasonPaused
	case i < 0:
		if g, ok := a.admitShare(sv, arrival); ok {
			sv.holding = append(sv.holding, g)
			return g, ""
		}
		return Grant{}, ReasonCluster
	}
	g := sv.granted[i]
	sv.granted = slices.Delete(sv.granted, i, i+1)
	sv.holding = append(sv.holding, g)
	return a.hooksRan(&sv.holding[len(sv.holding)-1], ran), ""
}

// hooksRan records that the hooks which a grant asks for have run for the token ran.
func (a *Agent) hooksRan(g *Grant, ran uint64) Grant {
	if g.awaitsHook() && g.Token == ran {
		g.Hook, g.Expired = false, false
		if !g.local {
			a.say(Op{Kind: OpReady, Service: g.Service, Token: g.Token})
		}
	}
	return *g
}

// Closed reports whether the service is paused on all nodes. Without a lease, a pause
// ends on this node at its Max; a window does not, since its command may be running.
func (a *Agent) Closed(now time.Duration, name string) bool {
	sv := a.service(name)
	p := sv.fact.Plan
	if !p.Closes() {
		return false
	}
	return a.lease.runs(now) || p.Window || p.Max == 0 || now < sv.learned+p.Max
}

// Able reports whether the node can serve clients. If it cannot, its waiters keep their
// places, and those of other nodes go first; they also get a slot that was granted and
// that Admit has not taken.
func (a *Agent) Able(name string, able bool) {
	sv := a.service(name)
	if sv.line.unable != able {
		return
	}
	sv.line.unable = !able
	a.say(Op{Kind: OpAble, Service: name, Flag: able})
	if !able {
		for _, g := range sv.granted {
			a.refuse(sv, g)
		}
		sv.granted = nil
	} else if sv.fact.Sharing {
		a.ask(name) // slots of its share may be free
	}
	a.giveShare(sv)
}

// Done reports that arrival was abandoned, or that its session has ended. It may be
// repeated.
func (a *Agent) Done(name string, arrival uint64) {
	sv := a.service(name)
	_, ok := sv.line.remove(arrival)
	if ok && !sv.fact.Sharing {
		a.say(Op{Kind: OpDone, Service: name, From: arrival})
	}
	for _, grants := range []*[]Grant{&sv.granted, &sv.holding} {
		if i := indexArrival(*grants, arrival); i >= 0 {
			g := (*grants)[i]
			*grants = slices.Delete(*grants, i, i+1)
			if ok = true; g.local {
				a.freeShare(sv, g)
			} else {
				a.say(Op{Kind: OpDone, Service: name, From: arrival, Token: g.Token})
			}
		}
	}
	sv.forgetRefused(arrival)
	if ok {
		a.reportLive(sv)
	}
}

// Oldest returns the lowest arrival that waits or has a slot, or a number above all
// arrivals if there is none.
func (a *Agent) Oldest(name string) uint64 {
	sv := a.service(name)
	oldest := sv.line.joined + 1
	if len(sv.line.runs) > 0 {
		oldest = sv.line.runs[0].from
	}
	for _, grants := range [][]Grant{sv.granted, sv.holding} {
		for _, g := range grants {
			oldest = min(oldest, g.Arrival)
		}
	}
	return oldest
}

// Requeue returns the slot of arrival, which waits again at its old place.
func (a *Agent) Requeue(name string, arrival uint64) {
	sv := a.service(name)
	i := indexArrival(sv.holding, arrival)
	if i < 0 {
		return
	}
	g := sv.holding[i]
	sv.holding = slices.Delete(sv.holding, i, i+1)
	if g.local {
		sv.line.insert(arrival, arrival)
		i, _ := slices.BinarySearchFunc(sv.share.came, arrival, func(c arrived, a uint64) int { return cmp.Compare(c.upTo, a) })
		sv.share.came = slices.Insert(sv.share.came, i, arrived{arrival, g.came})
		a.freeShare(sv, g)
		if !sv.fact.Sharing {
			a.rejoin(sv) // the state does not know this waiter
		}
	} else {
		sv.forgetRefused(arrival)
		a.refuse(sv, g)
	}
	a.reportLive(sv)
}

// refuse returns a grant: its waiter waits again, in its old place.
func (a *Agent) refuse(sv *agentService, g Grant) {
	sv.refused = append(sv.refused, g)
	sv.line.insert(g.Arrival, g.Arrival)
	a.say(Op{Kind: OpRequeue, Service: sv.name, From: g.Arrival, Token: g.Token})
}

// Act passes on an act for all nodes: OpPause, OpStep, OpResume, OpSlots, OpHooks or
// OpBackend. It returns false if the node has no lease: nothing was done.
func (a *Agent) Act(now time.Duration, op Op) bool {
	if a.check(now); !a.lease.runs(now) {
		return false
	}
	a.say(op)
	return true
}

// Serve reports that the node has a service whose plans apply to all nodes, or with
// false that it no longer has it. Each plan waits for the node's Report. For other
// services the agent reports by itself, and knows only of sessions that have slots.
func (a *Agent) Serve(name string, serves bool) {
	sv := a.service(name)
	if sv.serves != serves {
		sv.serves = serves
		a.say(a.serveOp(name, serves))
	}
}

func (a *Agent) serveOp(name string, serves bool) Op {
	op := Op{Kind: OpServe, Service: name, Flag: serves}
	if a.cfg.Keep {
		op.From = 1
	}
	return op
}

// Joined reports whether all nodes know that this one has the service. From then on no
// plan of the service begins without this node, and Facts has those that began before.
func (a *Agent) Joined(name string) bool {
	sv := a.service(name)
	return sv.serves && slices.ContainsFunc(sv.fact.Nodes, func(s Server) bool { return s.Node == a.cfg.Node })
}

// Report sets this node's part of a plan of a service that it serves, and how many
// steps it is done with. It does nothing if nothing has changed, or if the plan is not
// the last one known.
func (a *Agent) Report(name string, plan, done uint64, counts Counts) {
	sv := a.service(name)
	if plan != sv.fact.Plan.ID || !sv.serves || sv.told && sv.done == done && sv.counts == counts {
		return
	}
	sv.told, sv.done, sv.counts = true, done, counts
	a.reportPlan(sv)
}

// A backendPart is the last report of this node's part in the State of a backend.
type backendPart struct {
	backend  string
	id, done uint64
	counts   Counts
}

func (p *backendPart) op(service string) Op {
	return Op{Kind: OpReport, Service: service, Text: p.backend, Token: p.id, From: p.done, Counts: p.counts}
}

// ReportBackend sets this node's part in the State of a backend, whose ID is id. It
// does nothing if nothing has changed, or if that State is not the one known.
func (a *Agent) ReportBackend(name, backend string, id, done uint64, counts Counts) {
	sv, p := a.service(name), backendPart{backend, id, done, counts}
	if !sv.has(&p) || slices.Contains(sv.parts, p) {
		return
	}
	sv.parts = append(slices.DeleteFunc(sv.parts, func(o backendPart) bool { return o.backend == backend }), p)
	a.say(p.op(name))
}

// has reports whether the State that p reports on still holds.
func (sv *agentService) has(p *backendPart) bool {
	return slices.ContainsFunc(sv.fact.Backends, func(b Backend) bool { return b.Name == p.backend && b.ID == p.id && b.State != "" })
}

// Known returns the index of the facts that the node knows.
func (a *Agent) Known() uint64 { return a.known }

// reportLive reports while the service is closed, because others wait for the end of live
// sessions.
func (a *Agent) reportLive(sv *agentService) {
	if sv.fact.Plan.Step != Resumed && !sv.serves {
		a.reportPlan(sv)
	}
}

// reportPlan reports the node's part of the plan, if there is a plan.
func (a *Agent) reportPlan(sv *agentService) {
	p := sv.fact.Plan
	if p.ID == 0 || sv.serves && !sv.told {
		return
	}
	done, counts := sv.done, sv.counts
	if !sv.serves {
		done, counts = 0, Counts{Live: uint64(len(sv.holding))}
		if counts.Live == 0 || p.Step == Resumed {
			done = uint64(p.Step) + 1
		}
	}
	a.say(Op{Kind: OpReport, Service: sv.name, Token: p.ID, From: done, Counts: counts})
}

func (sv *agentService) forgetRefused(arrival uint64) {
	sv.refused = slices.DeleteFunc(sv.refused, func(g Grant) bool { return g.Arrival == arrival })
}

func indexArrival(grants []Grant, arrival uint64) int {
	return slices.IndexFunc(grants, func(g Grant) bool { return g.Arrival == arrival })
}
