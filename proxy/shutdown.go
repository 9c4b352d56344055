package proxy

import (
	"context"
	"errors"
	"sync"
	"time"
)

// ErrClosed is returned by Shutdown if Close, or another Shutdown whose context
// was done first, ended it early; and, after Shutdown or Close, by Start, Apply and
// others that need a running engine.
var ErrClosed = errors.New("proxy: the engine is closed")

// shutdown is an engine's end, which begins once and can be waited for by many.
type shutdown struct {
	now       chan struct{} // closed when the remaining sessions must be reset
	once      sync.Once     // closes now
	done      chan struct{} // closed when nothing runs any more
	remaining bool          // some sessions were reset; read it after done
}

func (s *shutdown) force() { s.once.Do(func() { close(s.now) }) }

// Shutdown closes the listeners, serves waiters and live sessions until ctx is
// done, and resets the rest. It returns ctx's error if any were reset. No
// goroutine of the engine runs afterwards; for a Config.Log that blocks, Shutdown
// waits at most two seconds. It may be called more than once, and at the same
// time: all calls wait for the same end, and the first whose ctx is done resets
// the remaining sessions. Before Start, it only keeps the engine from starting.
// Shutdown and Close wait for the functions of the Config that are running (hooks,
// Dial, OnRecord), which therefore must not call them.
func (e *Engine) Shutdown(ctx context.Context) error {
	e.mu.Lock()
	first := !e.stopped
	e.stopped = true
	for _, s := range e.services {
		s.ends.Store(true)
	}
	started := e.started
	if first && e.opened && !started {
		e.undoOpenLocked()
	}
	e.mu.Unlock()
	switch {
	case first && !started:
		e.closeGiven()
		close(e.end.done)
	case first:
		go e.shutDown() // every call waits for it
	}
	select {
	case <-e.end.done:
	case <-ctx.Done():
		e.end.force()
		<-e.end.done
		if e.end.remaining {
			return ctx.Err()
		}
	}
	if e.end.remaining {
		return ErrClosed
	}
	return nil
}

// Close ends the engine now: it resets all live sessions and waiters. During a
// Shutdown it ends that, and after one it does nothing.
func (e *Engine) Close() error {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	e.Shutdown(ctx)
	return nil
}

// shutDown ends the engine.
func (e *Engine) shutDown() {
	e.note(Event{Kind: EventEngine, Level: LevelWarn, Text: "stopping: no new clients"})
	for _, s := range e.all() {
		s.closeListeners() // what the kernel has accepted is waited for with the rest
	}
	e.end.remaining = e.awaitSessions()
	for _, s := range e.all() {
		s.finish()
	}
	close(e.quit)
	e.retiring.Wait()
	e.stream.Shutdown()
	e.loop.Shutdown()
	e.commands.Close()
	e.note(Event{Kind: EventEngine, Text: "stopped"})
	e.traces.Flush(logPatience)
	e.events.Flush(logPatience)
	close(e.end.done)
}

// awaitSessions waits until no session is left; once asked to hurry, it ends the
// remaining ones. It reports whether there were any then.
func (e *Engine) awaitSessions() (rest bool) {
	now := e.end.now
	for wait := time.Millisecond; e.isDraining() || e.budget.Used() > 0; wait = min(2*wait, 50*time.Millisecond) {
		if now == nil { // repeatedly: one may have been accepted just before
			for _, s := range e.all() {
				s.live.signal(endRequest{by: ByProxy, reason: ReasonShutdown}, nil)
			}
		}
		select {
		case <-now:
			rest, now, wait = true, nil, time.Microsecond
			e.endDrains()
		case <-time.After(wait):
		}
	}
	return rest
}

// closeGiven closes the listeners that were given to an engine which is never started:
// it owns them.
func (e *Engine) closeGiven() {
	for _, s := range e.all() {
		for _, ln := range s.config().Listeners {
			ln.Close()
		}
	}
}
