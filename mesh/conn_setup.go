package mesh

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"sort"
	"time"
)

// keepConn dials the program's connection, and dials it again after it was closed. Only the side that dialled the link
// runs it, so there is never more than one connection.
func (l *link) keepConn() {
	select {
	case <-l.firstMessage: // until then, the other side may not have adopted the link
	case <-l.ctx.Done():
		return
	}
	wait := backoff{min: time.Second, max: 5 * time.Second}
	for number := uint64(1); l.ctx.Err() == nil; number++ {
		if err := l.dialConn(number); err == nil {
			wait.reset()
			select {
			case <-l.connLost:
			case <-l.ctx.Done():
			}
		}
		wait.sleep(l.ctx)
	}
}

func (l *link) dialConn(number uint64) error {
	h, err := l.dialBeside(kindConn, number)
	if h == nil {
		return err
	}
	if err == nil {
		err = l.setConn(h, number)
	}
	if err != nil {
		h.wire.Conn.Close()
		l.sendConnClosed(number)
	}
	return err
}

// dialBeside dials an additional connection to the peer, up to the verdicts. On an error the caller closes it; h is nil if
// no handshake was begun.
func (l *link) dialBeside(kind string, number uint64) (h *handshake, err error) {
	n := l.node
	d, err := n.dialFirst(l.ctx, []netip.AddrPort{l.addr}, false)
	if err != nil {
		return nil, err
	}
	if err := takeHandshakeSlot(l.ctx, n.handshakes, d.conn); err != nil {
		return nil, err
	}
	defer func() { <-n.handshakes }()
	mine := n.hello(kind)
	mine.Token, mine.Number = l.token, number
	h, err = n.startHandshake(l.ctx, d.conn, d.addr, true, mine)
	if err == nil {
		err = h.exchangeVerdicts(nil, func() error { return l.belongs(h) })
	}
	return h, err
}

// sendConnClosed tells the other side that no connection with this number exists. The side that sends the last verdict of a
// handshake cannot know whether it arrived, and may believe that one does.
func (l *link) sendConnClosed(number uint64) {
	l.out.post(func(p *outgoing) { p.connClosed = max(p.connClosed, number) })
}

// settleConn accepts a connection from the other side's dialConn.
func (n *Node) settleConn(h *handshake, startErr error) {
	l, err := n.acceptBeside(h, startErr)
	if err == nil {
		err = l.setConn(h, h.theirs.Number)
	}
	if err != nil {
		h.wire.Conn.Close()
	}
	if err != nil && l != nil && l.belongs(h) == nil {
		l.sendConnClosed(h.theirs.Number)
	}
}

// acceptBeside is the other side of dialBeside. The link is nil if the connection belongs to none.
func (n *Node) acceptBeside(h *handshake, err error) (*link, error) {
	n.mu.Lock()
	l := n.links[h.theirs.Token]
	n.mu.Unlock()
	if err == nil && l == nil {
		err = errNoLink
	}
	if err == nil {
		err = h.exchangeVerdicts(nil, func() error { return l.belongs(h) })
	}
	return l, err
}

var errNoLink = errors.New("mesh: the connection belongs to no link")

// belongs returns an error unless the other side of h is the link's peer.
func (l *link) belongs(h *handshake) error {
	if h.theirs.ID != l.theirs.ID || h.theirs.Boot != l.theirs.Boot || !slices.Equal(h.key(), l.key()) {
		return errNoLink
	}
	return nil
}

// setConn gives the program the connection of a finished handshake, in place of an earlier one.
func (l *link) setConn(h *handshake, number uint64) error {
	if err := h.finish(); err != nil {
		return err
	}
	n := l.node
	n.mu.Lock()
	defer n.mu.Unlock()
	if l.ctx.Err() != nil || n.closing {
		return errNoLink
	}
	if number <= l.connNumber {
		return fmt.Errorf("mesh: connection %d comes after %d", number, l.connNumber)
	}
	if l.conn != nil {
		l.conn.linger() // the peer has closed it, or it would not have dialled
	}
	c := &Conn{tls: h.tls, link: l, number: number, ended: make(chan struct{})}
	l.conn, l.connNumber = c, number
	l.markAlive()
	c.peer = l.peer.value()
	if n.cfg.OnConn != nil {
		go n.callOnConn(c)
	}
	return nil
}

func (n *Node) callOnConn(c *Conn) {
	n.cfg.OnConn(c)
	c.onConnDone.Store(true)
}

// closedConn is called when the program has closed c. It tells the peer over the link, since the peer may not be reading c.
func (l *link) closedConn(c *Conn) {
	n := l.node
	n.mu.Lock()
	defer n.mu.Unlock()
	c.stopLinger()
	if l.conn == c {
		l.dropConn()
		l.sendConnClosed(c.number)
	}
}

// gotConnClosed handles msgConnClosed: the peer has closed its end, or never had one. What it sent before can still be read.
func (l *link) gotConnClosed(number uint64) {
	n := l.node
	n.mu.Lock()
	defer n.mu.Unlock()
	l.connNumber = max(l.connNumber, number) // setConn may be about to run for it
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
	case l.connLost <- struct{}{}:
	default:
	}
}

// Conns returns the program's connections, one for each connected peer, sorted by the peers' ids. The slice is a copy.
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
	sort.Slice(out, func(i, j int) bool { return out[i].peer.ID < out[j].peer.ID })
	return out
}
