package mesh

import (
	"io"
	"sync"
	"time"
)

// outbox holds what is to be sent to one peer, never more than the newest of each kind: a slow peer skips, and never
// holds anybody up.
type outbox struct {
	mu   sync.Mutex
	todo pending
	wake chan struct{}
}

type pending struct {
	beat, want  bool
	record      bool
	peers       bool
	watch       bool
	bye, byeAck bool
	gone        uint64 // the program's connections up to this number; 0: none
	last        string // why we give the peer up: it is the last message
}

func (o *outbox) post(set func(*pending)) {
	o.mu.Lock()
	set(&o.todo)
	o.mu.Unlock()
	select {
	case o.wake <- struct{}{}:
	default:
	}
}

func (o *outbox) take() pending {
	o.mu.Lock()
	defer o.mu.Unlock()
	p := o.todo
	o.todo = pending{}
	return p
}

const (
	recordEvery  = time.Second
	watchedEvery = recordEvery / 4
	peersEvery   = 250 * time.Millisecond
)

// write sends what is in the outbox until the link is over. A record or list of peers that is not due yet waits here, and
// is read when its time comes.
func (l *link) write(control io.Writer) {
	var recordAt, peersAt time.Time // when they were last sent
	timer := time.NewTimer(0)       // the first round sends a snapshot of everything
	defer timer.Stop()
	l.out.post(func(p *pending) { p.beat, p.record, p.peers, p.watch = true, true, true, true })
	var later pending
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
		later = pending{}

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
				return // the reader hears of it too, and ends the link
			}
		}
		if p.last != "" {
			close(l.lastOut)
			return
		}
	}
}

// messages in the order in which they go: a heartbeat is cheap and wanted, a goodbye comes after all else.
func (l *link) messages(p pending) [][]byte {
	var out [][]byte
	if p.beat {
		out = append(out, l.nextBeat(p.want).encode())
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
		out = append(out, encodePeers(l.node.tellable(l)))
	}
	if p.gone > 0 {
		out = append(out, encodeNumber(msgGone, p.gone))
	}
	if p.byeAck {
		out = append(out, []byte{msgByeAck})
	}
	if p.bye {
		out = append(out, []byte{msgBye})
	}
	if p.last != "" {
		out = append(out, append([]byte{msgGaveUp}, p.last[:min(len(p.last), maxLastWords)]...))
	}
	return out
}

func (l *link) recordEvery() time.Duration {
	l.node.mu.Lock()
	defer l.node.mu.Unlock()
	if l.watched {
		return watchedEvery
	}
	return recordEvery
}
