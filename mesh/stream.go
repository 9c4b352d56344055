package mesh

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"sort"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/yamux"

	"github.com/tcpctl/tcpctl/mesh/meshinfo"
)

// ErrUntrusted is returned by OpenStream in a mesh without a secret.
var ErrUntrusted = errors.New("mesh: the peer is not trusted: streams need Config.Secrets")

// ErrNoPeer is wrapped by the error of Find and OpenStream when no connected peer has that name.
var ErrNoPeer = errors.New("mesh: no such peer is connected")

// AmbiguousError means that several connected peers have the name.
type AmbiguousError struct {
	Name  string
	Peers []meshinfo.Peer // by id
}

func (e *AmbiguousError) Error() string {
	return fmt.Sprintf("mesh: %d connected peers have the name %q: use an id", len(e.Peers), e.Name)
}

// Find returns the connected peer that has peer for its id, its name, its name, "#" and the beginning of its id, or one of its
// addresses, in this order; a peer that a hub reaches is connected, too. The error wraps ErrNoPeer, or is an *AmbiguousError.
func (n *Node) Find(peer string) (meshinfo.Peer, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	p, err := n.reached(peer)
	if err != nil {
		return meshinfo.Peer{}, err
	}
	return p.value(), nil
}

// OpenStream opens a stream to a trusted peer, which gets it by Config.OnStream. The peer is named as for Find. The stream has
// no half-close; the caller closes it. The error may be ErrUntrusted, or one of Find's.
//
// OpenStream does not wait for a peer that is linked to this node, unless 64 streams are on the way to it: if that has no OnStream,
// or 64 streams of this node's open, the first Read returns io.EOF. So does a Read when the peer is lost, as after its Close: what
// a stream carries should mark its own end.
//
// To other peers the stream goes through a hub, with TLS from end to end that the hub cannot read, and OpenStream waits for the
// peer, for Config.HandshakeTimeout at most. After a Write on such a stream has timed out, every Write fails, as in tls.Conn.
// OpenStream never waits longer than for ctx.
func (n *Node) OpenStream(ctx context.Context, peer string) (net.Conn, error) {
	n.mu.Lock()
	p, err := n.reached(peer)
	if err != nil {
		n.mu.Unlock()
		return nil, err
	}
	l, value := p.link, p.value()
	through := l == nil || l.spare && p.via() != nil
	if err := ctx.Err(); err != nil {
		n.mu.Unlock()
		return nil, err
	}
	type result struct {
		net.Conn
		error
	}
	opened := make(chan result)
	n.wg.Go(func() { // yamux's OpenStream takes no context
		var r result
		switch {
		case through:
			r.Conn, r.error = n.openRelayed(ctx, value)
		case l.session == nil:
			r.error = ErrUntrusted
		default:
			if r.Conn, r.error = l.session.Open(); r.error != nil {
				r.error = fmt.Errorf("mesh: stream to %s: %w", peer, r.error)
			} else {
				r.Conn = &stream{Conn: r.Conn}
			}
		}
		select {
		case opened <- r:
		case <-ctx.Done():
			if r.error == nil {
				r.Conn.Close()
			}
		}
	})
	n.mu.Unlock()
	select {
	case r := <-opened:
		return r.Conn, r.error
	case <-ctx.Done():
		return nil, fmt.Errorf("mesh: stream to %s: %w", peer, ctx.Err())
	}
}

// reached returns the connected peer with that name or id. Called with node.mu held.
func (n *Node) reached(named string) (*peer, error) {
	is := func(p *peer) bool { return p.link != nil || p.via() != nil }
	if p := n.peers[named]; p != nil && is(p) {
		return p, nil
	}
	name, id := named, ""
	if i := strings.LastIndexByte(named, '#'); i >= 0 {
		name, id = named[:i], named[i+1:]
	}
	for _, matches := range []func(*peer) bool{
		func(p *peer) bool { return p.name == named },
		func(p *peer) bool { return id != "" && p.name == name && strings.HasPrefix(p.id, id) },
		func(p *peer) bool {
			return slices.ContainsFunc(p.addrs[:p.verified], func(a netip.AddrPort) bool { return a.String() == named })
		},
	} {
		var found []*peer
		for _, p := range n.peers {
			if is(p) && matches(p) {
				found = append(found, p)
			}
		}
		switch len(found) {
		case 0:
		case 1:
			return found[0], nil
		default:
			return nil, ambiguous(named, found)
		}
	}
	return nil, fmt.Errorf("%w: %s", ErrNoPeer, named)
}

func ambiguous(name string, peers []*peer) error {
	e := &AmbiguousError{Name: name}
	for _, p := range peers {
		e.Peers = append(e.Peers, p.value())
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
		counted := &stream{Conn: s, free: func() { <-l.streamSlots }}
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

// stream is a yamux stream with what net.Conn promises and yamux does not: Close ends a Read that waits, a deadline that has passed
// fails also the calls that need not wait, and errors are those of package net.
type stream struct {
	net.Conn
	free func() // called once, by Close; nil: nothing

	mu              sync.Mutex
	closed          bool
	readBy, writeBy time.Time
}

func (s *stream) Read(b []byte) (int, error) {
	if err := s.ended(&s.readBy); err != nil {
		return 0, err
	}
	n, err := s.Conn.Read(b)
	return n, s.errorOf(err, &s.readBy)
}

func (s *stream) Write(b []byte) (int, error) {
	if err := s.ended(&s.writeBy); err != nil {
		return 0, err
	}
	n, err := s.Conn.Write(b)
	return n, s.errorOf(err, &s.writeBy)
}

// ended returns why no call is possible now, or nil.
func (s *stream) ended(by *time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.closed:
		return net.ErrClosed
	case !by.IsZero() && !time.Now().Before(*by):
		return os.ErrDeadlineExceeded
	}
	return nil
}

// errorOf returns the error of a call for that of yamux, whose deadline may have been moved since.
func (s *stream) errorOf(err error, by *time.Time) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, yamux.ErrTimeout):
		return cmp.Or(s.ended(by), os.ErrDeadlineExceeded)
	case errors.Is(err, yamux.ErrStreamClosed):
		return cmp.Or(s.ended(by), err) // err: the link has ended
	}
	return err
}

func (s *stream) Close() error {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return nil
	}
	s.closed = true
	s.Conn.SetDeadline(time.Unix(1, 0)) // ends the calls in progress
	s.mu.Unlock()
	if s.free != nil {
		s.free()
	}
	return s.Conn.Close()
}

func (s *stream) SetDeadline(t time.Time) error {
	s.SetReadDeadline(t)
	return s.SetWriteDeadline(t)
}

func (s *stream) SetReadDeadline(t time.Time) error {
	return s.set(&s.readBy, t, s.Conn.SetReadDeadline)
}

func (s *stream) SetWriteDeadline(t time.Time) error {
	return s.set(&s.writeBy, t, s.Conn.SetWriteDeadline)
}

func (s *stream) set(by *time.Time, t time.Time, ofConn func(time.Time) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return net.ErrClosed
	}
	*by = t
	return ofConn(t)
}
