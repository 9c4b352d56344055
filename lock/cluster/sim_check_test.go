package cluster

import (
	"bytes"
	"fmt"
	"hash/maphash"
	"slices"
	"time"
)

// A checker knows what no process can: what is the case everywhere at one moment. It
// keeps a state of its own, which is as far as the first voter is.
type checker struct {
	sim     *sim
	truth   *State
	entries []LogEntry
	hashes  []uint64 // of the state after each 8th entry
	clients []*client
	bounds  []bound // by service
	ends    map[string]int
	most    map[string]uint64 // slots that a service ever had
	dirty   bool
	err     error
}

// A bound is how many sessions of a service may be live: slots, or those that were
// when there came to be fewer.
type bound struct {
	service string
	n       int
	token   uint64 // of the last grant
	last    uint64 // the highest that was admitted
	several uint64 // the last token that was granted while there was more than one slot
	tokens  map[uint64]bool
}

var seedOfHash = maphash.MakeSeed()

func (c *checker) init(s *sim) {
	*c = checker{sim: s, truth: NewState("sim"), ends: map[string]int{}, most: map[string]uint64{}}
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

// always is checked after each event that can have changed what it reads.
func (c *checker) always() {
	if !c.dirty {
		return
	}
	c.dirty = false
	for i := range c.truth.services {
		sv := c.truth.services[i]
		live := c.live(sv.name)
		b := c.bound(sv.name)
		b.n = max(int(sv.slots), min(b.n, len(sv.held)))
		if b.n > 1 {
			b.several = b.token
		}
		if len(live) > b.n {
			c.failf("%d sessions of %s are live and it has %d slots", len(live), sv.name, b.n)
		}
		for _, cl := range live {
			if sv.running != 0 && cl.grant.Token != sv.running && cl.grant.Token < sv.token {
				c.failf("the exclusive hook of %s token %d runs while the session with token %d is live", sv.name, sv.running, cl.grant.Token)
			}
		}
		if quiet, _ := c.truth.Quiet(sv.name); quiet && len(live) > 0 {
			c.failf("%s counts as quiet and %d sessions are live", sv.name, len(live))
		}
	}
}

// applied is called for each entry that a voter has applied. The first to do so tells
// the truth, which the others have to agree to.
func (c *checker) applied(p *proc, e LogEntry) {
	if e.Index <= uint64(len(c.entries)) {
		if known := c.entries[e.Index-1]; known.Term != e.Term || !bytes.Equal(known.Data, e.Data) {
			c.failf("voters 1 to 3 do not agree on entry %d", e.Index)
		}
		return
	}
	c.entries = append(c.entries, e)
	c.dirty = true
	before := c.truth.Members()
	changes, err := c.truth.Apply(e.Index, e.Data)
	if err != nil {
		c.failf("entry %d: %v", e.Index, err)
		return
	}
	c.traceEntry(p, e)
	for _, m := range before {
		if now := c.truth.member(m.Node); m.leased() && (now == nil || now.Lease != m.Lease || now.Ended) {
			c.ended(m)
		}
	}
	batches, _ := DecodeEntry(e.Data)
	for _, b := range batches {
		for _, op := range b.Ops {
			if op.Kind == OpJoin {
				c.joined(b, op)
			}
		}
	}
	for _, sv := range c.truth.services {
		c.most[sv.name] = max(c.most[sv.name], sv.slots)
	}
	for _, g := range changes.Grants {
		c.granted(g)
	}
	if e.Index%8 == 0 {
		c.hashes = append(c.hashes, c.hash(c.truth))
	}
}

func (c *checker) hash(s *State) uint64 { return maphash.Bytes(seedOfHash, s.Snapshot()) }

// same checks that a voter has the state that the first one had here.
func (c *checker) same(p *proc) {
	if i := p.voter.State().Index(); i%8 == 0 && i/8 <= uint64(len(c.hashes)) && c.hash(p.voter.State()) != c.hashes[i/8-1] {
		c.failf("voter %d has another state after entry %d", p.id, i)
	}
}

// ended: the sessions of a node are over before its slots move.
func (c *checker) ended(m Member) {
	c.sim.tracef("lease %d of node %d has ended", m.Lease, m.Node)
	for _, sv := range c.truth.services {
		for _, cl := range c.live(sv.name) {
			if g := cl.grant; g.Node == m.Node && g.Lease == m.Lease {
				c.failf("the lease of node %d ended while its session of %s with token %d was live", m.Node, sv.name, g.Token)
			}
		}
	}
}

// gaveUp: a node takes a lease for over only if it is, and keeps its places otherwise.
func (c *checker) gaveUp(p *proc, lease uint64) {
	if m := c.truth.member(p.id); m != nil && m.Lease == lease && !m.Ended {
		c.failf("node %d gave up lease %d, which runs", p.id, lease)
	}
}

// find returns the client of an arrival in the last start of its process.
func (c *checker) find(node NodeID, service string, arrival uint64) *client {
	p := c.sim.procs[node-1]
	if !p.up {
		return nil
	}
	q := p.queue(service)
	if i := slices.IndexFunc(q.clients, func(cl *client) bool { return cl.arrival == arrival }); i >= 0 {
		return q.clients[i]
	}
	return nil
}

// joined notes when clients got their places.
func (c *checker) joined(b Batch, op Op) {
	m := c.truth.member(b.Node)
	if m == nil || m.Lease != b.Lease || m.Incarnation != c.sim.procs[b.Node-1].disk.starts {
		return
	}
	for a := op.From; a <= op.To; a++ {
		if !c.inState(b.Node, op.Service, a) {
			continue // of a batch that came too early, or is over
		}
		if cl := c.find(b.Node, op.Service, a); cl != nil && cl.lease != b.Lease {
			cl.lease, cl.committed = b.Lease, c.sim.now
		}
	}
}

// inState reports whether an arrival waits or has a slot.
func (c *checker) inState(node NodeID, service string, arrival uint64) bool {
	sv := c.truth.service(service)
	if sv == nil {
		return false
	}
	if sv.holder(node, arrival) >= 0 {
		return true
	}
	i := slices.IndexFunc(sv.lines, func(l *line) bool { return l.node == node })
	if i < 0 {
		return false
	}
	_, waits := sv.lines[i].find(arrival)
	return waits
}

// granted: tokens grow by one, and who had a place before another came goes before it.
func (c *checker) granted(g Grant) {
	b := c.bound(g.Service)
	if g.Token != b.token+1 {
		c.failf("token %d of %s granted after token %d", g.Token, g.Service, b.token)
	}
	b.token = g.Token
	sv := c.truth.service(g.Service)
	if sv.closed() {
		c.failf("token %d of %s granted while it is paused", g.Token, g.Service)
	}
	if sv.line(g.Node).unable {
		c.failf("token %d of %s granted to node %d, which cannot serve", g.Token, g.Service, g.Node)
	}
	cl := c.find(g.Node, g.Service, g.Arrival)
	if cl == nil || cl.lease != g.Lease {
		return
	}
	for _, l := range sv.lines {
		m := c.truth.member(l.node)
		if l.unable || m.Incarnation != c.sim.procs[l.node-1].disk.starts {
			continue
		}
		for _, r := range l.runs {
			for a := r.from; a <= r.to; a++ {
				if other := c.find(l.node, g.Service, a); other != nil && other.lease == m.Lease && other.committed < cl.arrived {
					c.failf("client %d of node %d was granted %s before client %d of node %d, which had its place before the other came", g.Arrival, g.Node, g.Service, a, l.node)
				}
			}
		}
	}
}

// admitted: each token admits once, and never after a newer one where there is one
// slot, as a backend that refuses old tokens sees it.
func (c *checker) admitted(p *proc, cl *client, g Grant) {
	b := c.bound(g.Service)
	if b.tokens[g.Token] {
		c.failf("token %d of %s admitted twice", g.Token, g.Service)
	}
	b.tokens[g.Token] = true
	c.dirty = true
	if g.Token > b.several && g.Token < b.last {
		c.failf("token %d of %s admitted after token %d", g.Token, g.Service, b.last)
	}
	b.last = max(b.last, g.Token)
	if g.Node != p.id || g.Arrival != cl.arrival {
		c.failf("node %d admitted client %d by a grant for client %d of node %d", p.id, cl.arrival, g.Arrival, g.Node)
	}
}

// drained: after all faults are over each client is served or gone, and no slot is
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
			return fmt.Sprintf("token %d of %s is held by no session", sv.held[0].Token, sv.name), false
		}
		for _, l := range sv.lines {
			if l.waiting() > 0 {
				return fmt.Sprintf("client %d of %s at node %d waits in the state and is gone", l.runs[0].from, sv.name, l.node), false
			}
		}
	}
	return "", true
}

// traceEntry writes an entry in words.
func (c *checker) traceEntry(p *proc, e LogEntry) {
	if c.sim.trace == nil {
		return
	}
	batches, _ := DecodeEntry(e.Data)
	for _, b := range batches {
		for _, op := range b.Ops {
			c.sim.tracef("entry %d: %s", e.Index, describe(b, op))
		}
	}
}

const second = time.Second
