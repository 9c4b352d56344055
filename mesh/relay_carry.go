package mesh

import (
	"io"
	"time"
)

// serveRelayed handles a stream that the other side has opened: either it is for this node, or this hub passes it on.
func (n *Node) serveRelayed(r *relay, s *stream) {
	s.SetDeadline(time.Now().Add(n.cfg.HandshakeTimeout))
	b, err := readFrame(s, relayRequestSize)
	if err != nil {
		s.Close()
		return
	}
	req, err := parseRelayRequest(b)
	switch {
	case err != nil:
		s.Close()
	case req.target == n.id.id:
		n.takeRelayed(r, s)
	default:
		n.carry(r, s, req)
	}
}

// carry copies a stream in both directions until either ends. A slow reader at one end stops the other: only yamux's window, 256
// KiB in each direction, is buffered here.
func (n *Node) carry(from *relay, s *stream, req relayRequest) {
	defer s.Close()
	next, answer := n.nextRelay(from, req)
	if answer == relayOK {
		select {
		case n.carried <- struct{}{}:
			defer func() { <-n.carried }()
		default:
			answer = relayFull
		}
	}
	if answer != relayOK {
		_ = writeFrame(s, []byte{answer}) // on an error, the requester sees the stream end
		return
	}
	passed, err := next.session.OpenStream()
	if err != nil {
		_ = writeFrame(s, []byte{relayUnknown})
		return
	}
	to := &stream{Conn: passed}
	defer to.Close()
	to.SetDeadline(time.Now().Add(n.cfg.HandshakeTimeout))
	if err := writeFrame(to, relayRequest{target: req.target, hubs: req.hubs - 1}.encode()); err != nil {
		return
	}
	s.SetDeadline(time.Time{})
	to.SetDeadline(time.Time{})
	both(s, to)
}

// nextRelay returns the relay on which a hub passes a stream on, or nil and the answer that says why it cannot.
func (n *Node) nextRelay(from *relay, req relayRequest) (*relay, byte) {
	n.mu.Lock()
	defer n.mu.Unlock()
	p := n.peers[req.target]
	switch {
	case !n.isHub():
		return nil, relayNoHub
	case p == nil || req.hubs == 0:
		return nil, relayUnknown
	case p.link != nil && p.link.relay != nil && p.link.relay != from:
		return p.link.relay, relayOK
	}
	if via := p.via(); req.hubs > 1 && via != nil && via.by.relay != nil && via.by.relay != from {
		return via.by.relay, relayOK
	}
	return nil, relayUnknown
}

// both copies in both directions, and returns when one of them has ended and both streams are closed.
func both(a, b *stream) {
	done := make(chan struct{}, 2)
	for _, dir := range [][2]*stream{{a, b}, {b, a}} {
		go func() {
			_, _ = io.Copy(dir[0], dir[1]) // the two ends see the error
			done <- struct{}{}
		}()
	}
	<-done
	a.Close()
	b.Close()
	<-done
}
