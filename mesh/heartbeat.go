package mesh

import (
	"context"
	"time"

	"github.com/tcpctl/tcpctl/mesh/meshinfo"
)

// watchLinks sends heartbeats on links that are otherwise idle, and checks all links for silence.
func (n *Node) watchLinks() {
	defer n.wg.Done()
	every := n.cfg.Heartbeat / 2
	tick := time.NewTicker(every)
	defer tick.Stop()
	last := time.Now()
	for {
		select {
		case <-n.lifetime.Done():
			return
		case <-tick.C:
		}
		now := time.Now()
		// A late tick means that this process did not run: it was stopped, swapped out or starved. Peers may have sent
		// meanwhile, so this time does not count as their silence.
		late := max(0, now.Sub(last)-2*every)
		last = now
		n.mu.Lock()
		for _, l := range n.links {
			l.checkSilence(late)
		}
		n.prune(now)
		n.watchHubs(now)
		n.mu.Unlock()
	}
}

// checkSilence sends a heartbeat if one is due and, after too much silence, ends the link or changes the peer's state.
// Called with node.mu held.
func (l *link) checkSilence(late time.Duration) {
	if l.wire.sinceWrite() >= l.node.cfg.Heartbeat*3/4 { // the next tick would come too late
		l.out.post(func(p *outgoing) { p.heartbeat = true })
	}
	silence := l.wire.sinceRead()
	if silence < l.node.cfg.Heartbeat {
		l.timersLate = 0
	} else {
		l.timersLate += late
		silence -= l.timersLate
	}
	if silence > l.node.cfg.Suspect && hasUnread(l.wire.Conn) {
		return // the peer has sent something that we have not read yet
	}
	switch p := l.peer; {
	case p.link != l || l.hasDeparted(): // the rest is only read to its end
		if silence > l.node.cfg.Dead {
			l.end(meshinfo.Departed, nil)
		}
	case silence > l.node.cfg.Dead:
		l.node.endSilentLink(l)
	case !l.wasAlive:
	case silence > l.node.cfg.Suspect:
		p.setState(meshinfo.Suspect, "")
	default:
		p.setState(meshinfo.Alive, "")
	}
}

// gotHeartbeat measures the round trip.
func (l *link) gotHeartbeat(b heartbeat) {
	now := time.Now()
	l.mu.Lock()
	l.lastHeartbeat, l.lastHeartbeatAt = b, now
	close(l.echoed)
	l.echoed = make(chan struct{})
	l.mu.Unlock()
	if b.Echo > 0 {
		if rtt := l.clock() - b.Echo - b.EchoAge; rtt > 0 && rtt < time.Minute {
			l.node.mu.Lock()
			l.peer.rtt = rtt
			l.node.mu.Unlock()
		}
	}
	if b.AnswerNow {
		l.out.post(func(p *outgoing) { p.heartbeat = true })
	}
}

func (l *link) nextHeartbeat(want bool) heartbeat {
	l.mu.Lock()
	defer l.mu.Unlock()
	b := heartbeat{Clock: l.clock(), Echo: l.lastHeartbeat.Clock, AnswerNow: want}
	if b.Echo > 0 {
		b.EchoAge = time.Since(l.lastHeartbeatAt)
	}
	return b
}

func (l *link) clock() time.Duration { return time.Since(l.node.started) }

// answers reports whether the peer's process answers on this link within Config.Suspect.
func (l *link) answers(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, l.node.cfg.Suspect)
	defer cancel()
	asked := l.clock()
	l.out.post(func(p *outgoing) { p.heartbeat, p.answerNow = true, true })
	for {
		l.mu.Lock()
		echo, next := l.lastHeartbeat.Echo, l.echoed
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
