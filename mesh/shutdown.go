package mesh

import (
	"context"
	"time"

	"github.com/tcpctl/tcpctl/mesh/meshinfo"
)

// Shutdown departs from the mesh: peers see meshinfo.Departed at once. The program's connections are ended on this side, as by
// CloseWrite; each that the program reads stays until it has read the end, or ctx is done. Nothing that is on its way is
// lost. Then the node is closed. The error is ctx's, which should have a deadline: a peer's program may never end its side.
func (n *Node) Shutdown(ctx context.Context) error {
	links, conns := n.sayGoodbye()
	n.awaitGoodbyes(ctx, links)
	var err error
	for _, c := range conns {
		select {
		case <-c.ended:
		case <-ctx.Done():
			err = ctx.Err()
		}
	}
	n.Close()
	return err
}

// Close departs from the mesh now: it takes a tenth of a second at most to say goodbye, closes everything and waits for the
// node's goroutines, but not for OnConn and OnStream. It may be called at any time, more than once. It returns nil.
func (n *Node) Close() error {
	links, _ := n.sayGoodbye()
	ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
	defer cancel()
	n.awaitGoodbyes(ctx, links)

	n.mu.Lock()
	n.closed = true
	conns := n.conns()
	for c := range n.lingering {
		c.stopLinger()
		conns = append(conns, c)
	}
	n.mu.Unlock()
	for _, c := range conns {
		c.abort()
	}
	for _, l := range links {
		l.end(meshinfo.Departed, nil)
	}
	n.endLifetime()
	n.wg.Wait()
	return nil
}

// sayGoodbye stops listening and finding, and sends every peer a goodbye. A second call only returns what is still open.
func (n *Node) sayGoodbye() ([]*link, []*Conn) {
	n.mu.Lock()
	defer n.mu.Unlock()
	first := !n.closing
	n.closing = true
	n.stopFinding()
	if first && n.ln != nil {
		n.ln.Close()
	}
	conns := n.conns()
	links := make([]*link, 0, len(n.links))
	for _, l := range n.links {
		links = append(links, l)
		if first {
			l.out.post(func(p *outgoing) { p.goodbye = true })
		}
	}
	if first {
		for _, c := range conns {
			n.wg.Go(func() { n.endConn(c) })
		}
	}
	return links, conns
}

// endConn may block behind the program's Write, which Close ends. A connection that the program does not read delays Shutdown by
// unreadLinger at most, for data in flight.
func (n *Node) endConn(c *Conn) {
	_ = c.CloseWrite() // fails if it has already ended
	if !c.nobodyReads() {
		return
	}
	select {
	case <-c.ended:
	case <-n.lifetime.Done():
	case <-time.After(unreadLinger):
	}
	if c.nobodyReads() {
		c.end()
	}
}

const unreadLinger = 250 * time.Millisecond

func (n *Node) awaitGoodbyes(ctx context.Context, links []*link) {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	for _, l := range links {
		select {
		case <-l.goodbyeAcked:
		case <-l.ctx.Done():
		case <-ctx.Done():
			return
		}
	}
}
