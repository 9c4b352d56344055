package mesh

import (
	"io"
	"sync"
	"time"
)

// outbox holds what is to be sent to one peer, only the newest of each kind: a slow peer misses what was replaced meanwhile,
// and delays no other.
type outbox struct {
	mu     sync.Mutex
	queued outgoing
	wake   chan struct{}
}

// outgoing says which kinds of message to send; each is encoded from the node's state when it is sent.
type outgoing struct {
	heartbeat, answerNow bool
	record               bool
	peers                bool
	watch                bool
	goodbye, goodbyeAck  bool
	connClosed           uint64 // the program's connections up to this number are closed; 0: none
	gaveUp               string // why we give the peer up; no other message follows

	hub, feedWanted   bool
	feed, feedRecords bool // nodes whose state has changed, and all with a new record
	echo              bool // the peer's own record, newer than the one it has just sent
	spare, spareDone  bool // spareDone: no other message follows
}

func (o *outbox) post(set func(*outgoing)) {
	o.mu.Lock()
	set(&o.queued)
	o.mu.Unlock()
	select {
	case o.wake <- struct{}{}:
	default:
	}
}

func (o *outbox) take() outgoing {
	o.mu.Lock()
	defer o.mu.Unlock()
	p := o.queued
	o.queued = outgoing{}
	return p
}

const (
	recordEvery  = time.Second
	watchedEvery = recordEvery / 4
	peersEvery   = 250 * time.Millisecond
)

// write sends what is in the outbox until the link ends. What is not due yet waits here.
func (l *link) write(control io.Writer) {
	var sent pacing
	timer := time.NewTimer(0) // the first messages are a snapshot of everything
	defer timer.Stop()
	l.out.post(func(p *outgoing) { p.heartbeat, p.record, p.peers, p.watch, p.hub = true, true, true, true, true })
	var later outgoing
	for {
		select {
		case <-l.ctx.Done():
			return
		case <-l.out.wake:
		case <-timer.C:
		}
		p := l.out.take()
		var next time.Duration
		if later, next = sent.hold(&p, &later, l.recordEvery()); next > 0 {
			timer.Reset(next)
		}
		for _, m := range l.messages(p) {
			if err := writeFrame(control, m); err != nil {
				return // the reader also fails, and ends the link
			}
		}
		if p.gaveUp != "" || p.spareDone {
			close(l.lastSent)
			return
		}
	}
}

// pacing has the times when rate-limited messages were last sent.
type pacing struct{ record, peers, feed, feedRecords time.Time }

// hold removes from p what is not due yet, and adds what was held earlier and is now due. It returns what must be sent later,
// and when.
func (s *pacing) hold(p, held *outgoing, recordEvery time.Duration) (later outgoing, next time.Duration) {
	now := time.Now()
	for _, kind := range []struct {
		now, held, later *bool
		last             *time.Time
		every            time.Duration
	}{
		{&p.record, &held.record, &later.record, &s.record, recordEvery},
		{&p.peers, &held.peers, &later.peers, &s.peers, peersEvery},
		{&p.feed, &held.feed, &later.feed, &s.feed, peersEvery},
		{&p.feedRecords, &held.feedRecords, &later.feedRecords, &s.feedRecords, 2 * recordEvery},
	} {
		if *kind.now = *kind.now || *kind.held; !*kind.now {
			continue
		}
		wait := kind.last.Add(kind.every).Sub(now)
		if wait <= 0 {
			*kind.last = now
			continue
		}
		*kind.now, *kind.later = false, true
		if next == 0 || wait < next {
			next = wait
		}
	}
	return later, next
}

// messages encodes p in sending order: a heartbeat first, since it is small and urgent, a goodbye last.
func (l *link) messages(p outgoing) [][]byte {
	var out [][]byte
	if p.heartbeat {
		out = append(out, l.nextHeartbeat(p.answerNow).encode())
	}
	if p.watch {
		out = append(out, []byte{msgWatch, l.node.watching()})
	}
	out = l.appendHubMessages(out, p) // before the list of peers, which are not dialled past FullUpTo
	if p.record {
		out = l.appendRecord(out)
	}
	if p.peers {
		out = append(out, encodePeers(l.node.shareablePeers(l)))
	}
	if p.connClosed > 0 {
		out = append(out, encodeNumber(msgConnClosed, p.connClosed))
	}
	if p.goodbyeAck {
		out = append(out, []byte{msgGoodbyeAck})
	}
	if p.goodbye {
		out = append(out, []byte{msgGoodbye})
	}
	if p.gaveUp != "" {
		out = append(out, append([]byte{msgGaveUp}, p.gaveUp[:min(len(p.gaveUp), maxGaveUp)]...))
	}
	return out
}

// appendRecord appends this node's record, signed if hubs pass it on.
func (l *link) appendRecord(out [][]byte) [][]byte {
	n := l.node
	n.mu.Lock()
	signs := l.signs()
	n.mu.Unlock()
	if !signs {
		if number, record := n.currentRecord(); number > 0 {
			out = append(out, encodeNumber(msgRecord, number, record...))
		}
		return out
	}
	signed, err := n.ownSigned()
	if err != nil {
		n.reportError("sign", err)
		return out
	}
	return append(out, append([]byte{msgSigned}, signed...))
}

// appendHubMessages appends the messages of meshes with hubs.
func (l *link) appendHubMessages(out [][]byte, p outgoing) [][]byte {
	n := l.node
	n.mu.Lock()
	says, asked, spare := n.saysMany(), l.asked, byte(spareNo)
	var echo []byte
	if s := l.peer.signed; s != nil {
		echo = s.encoded
	}
	if l.spare {
		spare = spareYes
	}
	said := p.hub && (says == hubMany || says == hubFew && l.saidMany) // in a mesh that was never large, nothing is said
	l.saidMany = l.saidMany || said
	n.mu.Unlock()
	if said {
		out = append(out, []byte{msgHub, says})
	}
	if p.feedWanted {
		out = append(out, []byte{msgFeedWanted, asked})
	}
	if p.echo && echo != nil {
		out = append(out, append([]byte{msgSigned}, echo...))
	}
	if p.feed || p.feedRecords {
		out = append(out, l.feedMessages(p.feedRecords)...)
	}
	if p.spare {
		out = append(out, []byte{msgSpare, spare})
	}
	if p.spareDone {
		out = append(out, []byte{msgSpare, spareDone})
	}
	return out
}

func (l *link) recordEvery() time.Duration {
	l.node.mu.Lock()
	defer l.node.mu.Unlock()
	if l.peerWatches {
		return watchedEvery
	}
	return recordEvery
}
