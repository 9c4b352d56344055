package mesh

import (
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/tcpctl/tcpctl/mesh/meshinfo"
)

// sourceHub is the meshinfo.Peer.FoundBy of a node that a hub has reported.
const sourceHub = "hub"

// told is what one hub reports about a peer that it reaches.
type told struct {
	by    *link
	state meshinfo.State
	rtt   time.Duration
}

// via returns the report of the hub through which the peer is reached; nil: none. Called with node.mu held.
func (p *peer) via() (best *told) {
	for i := range p.told {
		t := &p.told[i]
		if best == nil || t.state == meshinfo.Alive && best.state != meshinfo.Alive || t.state == best.state && t.by.peer.id < best.by.peer.id {
			best = t
		}
	}
	return best
}

// toldBy reports whether the hub reports the peer. Called with node.mu held.
func (p *peer) toldBy(hub *link) bool {
	return slices.ContainsFunc(p.told, func(t told) bool { return t.by == hub })
}

// dropTold is called with node.mu held.
func (p *peer) dropTold(by *link) (had bool) {
	before := len(p.told)
	p.told = slices.DeleteFunc(p.told, func(t told) bool { return t.by == by })
	return len(p.told) < before
}

// gotFeed handles msgFeed, a hub's report on other nodes.
func (l *link) gotFeed(body []byte) error {
	entries, err := parseFeed(body)
	if err != nil {
		return err
	}
	l.node.mu.Lock()
	believed := l.toHub() && l.asked != feedNone
	l.node.mu.Unlock()
	if !believed {
		return nil // no longer wanted, or not from a hub
	}
	for i := range entries {
		if err := l.gotEntry(&entries[i]); err != nil {
			return err
		}
	}
	return nil
}

func (l *link) gotEntry(e *feedEntry) error {
	signed, err := l.node.readSigned(e.signed)
	if err != nil {
		return err
	}
	n := l.node
	n.mu.Lock()
	defer n.mu.Unlock()
	if e.id == n.id.id {
		return nil
	}
	p := n.peers[e.id]
	if p == nil && signed != nil && signed.id == e.id && e.state != meshinfo.Down {
		p = n.addPeer(e.id, sourceHub)
	}
	if p == nil || l.asked == feedNone || l.ctx.Err() != nil {
		return nil // too many nodes, or its name is not known
	}
	if signed != nil && signed.id == e.id {
		p.setSigned(signed)
	}
	p.setTold(l, e)
	return nil
}

// readSigned parses and verifies a signed record. It returns nil if b is nil or not newer than the record that is known.
func (n *Node) readSigned(b []byte) (*signedRecord, error) {
	if b == nil {
		return nil, nil
	}
	s, err := parseSigned(b)
	if err != nil {
		return nil, err
	}
	n.mu.Lock()
	p := n.peers[s.id]
	old := p != nil && p.signed != nil && p.signed.version >= s.version
	n.mu.Unlock()
	if old {
		return nil, nil
	}
	return s, s.verify(n.cfg.Name)
}

// setTold is called with node.mu held.
func (p *peer) setTold(l *link, e *feedEntry) {
	n := p.node
	if p.signed == nil {
		return
	}
	if e.addr.IsValid() && (!e.addr.Addr().IsLoopback() || l.addr.Addr().IsLoopback()) {
		p.addAddrs([]netip.AddrPort{e.addr}, false)
	}
	p.dropTold(l)
	if e.state != meshinfo.Down {
		p.told = append(p.told, told{l, e.state, e.rtt})
		p.seen, p.trusted = time.Now(), true
	}
	p.followHubs(e.cause)
	if e.state != meshinfo.Down && n.wanted(p) {
		p.foundAgain(sourceHub)
	}
}

// followHubs gives a peer without a link the state that hubs report; cause is why it is down if none reaches it, "" if that is
// not certain yet. Called with node.mu held.
func (p *peer) followHubs(cause meshinfo.Cause) {
	if p.link != nil && p.link.wasAlive {
		return
	}
	via := p.via()
	switch {
	case via != nil:
		p.toldLost, p.detail = time.Time{}, ""
		p.setState(via.state, "")
	case p.state == meshinfo.Down:
	case cause != "":
		p.setState(meshinfo.Down, cause)
	case p.toldLost.IsZero():
		p.toldLost = time.Now()
	}
}

// forgetTold drops all reports of the hub at the other end. Called with node.mu held.
func (l *link) forgetTold() {
	for _, p := range l.node.peers {
		if p.dropTold(l) {
			p.followHubs("")
		}
	}
}

// expireTold gives up peers that were reached through a lost hub unless, within Config.Dead, another hub reports them or
// a link is made. Called with node.mu held.
func (n *Node) expireTold(now time.Time) {
	for _, p := range n.peers {
		switch {
		case p.toldLost.IsZero():
		case p.link != nil || p.state == meshinfo.Down:
			p.toldLost = time.Time{}
		case now.Sub(p.toldLost) > n.cfg.Dead:
			p.toldLost = time.Time{}
			p.detail = "the hub through which it was reached is lost"
			p.setState(meshinfo.Down, meshinfo.Unreachable)
		}
	}
}

// setSigned stores a newer signed record of the peer, received over its own link or through a hub. Called with node.mu held.
func (p *peer) setSigned(s *signedRecord) {
	if p.signed != nil && s.version <= p.signed.version {
		return
	}
	first := p.signed == nil
	p.signed = s
	p.addAddrs(s.about.Addrs, true)
	if p.link == nil {
		p.name, p.version = s.about.Name, s.about.Version
	}
	p.record = s.record
	if !first {
		p.node.publish(Event{Kind: EventUpdate, Peer: p.value()})
	}
	p.feedChanged(false)
	if first {
		p.feedChanged(true)
	}
}

// gotSigned handles msgSigned.
func (l *link) gotSigned(body []byte) error {
	if !l.handshake.trusted {
		return nil
	}
	s, err := parseSigned(body)
	if err != nil {
		return err
	}
	n := l.node
	if s.id == n.id.id { // this node's own record: the peer has a newer one than we sent
		if err := s.verify(n.cfg.Name); err != nil {
			return err
		}
		n.mu.Lock()
		defer n.mu.Unlock()
		n.gotOwn(s.version)
		return nil
	}
	if s.id != l.peer.id {
		return fmt.Errorf("%w: it is that of another node, %s", errSigned, s.about.Name)
	}
	newer, err := n.readSigned(body)
	if err != nil {
		return err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if newer != nil {
		l.peer.setSigned(newer)
	} else if known := l.peer.signed; known != nil && known.version > s.version {
		l.out.post(func(o *outgoing) { o.echo = true })
	}
	return nil
}
