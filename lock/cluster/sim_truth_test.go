package cluster

import (
	"bytes"
	"hash/maphash"
	"slices"
)

var seedOfHash = maphash.MakeSeed()

// applied is called for each entry that a voter has applied. The first voter that
// applies an entry defines it, and the others have to agree.
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
		b := c.bound(sv.name)
		b.shared = b.shared || sv.sharing
	}
	for _, g := range changes.Grants {
		c.granted(g)
	}
	if e.Index%8 == 0 {
		c.hashes = append(c.hashes, c.hash(c.truth))
	}
}

func (c *checker) hash(s *State) uint64 { return maphash.Bytes(seedOfHash, s.Snapshot()) }

// same checks that a voter's state equals that of the first one after the same entry.
func (c *checker) same(p *proc) {
	if i := p.voter.State().Index(); i%8 == 0 && i/8 <= uint64(len(c.hashes)) && c.hash(p.voter.State()) != c.hashes[i/8-1] {
		c.failf("voter %d has another state after entry %d", p.id, i)
	}
}

// ended: a node's sessions have ended before its slots move.
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

// gaveUp: a node considers a lease over only if it is, and keeps its places otherwise.
func (c *checker) gaveUp(p *proc, lease uint64) {
	if m := c.truth.member(p.id); m != nil && m.Lease == lease && !m.Ended {
		c.failf("node %d gave up lease %d, which still runs", p.id, lease)
	}
}

// find returns the client of an arrival in the current run of its process.
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

// joined records when clients got their places.
func (c *checker) joined(b Batch, op Op) {
	m := c.truth.member(b.Node)
	if m == nil || m.Lease != b.Lease || m.Incarnation != c.sim.procs[b.Node-1].disk.starts {
		return
	}
	for a := op.From; a <= op.To; a++ {
		if !c.inState(b.Node, op.Service, a) {
			continue // from a batch that came too early, or has ended
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

// granted: tokens grow by one, and a client is granted before all that came after it got
// its place.
func (c *checker) granted(g Grant) {
	b := c.bound(g.Service)
	if sv := c.truth.service(g.Service); sv.ordered > 0 {
		b.shared = true
		if g.Token <= b.last {
			c.failf("token %d of %s granted after token %d", g.Token, g.Service, b.last)
		}
	} else if g.Token != b.token+1 {
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
	if cl == nil || cl.lease != g.Lease || b.shared {
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
