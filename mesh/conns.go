package mesh

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"
)

// keepConn makes the program's connection, from the side that dialled the link, and makes it again when it is gone. The
// link says who may: so there is never more than one.
func (l *link) keepConn() {
	select {
	case <-l.heard: // before, the other side may not know the link yet
	case <-l.ctx.Done():
		return
	}
	wait := backoff{min: time.Second, max: 5 * time.Second}
	for number := uint64(1); l.ctx.Err() == nil; number++ {
		if err := l.dialConn(number); err == nil {
			wait.reset()
			select {
			case <-l.connGone:
			case <-l.ctx.Done():
			}
		}
		wait.sleep(l.ctx)
	}
}

func (l *link) dialConn(number uint64) error {
	n := l.node
	d, err := n.dialFirst(l.ctx, []netip.AddrPort{l.addr}, false)
	if err != nil {
		return err
	}
	conn := d.conn
	if err := takeGreet(l.ctx, n.greets, conn); err != nil {
		return err
	}
	defer func() { <-n.greets }()
	mine := n.hello(kindConn)
	mine.Token, mine.Number = l.token, number
	g, err := n.begin(l.ctx, conn, d.addr, true, mine)
	if err == nil {
		err = g.decide(nil, func() error { return l.belongs(g) })
	}
	if err == nil {
		err = l.setConn(g, number)
	}
	if err != nil {
		conn.Close()
		l.sayGone(number)
	}
	return err
}

// sayGone tells the other side that there is no such connection. It may have come to believe in one: the side with the last
// word in a handshake does not know whether the other has heard it.
func (l *link) sayGone(number uint64) {
	l.out.post(func(p *pending) { p.gone = max(p.gone, number) })
}

// settleConn is the other side of dialConn.
func (n *Node) settleConn(g *greeting, begun error) {
	n.mu.Lock()
	l := n.links[g.theirs.Token]
	n.mu.Unlock()
	err := begun
	if err == nil && l == nil {
		err = errNoLink
	}
	if err == nil {
		err = g.decide(nil, func() error { return l.belongs(g) })
	}
	if err == nil {
		err = l.setConn(g, g.theirs.Number)
	}
	if err != nil {
		g.wire.Conn.Close()
	}
	if err != nil && l != nil && l.belongs(g) == nil {
		l.sayGone(g.theirs.Number)
	}
}

var errNoLink = errors.New("mesh: it belongs to no link")

// belongs: a connection comes from the very node that the link is with.
func (l *link) belongs(g *greeting) error {
	if g.theirs.ID != l.theirs.ID || g.theirs.Boot != l.theirs.Boot || !slices.Equal(g.key(), l.key()) {
		return errNoLink
	}
	return nil
}

// setConn makes the greeted connection the program's, in place of an earlier one.
func (l *link) setConn(g *greeting, number uint64) error {
	if err := g.settled(); err != nil {
		return err
	}
	n := l.node
	n.mu.Lock()
	defer n.mu.Unlock()
	if l.ctx.Err() != nil || n.closing {
		return errNoLink
	}
	if number <= l.connNo {
		return fmt.Errorf("mesh: connection %d comes after %d", number, l.connNo)
	}
	if l.conn != nil {
		l.conn.linger() // they have closed it, or they would not have dialled
	}
	c := &Conn{tls: g.tls, link: l, number: number, ended: make(chan struct{})}
	l.conn, l.connNo = c, number
	l.usable()
	c.peer = l.peer.value()
	if n.cfg.OnConn != nil {
		go n.give(c)
	}
	return nil
}

func (n *Node) give(c *Conn) {
	n.cfg.OnConn(c)
	c.given.Store(true)
}

// closedConn: the program has closed c. The peer is told, which may not be reading.
func (l *link) closedConn(c *Conn) {
	n := l.node
	n.mu.Lock()
	defer n.mu.Unlock()
	c.stopLingering()
	if l.conn == c {
		l.dropConn()
		l.sayGone(c.number)
	}
}

// gotGone: the peer has closed its end, or never had it. What it sent before can still be read.
func (l *link) gotGone(number uint64) {
	n := l.node
	n.mu.Lock()
	defer n.mu.Unlock()
	l.connNo = max(l.connNo, number) // it may still be on its way to being made here
	if c := l.conn; c != nil && c.number <= number {
		l.dropConn()
		c.linger()
		if n.closing {
			c.end() // Shutdown need not wait for it any longer
		}
	}
}

// dropConn is called with node.mu held.
func (l *link) dropConn() {
	l.conn = nil
	select {
	case l.connGone <- struct{}{}:
	default:
	}
}

// Conns returns the program's connections, one for each connected peer, by the peers' ids. The slice is a copy.
func (n *Node) Conns() []*Conn {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.conns()
}

// conns is called with node.mu held.
func (n *Node) conns() []*Conn {
	out := make([]*Conn, 0, len(n.links))
	for _, l := range n.links {
		if l.conn != nil {
			out = append(out, l.conn)
		}
	}
	slices.SortFunc(out, func(a, b *Conn) int { return cmp.Compare(a.peer.ID, b.peer.ID) })
	return out
}
