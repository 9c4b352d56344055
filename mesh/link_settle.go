package mesh

import (
	"cmp"
	"context"
	"errors"
	"slices"

	"github.com/tcpctl/tcpctl/mesh/meshinfo"
)

// settleLink agrees with the other side on whether this connection becomes the link of the two nodes, and otherwise closes
// it. It returns the other side's id, if known.
func (n *Node) settleLink(ctx context.Context, h *handshake, startErr error, source string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, n.cfg.HandshakeTimeout)
	defer cancel()
	if startErr != nil && !worthAnswering(startErr) {
		h.wire.Conn.Close()
		return h.theirs.ID, ignoreSelf(startErr)
	}
	var p *peer
	err := h.exchangeVerdicts(startErr, func() (err error) {
		p, err = n.claimPeer(ctx, h, source)
		return h.complete(err)
	})
	if p != nil {
		defer func() { <-p.settling }()
	}
	if err == nil {
		_, err = n.adopt(h, p)
	}
	if err != nil {
		h.wire.Conn.Close()
	}
	return h.theirs.ID, err
}

// worthAnswering reports whether the other side is a mesh node, which is told why it is refused; a port scanner gets no answer.
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

// claimPeer acquires peer.settling for this connection, so that only one connection per peer is settled at a time. A link
// that is alive is never given up for a new one.
func (n *Node) claimPeer(ctx context.Context, h *handshake, source string) (*peer, error) {
	for {
		n.mu.Lock()
		if n.closing {
			n.mu.Unlock()
			return nil, &RefusedError{Reason: meshinfo.ReasonLeaving}
		}
		p := n.peers[h.theirs.ID]
		if p == nil {
			p = n.addPeer(h.theirs.ID, source)
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
		if err := n.endDeadLink(ctx, old, h); err != nil {
			<-p.settling
			return nil, err
		}
		return p, nil
	}
}

// endDeadLink ends the old link unless an answer over it shows that it is alive: a node that was unreachable may come back
// with a new connection before we give up the old one.
func (n *Node) endDeadLink(ctx context.Context, old *link, h *handshake) error {
	if old == nil {
		return nil
	}
	if !old.hasDeparted() && old.answers(ctx) {
		if old.theirs.Boot != h.theirs.Boot || !slices.Equal(old.key(), h.key()) {
			return &RefusedError{Reason: meshinfo.ReasonSameID, Detail: "another node with id " + h.theirs.ID + " is connected"}
		}
		return &RefusedError{Reason: meshinfo.ReasonDuplicate}
	}
	old.end(meshinfo.Unreachable, errors.New("mesh: the peer came back with a new connection"))
	select {
	case <-old.done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (h *handshake) key() []byte {
	key, err := peerKey(h.tls.ConnectionState())
	if err != nil {
		return nil
	}
	return key
}

func (l *link) key() []byte { return l.handshake.key() }

// removeLink removes a link that has ended, and schedules the next dial of the peer.
func (n *Node) removeLink(l *link) {
	n.mu.Lock()
	defer n.mu.Unlock()
	defer close(l.done)
	delete(n.links, l.token)
	p := l.peer
	p.link, p.seen, p.rtt = nil, l.wire.lastReadAt(), 0
	n.cacheDirty = true
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
	p.lostBy = cmp.Or(l.cause, meshinfo.Unreachable)
	l.forgetTold()
	if l.cause != meshinfo.Departed && (l.cause == "" || p.via() != nil) {
		p.followHubs("")
	} else {
		l.markDown(l.cause)
	}
	p.feedChanged(true)
	n.peersChanged()
	if l.cause == meshinfo.Departed {
		return
	}
	p.retry.reset()
	p.dialAt(n.firstDial(p))
}
