package proxy

import (
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/tcpctl/tcpctl/proxy/health"
	"github.com/tcpctl/tcpctl/proxy/internal/tlsclient"
	"github.com/tcpctl/tcpctl/proxy/relay"
)

// evidence is what its clients' connections have shown of a backend: a check
// that only connects, or none, knows less than they do. All but failing is
// guarded by the service's queue.
type evidence struct {
	failing    atomic.Bool // the last dial has failed; read on the data path
	dials      int         // that failed in a row
	error      string      // the last of them did
	reason     Reason      // likewise, by a word; "" of what else is held against it
	unanswered int         // clients in a row that the backend ended before it had sent a byte
	at         time.Time   // of the last that counted
	throttle   throttle    // of what is said about dials
}

// forget is for a backend of which nothing is known any more.
func (e *evidence) forget() {
	e.failing.Store(false)
	e.dials, e.unanswered = 0, 0
}

// readsAnswer says whether checks hear the backend itself answer: then what
// clients saw of it is no reason to call it anything else.
func (c *CheckConfig) readsAnswer() bool {
	return c.Type == health.HTTP || c.Type == health.Talk || c.Type == checkExec
}

// doubtLocked is why a backend that gets sessions is not called up, and how
// many clients in a row have seen it; "" when nothing speaks against it.
func (b *Backend) doubtLocked() (what string, times int) {
	c, e := &b.service.config().Check, &b.evidence
	fall := c.Fall
	setDefault(&fall, 3)
	switch {
	case c.readsAnswer():
	case e.dials > 0 && (c.Type == health.None || c.Type == health.Passive):
		return "dial failed: " + e.error, e.dials
	case e.unanswered >= fall:
		return "ends every client without a byte", e.unanswered
	}
	return "", 0
}

// dialFailed takes note of a session that could not connect, and wants to
// know at once whether the backend is still there.
func (b *Backend) dialFailed(err error) {
	b.service.queue.Update(func() {
		b.failed++
		if e, ok := errors.AsType[*tlsclient.Error](err); ok {
			b.service.stats.tlsFailedLocked(ByBackend, e.Reason)
		}
		e := &b.evidence
		e.dials++
		e.error, e.reason, e.at = health.Explain(err), dialReason(err), time.Now()
		e.failing.Store(true)
		if ok, missed := e.throttle.pass(time.Second); ok {
			text := fmt.Sprintf("dial of %s failed: %s", b.target(), e.error)
			if missed > 0 {
				text += fmt.Sprintf(" (and %d more)", missed)
			}
			b.service.engine.note(Event{Kind: EventDial, Level: LevelWarn, Service: b.service.name, Backend: b.name, Text: text})
		}
		if b.service.config().Check.Type == health.Passive && b.admin() != AdminMaint {
			b.addResultLocked(health.Result{Detail: e.error, Err: err})
		}
		b.dialFailureLocked(err)
	})
	b.checks.Request()
}

// dialWorked takes back what failed dials have shown.
func (b *Backend) dialWorked() {
	if !b.evidence.failing.Load() {
		return // as nearly always: no lock for it
	}
	b.service.queue.Update(func() {
		b.evidence.failing.Store(false)
		b.evidence.dials = 0
		if b.service.config().Check.Type == health.Passive && b.admin() != AdminMaint {
			b.addResultLocked(health.Result{OK: true, Detail: "a client connected"})
		}
	})
}

// clientEndedLocked takes note of how a session that was served has ended.
func (b *Backend) clientEndedLocked(answered, byBackend bool) {
	e := &b.evidence
	switch {
	case answered:
		e.unanswered = 0
		return
	case !byBackend:
		return // it was not asked, or had no time
	}
	before, _ := b.doubtLocked()
	e.unanswered++
	e.at, e.reason = time.Now(), ""
	if what, times := b.doubtLocked(); before == "" && what != "" {
		b.service.engine.note(Event{Kind: EventDial, Level: LevelWarn, Service: b.service.name, Backend: b.name,
			Text: fmt.Sprintf("backend %s %s (%d of %d): its own log may say why", b.target(), what, times, times)})
	}
}

// noteLack is the one alarm of the instance for what it has run out of itself,
// whatever it was met in: a dial, a check, an accept. It is never a backend's
// fault (see relay.Lack).
func (e *Engine) noteLack(lack relay.Lack, met string, err error) {
	e.noteThrottledAs(EventLimit+" "+string(lack), Event{Kind: EventLimit, Level: LevelAlarm,
		Text: fmt.Sprintf("out of %s: %s: %v; retrying; it counts against no backend; %s", lack, met, err, lack.Try())})
}
