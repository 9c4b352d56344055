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

// hubs is this node's part in a mesh that is too large for links between all nodes. Its fields are under node.mu.
type hubs struct {
	names  []string      // Config.Hubs
	many   bool          // this node is a hub and knows more than Config.FullUpTo
	on     bool          // this node is linked to hubs only, or is one
	silent time.Time     // since when no hub that is linked says how it is; zero: one does
	feed   *link         // the hub that tells this node of the others; nil: none
	next   *link         // another that is better, and is asked beside it until it has told as much; nil: none
	nextAt time.Time     // when it is asked; zero: none is better
	first  bool          // it has just been started and dials hubs alone, which may say that there are many
	ready  chan struct{} // closed and replaced when a connection for streams is there
}

const (
	// hubPatience is how long a node that has lost all its hubs waits for one before it links to others. Hubs that are started
	// again take a moment to find out how many nodes there are.
	hubPatience = 10 * time.Second
	// hubsFirst is how long a node that was just started dials hubs alone, from the link to the first of them, and without one for
	// hubPatience. Nodes of a large mesh that all start at once would make thousands of links otherwise before the hubs know how
	// many they are.
	hubsFirst = 3 * time.Second
	// spareAfter is how old a link is at least when it is given up for one through a hub.
	spareAfter = 5 * time.Second
	// spread is the time over which a node without hubs begins to dial the others.
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

// toHub reports whether the peer is a hub. Called with node.mu held.
func (l *link) toHub() bool { return l.handshake.trusted && l.node.namesHub(l.theirs.Name) }

// wanted reports whether this node should have a link to the peer. Called with node.mu held.
func (n *Node) wanted(p *peer) bool {
	return !n.hubs.on && !n.hubs.first || n.isHub() || n.namesHub(p.name)
}

// signs reports whether this node's record goes over l with its signature, because one of the two passes it on. Called with
// node.mu held.
func (l *link) signs() bool { return l.toHub() && (l.peerMany == hubMany || l.node.hubs.on) }

// What a hub says of the mesh. Before it has said anything, it does not know.
const (
	hubUnknown = 0
	hubMany    = 1 // there are more nodes than its Config.FullUpTo
	hubFew     = 2
)

// watchHubs is called with node.mu held, often.
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

// countNodes finds out whether this hub knows more than Config.FullUpTo nodes, itself included. It knows few again at four
// fifths of that: one node that comes and goes does not change what all do.
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

// saysMany is what this hub says; hubUnknown: nothing. Called with node.mu held.
func (n *Node) saysMany() byte {
	switch {
	case !n.isHub():
		return hubUnknown
	case n.hubs.many:
		return hubMany
	}
	return hubFew
}

// turnHubs finds out whether the nodes are to be linked to hubs only.
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
		n.recordChanged() // it is signed now, or no longer
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

// recordChanged has all peers sent this node's record. Called with node.mu held.
func (n *Node) recordChanged() {
	for _, l := range n.links {
		l.out.post(func(o *outgoing) { o.record = true })
	}
}

// gotHub: the peer, which says that it is a hub, knows many nodes or few.
func (l *link) gotHub(body []byte) {
	n := l.node
	n.mu.Lock()
	defer n.mu.Unlock()
	if len(body) != 1 || body[0] > hubFew || !l.toHub() {
		return
	}
	l.peerMany = body[0]
	n.turnHubs(time.Now())
	l.out.post(func(o *outgoing) { o.record = true }) // signed, or no longer
}
