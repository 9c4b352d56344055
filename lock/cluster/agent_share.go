package cluster

import (
	"math"
	"slices"
	"time"
)

// Limits by which nodes and the leader keep the order of clients across shares, within
// about orderWithin.
const (
	orderWithin = 250 * time.Millisecond
	// reportEvery is the interval at which a node reports how long its clients have
	// waited for its slots.
	reportEvery = orderWithin / 5
	// yieldAfter is how much younger than a waiter of another node a client must be for
	// its node to let that waiter go first.
	yieldAfter = orderWithin / 5 * 2
	// anyAge as a Share.Age: slots are to be given back, whoever has waited longest.
	anyAge = time.Duration(1 << 61)
)

// An agentShare is the slots of a service that the node hands out by itself.
type agentShare struct {
	used    bool   // see Use
	added   uint64 // slots ever added under this lease
	given   uint64 // slots given back
	held    uint64 // slots held by sessions
	marked  uint64 // of the slots added, how many were freed by the end of a lease
	owed    uint64 // how many free slots need on_expire before they are used
	from    uint64 // next token
	to      uint64 // last token
	nodes   uint64 // nodes that share the slots
	starved bool   // a waiter has found no free slot since the queue was last empty
	yield   yield
	came    []arrived
}

// A yield is a leader's request to give back free slots.
type yield struct {
	Keep  uint64        // slots that stay
	came  time.Duration // arrival of the oldest waiter of other nodes: clients that came much later let it go first
	until time.Duration // after that the leader that has asked is taken to be gone
}

// arrived says when the arrivals after those of the previous arrived, up to upTo, came.
type arrived struct {
	upTo uint64
	at   time.Duration
}

func (sh *agentShare) slots() uint64 { return sh.added - sh.given }
func (sh *agentShare) free() uint64  { return sh.slots() - sh.held }

// arrive records when an arrival came; arrivals within 10 ms are recorded as one.
func (sh *agentShare) arrive(now time.Duration, arrival uint64) {
	if n := len(sh.came); n > 0 && now-sh.came[n-1].at < 10*time.Millisecond {
		sh.came[n-1].upTo = arrival
		return
	}
	sh.came = append(sh.came, arrived{arrival, now})
}

// oldest returns the first waiter, and when it came.
func (a *Agent) oldest(sv *agentService) (arrival uint64, came time.Duration, ok bool) {
	if len(sv.line.runs) == 0 {
		sv.share.came, sv.share.starved = nil, false
		return 0, 0, false
	}
	sh, arrival := &sv.share, sv.line.runs[0].from
	for len(sh.came) > 0 && sh.came[0].upTo < arrival {
		sh.came = sh.came[1:]
	}
	if len(sh.came) == 0 { // it was requeued after a failed dial
		sh.came = []arrived{{sv.line.joined, a.now}}
	}
	return arrival, sh.came[0].at, true
}

// Use reports whether the engine has a service with a cluster-wide lock. Where nodes
// grant slots by themselves, the node has a share of them from then on. With false it
// gives its share back, each slot once its session has ended.
func (a *Agent) Use(name string, used bool) {
	sv := a.service(name)
	sv.share.used = used
	a.giveShare(sv)
}

// Share returns how many slots of a service the node grants by itself, how many of them
// are free, and how many nodes have a share.
func (a *Agent) Share(name string) (slots, free, nodes uint64) {
	sh := &a.service(name).share
	return sh.slots(), sh.free(), sh.nodes
}

// AskFree has Ready ask the gates of a service again if a slot of the node's share is free while clients wait.
// An Admit or Done of one gate may have left that to another.
func (a *Agent) AskFree(name string) {
	if sv := a.service(name); sv.fact.Sharing && len(sv.line.runs) > 0 && sv.share.free() > 0 {
		a.ask(name)
	}
}

// admitShare gives the next slot to the waiter that came first.
func (a *Agent) admitShare(sv *agentService, arrival uint64) (Grant, bool) {
	sh := &sv.share
	first, came, ok := a.oldest(sv)
	if !ok || first != arrival || !sv.fact.Sharing {
		return Grant{}, false
	}
	if a.giveShare(sv); sh.free() == 0 || sh.from > sh.to {
		sh.starved = true
		a.reportShare(reportEvery)
		return Grant{}, false
	}
	sv.line.remove(arrival)
	g := Grant{Service: sv.name, Node: a.cfg.Node, Lease: a.lease.number, Arrival: arrival, Token: sh.from, Expired: sh.owed > 0, local: true, came: came}
	if sh.from++; g.Expired {
		sh.owed--
	}
	sh.held++
	if sh.free() < sh.slots()/4 && a.reported+orderWithin <= a.now {
		a.reportShare(0)
	}
	return g, true
}

