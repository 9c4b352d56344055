package proxy

import (
	"errors"
	"fmt"
	"net"
	"slices"
	"time"

	"github.com/tcpctl/tcpctl/proxy/health"
	"github.com/tcpctl/tcpctl/proxy/text"
)

// PassiveConfig ejects backends on which sessions fail: an ejected backend gets no
// new sessions for a while, even if its checks pass (rule 45). The zero value is
// off.
type PassiveConfig struct {
	Failures          int           // consecutive failures that eject; 0: off
	Window            time.Duration // how close together they must be; 0: 10 s
	Eject             time.Duration // length of the first ejection; doubles each time, up to ten times this; 0: 30 s
	MaxEjectedPercent int           // most ejected backends, in percent of those up and ready; 0: 50, negative: none
}

// longestEjection is how many times PassiveConfig.Eject an ejection lasts at most.
const longestEjection = 10

// ejection is what real sessions have shown about a backend. It is guarded by the
// service's queue.
type ejection struct {
	failed       []time.Time // consecutive failures, the newest last, as many as are needed
	since, until time.Time   // zero: it is not ejected
	reason       Reason      // ReasonConnect or ReasonReset
	detail       string      // of the last failure
	times        int         // ejections in a row
	ended        time.Time   // when the last one ended
	length       time.Duration
	total        int64
	spared       throttle // of events when no more backends may be ejected
}

// EjectionInfo is a current ejection: why a backend gets no new sessions although
// its checks pass.
type EjectionInfo struct {
	Since  time.Time `json:"since"`
	Until  time.Time `json:"until"`
	Times  int       `json:"times"`            // consecutive ejections; each lasts twice as long as the one before
	Reason Reason    `json:"reason"`           // how sessions failed: connect or reset
	Detail string    `json:"detail,omitempty"` // "connection refused"
}

// ejectionSaid has texts for the reasons of an ejection.
var ejectionSaid = map[Reason]string{
	ReasonConnect: "sessions cannot connect",
	ReasonReset:   "resets clients before its first byte",
}

// Text returns the ejection in a few words: "resets clients before its first byte; back in 24s".
func (e *EjectionInfo) Text(now time.Time) string {
	said := ejectionSaid[e.Reason]
	if e.Detail != "" {
		said += ": " + e.Detail
	}
	return fmt.Sprintf("%s; back in %s", said, text.Took(max(e.Until.Sub(now), 0).Seconds()))
}

func (e *ejection) info() *EjectionInfo {
	if e.until.IsZero() {
		return nil
	}
	return &EjectionInfo{Since: e.since, Until: e.until, Times: e.times, Reason: e.reason, Detail: e.detail}
}

// begin begins an ejection: the first has length first, and each is twice as long as
// the previous one, unless the backend served for at least as long as that lasted.
func (e *ejection) begin(first time.Duration, now time.Time) {
	if now.Sub(e.ended) >= e.length {
		e.times = 0
	}
	e.length = first * time.Duration(min(1<<min(e.times, 8), longestEjection))
	e.times++
	e.since, e.until = now, now.Add(e.length)
}

// forget resets the ejection of a backend that starts anew.
func (e *ejection) forget() { *e = ejection{total: e.total} }

// ejected reports whether new sessions are kept away for now.
func (b *Backend) ejected() bool { return !b.ejection.until.IsZero() }

// unanswered reports whether the backend reset the session before sending a byte. That
// means nothing if the client had left, or had ended without a request; a client that
// ended its side after a request may be half-closed, waiting for the answer.
func (s *Session) unanswered() bool {
	e := s.ending
	return s.connected > 0 && e.by == ByBackend && e.reset && s.server.In() == 0 && !e.clientReset && (!e.clientFirst || s.client.In() > 0)
}

// sessionFailedLocked counts a failure of the backend. During an operator's or plan's
// hold failures are expected.
func (b *Backend) sessionFailedLocked(why Reason, detail string) {
	s, e := b.service, &b.ejection
	c := s.config().Passive
	if c.Failures <= 0 || b.ejected() || b.removing || !b.tracker.Up() || b.admin() != AdminReady || s.pause.current != nil || s.handedOver != nil {
		return
	}
	now := time.Now()
	e.failed = append(e.failed, now)
	if extra := len(e.failed) - c.Failures; extra > 0 {
		e.failed = slices.Delete(e.failed, 0, extra)
	}
	if len(e.failed) < c.Failures || now.Sub(e.failed[0]) > c.Window {
		return
	}
	if b.answeredLocked(s.live.newestAnswered(b, e.failed[0])); len(e.failed) < c.Failures {
		return
	}
	if s.backends.ejectableLocked() <= 0 {
		if ok, _ := e.spared.pass(c.Window); ok {
			s.engine.note(Event{Kind: EventEjected, Level: LevelWarn, Service: s.name, Backend: b.name,
				Text: fmt.Sprintf("backend %s %s, but stays in service: max_ejected_percent = %d allows no more of %s", b.target(), ejectionSaid[why], max(c.MaxEjectedPercent, 0), s.name)})
		}
		return
	}
	b.ejectLocked(why, detail, now)
}

