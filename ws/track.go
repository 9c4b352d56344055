package ws

import (
	"context"
	"maps"
	"net/http"
	"slices"
	"sync"
)

// Close ends listening: Next and Accept return net.ErrClosed, the servers stop,
// and handshakes that nobody has taken yet get 503. Connections and Pendings
// belong to those who took them and go on.
func (l *Listener) Close() error {
	l.mu.Lock()
	first := !l.closed
	l.closed = true
	l.mu.Unlock()
	if first {
		close(l.done)
		l.server.Close()
	}
	l.serving.Wait()
	return nil
}

// Shutdown is Close, then Close 1001 to every connection and 503 to every
// Pending. It waits until all are gone, and when ctx is done before that it
// closes the rest at once and returns ctx.Err().
func (l *Listener) Shutdown(ctx context.Context) error {
	l.Close()
	var leaving sync.WaitGroup
	for _, c := range l.Conns() {
		leaving.Add(1)
		go sendAway(c, &leaving)
	}
	for _, p := range l.waiting() {
		leaving.Add(1)
		go turnAway(p, &leaving)
	}
	stop := context.AfterFunc(ctx, l.closeAll)
	defer stop()
	leaving.Wait()
	select {
	case <-l.whenEmpty():
		return ctx.Err()
	case <-ctx.Done():
		return ctx.Err()
	}
}

// track, replace and forget keep the books: a Pending becomes a Conn or ends.
func (l *Listener) track(p *Pending) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.pending[p] = struct{}{}
}

func (l *Listener) replace(p *Pending, c *Conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.pending, p)
	l.conns[c] = struct{}{}
}

func (l *Listener) forget(gone any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch gone := gone.(type) {
	case *Pending:
		delete(l.pending, gone)
	case *Conn:
		delete(l.conns, gone)
	}
	if l.empty != nil && len(l.conns)+len(l.pending) == 0 {
		close(l.empty)
		l.empty = nil
	}
}

// whenEmpty returns a channel that is closed when nothing is tracked.
func (l *Listener) whenEmpty() <-chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.conns)+len(l.pending) == 0 {
		none := make(chan struct{})
		close(none)
		return none
	}
	if l.empty == nil {
		l.empty = make(chan struct{})
	}
	return l.empty
}

// Conns returns the connections that are open.
func (l *Listener) Conns() []*Conn {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Collect(maps.Keys(l.conns))
}

func (l *Listener) waiting() []*Pending {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Collect(maps.Keys(l.pending))
}

func sendAway(c *Conn, done *sync.WaitGroup) {
	defer done.Done()
	c.CloseWith(GoingAway, "")
}

func turnAway(p *Pending, done *sync.WaitGroup) {
	defer done.Done()
	p.Refuse(http.StatusServiceUnavailable, 0, "shutting down")
}

func (l *Listener) closeAll() {
	for _, c := range l.Conns() {
		c.CloseNow()
	}
}
