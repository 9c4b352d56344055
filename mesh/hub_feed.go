package mesh

import (
	"hash/fnv"
	"math/rand/v2"
	"time"
)

const (
	// feedStays is how long a hub that is back must be linked before nodes ask it again; feedSpread, times the number of known
	// nodes, is how much longer the last of them may wait. Lower values rebalance the hubs sooner, but make each hub send its
	// full list of nodes more often.
	feedStays  = 30 * time.Second
	feedSpread = 300 * time.Millisecond
)

// chooseFeed asks for reports on other nodes: a node asks one hub, a hub asks all other hubs.
func (n *Node) chooseFeed(now time.Time) {
	if n.isHub() || !n.hubs.on {
		n.hubs.next, n.hubs.nextAt = nil, time.Time{}
	} else {
		n.preferFeed(now)
	}
	if f := n.hubs.feed; f != nil && (f.peer.link != f || !f.toHub() || n.isHub()) {
		n.hubs.feed = nil
	}
	needed := n.hubs.on || n.hasTold()
	for _, l := range n.links {
		switch {
		case l.peer.link != l || !l.toHub() || !needed || !n.isHub() && l != n.hubs.feed && l != n.hubs.next:
			l.askFeed(feedNone)
		case n.isHub():
			l.askFeed(feedLinked)
		default:
			l.askFeed(feedAll)
		}
	}
}

// preferFeed chooses the hub with the highest weight, so that nodes are spread over the hubs. The current one is kept for a
// while, so that a hub that comes back is not asked by all of its nodes at once, and until the new one has reported as much,
// so that no node is unknown meanwhile.
func (n *Node) preferFeed(now time.Time) {
	h := &n.hubs
	if !h.feed.tells() {
		h.feed = nil
	}
	best := n.bestFeed()
	if h.next != nil && h.next != best {
		h.next, h.nextAt = nil, time.Time{}
	}
	switch {
	case h.feed == nil || best == h.feed:
		h.feed, h.next, h.nextAt = best, nil, time.Time{}
	case h.nextAt.IsZero():
		h.nextAt = now.Add(feedStays + rand.N(1+feedSpread*time.Duration(len(n.peers))))
	case h.next == nil && now.After(h.nextAt) && now.Sub(best.since) > feedStays:
		h.next = best
	case h.next != nil && n.tellsAsMuch(h.next, h.feed):
		h.feed, h.next, h.nextAt = h.next, nil, time.Time{}
	case h.next != nil && now.Sub(h.nextAt) > feedStays: // it does not reach all nodes that the other does
		h.next, h.nextAt = nil, time.Time{}
	}
}

// tells reports whether l links to a hub that knows many nodes.
func (l *link) tells() bool {
	return l != nil && l.peer.link == l && l.toHub() && l.peerMany == hubMany
}

// bestFeed returns the hub that this node should ask; nil: none is linked.
func (n *Node) bestFeed() (best *link) {
	var most uint64
	for _, l := range n.links {
		if !l.tells() {
			continue
		}
		if w := weight(n.id.id, l.peer.id); best == nil || w > most {
			best, most = l, w
		}
	}
	return best
}

// tellsAsMuch reports whether hub has reported on every node that other reports on.
func (n *Node) tellsAsMuch(hub, other *link) bool {
	for _, p := range n.peers {
		if p != hub.peer && p.toldBy(other) && !p.toldBy(hub) {
			return false
		}
	}
	return true
}

// hasTold reports whether some peers are reached only through a hub: it is asked until they are linked or gone.
func (n *Node) hasTold() bool {
	for _, p := range n.peers {
		if p.link == nil && p.via() != nil {
			return true
		}
	}
	return false
}

// weight spreads the nodes over the hubs: each node takes the hub with the highest weight (rendezvous hashing).
func weight(node, hub string) uint64 {
	h := fnv.New64a()
	h.Write([]byte(node + " " + hub))
	return h.Sum64()
}

// askFeed is called with node.mu held.
func (l *link) askFeed(what byte) {
	if l.asked == what {
		return
	}
	l.asked = what
	l.out.post(func(o *outgoing) { o.feedWanted = true })
	if what == feedNone {
		l.forgetTold()
	}
}
