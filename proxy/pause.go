package proxy

import (
	"fmt"
	"time"

	"github.com/tcpctl/tcpctl/lock"
	"github.com/tcpctl/tcpctl/proxy/text"
)

// pause holds a service: new clients wait in its queue. It always has a deadline.
type pause struct {
	owner, by, reason string
	since, until      time.Time
	limit             *time.Time // when then happens to the live sessions; nil: never, or it has happened
	then              string
	quiet             time.Duration // see hold
	settled           bool          // no session is live any more, or the pause no longer waits for them
	warned            bool          // an event has said that the deadline is near
	plan              *Plan         // the plan that paused; nil: an operator, or all engines
	rate              float64       // of the release, for a plan's pause that ends when a backend serves again
	cluster           *clusterPause // on all engines; nil: only here
	overdue           bool          // it continues beyond its deadline: a command still runs
	ended             time.Time     // zero: it has not ended
}

// pauseState is a service's state of pauses: the current one, the release of clients
// afterwards, and the queue's clock, which both stop. It is guarded by the queue.
type pauseState struct {
	service   *Service
	current   *pause        // nil: none
	release   *release      // nil: none
	unserved  int           // admitted by a release, but not served yet
	frozen    bool          // the queue's clock is stopped
	frozenFor time.Duration // how long it was stopped before since
	since     time.Time
}

// release admits the clients that waited when a pause ended; newcomers wait
// behind them.
type release struct {
	upTo uint64  // the last arrival to release
	rate float64 // grants a second; 0: all at once
	next time.Time
	by   string
}

// isFor reports whether w waited when the pause ended.
func (r *release) isFor(w *lock.Waiter) bool { return r != nil && w.Arrival() <= r.upTo }

// early reports whether it is too early for the next grant.
func (r *release) early(now time.Time) bool { return r.rate > 0 && now.Before(r.next) }

// took sets the time of the next grant. After a late timer only a few grants may catch
// up.
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

// servedLocked ends a session's part in a release.
func (ps *pauseState) servedLocked(sess *Session) {
	if sess.released {
		sess.released = false
		ps.unserved--
		ps.endReleaseLocked()
	}
}

// endReleaseLocked ends the release once all its clients are served.
func (ps *pauseState) endReleaseLocked() {
	s := ps.service
	if ps.release == nil || ps.releasingLocked() {
		return
	}
	by := ps.release.by
	ps.release = nil
	s.servingChangedLocked()
	s.engine.note(Event{Kind: EventService, Level: LevelGood, Service: s.name, By: by,
		Text: s.name + " is open: all held clients have been admitted"})
}

// PauseOptions are the options of a pause.
type PauseOptions struct {
	Limit  time.Duration // how long live sessions may take to end; 0: the service's
	Then   string        // what happens at Limit; "": the service's
	Max    time.Duration // longest pause; 0: the service's
	Quiet  time.Duration // end a live session that has carried no data for this long; 0: the service's Drain.Quiet
	By     string
	Reason string
}

// Pause holds new clients in the queue. It returns at once: the state is
// StatePausing until no session is live, and then StatePaused. If the service is
// paused already, Pause fails: for the owner of that pause with ErrAlready.
func (s *Service) Pause(o PauseOptions) (did string, err error) {
	if err := o.Validate(); err != nil {
		return "", err
	}
	s.queue.Update(func() {
		switch p := s.pause.current; {
		case p == nil:
		case p.plan == nil && p.owner == o.By:
			err = already("%s: already paused by you, until %s", s.name, clockTime(p.until))
			return
		default:
			err = fmt.Errorf("proxy: %s is paused already, by %s for %s", s.name, nameOf(p.owner), time.Since(p.since).Round(time.Second))
			return
		}
		if s.stateLocked() == StateClosed {
			err = fmt.Errorf("proxy: %s is closed", s.name)
			return
		}
		setDefault(&o.Limit, s.config().Pause.Limit)
		setDefault(&o.Then, s.config().Pause.Then)
		setDefault(&o.Max, s.config().Pause.Max)
		setDefault(&o.Quiet, s.config().Drain.Quiet)
		now := time.Now()
		p := &pause{owner: o.By, by: "pause", reason: o.Reason, since: now, until: now.Add(o.Max), then: o.Then, quiet: o.Quiet}
		if limit := now.Add(o.Limit); o.Limit > 0 && limit.Before(p.until) {
			p.limit = &limit
		}
		s.pause.beginLocked(p)
		did = fmt.Sprintf("pause %s until %s: %s live", s.name, clockTime(p.until), text.Plural(s.active-s.bypassing, "session"))
	})
	return did, err
}

