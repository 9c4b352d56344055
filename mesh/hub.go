package mesh

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/tcpctl/tcpctl/mesh/internal/plain"
	"github.com/tcpctl/tcpctl/mesh/meshinfo"
)

// hubs is this node's state in a mesh that may be too large for links between all nodes. Its fields are under node.mu.
type hubs struct {
	names  []string      // Config.Hubs
	many   bool          // this node is a hub and knows more than Config.FullUpTo
	on     bool          // this node is linked to hubs only, or is one
	silent time.Time     // since when no linked hub says whether there are many nodes; zero: one does
	feed   *link         // the hub that reports on other nodes to this one; nil: none
	next   *link         // a better hub, asked in parallel until it has reported as much; nil: none
	nextAt time.Time     // when next is asked; zero: none is better
	first  bool          // just started: dials hubs only, which may say that there are many nodes
	ready  chan struct{} // closed and replaced when a relay is connected
}

const (
	// hubPatience is how long a node that has lost all its hubs waits for one before it links to other nodes. Restarted hubs
	// need a moment to find out how many nodes there are.
	hubPatience = 10 * time.Second
	// hubsFirst is how long after its first link to a hub a newly started node dials only hubs; without such a link it does so
	// for hubPatience. Otherwise the nodes of a large mesh that all start at once would make thousands of links before the hubs
	// know how many nodes there are.
	hubsFirst = 3 * time.Second
	// spareAfter is the minimum age at which a link is given up for a path through a hub.
	spareAfter = 5 * time.Second
	// spread is the time over which a node without hubs spreads its dials to the others.
	spread = 2 * time.Second
)

// SetHubs replaces Config.Hubs. The error says which name is invalid, or that the
// mesh has no secret.
func (n *Node) SetHubs(names []string) error {
	if err := n.cfg.checkHubs(names); err != nil {
		return err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.hubs.names = slices.Clone(names)
	for _, p := range n.peers {
		p.wakeUp()
	}
	return nil
}

func (c *Config) checkHubs(names []string) error {
	for _, name := range names {
		if !plain.Name(name) {
			return fmt.Errorf("mesh: hub %q: want the name of a node, 1 to %d printable bytes", name, plain.MaxName)
		}
	}
	switch {
	case len(names) > 0 && len(c.Secrets) == 0:
		return errors.New("mesh: Config.Hubs needs Config.Secrets: in an open mesh nothing goes through other nodes")
	case len(names) > 0 && c.ID != "":
		return errors.New("mesh: Config.Hubs needs ids that are made of keys: leave Config.ID empty")
	}
	return nil
}

// isHub is called with node.mu held.
func (n *Node) isHub() bool { return n.namesHub(n.cfg.Node) }

func (n *Node) namesHub(name string) bool { return slices.Contains(n.hubs.names, name) }

// toHub reports whether the peer is a trusted hub. Called with node.mu held.
func (l *link) toHub() bool { return l.handshake.trusted && l.node.namesHub(l.theirs.Name) }

// wanted reports whether this node should have a link to the peer. Called with node.mu held.
func (n *Node) wanted(p *peer) bool {
	return !n.hubs.on && !n.hubs.first || n.isHub() || n.namesHub(p.name)
}

// signs reports whether this node's record is sent over l signed, because one of the two is a hub that passes it on. Called
// with node.mu held.
func (l *link) signs() bool { return l.toHub() && (l.peerMany == hubMany || l.node.hubs.on) }

// What a hub says about the size of the mesh. It says nothing until it knows.
const (
	hubUnknown = 0
	hubMany    = 1 // there are more nodes than its Config.FullUpTo
	hubFew     = 2
)

// watchHubs is called often, with node.mu held.
func (n *Node) watchHubs(now time.Time) {
	if len(n.hubs.names) > 0 || n.hubs.on {
		if n.isHub() {
			n.countNodes()
		}
		n.turnHubs(now)
		n.chooseFeed(now)
		n.expireTold(now)
	}
	for _, l := range n.links {
		l.watchSpare()
		l.watchRelay(now)
	}
}

// countNodes finds out whether this hub knows more than Config.FullUpTo nodes, itself included. The way back is at four
// fifths of that, so that one node that comes and goes does not switch the whole mesh.
func (n *Node) countNodes() {
	count := 1
	for _, p := range n.peers {
		if p.trusted && !p.neverConnected() && p.cause != meshinfo.Departed {
			count++
		}
	}
	many := count > n.cfg.FullUpTo
	if n.hubs.many {
		many = count > n.cfg.FullUpTo*4/5
	}
	if many == n.hubs.many {
		return
	}
	n.hubs.many = many
	for _, l := range n.links {
		l.out.post(func(o *outgoing) { o.hub = true })
	}
}

// saysMany returns what this hub says; hubUnknown: nothing. Called with node.mu held.
func (n *Node) saysMany() byte {
	switch {
	case !n.isHub():
		return hubUnknown
	case n.hubs.many:
		return hubMany
	}
	return hubFew
}

// turnHubs decides whether nodes should be linked to hubs only.
func (n *Node) turnHubs(now time.Time) {
	many, few := n.isHub() && n.hubs.many, n.isHub() && !n.hubs.many
	firstUntil := n.started.Add(hubPatience)
	for _, l := range n.links {
		if l.peer.link == l && l.toHub() {
			many, few = many || l.peerMany == hubMany, few || l.peerMany == hubFew
			if until := l.since.Add(hubsFirst); until.Before(firstUntil) {
				firstUntil = until
			}
		}
	}
	was, first := n.hubs.on, n.hubs.first
	n.hubs.first = n.hubs.first && now.Before(firstUntil)
	switch {
	case many:
		n.hubs.on, n.hubs.silent = true, time.Time{}
	case few:
		n.hubs.on, n.hubs.silent = false, time.Time{}
	case n.hubs.on && n.hubs.silent.IsZero():
		n.hubs.silent = now
	case n.hubs.on && now.Sub(n.hubs.silent) > hubPatience:
		n.hubs.on, n.hubs.silent = false, time.Time{}
	}
	if was != n.hubs.on {
		n.recordChanged() // whether it is signed has changed
	}
	if was == n.hubs.on && first == n.hubs.first {
		return
	}
	for _, p := range n.peers {
		switch {
		case p.link != nil || n.hubs.on || p.cause == meshinfo.Departed:
		case was:
			p.retry.reset()
			p.dialAt(now.Add(rand.N(spread)))
		default:
			p.wakeUp()
		}
	}
}

// recordChanged queues this node's record for all peers. Called with node.mu held.
func (n *Node) recordChanged() {
	for _, l := range n.links {
		l.out.post(func(o *outgoing) { o.record = true })
	}
}

// gotHub handles msgHub: the peer, which claims to be a hub, knows many nodes or few.
func (l *link) gotHub(body []byte) {
	n := l.node
	n.mu.Lock()
	defer n.mu.Unlock()
	if len(body) != 1 || body[0] > hubFew || !l.toHub() {
		return
	}
	l.peerMany = body[0]
	n.turnHubs(time.Now())
	l.out.post(func(o *outgoing) { o.record = true }) // whether it is signed has changed
}
