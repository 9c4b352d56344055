package mesh

import (
	"cmp"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/tcpctl/tcpctl/mesh/meshinfo"
)

// peer is what a node knows of another. Its fields are under node.mu.
type peer struct {
	node     *Node
	id       string
	name     string
	version  string
	addrs    []netip.AddrPort // the best first
	proven   int              // so many of them are its own word, or were dialled with success
	wrong    map[netip.AddrPort]time.Time
	foundBy  string
	state    meshinfo.State
	cause    meshinfo.Cause
	detail   string
	since    time.Time
	seen     time.Time
	skew     time.Duration
	rtt      time.Duration
	trusted  bool
	record   []byte
	recordNo uint64
	link     *link

	nextDial time.Time // zero: not at all
	dialled  time.Time // when the last attempt began
	retry    backoff
	poke     chan struct{} // keep looks at nextDial again
	gone     chan struct{} // closed when it is forgotten
	settling chan struct{} // held by the connection that is being decided about
}

// addPeer is called with node.mu held. It returns nil when there are too many, or the node is closing.
func (n *Node) addPeer(id, source string) *peer {
	if n.closing {
		return nil
	}
	if source != sourceIncoming && n.neverSeen() >= maxNeverSeen {
		n.dropNeverSeen()
	}
	if len(n.peers) >= n.cfg.MaxPeers && !(source == sourceIncoming && n.dropNeverSeen()) {
		return nil
	}
	p := &peer{
		node: n, id: id, foundBy: source, state: meshinfo.Down, since: time.Now(),
		retry:    backoff{min: 100 * time.Millisecond, max: strangerWait},
		poke:     make(chan struct{}, 1),
		gone:     make(chan struct{}),
		settling: make(chan struct{}, 1),
	}
	n.peers[id] = p
	n.wg.Add(1)
	go p.keep()
	return p
}

const (
	peerWait     = 1500 * time.Millisecond // the longest wait between two attempts to reach a peer that we have met
	strangerWait = 15 * time.Second        // and one that we have only heard of: anybody may announce anything
)

// stranger: it has never been connected. Called with node.mu held.
func (p *peer) stranger() bool { return p.link == nil && p.seen.IsZero() }

// neverSeen is called with node.mu held.
func (n *Node) neverSeen() (count int) {
	for _, p := range n.peers {
		if p.stranger() {
			count++
		}
	}
	return count
}

// dropNeverSeen makes room: who has merely been heard of gives way to who has called, and to who is heard of now. One that
// was tried in vain goes first, and of those the one that has been known for longest. An attempt that is under way goes on: it
// makes the peer anew when it gets through.
func (n *Node) dropNeverSeen() bool {
	var drop *peer
	for _, p := range n.peers {
		if !p.stranger() || len(p.settling) > 0 {
			continue
		}
		if drop == nil || p.tried() && !drop.tried() || p.tried() == drop.tried() && p.since.Before(drop.since) {
			drop = p
		}
	}
	if drop != nil {
		n.forget(drop)
	}
	return drop != nil
}

func (p *peer) tried() bool { return p.detail != "" }

// forget is called with node.mu held.
func (n *Node) forget(p *peer) {
	delete(n.peers, p.id)
	close(p.gone)
	n.memoryDirty = true
}

// addAddrs puts what is new in front of what is known; what the peer itself has said, or was reached at, stays before what
// others tell of it, since anybody may tell anything.
func (p *peer) addAddrs(addrs []netip.AddrPort, proven bool) {
	for _, a := range slices.Backward(addrs) {
		if i := slices.Index(p.addrs, a); i >= 0 {
			if i < p.proven {
				if !proven {
					continue
				}
				p.proven--
			}
			p.addrs = slices.Delete(p.addrs, i, i+1)
		}
		if proven {
			p.addrs = slices.Insert(p.addrs, 0, a)
			p.proven = min(p.proven+1, maxAddrs/2)
			continue
		}
		p.addrs = slices.Insert(p.addrs, p.proven, a)
	}
	p.addrs = p.addrs[:min(len(p.addrs), maxAddrs)]
	p.node.memoryDirty = true
}

func (p *peer) value() meshinfo.Peer {
	v := meshinfo.Peer{
		ID: p.id, Name: p.name, State: p.state, Cause: p.cause, Detail: p.detail, Since: p.since, Seen: p.seen,
		RTTSeconds: p.rtt.Seconds(), SkewSeconds: p.skew.Seconds(), FoundBy: p.foundBy, Version: p.version, Trusted: p.trusted, Record: p.record,
	}
	if len(p.addrs) > 0 {
		v.Addr = p.addrs[0].String()
	}
	if p.link != nil {
		v.Seen = p.link.wire.heardAt()
	}
	if p.stranger() {
		v.State = meshinfo.Refused
	}
	return v
}

// Peers returns all that are known, by name and then id; those that are Refused come last.
func (n *Node) Peers() []meshinfo.Peer {
	n.mu.Lock()
	defer n.mu.Unlock()
	out := make([]meshinfo.Peer, 0, len(n.peers))
	for _, p := range n.peers {
		out = append(out, p.value())
	}
	slices.SortFunc(out, func(a, b meshinfo.Peer) int {
		refused := func(p *meshinfo.Peer) int { return map[bool]int{true: 1}[p.State == meshinfo.Refused] }
		return cmp.Or(refused(&a)-refused(&b), strings.Compare(a.Name, b.Name), strings.Compare(a.ID, b.ID))
	})
	return out
}

// setState is called with node.mu held, and tells those who listen to Events.
func (p *peer) setState(s meshinfo.State, c meshinfo.Cause) {
	if p.state == s && p.cause == c {
		return
	}
	p.state, p.cause, p.since = s, c, time.Now()
	p.node.tell(Event{Kind: string(s), Peer: p.value()})
}

// prune forgets who has been down for long enough. Called with node.mu held.
func (n *Node) prune(now time.Time) {
	for _, p := range n.peers {
		down := now.Sub(p.since)
		if p.link != nil || len(p.settling) > 0 || p.state != meshinfo.Down {
			continue
		}
		if p.cause == meshinfo.Departed && down > forgetDeparted || n.cfg.Forget > 0 && down > n.cfg.Forget {
			n.forget(p)
		}
	}
}

// replaces forgets the peer that p is the successor of: it is down, and had p's name on p's host. A process that is
// started again without a Config.Key comes with a new id.
func (n *Node) replaces(p *peer, host netip.Addr) {
	for _, old := range n.peers {
		if old != p && old.name == p.name && old.link == nil && old.state == meshinfo.Down && len(old.settling) == 0 &&
			slices.ContainsFunc(old.addrs, func(a netip.AddrPort) bool { return a.Addr() == host }) {
			n.forget(old)
		}
	}
}
