package proxy

import (
	"sync/atomic"
	"time"

	"github.com/tcpctl/tcpctl/proxy/relay"
)

// DrainConfig configures how drains end live sessions.
type DrainConfig struct {
	// Quiet is how long a session must have carried no data in either direction,
	// with nothing unsent, before a drain, maint, pause, restart, roll or window
	// ends it by FIN (rule 46). 0: sessions end by themselves.
	Quiet time.Duration
	// Protocol is the protocol of the clients: "postgres" or "redis". A session is
	// then not quiet while a request lacks its reply, a transaction is open, or it
	// has subscriptions. "": unknown.
	Protocol string
}

// quietDrain ends live sessions at their next quiet moment.
type quietDrain struct {
	after time.Duration
	by    string // the operator
}

// quietDrains says which live sessions of a service are ended at a quiet moment: by a
// pause all except those that bypass it, and by a hold those of its backend
// (Backend.quiet). Both change with the queue locked, and sessions read them at any
// time.
type quietDrains struct {
	service *Service
	pause   atomic.Pointer[quietDrain] // nil: none
	retired bool                       // a reload has removed the service

	successor *QuietDrains // of the next process; nil: not received
	told      QuietDrains  // what the previous processes were told last
}

// updateLocked is called when a pause or a hold has begun or ended. Sessions to which
// that newly applies reset their timers.
func (q *quietDrains) updateLocked() {
	s := q.service
	now := q.ownLocked()
	q.tellPredecessorsLocked(now)
	if q.successor != nil { // the successor decides
		now = *q.successor
	}
	begun := replaceQuiet(&q.pause, now.All.own())
	for _, b := range s.backends.all {
		var here *quietDrain
		if d, ok := now.Backends[b.name]; ok {
			here = d.own()
		}
		begun = replaceQuiet(&b.quiet, here) || begun
	}
	if !begun {
		return
	}
	for sess := range s.live.all() {
		if sess.relaying.Load() != nil {
			sess.runner().Post(sess, relay.Event{Kind: relay.Signal, Arg: quietBegun{}})
		}
	}
}

// ownLocked is what the service's own pause and holds end.
func (q *quietDrains) ownLocked() QuietDrains {
	s := q.service
	all := QuietDrains{Service: s.name, Backends: map[string]QuietDrain{}}
	switch p := s.pause.current; {
	case p != nil && p.quiet > 0:
		all.All = &QuietDrain{p.quiet.Seconds(), p.owner}
	case q.retired && s.config().Drain.Quiet > 0:
		all.All = &QuietDrain{s.config().Drain.Quiet.Seconds(), "reload"}
	}
	for _, b := range s.backends.all {
		if h := b.holds.top(); h != nil && h.quiet > 0 {
			all.Backends[b.name] = QuietDrain{h.quiet.Seconds(), h.by}
		}
	}
	return all
}

// quietBegun is the signal to a session that its drain has begun.
type quietBegun struct{}

// replaceQuiet reports whether now begins something.
func replaceQuiet(at *atomic.Pointer[quietDrain], now *quietDrain) (begun bool) {
	was := at.Load()
	if was != nil && now != nil && *was == *now {
		return false
	}
	at.Store(now)
	return now != nil
}

// quietDrain returns what ends the session at its next quiet moment, or nil.
func (s *Session) quietDrain() *quietDrain {
	if q := s.service.quiet.pause.Load(); q != nil && !s.bypass {
		return q
	}
	return s.last.quiet.Load()
}

const (
	// quietSettle is how long a client that has got the FIN of a quiet moment has to
	// close its side, or to finish sending, until its backend gets a FIN, too.
	quietSettle = 50 * time.Millisecond
	// quietRetry is the delay after a session was not as quiet as its clocks suggest:
	// data of it is in flight.
	quietRetry = 10 * time.Millisecond
)

// endsQuietAt returns when the session may next be quiet enough; zero: it must not be
// ended so. A client that has ended its side waits for an answer.
func (s *Session) endsQuietAt() (at time.Time) {
	if s.protocol != nil && s.half > 0 {
		return at // the client answers our Close frame with its own
	}
	switch q := s.quietDrain(); {
	case s.endsQuietly():
		at = later(s.client.LastRead(), s.opened.Add(s.half)).Add(quietSettle)
	case q != nil && s.half == 0 && s.ending == nil:
		at = later(later(s.client.LastRead(), s.server.LastRead()), s.opened.Add(s.connected)).Add(q.after)
	}
	return at
}

// untilQuiet returns when to try, also if that time has already passed in vain.
func untilQuiet(at time.Time) time.Time {
	if !at.IsZero() && !at.After(time.Now()) {
		return time.Now().Add(quietRetry)
	}
	return at
}

// endsQuietly reports whether the session was found quiet, and its client has been sent
// a FIN.
func (s *Session) endsQuietly() bool { return s.ending != nil && s.ending.reason == ReasonQuietDrain }

// endQuiet ends the session if it is quiet, in this order: a FIN to the client, whose
// data still arrives; once the client's system has it, and the client has been quiet
// since, a FIN to the backend. In the other order, data that the client sends at the
// same moment would be lost.
func (s *Session) endQuiet() {
	at := s.endsQuietAt()
	if at.IsZero() || time.Now().Before(at) {
		return
	}
	if s.endsQuietly() {
		s.runner().EndQuiet(s, s.client, quietSettle)
	} else if q := s.quietDrain(); q != nil && s.owesNothing() {
		s.runner().EndQuiet(s, s.server, q.after)
	}
}

// endedQuiet handles a direction that has ended at a quiet moment.
func (s *Session) endedQuiet(ev relay.Event) {
	who := ""
	if q := s.quietDrain(); q != nil {
		who = q.by
	}
	s.endWith(ending{by: ByOperator, phase: PhaseRelay, who: who, reason: ReasonQuietDrain})
	if !ev.Last {
		s.half = max(time.Since(s.opened), 1)
		s.runner().SetTimer(s, s.untilDeadline())
	}
}
