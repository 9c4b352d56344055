package mesh

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"time"
)

// call dials the addresses and makes a link with whoever answers first. It returns that node's id, also when the link is
// refused; ours, when we answered ourselves. Policy refusals are reported here and nowhere else.
//
// Hearsay says that nothing but somebody's word is known of the addresses.
func (n *Node) call(ctx context.Context, addrs []netip.AddrPort, source string, hearsay bool) (id string, err error) {
	d, err := n.dialFirst(ctx, addrs, hearsay)
	if err != nil {
		return "", err
	}
	defer d.free()
	greets := n.greets
	if hearsay {
		greets = n.hearsayGreets // those who make nodes up do not hold up the real ones
	}
	if err := takeGreet(ctx, greets, d.conn); err != nil {
		return "", err
	}
	addr := d.addr
	id, err = n.greetLink(ctx, d.conn, addr, source)
	<-greets
	if _, refused := errors.AsType[*RefusedError](err); err != nil && !refused {
		err = &greetError{err}
	}
	if refused, ok := errors.AsType[*RefusedError](err); ok {
		n.refused(refused, addr.Addr().String())
	}
	n.learnWho(id, addr)
	return id, err
}

// greetError says that somebody took the connection and the handshake did not end well.
type greetError struct{ err error }

func (e *greetError) Error() string { return e.err.Error() }
func (e *greetError) Unwrap() error { return e.err }

// takeGreet waits for one of the few places, and closes conn if none comes in time.
func takeGreet(ctx context.Context, greets chan struct{}, conn net.Conn) error {
	select {
	case greets <- struct{}{}:
		return nil
	case <-ctx.Done():
		conn.Close()
		return ctx.Err()
	}
}

// learnWho takes an address away from every peer but the one that answers there. Two networks may use the same numbers.
func (n *Node) learnWho(id string, addr netip.AddrPort) {
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
				if p.wrong == nil || len(p.wrong) > maxAddrs {
					p.wrong = map[netip.AddrPort]time.Time{}
				}
				p.wrong[a] = time.Now()
			}
		}
	}
}

const dialStagger = 50 * time.Millisecond

// dialed is what came of one address.
type dialed struct {
	conn net.Conn
	addr netip.AddrPort
	err  error
	free func() // gives the place of one dialled on hearsay back
}

// dialFirst dials all addresses, each a little after the one before, and takes the connection that comes first (RFC 8305
// in small). The others are closed. The caller frees what it gets.
func (n *Node) dialFirst(ctx context.Context, addrs []netip.AddrPort, hearsay bool) (dialed, error) {
	if len(addrs) == 0 {
		return dialed{}, errors.New("mesh: no address to dial")
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	results := make(chan dialed, len(addrs))
	for i, a := range addrs {
		go func() { results <- n.dialLater(ctx, time.Duration(i)*dialStagger, a, hearsay) }()
	}
	var first dialed
	var errs []error
	for range addrs { // all are waited for: no goroutine is left behind, and no connection
		d := <-results
		switch {
		case d.err != nil:
			errs = append(errs, d.err)
		case first.conn != nil:
			d.conn.Close()
			d.free()
		default:
			first = d
			cancel()
		}
	}
	if first.conn == nil {
		return dialed{}, errs[0]
	}
	return first, nil
}

// dialLater waits for its turn, and on hearsay for one of the few places, before its time begins.
func (n *Node) dialLater(ctx context.Context, wait time.Duration, addr netip.AddrPort, hearsay bool) dialed {
	d := dialed{addr: addr, free: func() {}}
	if sleep(ctx, wait); ctx.Err() != nil {
		d.err = ctx.Err()
		return d
	}
	if hearsay {
		select {
		case n.hearsay <- struct{}{}:
			d.free = func() { <-n.hearsay }
		case <-ctx.Done():
			d.err = ctx.Err()
			return d
		}
	}
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	if d.conn, d.err = n.network.Dial(ctx, addr.String()); d.err != nil {
		d.free()
	}
	return d
}
