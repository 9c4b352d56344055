package mesh

import (
	"cmp"
	"net/netip"
	"slices"
	"sort"
	"strings"
	"time"

	"github.com/tcpctl/tcpctl/mesh/meshinfo"
)

// peer is what this node knows about another. Its fields are under node.mu.
type peer struct {
	node       *Node
	id         string
	name       string
	version    string
	addrs      []netip.AddrPort // best first
	verified   int              // how many of addrs, at the front, the peer sent itself or were dialled with success
	wrongAddrs map[netip.AddrPort]time.Time
	foundBy    string
	state      meshinfo.State
	cause      meshinfo.Cause
	detail     string
	since      time.Time
	seen       time.Time
	skew       time.Duration
	rtt        time.Duration
	trusted    bool
	record     []byte
	recordNo   uint64
	link       *link

	signed            *signedRecord  // the newest it has signed; nil: none
	told              []told         // its state according to the hubs that reach it
	toldLost          time.Time      // since when there is neither a hub that reaches it nor a link; zero: there is
	lostBy            meshinfo.Cause // the cause of its last link's end
	stateNo, signedNo uint64         // see feedChanged

	nextDial  time.Time // zero: never
	dialled   time.Time // when the last attempt began
	retry     backoff
	wake      chan struct{} // makes keepDialling read nextDial again
	forgotten chan struct{} // closed when it is forgotten
	settling  chan struct{} // mutex: held for the connection that is being settled
}

// addPeer is called with node.mu held. It returns nil when there are too many, or the node is closing.
func (n *Node) addPeer(id, source string) *peer {
	if n.closing {
		return nil
	}
	if source != sourceIncoming && n.countNeverConnected() >= maxNeverConnected {
		n.dropNeverConnected()
	}
	if len(n.peers) >= n.cfg.MaxPeers && !(source == sourceIncoming && n.dropNeverConnected()) {
		return nil
	}
	p := &peer{
		node: n, id: id, foundBy: source, state: meshinfo.Down, since: time.Now(),
		retry:     backoff{min: 100 * time.Millisecond, max: newPeerWait},
		wake:      make(chan struct{}, 1),
		forgotten: make(chan struct{}),
		settling:  make(chan struct{}, 1),
	}
	n.peers[id] = p
	n.wg.Go(p.keepDialling)
	return p
}

const (
	metPeerWait = 1500 * time.Millisecond // the longest wait between two attempts to reach a peer that was connected before
	newPeerWait = 15 * time.Second        // the same for a peer that was only found: anything can be announced
)

// neverConnected is called with node.mu held.
func (p *peer) neverConnected() bool { return p.link == nil && p.seen.IsZero() }

// countNeverConnected is called with node.mu held.
func (n *Node) countNeverConnected() (count int) {
	for _, p := range n.peers {
		if p.neverConnected() {
			count++
		}
	}
	return count
}

// dropNeverConnected makes room for a peer that has dialled us or was just found, by forgetting one that was only found:
// one that was dialled without success if there is one, and of several the oldest. A dial in progress continues, and adds
// the peer again if it succeeds.
func (n *Node) dropNeverConnected() bool {
	var drop *peer
	for _, p := range n.peers {
		if !p.neverConnected() || len(p.settling) > 0 {
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
	close(p.forgotten)
	n.cacheDirty = true
}

// addAddrs puts new addresses before known ones. Verified ones, which the peer has sent itself or was reached at, stay before
// those from other sources, which may be made up.
func (p *peer) addAddrs(addrs []netip.AddrPort, verified bool) {
	for _, a := range slices.Backward(addrs) {
		if i := slices.Index(p.addrs, a); i >= 0 {
			if i < p.verified {
				if !verified {
					continue
				}
				p.verified--
			}
			p.addrs = slices.Delete(p.addrs, i, i+1)
		}
		if verified {
			p.addrs = slices.Insert(p.addrs, 0, a)
			p.verified = min(p.verified+1, maxAddrs/2)
			continue
		}
		p.addrs = slices.Insert(p.addrs, p.verified, a)
	}
	p.addrs = p.addrs[:min(len(p.addrs), maxAddrs)]
	p.node.cacheDirty = true
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
		v.Seen = p.link.wire.lastReadAt()
	}
	if via := p.via(); via != nil && p.link == nil {
		v.Via, v.Seen, v.RTTSeconds = via.by.theirs.Name, via.by.wire.lastReadAt(), 0
		if via.rtt > 0 && via.by.peer.rtt > 0 {
			v.RTTSeconds = (via.rtt + via.by.peer.rtt).Seconds()
		}
	}
	if p.neverConnected() {
		v.State = meshinfo.Refused
	}
	return v
}

// Peers returns all known peers, sorted by name and then id; those that are meshinfo.Refused come last.
func (n *Node) Peers() []meshinfo.Peer {
	n.mu.Lock()
	defer n.mu.Unlock()
	out := make([]meshinfo.Peer, 0, len(n.peers))
	for _, p := range n.peers {
		out = append(out, p.value())
	}
	refused := func(p *meshinfo.Peer) int { return map[bool]int{true: 1}[p.State == meshinfo.Refused] }
	sort.Slice(out, func(i, j int) bool {
		a, b := &out[i], &out[j]
		return cmp.Or(refused(a)-refused(b), strings.Compare(a.Name, b.Name), strings.Compare(a.ID, b.ID)) < 0
	})
	return out
}

// setState publishes an event if the state changes. Called with node.mu held.
func (p *peer) setState(s meshinfo.State, c meshinfo.Cause) {
	if p.state == s && p.cause == c {
		return
	}
	p.state, p.cause, p.since = s, c, time.Now()
	p.feedChanged(true)
	p.node.publish(Event{Kind: string(s), Peer: p.value()})
}

// prune forgets peers that have been down for Config.Forget. Called with node.mu held.
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

// forgetPredecessor forgets a peer that is down and had p's name on p's host: a process restarted without a Config.Key
// has a new id.
func (n *Node) forgetPredecessor(p *peer, host netip.Addr) {
	for _, old := range n.peers {
		if old != p && old.name == p.name && old.link == nil && old.state == meshinfo.Down && len(old.settling) == 0 &&
			slices.ContainsFunc(old.addrs, func(a netip.AddrPort) bool { return a.Addr() == host }) {
			n.forget(old)
		}
	}
}
