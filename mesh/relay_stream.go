package mesh

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"time"

	"github.com/tcpctl/tcpctl/mesh/meshinfo"
)

// relayedStream is one end of a stream through a hub: TLS between the two nodes, with the same keys and secret as on links. The
// hub sees only the size and time of what is sent.
type relayedStream struct {
	net.Conn // TLS; streams have no half-close, so this hides CloseWrite
}

// openRelayed opens a stream to a peer through a linked hub, trying one after another until one reaches the peer.
func (n *Node) openRelayed(ctx context.Context, p meshinfo.Peer) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, n.cfg.HandshakeTimeout)
	defer cancel()
	relays, err := n.relaysTo(ctx, p.ID)
	if err != nil {
		return nil, err
	}
	var first error
	for _, r := range relays {
		conn, err := n.openThrough(ctx, r, p)
		if err == nil {
			return conn, nil
		}
		first = cmp.Or(first, fmt.Errorf("mesh: stream to %s through %s: %w", p.Name, r.link.theirs.Name, err))
		if ctx.Err() != nil {
			break
		}
	}
	return nil, first
}

// relaysTo returns the relays to try, first that of the hub that reports the peer. It waits for a relay if there is none: after a
// link to a hub is made, its relay takes a moment.
func (n *Node) relaysTo(ctx context.Context, id string) ([]*relay, error) {
	for {
		n.mu.Lock()
		var out []*relay
		p, ready := n.peers[id], n.hubs.ready
		if p != nil {
			if via := p.via(); via != nil && via.by.relay != nil {
				out = append(out, via.by.relay)
			}
		}
		for _, l := range n.links {
			if l.toHub() && l.relay != nil && !slices.Contains(out, l.relay) {
				out = append(out, l.relay)
			}
		}
		n.mu.Unlock()
		if len(out) > 0 {
			return out, nil
		}
		select {
		case <-ready:
		case <-ctx.Done():
			return nil, fmt.Errorf("mesh: no hub carries streams of this node: %w", ctx.Err())
		case <-n.lifetime.Done():
			return nil, ErrClosed
		}
	}
}

func (n *Node) openThrough(ctx context.Context, r *relay, p meshinfo.Peer) (net.Conn, error) {
	opened, err := r.session.OpenStream()
	if err != nil {
		return nil, err
	}
	s := &stream{Conn: opened}
	deadline, _ := ctx.Deadline()
	s.SetDeadline(deadline)
	if err = writeFrame(s, relayRequest{target: p.ID, hubs: maxHubsOnWay}.encode()); err == nil {
		var h *handshake
		if h, err = n.startHandshake(ctx, &answered{Conn: s}, r.link.addr, true, n.hello(kindStream)); err == nil || worthAnswering(err) {
			err = h.exchangeVerdicts(err, func() error { return h.isNode(p.ID) })
		}
		if err == nil {
			err = h.finish()
		}
		if err == nil {
			return relayedStream{h.tls}, nil
		}
	}
	s.Close()
	return nil, err
}

// answered is a stream on which the answer to a relayRequest comes first.
type answered struct {
	net.Conn
	read bool
}

func (a *answered) Read(b []byte) (int, error) {
	if !a.read {
		a.read = true
		frame, err := readFrame(a.Conn, 1)
		if err == nil {
			err = parseRelayAnswer(frame)
		}
		if err != nil {
			return 0, err
		}
	}
	return a.Conn.Read(b)
}

// isNode returns an error unless the other side's key proves that it has this id, and it has proved the secret.
func (h *handshake) isNode(id string) error {
	switch {
	case h.theirs.Kind != kindStream || !h.trusted:
		return errNotStream
	case h.theirs.ID != id || idOf(h.key()) != id:
		return errOtherNode
	}
	return nil
}

var (
	errNotStream = errors.New("mesh: the other end is not a node of this mesh")
	errOtherNode = errors.New("mesh: the hub has passed the stream on to another node")
)

// takeRelayed accepts a stream from another node through a hub: after the handshake it belongs to the program.
func (n *Node) takeRelayed(r *relay, s *stream) {
	ctx, cancel := context.WithTimeout(n.ctx, n.cfg.HandshakeTimeout)
	defer cancel()
	err := writeFrame(s, []byte{relayOK})
	var h *handshake
	if err == nil {
		if h, err = n.startHandshake(ctx, s, r.link.addr, false, n.hello(kindStream)); err == nil || worthAnswering(err) {
			err = h.exchangeVerdicts(err, func() error { return h.isNode(h.theirs.ID) })
		}
	}
	if err == nil {
		err = h.finish()
	}
	if err != nil || n.cfg.OnStream == nil {
		s.Close()
		return
	}
	go n.cfg.OnStream(n.relayedPeer(h, r), relayedStream{h.tls})
}

// relayedPeer returns the node at the other end, which no hub may have reported yet.
func (n *Node) relayedPeer(h *handshake, r *relay) meshinfo.Peer {
	n.mu.Lock()
	defer n.mu.Unlock()
	p := meshinfo.Peer{ID: h.theirs.ID, State: meshinfo.Alive, Since: time.Now(), FoundBy: sourceHub, Via: r.link.theirs.Name}
	if known := n.peers[h.theirs.ID]; known != nil {
		p = known.value()
	}
	p.Name, p.Version, p.Trusted = h.theirs.Name, h.theirs.Version, true
	return p
}
