package main

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/tcpctl/tcpctl/mesh"
)

// talk sends lines to every peer. Each has a buffer and a goroutine of its own.
// Where the buffer is full, input waits, so that a peer which is only slow
// misses nothing; but for stallAfter at most: a peer that reads nothing for so
// long loses lines, which are counted, and delays no other.
type talk struct {
	ctx   context.Context
	peers map[string]*talkPeer // by id; say's alone
	wg    sync.WaitGroup
}

const (
	talkBuffer = 64 // lines, of 64 KiB at most, for each peer
	stallAfter = 5 * time.Second
	flushFor   = time.Second
)

// talkPeer is what goes to one connection.
type talkPeer struct {
	conn  *mesh.Conn
	lines chan string

	mu      sync.Mutex
	stalled bool
	dropped int
}

// say sends a line to the connections that there are now.
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

// say waits for a peer that reads, and not for one that does not.
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
		limit := time.NewTimer(stallAfter)
		defer limit.Stop()
		select {
		case p.lines <- line:
			return
		case <-ctx.Done():
			return
		case <-limit.C:
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

// write ends with the connection, or when its queue is closed.
func (p *talkPeer) write() {
	failed := false
	for line := range p.lines {
		if failed {
			continue
		}
		if _, err := fmt.Fprintln(p.conn, line); err != nil {
			failed = true
			p.conn.Close() // the mesh makes another one, if the peer is there
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

// warnDropped says how many lines a peer never got.
func (p *talkPeer) warnDropped() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.dropped > 0 {
		fmt.Fprintf(stderr, "tcpctl: %d lines to %s were dropped: it did not read\n", p.dropped, p.conn.Peer().Name)
	}
}

// flush sends the typed lines to the peers that read them within a moment. Call
// wait once the node has been closed, which ends writes that still block.
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
