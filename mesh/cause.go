package mesh

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"syscall"
	"time"

	"github.com/tcpctl/tcpctl/mesh/meshinfo"
)

// causeOf says why a link ended by itself. Above TLS and yamux every ending looks alike; the wire remembers.
func (l *link) causeOf(err error) (meshinfo.Cause, error) {
	switch {
	case l.hasLeft():
		return meshinfo.Departed, nil
	case l.gaveUp != "":
		return meshinfo.GaveUp, errors.New("mesh: it says: " + l.gaveUp)
	}
	if judged := l.judgement(); judged != "" {
		return judged, err // it ended while we were about to
	}
	ended := l.wire.ended.Load()
	if ended == nil {
		return meshinfo.Crashed, err // it said something that we could not read, and was cut off
	}
	for _, unreachable := range []error{syscall.ETIMEDOUT, syscall.EHOSTUNREACH, syscall.ENETUNREACH, syscall.EHOSTDOWN} {
		if errors.Is(*ended, unreachable) {
			return meshinfo.Unreachable, *ended
		}
	}
	return meshinfo.Crashed, *ended
}

// judge ends a link that has been silent for too long: is the other side's process stuck, or is nothing there? Its kernel
// acknowledges our heartbeats in the first case. Called with node.mu held.
func (n *Node) judge(l *link) {
	if l.ctx.Err() != nil || l.session != nil && l.session.IsClosed() {
		return // it ended by itself, and run is about to say so
	}
	silence := fmt.Errorf("mesh: nothing heard for %v", l.wire.silence().Round(100*time.Millisecond))
	if l.judging {
		return
	}
	l.judging = true
	n.wg.Add(1)
	switch ago, known := lastAck(l.wire.Conn); {
	case !known:
	case ago < n.cfg.Dead/2:
		l.judged = meshinfo.Unresponsive
	default:
		l.judged = meshinfo.Unreachable
	}
	go n.giveUp(l, l.judged, silence)
}

func (l *link) judgement() meshinfo.Cause {
	l.node.mu.Lock()
	defer l.node.mu.Unlock()
	return l.judged
}

// giveUp ends the link after a last message to the peer. Without a cause, it finds out.
func (n *Node) giveUp(l *link, cause meshinfo.Cause, silence error) {
	defer n.wg.Done()
	l.sayLast(fmt.Sprintf("nothing heard from this node for %v", l.wire.silence().Round(100*time.Millisecond)))
	if cause == "" {
		cause = meshinfo.Unreachable
		if n.takesConnections(l) {
			cause = meshinfo.Unresponsive
		}
	}
	l.end(cause, silence)
}

// takesConnections is for systems that do not tell of acknowledgements: a kernel that still takes connections for the
// process is sign enough.
func (n *Node) takesConnections(l *link) bool {
	ctx, cancel := context.WithTimeout(n.ctx, 400*time.Millisecond)
	defer cancel()
	n.mu.Lock()
	addrs := slices.Clone(l.peer.addrs[:min(len(l.peer.addrs), 1)])
	n.mu.Unlock()
	d, err := n.dialFirst(ctx, addrs, false)
	if err == nil {
		d.conn.Close()
	}
	return err == nil
}