// ResumeOptions are the options of a resume.
type ResumeOptions struct {
	Rate   float64 // grants per second; 0: the service's release_rate
	By     string
	Reason string
	Force  bool // also end a window's pause, and a running hook
}

// Resume admits the clients that a pause holds. A second call while they are
// admitted changes the rate (rule 17). If the service is not paused, Resume goes
// on past a failing hook (rule 21a).
func (s *Service) Resume(o ResumeOptions) (did string, err error) {
	if err := o.Validate(); err != nil {
		return "", err
	}
	s.queue.Update(func() {
		setDefault(&o.Rate, s.config().Pause.ReleaseRate)
		switch {
		case s.pause.current != nil && s.pause.current.ofWindow() && !o.Force:
			err = fmt.Errorf("proxy: %s is paused by a %s of %s; it resumes by itself, use --force to resume it now", s.name, s.pause.current.by, nameOf(s.pause.current.owner))
		case s.pause.current != nil:
			n := s.queue.Waiting()
			s.pause.waivePlanLocked()
			s.pause.resumeLocked(o.By, o.Rate)
			did = fmt.Sprintf("resume %s: %s held", s.name, text.Plural(n, "client"))
		case s.pause.releasingLocked():
			s.pause.release.rate, s.pause.release.next = o.Rate, time.Now()
			did = fmt.Sprintf("resume %s: %s remaining, now %s", s.name, text.Plural(s.queue.Waiting(), "client"), rateText(o.Rate))
		default:
			if did, err = s.hooks.skipLocked(o); did == "" && err == nil {
				err = already("%s: already resumed", s.name)
			}
		}
	})
	return did, err
}

// ofWindow reports whether the pause is for a plan, here or on all engines.
func (p *pause) ofWindow() bool { return p.plan != nil || p.cluster != nil && p.cluster.Window }

func rateText(r float64) string {
	if r <= 0 {
		return "all at once"
	}
	return fmt.Sprintf("%g/s", r)
}

// resumeLocked ends a pause. The queue is asked again afterwards.
func (ps *pauseState) resumeLocked(by string, rate float64) {
	s := ps.service
	now := time.Now()
	ps.freezeLocked(false, now)
	if ps.current != nil {
		ps.current.ended = now
	}
	ps.current = nil
	s.quiet.updateLocked()
	if s.queue.Waiting() > 0 {
		ps.release = &release{upTo: s.queue.Arrivals(), rate: rate, next: now, by: by}
	}
	s.servingChangedLocked()
	s.hooks.dueLocked()
}

// releasingLocked reports whether a client that waited when the pause ended is still
// not served.
func (ps *pauseState) releasingLocked() bool {
	if ps.release == nil {
		return false
	}
	for w := range ps.service.queue.Waiters() {
		return ps.unserved > 0 || ps.release.isFor(w)
	}
	return ps.unserved > 0
}

// settleLocked is called when the last session that a pause waits for may have ended.
func (ps *pauseState) settleLocked() {
	s := ps.service
	if p := ps.current; p != nil && !p.settled && s.active == s.bypassing && s.hooks.running == "" {
		p.settled, p.limit = true, nil
		s.changes.notifyLocked()
		s.engine.note(Event{Kind: EventService, Service: s.name, By: p.owner, Text: s.name + " is paused: no session is live"})
	}
}

