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

// A connection that turns out to be for something else than a session, like a
// file beside a WebSocket, stands aside: nobody sees, counts or waits for it,
// and it has given back what it took of the service. Its Protocol bounds how
// many there are. A handshake may still follow, and then it returns.

// standAside is told by a Protocol, from a goroutine of its own.
type standAside struct{}

// aside are a service's connections that stand aside.
type aside struct {
	mu  sync.Mutex
	all map[*Session]struct{}
}

func (a *aside) add(s *Session) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.all == nil {
		a.all = map[*Session]struct{}{}
	}
	a.all[s] = struct{}{}
}

func (a *aside) remove(s *Session) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.all, s)
}

// end tells all of them to end.
func (a *aside) end() {
	a.mu.Lock()
	all := slices.Collect(maps.Keys(a.all))
	a.mu.Unlock()
	for _, s := range all {
		s.run.Post(s, relay.Event{Kind: relay.Signal, Arg: order{by: ByProxy, reason: ReasonShutdown}})
	}
}

// goAside takes the session out of everything. It is never nowhere: whoever
// ends the service finds it in one place or the other.
func (s *Session) goAside() {
	if s.aside || s.ending != nil {
		return
	}
	s.aside = true
	s.leavePlace()
	s.service.aside.add(s)
	s.service.live.remove(s, func() {})
	s.service.share.Release()
}

// openedAside takes what Handshake has brought of one that stands aside, and says
// whether that makes it a session.
func (s *Session) openedAside(g PendingClient, err error) bool {
	var refusal *Refusal
	switch {
	case g == nil && !errors.As(err, &refusal):
		s.vanish()
		return false
	case s.returns():
		return true
	case g == nil:
		s.vanish()
		return false
	}
	s.do(func() relay.Event {
		g.Refuse(http.StatusServiceUnavailable, retrySoon, "the service can hold no more sessions")
		return relay.Event{Kind: relay.HandshakeDone}
	})
	return false
}

// returns makes it a session that has just come, unless there is no room or
// the service is at its end.
func (s *Session) returns() bool {
	e := s.service.engine
	e.mu.Lock() // so that nobody waits for the last session meanwhile
	defer e.mu.Unlock()
	if e.stopped || s.service.retired || s.service.share.Acquire() != nil {
		return false
	}
	s.aside, s.judged, s.opened = false, false, time.Now()
	s.service.live.add(s)
	s.service.aside.remove(s)
	return true
}

// vanish ends a session that has stood aside. It leaves no record.
func (s *Session) vanish() {
	s.run.Done(s)
	s.service.aside.remove(s)
	s.run.Close(s.client, true)
}
