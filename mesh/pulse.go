package mesh

import (
	"context"
	"time"

	"github.com/tcpctl/tcpctl/mesh/meshinfo"
)

// pulse is the node's one clock: it sends heartbeats where nothing else was sent, and looks who has fallen silent.
func (n *Node) pulse() {
	defer n.wg.Done()
	every := n.cfg.Heartbeat / 2
	tick := time.NewTicker(every)
	defer tick.Stop()
	last := time.Now()
	for {
		select {
		case <-n.end.Done():
			return
		case <-tick.C:
		}
		now := time.Now()
		// A tick that comes late says that this process did not run: stopped, swapped out, starved. Its peers may have
		// spoken all the while, so that much silence does not count.
		late := max(0, now.Sub(last)-2*every)
		last = now
		n.mu.Lock()
		for _, l := range n.links {
			l.checkPulse(late)
		}
		n.prune(now)
		n.mu.Unlock()
	}
}

// checkPulse is called with node.mu held.
func (l *link) checkPulse(late time.Duration) {
	if l.wire.quiet() >= l.node.cfg.Heartbeat*3/4 { // the next tick would come too late
		l.out.post(func(p *pending) { p.beat = true })
	}
	silence := l.wire.silence()
	if silence < l.node.cfg.Heartbeat {
		l.late = 0
	} else {
		l.late += late
		silence -= l.late
	}
	if silence > l.node.cfg.Suspect && unread(l.wire.Conn) {
		return // it has spoken; we have not come to listen
	}
	switch p := l.peer; {
	case p.link != l || l.hasLeft(): // it is only being read to its end
		if silence > l.node.cfg.Dead {
			l.end(meshinfo.Departed, nil)
		}
	case silence > l.node.cfg.Dead:
		l.node.judge(l)
	case !l.ready:
	case silence > l.node.cfg.Suspect:
		p.setState(meshinfo.Suspect, "")
	default:
		p.setState(meshinfo.Alive, "")
	}
}

// gotBeat learns the round trip from a heartbeat.
func (l *link) gotBeat(b beat) {
	now := time.Now()
	l.mu.Lock()
	l.got, l.gotAt = b, now
	close(l.echoed)
	l.echoed = make(chan struct{})
	l.mu.Unlock()
	if b.Echo > 0 {
		if rtt := l.clock() - b.Echo - b.Held; rtt > 0 && rtt < time.Minute {
			l.node.mu.Lock()
			l.peer.rtt = rtt
			l.node.mu.Unlock()
		}
	}
	if b.Want {
		l.out.post(func(p *pending) { p.beat = true })
	}
}

func (l *link) nextBeat(want bool) beat {
	l.mu.Lock()
	defer l.mu.Unlock()
	b := beat{Clock: l.clock(), Echo: l.got.Clock, Want: want}
	if b.Echo > 0 {
		b.Held = time.Since(l.gotAt)
	}
	return b
}

func (l *link) clock() time.Duration { return time.Since(l.node.born) }

// answers asks the peer's process for a sign of life over this link, and waits for it up to Config.Suspect.
func (l *link) answers(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, l.node.cfg.Suspect)
	defer cancel()
	asked := l.clock()
	l.out.post(func(p *pending) { p.beat, p.want = true, true })
	for {
		l.mu.Lock()
		echo, next := l.got.Echo, l.echoed
		l.mu.Unlock()
		if echo >= asked {
			return true
		}
		select {
		case <-next:
		case <-l.ctx.Done():
			return false
		case <-ctx.Done():
			return false
		}
	}
}
