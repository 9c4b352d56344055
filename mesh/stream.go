package mesh

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"sort"
	"strings"
	"sync"

	"github.com/tcpctl/tcpctl/mesh/meshinfo"
)

// ErrUntrusted is returned by OpenStream in a mesh without a secret.
var ErrUntrusted = errors.New("mesh: the peer is not trusted: streams need Config.Secrets")

// ErrNoPeer is wrapped by the error of Find and OpenStream when no connected peer has that name.
var ErrNoPeer = errors.New("mesh: no such peer is connected")

// AmbiguousError says that several connected peers have one name.
type AmbiguousError struct {
	Name  string
	Peers []meshinfo.Peer // by id
}

func (e *AmbiguousError) Error() string {
	return fmt.Sprintf("mesh: %d connected peers have the name %q: use an id", len(e.Peers), e.Name)
}

// Find returns the connected peer that has peer for its id, its name, its name, "#" and the beginning of its id, or one of its
// addresses, in this order. The error wraps ErrNoPeer, or is an *AmbiguousError.
func (n *Node) Find(peer string) (meshinfo.Peer, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	l, err := n.linkTo(peer)
	if err != nil {
		return meshinfo.Peer{}, err
	}
	return l.peer.value(), nil
}

// OpenStream opens a stream to a trusted peer, which gets it by Config.OnStream. The peer is named as for Find. The stream has
// no half-close; the caller closes it. It ends when the peer is lost. The error may be ErrUntrusted, or one of Find's.
//
// OpenStream does not wait for the peer: if that has no OnStream, or 64 streams of this node's open, the first Read fails.
func (n *Node) OpenStream(ctx context.Context, peer string) (net.Conn, error) {
	n.mu.Lock()
	l, err := n.linkTo(peer)
	n.mu.Unlock()
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

// linkTo is called with node.mu held.
func (n *Node) linkTo(peer string) (*link, error) {
	if p := n.peers[peer]; p != nil && p.link != nil {
		return p.link, nil
	}
	name, id := peer, ""
	if i := strings.LastIndexByte(peer, '#'); i >= 0 {
		name, id = peer[:i], peer[i+1:]
	}
	for _, matches := range []func(*link) bool{
		func(l *link) bool { return l.peer.name == peer },
		func(l *link) bool { return id != "" && l.peer.name == name && strings.HasPrefix(l.peer.id, id) },
		func(l *link) bool {
			return slices.ContainsFunc(l.peer.addrs[:l.peer.verified], func(a netip.AddrPort) bool { return a.String() == peer })
		},
	} {
		var found []*link
		for _, l := range n.links {
			if l.peer.link == l && matches(l) {
				found = append(found, l)
			}
		}
		switch len(found) {
		case 0:
		case 1:
			return found[0], nil
		default:
			return nil, ambiguous(peer, found)
		}
	}
	return nil, fmt.Errorf("%w: %s", ErrNoPeer, peer)
}

func ambiguous(name string, links []*link) error {
	e := &AmbiguousError{Name: name}
	for _, l := range links {
		e.Peers = append(e.Peers, l.peer.value())
	}
	sort.Slice(e.Peers, func(i, j int) bool { return e.Peers[i].ID < e.Peers[j].ID })
	return e
}

// acceptStreams passes the peer's streams to Config.OnStream until the link ends.
func (l *link) acceptStreams() {
	n := l.node
	for {
		s, err := l.session.Accept()
		if err != nil {
			return
		}
		select {
		case l.streamSlots <- struct{}{}:
		default:
			s.Close()
			continue
		}
		counted := &stream{Conn: s, slots: l.streamSlots}
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

// stream gives its slot back when it is closed.
type stream struct {
	net.Conn
	slots chan struct{}
	once  sync.Once
}

func (s *stream) Close() error {
	s.once.Do(func() { <-s.slots })
	return s.Conn.Close()
}
