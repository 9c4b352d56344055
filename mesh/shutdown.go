package mesh

import (
	"context"
	"time"

	"github.com/tcpctl/tcpctl/mesh/meshinfo"
)

// Shutdown leaves: peers see "departed" at once. The program's connections are ended on our side, as by CloseWrite; each that the
// program reads stays until it has read the end, or ctx is done. Nothing that is on its way is lost. Then the node is
// closed. The error is ctx's, which should have a limit: a peer's program may never end its side.
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

// Close leaves now: it takes a tenth of a second at most to say goodbye, closes everything and waits for its goroutines,
// but not for OnConn and OnStream. It may be called at any time, more than once.
func (n *Node) Close() error {
	links, _ := n.sayGoodbye()
	ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
	defer cancel()
	n.awaitGoodbyes(ctx, links)

	n.mu.Lock()
	n.closed = true
	conns := n.conns()
	for c := range n.lingering {
		c.stopLingering()
		conns = append(conns, c)
	}
	n.mu.Unlock()
	for _, c := range conns {
		c.abort()
	}
	for _, l := range links {
		l.end(meshinfo.Departed, nil)
	}
	n.stop()
	n.wg.Wait()
	return nil
}

// sayGoodbye stops listening and finding, and tells every peer. The second time it only returns who is there.
func (n *Node) sayGoodbye() ([]*link, []*Conn) {
	n.mu.Lock()
	defer n.mu.Unlock()
	first := !n.closing
	n.closing = true
	n.leave()
	if first && n.ln != nil {
		n.ln.Close()
	}
	conns := n.conns()
	links := make([]*link, 0, len(n.links))
	for _, l := range n.links {
		links = append(links, l)
		if first {
			l.out.post(func(p *pending) { p.bye = true })
		}
	}
	if first {
		for _, c := range conns {
			n.wg.Add(1)
			go n.endConn(c)
		}
	}
	return links, conns
}

// endConn may wait for a Write of the program's, which Close ends. A connection that nobody reads gets a moment for what is
// on its way, and does not hold up Shutdown for longer.
func (n *Node) endConn(c *Conn) {
	defer n.wg.Done()
	_ = c.CloseWrite() // an error says that it has ended already
	if !c.unread() {
		return
	}
	select {
	case <-c.ended:
	case <-n.end.Done():
	case <-time.After(unreadLinger):
	}
	if c.unread() {
		c.end()
	}
}

const unreadLinger = 250 * time.Millisecond

func (n *Node) awaitGoodbyes(ctx context.Context, links []*link) {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	for _, l := range links {
		select {
		case <-l.byeAck:
		case <-l.ctx.Done():
		case <-ctx.Done():
			return
		}
	}
}
