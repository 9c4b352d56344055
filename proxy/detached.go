package proxy

import (
	"errors"
	"maps"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/tcpctl/tcpctl/proxy/relay"
)

// A connection that turns out to be for something else than a session, like a file
// beside a WebSocket, is detached: nothing lists, counts or waits for it, and
// everything reserved for it is released. Its Protocol limits their number. A handshake
// may still follow, which makes it a session again.

// detach is a Protocol's signal that its connection is not for a session.
type detach struct{}

// detachedSet is a service's detached connections.
type detachedSet struct {
	mu  sync.Mutex
	all map[*Session]struct{}
}

func (a *detachedSet) add(s *Session) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.all == nil {
		a.all = map[*Session]struct{}{}
	}
	a.all[s] = struct{}{}
}

func (a *detachedSet) remove(s *Session) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.all, s)
}

// end asks all of them to end.
func (a *detachedSet) end() {
	a.mu.Lock()
	all := slices.Collect(maps.Keys(a.all))
	a.mu.Unlock()
	for _, s := range all {
		s.signal(endRequest{by: ByProxy, reason: ReasonShutdown})
	}
}

// detach takes the session out of everything. It is always in one of the two sets, so
// that the end of the service finds it.
func (s *Session) detach() {
	if s.detached || s.ending != nil {
		return
	}
	s.detached = true
	s.releasePerIP()
	s.service.detached.add(s)
	s.service.live.remove(s, func() {})
	s.share().Release()
}

// detachedHandshake handles the result of Handshake for a detached connection, and
// reports whether it becomes a session.
func (s *Session) detachedHandshake(g PendingClient, err error) bool {
	var refusal *Refusal
	switch {
	case g == nil && !errors.As(err, &refusal):
		s.discard()
		return false
	case s.reattach():
		return true
	case g == nil:
		s.discard()
		return false
	}
	s.do(func() relay.Event {
		g.Refuse(http.StatusServiceUnavailable, retrySoon, "the service can hold no more sessions")
		return relay.Event{Kind: relay.HandshakeDone}
	})
	return false
}

// reattach makes it a new session, unless there is no room or the service ends. It must
// not take the engine's lock: its holder may be waiting for this loop to close a listener.
func (s *Session) reattach() bool {
	if s.share().Acquire() != nil {
		return false
	}
	s.opened = time.Now()
	s.service.live.add(s)
	if s.service.ends.Load() { // after it has been added: an end that begins later waits for it
		s.service.live.remove(s, func() {})
		s.share().Release()
		return false
	}
	s.detached, s.accessChecked = false, false
	s.service.detached.remove(s)
	return true
}

// discard ends a detached connection, without a record.
func (s *Session) discard() {
	s.runner().Done(s)
	s.service.detached.remove(s)
	s.runner().Close(s.client, true)
}
