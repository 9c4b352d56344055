package mesh

import (
	"context"
	"sync"
	"time"

	"github.com/hashicorp/yamux"
)

// relay is a third connection between two linked nodes of which one is a hub. Its streams go on to other nodes, or come from them;
// each begins with a request. It is not the link, so that what goes through a hub delays no heartbeat, and a link below
// Config.FullUpTo is as it was.
type relay struct {
	link    *link
	session *yamux.Session
	streams chan struct{} // a slot for each stream that the other side has opened
	idle    time.Time     // under node.mu: since when nobody needs it; zero: somebody does
}

// relayIdle is how long a connection for streams stays that is not needed any more, since there are few nodes.
const relayIdle = 30 * time.Second

// watchRelay has the connection made by the side that has dialled the link, and closed. Called with node.mu held.
func (l *link) watchRelay(now time.Time) {
	if r := l.relay; r != nil && l.handshake.dialed {
		switch {
		case l.node.hubs.on || l.asked != feedNone || l.feed != feedNone || r.session.NumStreams() > 0:
			r.idle = time.Time{}
		case r.idle.IsZero():
			r.idle = now
		case now.Sub(r.idle) > relayIdle:
			r.idle = now
			l.node.wg.Go(func() { r.session.Close() })
		}
	}
	if l.relaying || !l.wantsRelay() || l.ctx.Err() != nil {
		return
	}
	l.relaying = true
	l.node.wg.Add(1)
	go l.keepRelay()
}

// wantsRelay is called with node.mu held.
func (l *link) wantsRelay() bool {
	return l.handshake.dialed && l.session != nil && l.wasAlive && l.node.hubs.on && (l.node.isHub() || l.toHub())
}

// keepRelay makes the connection, and makes it again when it is lost.
func (l *link) keepRelay() {
	defer l.node.wg.Done()
	n := l.node
	wait := backoff{min: 100 * time.Millisecond, max: 5 * time.Second}
	for l.ctx.Err() == nil {
		if h, err := l.dialRelay(); err == nil {
			wait.reset()
			l.runRelay(h)
		}
		wait.sleep(l.ctx)
		n.mu.Lock()
		wanted := l.wantsRelay()
		l.relaying = wanted
		n.mu.Unlock()
		if !wanted {
			return
		}
	}
}

func (l *link) dialRelay() (*handshake, error) {
	h, err := l.dialBeside(kindRelay, 0)
	if err == nil {
		err = h.finish()
	}
	if err != nil && h != nil {
		h.wire.Conn.Close()
	}
	return h, err
}

// settleRelay accepts what the other side's dialRelay has dialled.
func (n *Node) settleRelay(h *handshake, startErr error) {
	l, err := n.acceptBeside(h, startErr)
	if err == nil {
		err = h.finish()
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if err != nil || n.closing || l.session == nil || l.ctx.Err() != nil {
		h.wire.Conn.Close()
		return
	}
	n.wg.Go(func() { l.runRelay(h) })
}

// runRelay owns the connection until it ends, with its link at the latest.
func (l *link) runRelay(h *handshake) {
	n := l.node
	session, err := openYamux(h, 30*time.Second)
	if err != nil {
		h.wire.Conn.Close()
		return
	}
	defer context.AfterFunc(l.ctx, func() { session.Close() })()
	r := &relay{link: l, session: session, streams: make(chan struct{}, maxRelayed)}
	if old := l.setRelay(r); old != nil {
		old.session.Close()
	}
	r.serve()
	n.mu.Lock()
	defer n.mu.Unlock()
	if l.relay == r {
		l.relay = nil
	}
}

// serve handles the streams that the other side opens, until the session ends.
func (r *relay) serve() {
	var wg sync.WaitGroup
	for {
		s, err := r.session.AcceptStream()
		if err != nil {
			break
		}
		select {
		case r.streams <- struct{}{}:
			wg.Go(func() { r.link.node.serveRelayed(r, s) })
		default:
			s.Close()
		}
	}
	r.session.Close()
	wg.Wait()
}

func (l *link) setRelay(r *relay) (old *relay) {
	n := l.node
	n.mu.Lock()
	defer n.mu.Unlock()
	old, l.relay = l.relay, r
	close(n.hubs.ready)
	n.hubs.ready = make(chan struct{})
	return old
}