// freeShare takes a slot back from a session.
func (a *Agent) freeShare(sv *agentService, g Grant) {
	sh := &sv.share
	sh.held--
	if g.Expired { // its on_expire hook did not run
		sh.owed++
	}
	a.giveShare(sv)
}

// giveShare gives back the free slots that the node must not keep.
func (a *Agent) giveShare(sv *agentService) {
	sh := &sv.share
	n := sh.free()
	if sh.used && sv.fact.Sharing {
		y := &sh.yield
		if a.now >= y.until || sh.slots() <= y.Keep {
			return
		}
		if _, came, waits := a.oldest(sv); waits && !sv.line.unable && came <= y.came+yieldAfter {
			return
		}
		n = min(n, sh.slots()-y.Keep)
	}
	if n == 0 {
		return
	}
	owed := min(n, sh.owed)
	sh.given += n
	sh.owed -= owed
	a.say(Op{Kind: OpGive, Service: sv.name, From: n, To: owed})
}

// learnShare takes a leader's message about the share.
func (a *Agent) learnShare(s Share) {
	sv := a.service(s.Service)
	sh := &sv.share
	if s.To > sh.to {
		sh.owed += s.Owed - sh.marked
		sh.added, sh.marked, sh.from, sh.to = s.Added, s.Owed, s.From, s.To
		a.reported = 0 // waiters that remain are reported at once
		a.ask(sv.name)
	}
	sh.nodes, sh.yield = s.Nodes, yield{}
	if s.Yield {
		sh.yield = yield{s.Keep, math.MinInt64, a.now + orderWithin}
		switch s.Age {
		case anyAge:
		case 0:
			sh.yield.came = math.MaxInt64 / 2
		default:
			sh.yield.came = a.now - s.Age
		}
	}
	a.giveShare(sv)
}

// reorder records that slots are handed out in another way from now on: old places are
// void. Where nodes share the slots nobody joins.
func (a *Agent) reorder(sv *agentService) {
	a.rejoin(sv)
	sv.share.came = []arrived{{sv.line.joined, a.now}}
	a.giveShare(sv)
	a.ask(sv.name)
}

// rejoin makes the state forget the waiters here, and joins them again where they need
// places.
func (a *Agent) rejoin(sv *agentService) {
	a.say(Op{Kind: OpLeave, Service: sv.name})
	if !sv.fact.Sharing {
		a.joinAll(sv)
	}
}

// shares returns the reports on all shares for the leader.
func (a *Agent) shares() (all []ShareReport) {
	for _, sv := range a.services {
		sh := &sv.share
		if !sh.used || !sv.fact.Sharing || a.lease.number == 0 {
			continue
		}
		r := ShareReport{Service: sv.name, Last: sh.to, Tokens: sh.to + 1 - sh.from, Free: sh.free()}
		if a.starves(sv) {
			_, came, _ := a.oldest(sv)
			r.Waiting, r.Age = sv.line.len()-sh.free(), max(a.now-came, 0)
			r.Newest = min(r.Age, max(a.now-sh.came[len(sh.came)-1].at, 0))
		}
		all = append(all, r)
	}
	return all
}

// starves reports whether more clients wait than the share has free slots.
func (a *Agent) starves(sv *agentService) bool {
	return sv.share.starved && sv.line.len() > sv.share.free() && sv.fact.Sharing && !sv.line.unable && !a.Closed(a.now, sv.name)
}

// reportShare reports the shares, but not sooner than after since the last report: it
// waits until then.
func (a *Agent) reportShare(after time.Duration) {
	switch at := a.reported + after; {
	case at <= a.now:
		a.send(a.request(a.unsent, 0))
		a.report = a.now + reportEvery
	case a.report == 0:
		a.report, a.rearmed = at, true
	}
}

// tickShares reports again as long as clients wait, and once more when none does.
func (a *Agent) tickShares() {
	if a.report == 0 || a.now < a.report {
		return
	}
	if a.report = 0; a.lease.number > 0 {
		a.send(a.request(a.unsent, 0))
		if slices.ContainsFunc(a.services, a.starves) {
			a.report = a.now + reportEvery
		}
	}
}
