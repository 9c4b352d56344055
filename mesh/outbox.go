package mesh

import (
	"io"
	"sync"
	"time"
)

// outbox holds what is to be sent to one peer, never more than the newest of each kind: a slow peer misses what was replaced
// meanwhile, and holds up no other.
type outbox struct {
	mu     sync.Mutex
	queued outgoing
	wake   chan struct{}
}

// outgoing are the kinds of message that are to be sent; each is made from the node's state when it is.
type outgoing struct {
	heartbeat, answerNow bool
	record               bool
	peers                bool
	watch                bool
	goodbye, goodbyeAck  bool
	connClosed           uint64 // the program's connections up to this number; 0: none
	gaveUp               string // why we give the peer up; no other message follows
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

// write sends what is in the outbox until the link ends. A record or list of peers that is not due yet waits here, and is
// made when it is sent.
func (l *link) write(control io.Writer) {
	var recordAt, peersAt time.Time // when they were last sent
	timer := time.NewTimer(0)       // the first messages are a snapshot of everything
	defer timer.Stop()
	l.out.post(func(p *outgoing) { p.heartbeat, p.record, p.peers, p.watch = true, true, true, true })
	var later outgoing
	for {
		select {
		case <-l.ctx.Done():
			return
		case <-l.out.wake:
		case <-timer.C:
		}
		p := l.out.take()
		p.record = p.record || later.record
		p.peers = p.peers || later.peers
		later = outgoing{}

		now, next := time.Now(), time.Duration(0)
		if wait := recordAt.Add(l.recordEvery()).Sub(now); p.record && wait > 0 {
			p.record, later.record, next = false, true, wait
		}
		if wait := peersAt.Add(peersEvery).Sub(now); p.peers && wait > 0 {
			p.peers, later.peers = false, true
			if next == 0 || wait < next {
				next = wait
			}
		}
		if next > 0 {
			timer.Reset(next)
		}
		if p.record {
			recordAt = now
		}
		if p.peers {
			peersAt = now
		}
		for _, m := range l.messages(p) {
			if err := writeFrame(control, m); err != nil {
				return // the reader fails, too, and ends the link
			}
		}
		if p.gaveUp != "" {
			close(l.lastSent)
			return
		}
	}
}

// messages encodes p in the order of sending: a heartbeat first, since it is small and urgent, a goodbye after all else.
func (l *link) messages(p outgoing) [][]byte {
	var out [][]byte
	if p.heartbeat {
		out = append(out, l.nextHeartbeat(p.answerNow).encode())
	}
	if p.watch {
		out = append(out, []byte{msgWatch, l.node.watching()})
	}
	if p.record {
		if number, record := l.node.currentRecord(); number > 0 {
			out = append(out, encodeNumber(msgRecord, number, record...))
		}
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

func (l *link) recordEvery() time.Duration {
	l.node.mu.Lock()
	defer l.node.mu.Unlock()
	if l.peerWatches {
		return watchedEvery
	}
	return recordEvery
}
