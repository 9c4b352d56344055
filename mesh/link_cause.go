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

// causeOf returns why a link ended that we did not end. Above TLS and yamux all ends look alike, so wire keeps the first error.
func (l *link) causeOf(err error) (meshinfo.Cause, error) {
	switch {
	case l.hasDeparted():
		return meshinfo.Departed, nil
	case l.retired:
		return "", nil
	case l.gaveUp != "":
		return meshinfo.GaveUp, errors.New(l.gaveUp) // its own words
	}
	if cause := l.silenceFound(); cause != "" {
		return cause, err // it ended while we were about to end it
	}
	ended := l.wire.readErr.Load()
	if ended == nil {
		return meshinfo.Crashed, err // it sent what we could not read
	}
	for _, unreachable := range []error{syscall.ETIMEDOUT, syscall.EHOSTUNREACH, syscall.ENETUNREACH, syscall.EHOSTDOWN} {
		if errors.Is(*ended, unreachable) {
			return meshinfo.Unreachable, *ended
		}
	}
	return meshinfo.Crashed, *ended
}

// endSilentLink ends a link that has been silent for too long. If the peer's kernel acknowledges our heartbeats, its process is
// unresponsive; otherwise it is unreachable. Called with node.mu held.
func (n *Node) endSilentLink(l *link) {
	if l.ctx.Err() != nil || l.session != nil && l.session.IsClosed() {
		return // it has already ended, as run will notice
	}
	silence := fmt.Errorf("mesh: nothing heard for %v", l.wire.sinceRead().Round(100*time.Millisecond))
	if l.endingSilent {
		return
	}
	l.endingSilent = true
	n.wg.Add(1)
	switch ago, known := lastAck(l.wire.Conn); {
	case !known:
	case ago < n.cfg.Dead/2:
		l.silentCause = meshinfo.Unresponsive
	default:
		l.silentCause = meshinfo.Unreachable
	}
	go n.giveUp(l, l.silentCause, silence)
}

func (l *link) silenceFound() meshinfo.Cause {
	l.node.mu.Lock()
	defer l.node.mu.Unlock()
	return l.silentCause
}

// giveUp ends the link after a last message to the peer. If cause is empty, it dials the peer to find out.
func (n *Node) giveUp(l *link, cause meshinfo.Cause, silence error) {
	defer n.wg.Done()
	l.sendLast(fmt.Sprintf("nothing heard from this node for %v", l.wire.sinceRead().Round(100*time.Millisecond)))
	if cause == "" {
		cause = meshinfo.Unreachable
		if n.acceptsConnections(l) {
			cause = meshinfo.Unresponsive
		}
	}
	l.end(cause, silence)
}

// acceptsConnections replaces lastAck on systems without it: the peer is reachable if its kernel still accepts connections.
func (n *Node) acceptsConnections(l *link) bool {
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
