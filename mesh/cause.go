package mesh

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"syscall"
	"time"
)

// causeOf says why a link ended by itself. Above TLS and yamux every ending looks alike; the wire remembers.
func (l *link) causeOf(err error) (Cause, error) {
	select {
	case <-l.left:
		return Left, nil
	default:
	}
	ended := l.wire.ended.Load()
	if ended == nil {
		return Crash, err // it said something that we could not read, and was cut off
	}
	for _, unreachable := range []error{syscall.ETIMEDOUT, syscall.EHOSTUNREACH, syscall.ENETUNREACH, syscall.EHOSTDOWN} {
		if errors.Is(*ended, unreachable) {
			return Cut, *ended
		}
	}
	return Crash, *ended
}

// judge ends a link that has been silent for too long: is the other side's process stuck, or is nothing there? Its kernel
// acknowledges our heartbeats in the first case. Called with node.mu held.
func (n *Node) judge(l *link) {
	if l.ctx.Err() != nil || l.session != nil && l.session.IsClosed() {
		return // it ended by itself, and run is about to say so
	}
	silence := fmt.Errorf("mesh: nothing heard for %v", l.wire.silence().Round(100*time.Millisecond))
	ago, known := lastAck(l.wire.Conn)
	switch {
	case !known && l.peer.state != Down:
		if !l.judging {
			l.judging = true
			n.wg.Add(1)
			go n.judgeByDial(l, silence)
		}
	case known && ago < n.cfg.Dead/2:
		l.end(Hung, silence)
	default:
		l.end(Cut, silence)
	}
}

// judgeByDial is for systems that do not tell of acknowledgements: a kernel that still takes connections for the process is
// sign enough.
func (n *Node) judgeByDial(l *link, silence error) {
	defer n.wg.Done()
	ctx, cancel := context.WithTimeout(n.ctx, 400*time.Millisecond)
	defer cancel()
	n.mu.Lock()
	addrs := slices.Clone(l.peer.addrs[:min(len(l.peer.addrs), 1)])
	n.mu.Unlock()
	conn, _, err := n.dialFirst(ctx, addrs)
	if err != nil {
		l.end(Cut, silence)
		return
	}
	conn.Close()
	l.end(Hung, silence)
}
