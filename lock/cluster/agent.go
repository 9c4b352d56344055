package cluster

import (
	"slices"
	"strings"
	"time"
)

// An AgentConfig is the configuration of an Agent. Identify and SetVoters change parts
// of it.
type AgentConfig struct {
	Node        NodeID
	Incarnation uint64        // higher at each start of the process
	Voters      []NodeID      // where the leader is looked for
	Lease       time.Duration // the same on all nodes
	Keep        bool          // sessions live on when the lease is lost (on_lost = "keep")
}

// An Agent is one node's part of the cluster: it reports to the leader who waits on
// this node, learns which waiters have a slot, and keeps the node's lease. All times
// are readings of one clock, which has to go on while the system sleeps. After each
// call do what Ready returns, and call Tick at Deadline at the latest.
type Agent struct {
	cfg      AgentConfig
	to       NodeID        // the voter that requests are sent to
	leader   NodeID        // the leader that answered last
	heard    time.Duration // when a leader last answered, or was named
	next     time.Duration // when the next renewal is due
	lease    agentLease
	first    uint64 // number of ops[0]
	ops      []Op   // sent or to be sent, and not applied yet
	unsent   int    // index of the first op that was never sent
	seen     []Seen
	known    uint64
	services []*agentService // by name
	now      time.Duration   // given to the last call
	reported time.Duration   // when the shares were last reported
	report   time.Duration   // when they are due again; 0: with the next renewal
	rearmed  bool            // report is before the last Deadline
	ready    AgentReady
}

// AgentReady is what has to be done after a call, in the order of the fields.
type AgentReady struct {
	Cut      []Grant     // end these sessions now, before a byte more is relayed, and say Done of each
	Ask      []string    // ask the gates of these services again
	Requests []RequestTo // send
}

const (
	maxRequest = 1024  // ops in one request
	maxOps     = 16384 // waiting for a leader; beyond that the node gives up its places
)

// NewAgent returns the agent of a node that has no lease yet. If cfg lacks the node or
// the voters, call Identify and SetVoters before the first Tick.
func NewAgent(cfg AgentConfig) *Agent {
	a := &Agent{cfg: cfg, first: 1}
	a.SetVoters(cfg.Voters)
	return a
}

// Identify sets the node of the agent. Call it before the first Tick.
func (a *Agent) Identify(node NodeID, incarnation uint64) {
	a.cfg.Node, a.cfg.Incarnation = node, incarnation
}

// Ready returns what has to be done since the last call.
func (a *Agent) Ready() AgentReady {
	for a.lease.number > 0 && a.unsent < len(a.ops) {
		a.send(a.request(a.unsent, 0))
	}
	r := a.ready
	a.ready, a.rearmed = AgentReady{}, false
	return r
}

// Pending reports whether Ready would return anything, or Deadline has changed.
func (a *Agent) Pending() bool {
	r := &a.ready
	return a.rearmed || a.lease.number > 0 && a.unsent < len(a.ops) || len(r.Cut)+len(r.Ask)+len(r.Requests) > 0
}

// Settled reports whether the state has all that this agent has reported.
func (a *Agent) Settled() bool { return len(a.ops) == 0 }

// Deadline returns the latest time for the next call of Tick.
func (a *Agent) Deadline() time.Duration {
	at := a.next
	if a.lease.number > 0 && !a.lease.lost {
		at = min(at, a.lease.until)
	}
	if a.report > 0 {
		at = min(at, a.report)
	}
	return at
}

// Tick renews the lease, asks for one if there is none, or ends one whose time is over.
func (a *Agent) Tick(now time.Duration) {
	a.check(now)
	if now < a.next {
		a.tickShares()
		return
	}
	if a.lease.lost && len(a.ops) > maxOps {
		a.end(now) // no majority for a long time: the next lease starts with fewer ops
	}
	every := renewEvery(a.cfg.Lease)
	a.next = now + every
	if now-a.heard > every*3/2 { // silent: another voter may lead
		i := slices.Index(a.cfg.Voters, a.to)
		a.to = a.cfg.Voters[(i+1)%len(a.cfg.Voters)]
	}
	var renewal uint64
	if a.lease.number > 0 {
		renewal = a.lease.renew(now)
	}
	a.send(a.request(0, renewal)) // with all ops not yet applied: they may have been lost
	if a.report > 0 {
		a.report = now + reportEvery
	}
}

// Renew makes Tick due at once, and has it repeat everything. Call it when the
// connection to the voters is another one: what was sent before may be lost.
func (a *Agent) Renew(now time.Duration) { a.next = min(a.next, now) }

// SetVoters sets the voters among which the leader is looked for from now on, at least
// one.
func (a *Agent) SetVoters(voters []NodeID) {
	a.cfg.Voters = slices.Clone(voters)
	if n := len(voters); a.to == 0 && n > 0 {
		a.to = voters[int(uint64(a.cfg.Node)%uint64(n))]
	}
}

// Runs reports whether the node has a lease that is valid at now, and until when.
func (a *Agent) Runs(now time.Duration) (until time.Duration, ok bool) {
	return a.lease.until, a.lease.runs(now)
}

// Leader returns the voter that last answered as leader; 0: none yet.
func (a *Agent) Leader() NodeID { return a.leader }

// Facts returns what the node knows of a service.
func (a *Agent) Facts(name string) Fact { return a.service(name).fact }

// check ends the lease on this node when its time is over. In the state the lease may
// still run, and a renewal may recover it: waiters keep their places.
func (a *Agent) check(now time.Duration) {
	a.now = now
	l := &a.lease
	if l.number == 0 || l.lost || now < l.until {
		return
	}
	l.lost = true
	a.cut()
}

// cut asks for the end of the sessions that hold slots. Each holds its slot until Done
// reports its end, after which the state may grant the slot to another node. All gates
// are asked again: waiters now wait for a lease, and hooks are to be ended.
func (a *Agent) cut() {
	for _, sv := range a.services {
		a.ask(sv.name)
		for _, g := range sv.holding {
			if !g.awaitsHook() && !a.cfg.Keep {
				a.ready.Cut = append(a.ready.Cut, g)
			}
		}
	}
}

// request returns a Request with the ops from an index on.
func (a *Agent) request(from int, renewal uint64) Request {
	r := Request{Node: a.cfg.Node, Incarnation: a.cfg.Incarnation, Lease: a.lease.number, Last: a.lease.last,
		Renewal: renewal, Seen: a.seen, Known: a.known, Shares: a.shares()}
	if a.lease.number > 0 {
		to := min(from+maxRequest, len(a.ops))
		r.First, r.Ops = a.first+uint64(from), slices.Clone(a.ops[from:to])
		a.unsent = to
	}
	a.seen, a.reported = nil, a.now
	return r
}

func (a *Agent) send(r Request) { a.ready.Requests = append(a.ready.Requests, RequestTo{a.to, r}) }

// say appends an op under the lease. Without a lease it does nothing: begin repeats
// what still holds.
func (a *Agent) say(op Op) {
	if a.lease.number == 0 {
		return
	}
	if n := len(a.ops); op.Kind == OpJoin && n > a.unsent {
		if last := &a.ops[n-1]; last.Kind == OpJoin && last.Service == op.Service && last.To+1 == op.From {
			last.To = op.To
			return
		}
	}
	a.ops = append(a.ops, op)
}

func (a *Agent) service(name string) *agentService {
	i, ok := slices.BinarySearchFunc(a.services, name, func(sv *agentService, n string) int { return strings.Compare(sv.name, n) })
	if !ok {
		a.services = slices.Insert(a.services, i, &agentService{name: name})
	}
	return a.services[i]
}
