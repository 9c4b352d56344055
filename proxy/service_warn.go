package proxy

import (
	"fmt"
	"time"

	"github.com/tcpctl/tcpctl/proxy/text"
)

// Warnings ahead of a deadline, while an operator can still act: a pause near its end,
// a client that has waited long.

// nearMax is when only a quarter of the pause's longest time remains.
func (p *pause) nearMax() time.Time { return p.until.Add(-p.until.Sub(p.since) / 4) }

// warnLocked warns once that a pause's deadline is near.
func (ps *pauseState) warnLocked(now time.Time) {
	s := ps.service
	p := ps.current
	switch {
	case p == nil || p.warned:
		return
	case now.Before(p.nearMax()):
		s.timer.set(p.nearMax())
		return
	}
	p.warned = true
	s.engine.note(Event{Kind: EventPauseNear, Level: LevelWarn, Service: s.name, By: p.owner,
		Text: fmt.Sprintf("pause of %s by %s ends in %s: %s waiting", s.name, nameOf(p.owner),
			p.until.Sub(now).Round(time.Second), text.Plural(s.queue.Waiting(), "client"))})
}

// oldestWaiter warns of long waits. It is guarded by the service's queue.
type oldestWaiter struct {
	service *Service
	noted   time.Time // time of the last warning
}

// warnLocked warns that the oldest waiter has used up half of queue.timeout, at most
// once per timeout. Each client that begins to wait calls it, so it also finds the
// first.
func (o *oldestWaiter) warnLocked(now time.Time) {
	s := o.service
	limit := s.config().Queue.Timeout
	if limit <= 0 {
		return
	}
	for w := range s.queue.Waiters() {
		sess := w.Owner.(*Session)
		waited := now.Sub(sess.opened)
		if !sess.bypass {
			waited -= s.pause.frozenLocked(now) - sess.frozenBefore
		}
		switch {
		case s.pause.frozen: // waited does not grow either
			s.timer.set(now.Add(limit / 2))
		case waited < limit/2:
			s.timer.set(now.Add(limit/2 - waited))
		case now.Before(o.noted.Add(limit)):
			s.timer.set(o.noted.Add(limit))
		default:
			o.noted = now
			s.timer.set(now.Add(limit))
			s.engine.note(Event{Kind: EventQueueOld, Level: LevelWarn, Service: s.name, Session: sess.ID(),
				Text: fmt.Sprintf("the oldest of %s in the queue of %s has waited %s of at most %s: %s",
					text.Plural(s.queue.Waiting(), "client"), s.name, waited.Round(10*time.Millisecond), limit, w.Reason())})
		}
		return // the head is the oldest
	}
}
