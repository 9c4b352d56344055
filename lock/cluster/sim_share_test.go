package cluster

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"
)

// withinShares: no node has more sessions than slots.
func (c *checker) withinShares(sv *service, live []*client) {
	var n [8]uint64
	for _, cl := range live {
		if cl.grant.local {
			n[cl.grant.Node]++
		}
	}
	for node, n := range n {
		if n == 0 {
			continue
		}
		if sh := sv.share(NodeID(node)); sh == nil || n > sh.slots() {
			c.failf("%d sessions of %s are live at node %d, which has a share of %+v", n, sv.name, node, sh)
		}
	}
}

// admittedLocal: a node's tokens grow and it admits in order; without faults no client
// is admitted before one of another node that came much earlier.
func (c *checker) admittedLocal(p *proc, cl *client, g Grant) {
	if g.Token <= c.local[p.id] && cl.ran != g.Token {
		c.failf("token %d of %s admitted by node %d after token %d", g.Token, g.Service, p.id, c.local[p.id])
	}
	c.local[p.id] = max(c.local[p.id], g.Token)
	for _, other := range cl.queue.clients {
		if other.arrival < cl.arrival && !other.live && other.hook == 0 && cl.ran != g.Token {
			c.failf("client %d of %s was admitted by node %d before client %d", cl.arrival, g.Service, p.id, other.arrival)
		}
	}
	s := c.sim
	if s.calm == 0 || s.now < s.calm {
		return
	}
	for _, q := range c.waiting(g.Service) {
		for _, other := range q.clients {
			late := cl.arrived - other.arrived
			if other.live || other.hook != 0 || other.arrived < s.calm || late < orderWithin+(s.now-other.arrived)/10 {
				continue
			}
			if other.passed == 0 {
				other.passed = s.now
			} else if s.now-other.passed > orderWithin {
				c.failf("client %d of %s was admitted by node %d before client %d of node %d, which came %v earlier, and has been passed by others for %v", cl.arrival, g.Service, p.id, other.arrival, q.proc.id, late, s.now-other.passed)
			}
		}
	}
}

// waiting yields the queues of a service with waiters, unless it is paused.
func (c *checker) waiting(service string) (all []*queue) {
	if sv := c.truth.service(service); sv == nil || sv.closed() || !sv.sharing {
		return nil
	}
	for _, p := range c.sim.procs {
		for _, q := range p.local {
			if p.up && !p.stopped && q.name == service {
				all = append(all, q)
			}
		}
	}
	return all
}

// idleSlots: neither a node nor the leader keeps a slot for long that a client of
// another node waits for.
func (c *checker) idleSlots(service string) {
	sv := c.truth.service(service)
	queues := c.waiting(service)
	waits := func(q *queue) bool {
		return slices.ContainsFunc(q.clients, func(cl *client) bool { return !cl.live && cl.hook == 0 })
	}
	idle := func(i int, is bool) {
		switch {
		case !is:
			c.idle[i] = 0
		case c.idle[i] == 0:
			c.idle[i] = c.sim.now
		case c.sim.now-c.idle[i] > orderWithin:
			c.failf("a slot of %s is idle at node %d (0: at none) for %v while clients wait", sv.name, i, c.sim.now-c.idle[i])
		}
	}
	idle(0, sv.free() > 0 && slices.ContainsFunc(queues, waits))
	for _, q := range queues {
		_, free, _ := q.agent().Share(service)
		idle(int(q.proc.id), free > 0 && slices.ContainsFunc(queues, waits))
	}
}

// sharesAreKnown: nodes and the state agree on who has which slots.
func (c *checker) sharesAreKnown() (string, bool) {
	for _, sv := range c.truth.services {
		for _, p := range c.sim.procs {
			var has uint64
			if sh := sv.share(p.id); sh != nil {
				has = sh.slots()
			}
			slots, free, _ := p.agent.Share(sv.name)
			if slots != has || free != slots {
				return fmt.Sprintf("node %d knows of %d slots of %s, %d free, and has %d", p.id, slots, sv.name, free, has), false
			}
		}
	}
	return "", true
}

// shareOrder sets how the slots of db are handed out, and changes it from time to time.
func (s *sim) shareOrder(until time.Duration) {
	s.operate(s.procs[0], Op{Kind: OpOrder, Service: "db", Flag: true})
	s.operate(s.procs[0], Op{Kind: OpSlots, Service: "db", From: 2 + s.rng.Uint64N(12)})
	for range s.rng.IntN(5) {
		at, op := time.Duration(s.rng.Int64N(int64(until))), Op{Kind: OpSlots, Service: "db", From: 1 + s.rng.Uint64N(12)}
		if s.chance(50) {
			op = Op{Kind: OpOrder, Service: "db", Flag: s.chance(50)}
		}
		s.after(at, func() { s.operate(s.procs[s.rng.IntN(len(s.procs))], op) })
	}
}

// crowd makes clients arrive in bursts, more at some nodes than at others.
func (s *sim) crowd(from, until time.Duration) {
	favourite := s.procs[s.rng.IntN(len(s.procs))]
	longest := []int{20, 100, 400}[s.rng.IntN(3)]
	for range 10 + s.rng.IntN(30) {
		p := favourite
		if s.chance(50) {
			p = s.procs[s.rng.IntN(len(s.procs))]
		}
		n, hold := 1+s.rng.IntN(12), s.ms(1, longest)
		s.after(from-s.now+time.Duration(s.rng.Int64N(int64(until-from))), func() {
			if p.up && !p.stopped {
				for range n {
					p.queue("db").arrive(hold+s.ms(0, 5), 0, 0)
				}
			}
		})
	}
}

// runShares runs a cluster whose nodes hand out slots by themselves: with faults, and
// then without, when the order over all nodes holds and no slot is idle.
func (s *sim) runShares(trace *strings.Builder) error {
	until := faultTime(s.seed)
	s.load(until)
	s.shareOrder(until)
	s.crowd(0, until)
	s.harm(until)
	s.run(until + 300*ms)
	s.heal()
	s.run(s.now + second)
	s.operate(s.procs[0], Op{Kind: OpOrder, Service: "db", Flag: !s.chance(10)})
	s.operate(s.procs[0], Op{Kind: OpSlots, Service: "db", From: 4 + s.rng.Uint64N(18)})
	s.run(s.now + 6*second)
	if sv := s.check.truth.service("db"); sv.slots > 0 && s.check.err == nil {
		s.calm = s.now + 100*ms
		s.tracef("there are no faults from now on")
		s.crowd(s.calm, s.calm+2*second)
		s.run(s.calm + 2*second)
	}
	return s.finish(trace)
}

func newShareSim(seed uint64, trace *strings.Builder) *sim {
	s := newSim(seed, 3+int(seed%3), false, trace)
	s.rng = rand.New(rand.NewPCG(seed, 2))
	s.shares = true
	return s.boot()
}

// TestShareSeeds is TestSeeds with nodes that hand out slots by themselves.
func TestShareSeeds(t *testing.T) {
	RunSeeds(t, "TestShareSeed", DefaultSeeds/10, runShareSeed)
}

// TestShareSeed prints the trace of one run.
func TestShareSeed(t *testing.T) { RunSeed(t, runShareSeed) }

func runShareSeed(seed uint64, trace *strings.Builder) error {
	return newShareSim(seed, trace).runShares(trace)
}
