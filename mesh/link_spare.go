package mesh

import (
	"errors"
	"time"
)

// A link is spare if the two nodes can reach each other through a hub. Each side says so, and from then on opens its
// streams through the hub; when both have, the one with the higher id ends the link. Open streams keep the link.

// What a node says about a link.
const (
	spareNo   = 0
	spareYes  = 1
	spareDone = 2 // the sender ends it; no more messages follow
)

var errSpare = errors.New("mesh: the link is spare")

// isSpare is called with node.mu held.
func (l *link) isSpare() bool {
	n := l.node
	if !n.hubs.on || n.isHub() || l.toHub() || l.session == nil || l.peer.link != l || time.Since(l.since) < spareAfter {
		return false
	}
	via := l.peer.via()
	return via != nil && via.by.relay != nil && l.session.NumStreams() <= 1 // the stream of messages
}

// watchSpare is called with node.mu held.
func (l *link) watchSpare() {
	if spare := l.isSpare(); spare != l.spare {
		l.spare = spare
		l.out.post(func(o *outgoing) { o.spare = true })
	}
	if l.spare && l.peerSpare && !l.ending && l.node.id.id > l.peer.id {
		l.ending = true
		l.node.wg.Go(l.endSpare)
	}
}

// endSpare ends a link that both sides can do without.
func (l *link) endSpare() {
	l.out.post(func(o *outgoing) { o.spareDone = true })
	l.awaitLast()
	l.end("", nil)
}

// gotSpare handles msgSpare; done means that the peer ends the link.
func (l *link) gotSpare(body []byte) (done bool) {
	if len(body) != 1 {
		return false
	}
	l.node.mu.Lock()
	defer l.node.mu.Unlock()
	l.peerSpare = body[0] == spareYes
	return body[0] == spareDone && l.spare
}
