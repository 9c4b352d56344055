package mesh

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"
)

// door bounds the callers that have not said who they are. When there are too many, the one that has stood there longest
// goes: an honest node takes milliseconds, so the oldest are those that will never say anything.
type door struct {
	most    int // callers at a time; a third of them from one address
	mu      sync.Mutex
	callers []*caller // the oldest first
}

type caller struct {
	conn net.Conn
	ip   netip.Addr
}

func (d *door) enter(conn net.Conn) *caller {
	c := &caller{conn, addrPort(conn.RemoteAddr()).Addr()}
	d.mu.Lock()
	defer d.mu.Unlock()
	same := 0
	oldest := -1
	for i, other := range d.callers {
		if other.ip == c.ip {
			if same++; oldest < 0 {
				oldest = i
			}
		}
	}
	switch {
	case same >= d.most/3:
		d.callers[oldest].conn.Close()
		d.callers = slices.Delete(d.callers, oldest, oldest+1)
	case len(d.callers) >= d.most:
		d.callers[0].conn.Close()
		d.callers = slices.Delete(d.callers, 0, 1)
	}
	d.callers = append(d.callers, c)
	return c
}

func (d *door) leave(c *caller) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.callers = slices.DeleteFunc(d.callers, func(other *caller) bool { return other == c })
}

// accept runs until the listener is closed. An error of the system, such as no descriptors, is waited out.
func (n *Node) accept(ln net.Listener) {
	defer n.wg.Done()
	wait := backoff{min: 5 * time.Millisecond, max: time.Second}
	for {
		conn, err := ln.Accept()
		if errors.Is(err, net.ErrClosed) || n.ctx.Err() != nil {
			if err == nil {
				conn.Close()
			}
			return
		}
		if err != nil {
			n.complain("accept", err)
			wait.sleep(n.ctx)
			continue
		}
		wait.reset()
		n.wg.Add(1)
		go n.receive(conn)
	}
}

// receive hears who calls, and turns the connection into a link, or one of the program's, or nothing.
func (n *Node) receive(conn net.Conn) {
	defer n.wg.Done()
	c := n.door.enter(conn)
	defer n.door.leave(c)
	ctx, cancel := context.WithCancel(n.ctx)
	defer cancel()
	g, begun := n.begin(ctx, conn, addrPort(conn.RemoteAddr()), false, n.hello(kindLink))
	switch {
	case g.theirs.ID == "": // no mesh node: a scanner, a health check, garbage. It is not worth a word
		conn.Close()
	case g.theirs.Kind == kindConn:
		n.settleConn(g, begun)
	case g.theirs.Kind == kindProbe:
		_ = g.decide(begun, func() error { return nil })
		conn.Close()
	default:
		_, err := n.settleLink(ctx, g, begun, sourceIncoming)
		if refused, ok := errors.AsType[*RefusedError](err); ok {
			n.refused(refused, c.ip.String())
		}
	}
}
