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
func (n *Node) call(ctx context.Context, addrs []netip.AddrPort, source string) (id string, err error) {
	conn, addr, err := n.dialFirst(ctx, addrs)
	if err != nil {
		return "", err
	}
	if err := n.takeGreet(ctx, conn); err != nil {
		return "", err
	}
	id, err = n.greetLink(ctx, conn, addr, source)
	<-n.greets
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
func (n *Node) takeGreet(ctx context.Context, conn net.Conn) error {
	select {
	case n.greets <- struct{}{}:
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

type dialed struct {
	conn net.Conn
	addr netip.AddrPort
	err  error
}

// dialFirst dials all addresses, each a little after the one before, and takes the connection that comes first (RFC 8305
// in small). The others are closed.
func (n *Node) dialFirst(ctx context.Context, addrs []netip.AddrPort) (net.Conn, netip.AddrPort, error) {
	if len(addrs) == 0 {
		return nil, netip.AddrPort{}, errors.New("mesh: no address to dial")
	}
	ctx, cancel := context.WithTimeout(ctx, dialTimeout+time.Duration(len(addrs))*dialStagger)
	defer cancel()
	results := make(chan dialed, len(addrs))
	for i, a := range addrs {
		go n.dialLater(ctx, time.Duration(i)*dialStagger, a, results)
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
		default:
			first = d
			cancel()
		}
	}
	if first.conn == nil {
		return nil, netip.AddrPort{}, errs[0]
	}
	return first.conn, first.addr, nil
}

func (n *Node) dialLater(ctx context.Context, wait time.Duration, addr netip.AddrPort, results chan<- dialed) {
	if sleep(ctx, wait); ctx.Err() != nil {
		results <- dialed{err: ctx.Err()}
		return
	}
	conn, err := n.network.Dial(ctx, addr.String())
	results <- dialed{conn, addr, err}
}