// answeredLocked discards failures before the time at which a session connected that
// the backend has answered.
func (b *Backend) answeredLocked(connected time.Time) {
	e := &b.ejection
	if len(e.failed) > 0 {
		e.failed = slices.DeleteFunc(e.failed, func(at time.Time) bool { return !at.After(connected) })
	}
}

// newestAnswered returns when the newest live session was opened that the backend has
// answered, after since; zero: none.
func (l *live) newestAnswered(b *Backend, since time.Time) time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	for s := l.last; s != nil && s.opened.After(since); s = s.prev {
		if server := s.serverNow.Load(); server != nil && s.relaying.Load() == b && server.In() > 0 {
			return s.opened
		}
	}
	return time.Time{}
}

// ejectLocked keeps new sessions away from the backend for a while; live ones continue.
func (b *Backend) ejectLocked(why Reason, detail string, now time.Time) {
	s, e := b.service, &b.ejection
	c := s.config().Passive
	e.begin(c.Eject, now)
	e.total++
	e.reason, e.detail = why, detail
	said := ejectionSaid[why]
	if detail != "" {
		said += ": " + detail
	}
	s.engine.note(Event{Kind: EventEjected, Level: LevelAlarm, Service: s.name, Backend: b.name,
		Text: fmt.Sprintf("backend %s is ejected for %s: %s (%d of %d sessions failed)", b.target(), e.length, said, len(e.failed), c.Failures)})
	e.failed = e.failed[:0]
	s.timer.set(e.until)
	b.since = now
	s.servingChangedLocked()
}

// returnLocked ends an ejection; why is for people.
func (b *Backend) returnLocked(why string) {
	e := &b.ejection
	e.since, e.until, e.ended = time.Time{}, time.Time{}, time.Now()
	b.since = e.ended
	b.service.engine.note(Event{Kind: EventReturned, Service: b.service.name, Backend: b.name,
		Text: fmt.Sprintf("backend %s is no longer ejected: %s", b.target(), why)})
}

// ejectableLocked returns how many more backends may be ejected; negative: how many
// must return. The share is of backends that are up and ready: drained ones and those
// that are down serve no client either. One that a plan restarts counts, as it comes back.
func (bs *backendSet) ejectableLocked() int {
	counted, ejected := 0, 0
	for _, b := range bs.all {
		planned := b.holds[holdPlan] != nil && b.holds[holdOperator] == nil
		if b.removing || b.weight == 0 || !planned && (!b.tracker.Up() || b.admin() != AdminReady) {
			continue
		}
		counted++
		if b.ejected() {
			ejected++
		}
	}
	return counted*max(bs.service.config().Passive.MaxEjectedPercent, 0)/100 - ejected
}

// returnSomeLocked ends the oldest ejections if there are too many, because other
// backends have gone or the configuration has changed.
func (bs *backendSet) returnSomeLocked() {
	for _, b := range bs.all {
		if b.ejected() && bs.service.config().Passive.Failures <= 0 {
			b.returnLocked("the service no longer has a passive table")
		}
	}
	for bs.ejectableLocked() < 0 {
		var oldest *Backend
		for _, b := range bs.all {
			if b.ejected() && b.serving() && (oldest == nil || b.ejection.until.Before(oldest.ejection.until)) {
				oldest = b
			}
		}
		if oldest == nil {
			return
		}
		oldest.returnLocked("too few others serve (max_ejected_percent)")
		bs.service.timer.set(time.Now()) // for waiters
	}
}

// returnDueLocked ends the ejections whose time has passed.
func (bs *backendSet) returnDueLocked(now time.Time) {
	for _, b := range bs.all {
		if b.ejected() && !now.Before(b.ejection.until) {
			b.returnLocked("its time has passed")
			bs.service.servingChangedLocked()
		}
	}
}

// EjectionState is an ejection as passed to the next engine.
type EjectionState struct {
	EjectionInfo
	Addr          string  `json:"addr"`
	LengthSeconds float64 `json:"length_seconds"`
}

// ejectionsLocked returns those in force, by backend.
func (bs *backendSet) ejectionsLocked() map[string]EjectionState {
	all := map[string]EjectionState{}
	for _, b := range bs.all {
		if i := b.ejection.info(); i != nil && !b.removing {
			all[b.name] = EjectionState{*i, b.addr, b.ejection.length.Seconds()}
		}
	}
	return all
}

// adoptEjectionsLocked continues the ejections of the previous engine.
func (bs *backendSet) adoptEjectionsLocked(all map[string]EjectionState) {
	for _, b := range bs.all {
		was, ok := all[b.name]
		if !ok || was.Addr != b.addr {
			continue
		}
		e := &b.ejection
		e.since, e.until, e.reason, e.detail, e.times = was.Since, was.Until, was.Reason, was.Detail, was.Times
		e.length = durationOf(was.LengthSeconds)
		bs.service.timer.set(e.until)
	}
	bs.returnSomeLocked()
}

// dialFailureLocked counts a dial's error if it is the backend's: not for a lack of our
// own, a failed lookup or a panic.
func (b *Backend) dialFailureLocked(err error) {
	if _, lookup := errors.AsType[*net.DNSError](err); !lookup && !isPanic(err) {
		b.sessionFailedLocked(ReasonConnect, health.Explain(err))
	}
}
