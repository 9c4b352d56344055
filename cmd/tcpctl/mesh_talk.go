package main

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/tcpctl/tcpctl/mesh"
)

// talk sends lines to every peer. Each has its own buffer and goroutine. If the buffer is full,
// input waits, so that a slow peer misses nothing, but at most for stallAfter: a peer that reads
// nothing for so long loses lines, which are counted, and does not delay others.
type talk struct {
	ctx   context.Context
	peers map[string]*talkPeer // by id; used only by say
	wg    sync.WaitGroup
}

const (
	talkBuffer = 64 // lines of at most 64 KiB, per peer
	stallAfter = 5 * time.Second
	flushFor   = time.Second
)

// talkPeer sends lines over one connection.
type talkPeer struct {
	conn  *mesh.Conn
	lines chan string

	mu      sync.Mutex
	stalled bool
	dropped int
}

// say sends a line to the current connections.
func (t *talk) say(conns []*mesh.Conn, line string) {
	there := map[string]bool{}
	for _, c := range conns {
		id := c.Peer().ID
		there[id] = true
		p := t.peers[id]
		if p == nil || p.conn != c {
			if p != nil {
				close(p.lines)
			}
			p = &talkPeer{conn: c, lines: make(chan string, talkBuffer)}
			t.peers[id] = p
			t.wg.Go(p.write)
		}
		p.say(t.ctx, line)
	}
	for id, p := range t.peers {
		if !there[id] {
			close(p.lines)
			delete(t.peers, id)
		}
	}
}

// say queues a line, and waits for room only while the peer reads.
func (p *talkPeer) say(ctx context.Context, line string) {
	select {
	case p.lines <- line:
		return
	default:
	}
	p.mu.Lock()
	stalled := p.stalled
	p.mu.Unlock()
	if !stalled {
		select {
		case p.lines <- line:
			return
		case <-ctx.Done():
			return
		case <-time.After(stallAfter):
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.dropped++
	if !p.stalled {
		p.stalled = true
		fmt.Fprintf(stderr, "tcpctl: %s does not read: lines to it are dropped until it does\n", p.conn.Peer().Name)
	}
}

// write sends queued lines until the connection ends or the queue is closed.
func (p *talkPeer) write() {
	failed := false
	for line := range p.lines {
		if failed {
			continue
		}
		if _, err := fmt.Fprintln(p.conn, line); err != nil {
			failed = true
			p.conn.Close() // the mesh connects again if the peer is there
			continue
		}
		p.mu.Lock()
		if p.stalled && len(p.lines) == 0 {
			fmt.Fprintf(stderr, "tcpctl: %s reads again: %d lines were dropped\n", p.conn.Peer().Name, p.dropped)
			p.stalled, p.dropped = false, 0
		}
		p.mu.Unlock()
	}
	p.warnDropped()
}

// warnDropped reports how many lines a peer did not get.
func (p *talkPeer) warnDropped() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.dropped > 0 {
		fmt.Fprintf(stderr, "tcpctl: %d lines to %s were dropped: it did not read\n", p.dropped, p.conn.Peer().Name)
	}
}

// flush sends the typed lines to the peers that read them within flushFor. Call wait after closing
// the node, which ends blocked writes.
func (t *talk) flush() (wait func()) {
	for _, p := range t.peers {
		close(p.lines)
	}
	sent := make(chan struct{})
	go func() {
		t.wg.Wait()
		close(sent)
	}()
	select {
	case <-sent:
	case <-time.After(flushFor):
	}
	return func() { <-sent }
}
