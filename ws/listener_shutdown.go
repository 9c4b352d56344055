package ws

import (
	"context"
	"maps"
	"net/http"
	"slices"
	"sync"
)

// Close stops listening, like http.Server.Close: Next and Accept return
// net.ErrClosed, the listeners and the connections without a handshake are
// closed, and handshakes that Next has not returned yet get 503. The Conns and
// Pendings that the program owns stay open. It waits for the Listener's
// goroutines, always returns nil, and may be called more than once.
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

// Shutdown closes the Listener (see Close), then every Conn with GoingAway, and
// answers every Pending with 503. It waits until all of them are closed; once
// ctx is done it closes the remaining ones with CloseNow and returns ctx.Err().
func (l *Listener) Shutdown(ctx context.Context) error {
	l.Close()
	l.mu.Lock()
	l.shuttingDown = true
	l.mu.Unlock()
	var closing sync.WaitGroup
	for _, c := range l.Conns() {
		closing.Go(func() { c.CloseWith(GoingAway, "") })
	}
	for _, p := range l.pendings() {
		closing.Go(func() { p.Refuse(http.StatusServiceUnavailable, 0, "shutting down") })
	}
	stop := context.AfterFunc(ctx, l.closeAll)
	defer stop()
	closing.Wait()
	select {
	case <-l.whenUntracked():
		return ctx.Err()
	case <-ctx.Done():
		return ctx.Err()
	}
}

// track, replace and untrack keep the sets of Pendings and Conns: a Pending is replaced
// by its Conn, or ends. Whatever is added after Shutdown has read the sets is ended by
// the caller that adds it.
func (l *Listener) track(p *Pending) {
	l.mu.Lock()
	l.pending[p] = struct{}{}
	shuttingDown := l.shuttingDown
	l.mu.Unlock()
	if shuttingDown {
		p.Refuse(http.StatusServiceUnavailable, 0, "shutting down")
	}
}

// replace returns false if the Listener is shutting down: the caller closes c.
func (l *Listener) replace(p *Pending, c *Conn) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.pending, p)
	l.conns[c] = struct{}{}
	return !l.shuttingDown
}

func (l *Listener) untrack(gone any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch gone := gone.(type) {
	case *Pending:
		delete(l.pending, gone)
	case *Conn:
		delete(l.conns, gone)
	}
	if l.untracked != nil && len(l.conns)+len(l.pending) == 0 {
		close(l.untracked)
		l.untracked = nil
	}
}

// whenUntracked returns a channel that is closed once nothing is tracked.
func (l *Listener) whenUntracked() <-chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.conns)+len(l.pending) == 0 {
		none := make(chan struct{})
		close(none)
		return none
	}
	if l.untracked == nil {
		l.untracked = make(chan struct{})
	}
	return l.untracked
}

// Conns returns the Conns that have not been closed by this side, in any order.
func (l *Listener) Conns() []*Conn {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Collect(maps.Keys(l.conns))
}

func (l *Listener) pendings() []*Pending {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Collect(maps.Keys(l.pending))
}

func (l *Listener) closeAll() {
	for _, c := range l.Conns() {
		c.CloseNow()
	}
}
