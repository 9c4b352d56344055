package mesh

import (
	"context"
	"sync"
	"time"

	"github.com/hashicorp/yamux"
)

// relay is a third connection between two linked nodes of which one is a hub. Its streams go to other nodes or come from them;
// each begins with a request. It is separate from the link so that relayed data delays no heartbeat, and links of a small mesh
// need not change.
type relay struct {
	link    *link
	session *yamux.Session
	streams chan struct{} // a slot for each stream that the other side has opened
	idle    time.Time     // under node.mu: since when it is unused; zero: it is in use
}

// relayIdle is how long an unused relay stays open once there are few nodes.
const relayIdle = 30 * time.Second

// watchRelay opens the relay, from the side that dialled the link, and closes one that is no longer needed. Called with
// node.mu held.
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
	l.node.wg.Go(l.keepRelay)
}

// wantsRelay is called with node.mu held.
func (l *link) wantsRelay() bool {
	return l.handshake.dialed && l.session != nil && l.wasAlive && l.node.hubs.on && (l.node.isHub() || l.toHub())
}

// keepRelay dials the relay, and dials it again when it is lost.
func (l *link) keepRelay() {
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

// settleRelay accepts a connection from the other side's dialRelay.
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

// runRelay owns the connection until it ends, at the latest with its link.
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
			wg.Go(func() { r.link.node.serveRelayed(r, &stream{Conn: s, free: func() { <-r.streams }}) })
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
