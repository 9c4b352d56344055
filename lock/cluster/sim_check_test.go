package cluster

import (
	"fmt"
	"slices"
	"time"
)

// A checker sees what no process can: the state of the whole cluster at one moment. It
// keeps a State of its own, which has applied as much as the first voter.
type checker struct {
	sim     *sim
	truth   *State
	entries []LogEntry
	hashes  []uint64 // of the state after each 8th entry
	clients []*client
	bounds  []bound // by service
	ends    map[string]int
	most    map[string]uint64 // the most slots that a service ever had
	dirty   bool
	err     error
	idle    [8]time.Duration  // since when a node has had a free slot that a client waits for
	local   map[NodeID]uint64 // the last token of each node's share
}

// A bound is how many sessions of a service may be live: its slots, or, after a
// reduction, the holders at that time.
type bound struct {
	service string
	n       int
	token   uint64 // of the last grant
	last    uint64 // the highest admitted
	several uint64 // the last token granted while there was more than one slot
	shared  bool   // nodes handed out slots by themselves at some time
	tokens  map[uint64]bool
}

func (c *checker) init(s *sim) {
	*c = checker{sim: s, truth: NewState("sim"), ends: map[string]int{}, most: map[string]uint64{}, local: map[NodeID]uint64{}}
}

func (c *checker) failf(format string, args ...any) {
	if c.err == nil {
		c.err = fmt.Errorf("after %.3f s: %s", c.sim.now.Seconds(), fmt.Sprintf(format, args...))
		c.sim.tracef("WRONG: %s", fmt.Sprintf(format, args...))
	}
}

func (c *checker) bound(service string) *bound {
	for i := range c.bounds {
		if c.bounds[i].service == service {
			return &c.bounds[i]
		}
	}
	c.bounds = append(c.bounds, bound{service: service, tokens: map[uint64]bool{}})
	return &c.bounds[len(c.bounds)-1]
}

// live yields the clients of a service that are being relayed now.
func (c *checker) live(service string) (live []*client) {
	for _, p := range c.sim.procs {
		if p.up && !p.stopped {
			for _, q := range p.local {
				for _, cl := range q.clients {
					if q.name == service && cl.live {
						live = append(live, cl)
					}
				}
			}
		}
	}
	return live
}

// always is checked after each event that may have changed what it reads.
func (c *checker) always() {
	if c.sim.calm > 0 && c.sim.now > c.sim.calm {
		c.idleSlots("db")
	}
	if !c.dirty {
		return
	}
	c.dirty = false
	for i := range c.truth.services {
		sv := c.truth.services[i]
		live := c.live(sv.name)
		b := c.bound(sv.name)
		b.n = max(int(sv.slots), min(b.n, int(sv.taken())))
		if b.n > 1 {
			b.several = b.token
		}
		if len(live) > b.n {
			c.failf("%d sessions of %s are live, but it has %d slots", len(live), sv.name, b.n)
		}
		c.withinShares(sv, live)
		for _, cl := range live {
			if sv.running != 0 && cl.grant.Token != sv.running && cl.grant.Token < sv.token {
				c.failf("the exclusive hook of %s token %d runs while the session with token %d is live", sv.name, sv.running, cl.grant.Token)
			}
		}
		if quiet, _ := c.truth.Quiet(sv.name); quiet {
			if sv.plan.Backend != "" {
				live = slices.DeleteFunc(live, func(cl *client) bool { return cl.backend != sv.plan.Backend })
			}
			if len(live) > 0 {
				c.failf("%s counts as quiet, but %d sessions are live", sv.name, len(live))
			}
		}
	}
}

// admitted: each token admits once, and with one slot never after a newer one, as seen
// by a backend that refuses old tokens.
func (c *checker) admitted(p *proc, cl *client, g Grant) {
	b := c.bound(g.Service)
	if b.tokens[g.Token] {
		c.failf("token %d of %s admitted twice", g.Token, g.Service)
	}
	b.tokens[g.Token] = true
	c.dirty = true
	if g.local {
		c.admittedLocal(p, cl, g)
	}
	if g.Token > b.several && g.Token < b.last && !b.shared {
		c.failf("token %d of %s admitted after token %d", g.Token, g.Service, b.last)
	}
	b.last = max(b.last, g.Token)
	if g.Node != p.id || g.Arrival != cl.arrival {
		c.failf("node %d admitted client %d by a grant for client %d of node %d", p.id, cl.arrival, g.Arrival, g.Node)
	}
}

// drained: after the end of all faults each client is served or gone, and no slot is
// taken.
func (c *checker) drained() (string, bool) {
	for _, p := range c.sim.procs {
		for _, q := range p.local {
			if len(q.clients) > 0 {
				return fmt.Sprintf("client %d of %s at node %d is neither served nor gone", q.clients[0].arrival, q.name, p.id), false
			}
		}
	}
	for _, sv := range c.truth.services {
		if len(sv.held) > 0 {
			return fmt.Sprintf("token %d of %s, granted to client %d of node %d, is held by no session", sv.held[0].Token, sv.name, sv.held[0].Arrival, sv.held[0].Node), false
		}
		for _, l := range sv.lines {
			if len(l.runs) > 0 && !sv.sharing {
				return fmt.Sprintf("client %d of %s at node %d waits in the state, but is gone", l.runs[0].from, sv.name, l.node), false
			}
		}
	}
	return c.sharesAreKnown()
}
