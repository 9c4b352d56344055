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

// pendingCallers holds the accepted connections whose handshake is not done. When there are too many, the oldest is closed: an
// honest node takes milliseconds, so the oldest are those that will never finish.
type pendingCallers struct {
	limit   int // in all; at most a third of them from one address
	mu      sync.Mutex
	callers []*pendingCaller // oldest first
}

type pendingCaller struct {
	conn net.Conn
	ip   netip.Addr
}

func (p *pendingCallers) add(conn net.Conn) *pendingCaller {
	c := &pendingCaller{conn, addrPort(conn.RemoteAddr()).Addr()}
	p.mu.Lock()
	defer p.mu.Unlock()
	same := 0
	oldest := -1
	for i, other := range p.callers {
		if other.ip == c.ip {
			if same++; oldest < 0 {
				oldest = i
			}
		}
	}
	switch {
	case same >= p.limit/3:
		p.callers[oldest].conn.Close()
		p.callers = slices.Delete(p.callers, oldest, oldest+1)
	case len(p.callers) >= p.limit:
		p.callers[0].conn.Close()
		p.callers = slices.Delete(p.callers, 0, 1)
	}
	p.callers = append(p.callers, c)
	return c
}

func (p *pendingCallers) remove(c *pendingCaller) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.callers = slices.DeleteFunc(p.callers, func(other *pendingCaller) bool { return other == c })
}

// accept runs until the listener is closed. After an error of the system, such as no descriptors, it tries again.
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
			n.reportError("accept", err)
			wait.sleep(n.ctx)
			continue
		}
		wait.reset()
		n.wg.Go(func() { n.receive(conn) })
	}
}

// receive turns an accepted connection into a link or the program's connection, or closes it.
func (n *Node) receive(conn net.Conn) {
	c := n.pending.add(conn)
	defer n.pending.remove(c)
	ctx, cancel := context.WithCancel(n.ctx)
	defer cancel()
	h, startErr := n.startHandshake(ctx, conn, addrPort(conn.RemoteAddr()), false, n.hello(kindLink))
	switch {
	case h.theirs.ID == "": // not a mesh node (a scanner, a health check, garbage): no answer
		conn.Close()
	case h.theirs.Kind == kindConn:
		n.settleConn(h, startErr)
	case h.theirs.Kind == kindRelay:
		n.settleRelay(h, startErr)
	case h.theirs.Kind == kindStream: // streams come only through hubs
		conn.Close()
	case h.theirs.Kind == kindProbe:
		_ = h.exchangeVerdicts(startErr, func() error { return nil })
		conn.Close()
	default:
		_, err := n.settleLink(ctx, h, startErr, sourceIncoming)
		if refused, ok := errors.AsType[*RefusedError](err); ok {
			n.countRefusal(refused, c.ip.String())
		}
	}
}
