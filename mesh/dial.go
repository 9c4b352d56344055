package mesh

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"time"
)

// call dials the addresses and makes a link with the node that answers first. It returns that node's id, even if the link
// is refused, or this node's own id if the address is its own. Only call reports refusals of nodes that it dialled.
//
// unverified means that no node was ever reached at the addresses: they may be made up.
func (n *Node) call(ctx context.Context, addrs []netip.AddrPort, source string, unverified bool) (id string, err error) {
	d, err := n.dialFirst(ctx, addrs, unverified)
	if err != nil {
		return "", err
	}
	defer d.release()
	slots := n.handshakes
	if unverified {
		slots = n.unverifiedHandshakes // made-up nodes do not hold up real ones
	}
	if err := takeHandshakeSlot(ctx, slots, d.conn); err != nil {
		return "", err
	}
	addr := d.addr
	h, startErr := n.startHandshake(ctx, d.conn, addr, true, n.hello(kindLink))
	id, err = n.settleLink(ctx, h, startErr, source)
	<-slots
	if _, refused := errors.AsType[*RefusedError](err); err != nil && !refused {
		err = &handshakeError{err}
	}
	if refused, ok := errors.AsType[*RefusedError](err); ok {
		n.countRefusal(refused, addr.Addr().String())
	}
	n.markWrongAddr(id, addr)
	return id, err
}

// handshakeError is the error of a handshake on an established connection.
type handshakeError struct{ err error }

func (e *handshakeError) Error() string { return e.err.Error() }
func (e *handshakeError) Unwrap() error { return e.err }

// takeHandshakeSlot waits for a slot, and closes conn if ctx ends first. The caller frees the slot by receiving from slots.
func takeHandshakeSlot(ctx context.Context, slots chan struct{}, conn net.Conn) error {
	select {
	case slots <- struct{}{}:
		return nil
	case <-ctx.Done():
		conn.Close()
		return ctx.Err()
	}
}

// markWrongAddr notes in every other peer that addr belongs to the node with this id: two networks may use the same
// addresses.
func (n *Node) markWrongAddr(id string, addr netip.AddrPort) {
	if id == "" {
		return
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, p := range n.peers {
		if p.id == id || p.link != nil {
			continue
		}
		for _, a := range p.addrs {
			if a == addr {
				if p.wrongAddrs == nil || len(p.wrongAddrs) > maxAddrs {
					p.wrongAddrs = map[netip.AddrPort]time.Time{}
				}
				p.wrongAddrs[a] = time.Now()
			}
		}
	}
}

const dialStagger = 50 * time.Millisecond

// dialResult is the result of dialling one address.
type dialResult struct {
	conn    net.Conn
	addr    netip.AddrPort
	err     error
	release func() // gives back the slot of an unverified address
}

// dialFirst dials all addresses, each a little after the one before, and returns the first connection (a simple RFC 8305).
// The others are closed. The caller calls release once the handshake is done.
func (n *Node) dialFirst(ctx context.Context, addrs []netip.AddrPort, unverified bool) (dialResult, error) {
	if len(addrs) == 0 {
		return dialResult{}, errors.New("mesh: no address to dial")
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	results := make(chan dialResult, len(addrs))
	for i, a := range addrs {
		go func() { results <- n.dialAfter(ctx, time.Duration(i)*dialStagger, a, unverified) }()
	}
	var first dialResult
	var errs []error
	for range addrs { // wait for all, so that no goroutine or connection leaks
		d := <-results
		switch {
		case d.err != nil:
			errs = append(errs, d.err)
		case first.conn != nil:
			d.conn.Close()
			d.release()
		default:
			first = d
			cancel()
		}
	}
	if first.conn == nil {
		return dialResult{}, errs[0]
	}
	return first, nil
}

// dialAfter sleeps for wait (for an unverified address, it also waits for a slot), and then dials for at most dialTimeout.
func (n *Node) dialAfter(ctx context.Context, wait time.Duration, addr netip.AddrPort, unverified bool) dialResult {
	d := dialResult{addr: addr, release: func() {}}
	if sleep(ctx, wait); ctx.Err() != nil {
		d.err = ctx.Err()
		return d
	}
	if unverified {
		select {
		case n.unverifiedDials <- struct{}{}:
			d.release = func() { <-n.unverifiedDials }
		case <-ctx.Done():
			d.err = ctx.Err()
			return d
		}
	}
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	if d.conn, d.err = n.network.Dial(ctx, addr.String()); d.err != nil {
		d.release()
	}
	return d
}

// Network makes a node's connections. Package meshtest has one in memory, with partitions.
//
// Addresses are "ip:port"; for Listen, the host may be a name and the port 0. A connection may have a method
// LastAck() time.Duration, which returns how long ago the peer's kernel last acknowledged data: it distinguishes an
// unresponsive peer from an unreachable one. Without it, the node needs another Dial for that.
type Network interface {
	Listen(ctx context.Context, addr string) (net.Listener, error)
	Dial(ctx context.Context, addr string) (net.Conn, error)
}

// system is the system's TCP.
type system struct{}

func (system) Listen(ctx context.Context, addr string) (net.Listener, error) {
	return (&net.ListenConfig{}).Listen(ctx, "tcp", addr)
}

func (system) Dial(ctx context.Context, addr string) (net.Conn, error) {
	return (&net.Dialer{}).DialContext(ctx, "tcp", addr)
}

type acker interface{ LastAck() time.Duration }