// dueLocked handles a pause whose deadline or limit has passed.
func (ps *pauseState) dueLocked(now time.Time) {
	s := ps.service
	p := ps.current
	if p == nil {
		return
	}
	live := text.Plural(s.active-s.bypassing, "session")
	ev := Event{Kind: EventService, Level: LevelWarn, Service: s.name, By: p.owner}
	switch {
	case !now.Before(p.until):
		if p.outlivesDeadlineLocked(s) {
			return
		}
		ev.Text = fmt.Sprintf("pause of %s reached its deadline; resuming", s.name)
		if s.config().Pause.OnMax == "reject" {
			ev.Text = fmt.Sprintf("pause of %s reached its deadline; rejecting %s", s.name, text.Plural(s.queue.Waiting(), "client"))
			s.endWaitersLocked(endRequest{by: ByProxy, reason: ReasonPauseDeadline})
		}
		ps.waivePlanLocked()
		ps.resumeLocked(p.owner, s.config().Pause.ReleaseRate)
	case p.limit == nil || now.Before(*p.limit):
		return
	case p.then == ThenAbort && p.cluster != nil:
		ev.Text = fmt.Sprintf("pause of %s at its limit: %s still live; resuming on all nodes", s.name, live)
		p.cluster.giveUpLocked(s)
	case p.then == ThenAbort:
		ev.Text = fmt.Sprintf("pause of %s ended at its limit: %s still live", s.name, live)
		ps.resumeLocked(p.owner, s.config().Pause.ReleaseRate)
	case p.then == ThenCut:
		p.limit = nil
		ev.Text = fmt.Sprintf("pause of %s at its limit: cutting %s", s.name, live)
		s.live.signal(endRequest{by: ByOperator, who: p.owner, reason: ReasonPauseLimit, live: true},
			func(sess *Session) bool { return !sess.bypass && sess.backend != nil })
		s.predecessors.cutLocked(nil, ReasonPauseLimit)
	default:
		p.limit, p.settled = nil, true
		s.changes.notifyLocked()
		ev.Text = fmt.Sprintf("pause of %s at its limit: continuing with %s live", s.name, live)
	}
	s.engine.note(ev)
}

// freezeLocked stops or restarts the queue's clock. It is stopped during a pause, and
// while clients wait for the pace of a release; it runs while they wait for a slot or a
// backend (rule 3).
func (ps *pauseState) freezeLocked(frozen bool, now time.Time) {
	ps.frozenFor, ps.since = ps.frozenLocked(now), now
	ps.frozen = frozen
}

// frozenLocked returns how long the queue's clock was stopped so far.
func (ps *pauseState) frozenLocked(now time.Time) time.Duration {
	if ps.frozen {
		return ps.frozenFor + now.Sub(ps.since)
	}
	return ps.frozenFor
}

func (c *ServiceConfig) pauseDefaults() *PauseDefaults {
	p := &c.Pause
	return &PauseDefaults{QuietSeconds: max(c.Drain.Quiet, 0).Seconds(), LimitSeconds: max(p.Limit, 0).Seconds(), Then: p.Then, MaxSeconds: p.Max.Seconds(), OnMax: p.OnMax, Rate: p.ReleaseRate}
}

func (p *pause) info(held int) *PauseInfo {
	i := &PauseInfo{Owner: p.owner, By: p.by, Reason: p.reason, Since: p.since, Until: p.until,
		Limit: p.limit, Then: p.then, QuietSeconds: p.quiet.Seconds(), Held: held, Overdue: p.overdue}
	switch {
	case p.plan != nil:
		i.Step = p.plan.steps.At()
	case p.cluster != nil:
		i.Scope = ScopeCluster
		if p.cluster.Command {
			i.Step = stepCommand
		}
	}
	return i
}
