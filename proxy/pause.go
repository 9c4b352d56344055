package proxy

import (
	"fmt"
	"time"

	"github.com/tcpctl/tcpctl/lock"
	"github.com/tcpctl/tcpctl/proxy/relay"
)

// pause holds a service: new clients wait in its queue. It always has a
// deadline.
type pause struct {
	owner, by, reason string
	since, until      time.Time
	limit             *time.Time // when then happens to the live sessions; nil: it has
	then              string
	settled           bool // nobody is live any more, or we go on without them
}

// release lets those through who waited when a pause ended; newcomers stand
// behind them.
type release struct {
	upTo uint64  // the last arrival that it is for
	rate float64 // grants a second; 0: all at once
	next time.Time
	by   string
}

// passes says whether the pace lets w go now. The queue is locked.
func (r *release) passes(s *Service, w *lock.Waiter, now time.Time) bool {
	if w.Arrival() > r.upTo {
		s.released()
		return true
	}
	if r.rate <= 0 {
		return true
	}
	if now.Before(r.next) {
		s.wakeAt(r.next)
		return false
	}
	return true
}

// took sets the time of the next grant. A late timer may catch up, by no more
// than a few.
func (r *release) took(now time.Time) {
	if r.rate > 0 {
		pace := time.Duration(float64(time.Second) / r.rate)
		r.next = later(r.next, now.Add(-4*pace)).Add(pace)
	}
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// released ends the releasing. The queue is locked.
func (s *Service) released() {
	s.stand(time.Now())
	by := s.release.by
	s.release = nil
	s.engine.Note(Event{Kind: EventService, Level: LevelGood, Service: s.name, By: by,
		Text: s.name + " is open: all who were held have been let through"})
}

// PauseOptions are for one pause.
type PauseOptions struct {
	Limit  time.Duration // how long live sessions may take; 0: the service's
	Then   string        // at that limit; "": the service's
	Max    time.Duration // the longest pause; 0: the service's
	By     string
	Reason string
}

// Pause holds new clients in the queue. It returns at once: the state is
// pausing until no session is live, then paused. A second pause is refused.
func (s *Service) Pause(o PauseOptions) (text string, err error) {
	s.queue.Update(func() {
		if p := s.pause; p != nil {
			err = fmt.Errorf("proxy: %s is paused already, by %s for %s", s.name, p.owner, time.Since(p.since).Round(time.Second))
			return
		}
		if s.front == nil {
			err = fmt.Errorf("proxy: %s is closed", s.name)
			return
		}
		setDefault(&o.Limit, s.config().Pause.Limit)
		setDefault(&o.Then, s.config().Pause.Then)
		setDefault(&o.Max, s.config().Pause.Max)
		now := time.Now()
		s.stand(now)
		s.release = nil
		p := &pause{owner: o.By, by: "pause", reason: o.Reason, since: now, until: now.Add(o.Max), then: o.Then}
		if limit := now.Add(o.Limit); limit.Before(p.until) {
			p.limit = &limit
			s.wakeAt(limit)
		}
		s.pause = p
		s.wakeAt(p.until)
		text = fmt.Sprintf("pause %s until %s: %s live", s.name, p.until.Format(time.TimeOnly), plural(s.active-s.bypassing, "session"))
		if s.quiet() {
			s.pauseEmptied()
		}
	})
	return text, err
}

// ResumeOptions are for one resume.
type ResumeOptions struct {
	Rate   float64 // grants a second; 0: the service's release_rate
	By     string
	Reason string
	Force  bool // end a window's pause, too
}

// Resume lets those through who are held. While it does so, a second one
// changes the rate (rule 17).
func (s *Service) Resume(o ResumeOptions) (text string, err error) {
	s.queue.Update(func() {
		setDefault(&o.Rate, s.config().Pause.ReleaseRate)
		switch {
		case s.pause != nil:
			n := s.queue.Waiting()
			s.resume(o.By, o.Rate)
			text = fmt.Sprintf("resume %s: %s held", s.name, plural(n, "client"))
		case s.releasing():
			s.release.rate, s.release.next = o.Rate, time.Now()
			text = fmt.Sprintf("resume %s: %s left, now %s", s.name, plural(s.queue.Waiting(), "client"), rateText(o.Rate))
		default:
			err = fmt.Errorf("proxy: %s is not paused", s.name)
		}
	})
	return text, err
}

func rateText(r float64) string {
	if r <= 0 {
		return "all at once"
	}
	return fmt.Sprintf("%g/s", r)
}

// resume ends a pause. The queue is locked, and asked again afterwards.
func (s *Service) resume(by string, rate float64) {
	s.stand(time.Now())
	s.pause = nil
	if s.queue.Waiting() > 0 {
		s.release = &release{upTo: s.queue.Arrivals(), rate: rate, next: time.Now(), by: by}
	}
	s.turnAway()
	s.hooksDue()
}

func (s *Service) releasing() bool {
	if s.release == nil {
		return false
	}
	for w := range s.queue.Waiters() {
		return w.Arrival() <= s.release.upTo
	}
	return false
}

// pauseEmptied is called when no session is live that the pause waits for.
// The queue is locked.
func (s *Service) pauseEmptied() {
	if p := s.pause; !p.settled {
		p.settled, p.limit = true, nil
		s.engine.Note(Event{Kind: EventService, Service: s.name, By: p.owner, Text: s.name + " is paused: no session is live"})
	}
}

// pauseDue does what is due of a pause. The queue is locked.
func (s *Service) pauseDue(now time.Time) {
	p := s.pause
	if p == nil {
		return
	}
	live := plural(s.active-s.bypassing, "session")
	ev := Event{Kind: EventService, Level: LevelWarn, Service: s.name, By: p.owner}
	switch {
	case !now.Before(p.until):
		ev.Text = fmt.Sprintf("pause of %s has come to its deadline: it resumes by itself", s.name)
		if s.config().Pause.OnMax == "reject" {
			ev.Text = fmt.Sprintf("pause of %s has come to its deadline: %s turned away", s.name, plural(s.queue.Waiting(), "client"))
			s.tellWaiting(order{by: ByProxy, why: "pause deadline", reset: true})
		}
		s.resume(p.owner, s.config().Pause.ReleaseRate)
	case p.limit == nil || now.Before(*p.limit):
		return
	case p.then == ThenAbort:
		ev.Text = fmt.Sprintf("pause of %s given up at its limit: %s still live", s.name, live)
		s.resume(p.owner, s.config().Pause.ReleaseRate)
	case p.then == ThenCut:
		p.limit = nil
		ev.Text = fmt.Sprintf("pause of %s at its limit: cutting %s", s.name, live)
		for sess := range s.live.all() {
			if !sess.bypass && sess.backend != nil {
				sess.run.Post(sess, relay.Event{Kind: relay.Told, Arg: order{by: ByOperator, why: "pause limit", reset: true, live: true}})
			}
		}
	default:
		p.limit, p.settled = nil, true
		ev.Text = fmt.Sprintf("pause of %s at its limit: going on with %s live", s.name, live)
	}
	s.engine.Note(ev)
}

// stand brings the service's account of standing still up to now: while a
// pause or a release is on, the queue's timeout does not run (rule 3). Call
// it before either changes. The queue is locked.
func (s *Service) stand(now time.Time) {
	if s.pause != nil || s.release != nil {
		s.stood += now.Sub(s.standSince)
	}
	s.standSince = now
}

// stoodStill is how long the queue's clock has stood still so far.
func (s *Service) stoodStill(now time.Time) time.Duration {
	if s.pause != nil || s.release != nil {
		return s.stood + now.Sub(s.standSince)
	}
	return s.stood
}

func (p *pause) info(held int) *PauseInfo {
	return &PauseInfo{Owner: p.owner, By: p.by, Reason: p.reason, Since: p.since, Until: p.until,
		Limit: p.limit, Then: p.then, Held: held}
}
