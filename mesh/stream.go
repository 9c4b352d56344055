package mesh

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
)

// ErrUntrusted is returned by OpenStream in a mesh without a secret.
var ErrUntrusted = errors.New("mesh: the peer is not trusted: streams need Config.Secrets")

// ErrNoPeer is returned by OpenStream when no connected peer has that name or id.
var ErrNoPeer = errors.New("mesh: no such peer is connected")

// OpenStream opens a stream to a peer, which gets it by Config.OnStream. The peer is named by its id, or by its name if no
// other connected peer has that. The stream has no half-close; the caller closes it. It ends with the link to the peer.
//
// Opening does not wait for the peer: where its OnStream is nil, or 64 streams are open already, the first Read fails.
func (n *Node) OpenStream(ctx context.Context, peer string) (net.Conn, error) {
	l, err := n.linkTo(peer)
	if err != nil {
		return nil, err
	}
	if l.session == nil {
		return nil, ErrUntrusted
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	s, err := l.session.Open()
	if err != nil {
		return nil, fmt.Errorf("mesh: stream to %s: %w", peer, err)
	}
	return s, nil
}

func (n *Node) linkTo(peer string) (*link, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if p := n.peers[peer]; p != nil && p.link != nil {
		return p.link, nil
	}
	var found *link
	for _, l := range n.links {
		if l.peer.name != peer {
			continue
		}
		if found != nil {
			return nil, fmt.Errorf("mesh: several connected peers have the name %q: use an id", peer)
		}
		found = l
	}
	if found == nil {
		return nil, fmt.Errorf("%w: %s", ErrNoPeer, peer)
	}
	return found, nil
}

// acceptStreams hands the peer's streams to the program until the link ends.
func (l *link) acceptStreams() {
	n := l.node
	for {
		s, err := l.session.Accept()
		if err != nil {
			return
		}
		select {
		case l.streams <- struct{}{}:
		default:
			s.Close()
			continue
		}
		counted := &stream{Conn: s, free: l.streams}
		if n.cfg.OnStream == nil {
			counted.Close()
			continue
		}
		n.mu.Lock()
		peer := l.peer.value()
		n.mu.Unlock()
		go n.cfg.OnStream(peer, counted)
	}
}

// stream gives its place back when it is closed.
type stream struct {
	net.Conn
	free chan struct{}
	once sync.Once
}

func (s *stream) Close() error {
	s.once.Do(func() { <-s.free })
	return s.Conn.Close()
}
