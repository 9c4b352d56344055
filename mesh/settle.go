package mesh

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"slices"

	"github.com/tcpctl/tcpctl/mesh/meshinfo"
)

// greetLink dials on: conn is connected to addr, and becomes a link or is closed.
func (n *Node) greetLink(ctx context.Context, conn net.Conn, addr netip.AddrPort, source string) (string, error) {
	g, begun := n.begin(ctx, conn, addr, true, n.hello(kindLink))
	return n.settleLink(ctx, g, begun, source)
}

// settleLink agrees with the other side whether this connection becomes the link of the two nodes.
func (n *Node) settleLink(ctx context.Context, g *greeting, begun error, source string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, n.cfg.HandshakeTimeout)
	defer cancel()
	if begun != nil && !worthAnswering(begun) {
		g.wire.Conn.Close()
		return g.theirs.ID, ignoreSelf(begun)
	}
	var p *peer
	err := g.decide(begun, func() (err error) {
		p, err = n.claim(ctx, g, source)
		return g.locate(err)
	})
	if p != nil {
		defer func() { <-p.settling }()
	}
	if err == nil {
		_, err = n.adopt(g, p)
	}
	if err != nil {
		g.wire.Conn.Close()
	}
	return g.theirs.ID, err
}

// worthAnswering: a refusal of policy is told to the other side; a port scanner is told nothing.
func worthAnswering(err error) bool {
	r, ok := errors.AsType[*RefusedError](err)
	return ok && r.Reason != meshinfo.ReasonProtocol
}

func ignoreSelf(err error) error {
	if errors.Is(err, errSelf) {
		return nil
	}
	return err
}

// claim holds the peer's settling for this connection, if no other has it: at most one connection for each peer is decided
// about at a time, and one that lives is never given up for a new one.
func (n *Node) claim(ctx context.Context, g *greeting, source string) (*peer, error) {
	for {
		n.mu.Lock()
		if n.closing {
			n.mu.Unlock()
			return nil, &RefusedError{Reason: meshinfo.ReasonLeaving}
		}
		p := n.peers[g.theirs.ID]
		if p == nil {
			p = n.addPeer(g.theirs.ID, source)
		}
		n.mu.Unlock()
		if p == nil {
			return nil, &RefusedError{Reason: meshinfo.ReasonFull}
		}
		select {
		case p.settling <- struct{}{}:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		n.mu.Lock()
		forgotten, old := n.peers[p.id] != p, p.link
		n.mu.Unlock()
		if forgotten {
			<-p.settling
			continue
		}
		if err := n.makeWay(ctx, old, g); err != nil {
			<-p.settling
			return nil, err
		}
		return p, nil
	}
}

// makeWay ends the old link unless it lives, which only its peer can say: a node that was cut off and comes back is
// sooner with a new connection than we are with giving the old one up.
func (n *Node) makeWay(ctx context.Context, old *link, g *greeting) error {
	if old == nil {
		return nil
	}
	if !old.hasLeft() && old.answers(ctx) {
		if old.theirs.Boot != g.theirs.Boot || !slices.Equal(old.key(), g.key()) {
			return &RefusedError{Reason: meshinfo.ReasonSameID, Detail: "another node with id " + g.theirs.ID + " is connected"}
		}
		return &RefusedError{Reason: meshinfo.ReasonDuplicate}
	}
	old.end(meshinfo.Unreachable, errors.New("mesh: it came back with a new connection"))
	select {
	case <-old.done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (g *greeting) key() []byte {
	key, err := peerKey(g.tls.ConnectionState())
	if err != nil {
		return nil
	}
	return key
}

func (l *link) key() []byte { return l.greeted.key() }

// lost takes a link out after its end, and sees to it that the peer is dialled again.
func (n *Node) lost(l *link) {
	n.mu.Lock()
	defer n.mu.Unlock()
	defer close(l.done)
	delete(n.links, l.token)
	p := l.peer
	p.link, p.seen, p.rtt = nil, l.wire.heardAt(), 0
	n.memoryDirty = true
	if c := l.conn; c != nil && n.closed {
		c.abort()
	} else if c != nil {
		c.linkLost(l.cause)
	}
	l.conn = nil
	if n.closing {
		return
	}
	p.detail = l.detail
	l.down(l.cause)
	n.peersChanged()
	if l.cause == meshinfo.Departed {
		return
	}
	p.retry.reset()
	p.dialAt(n.firstDial(p))
}
