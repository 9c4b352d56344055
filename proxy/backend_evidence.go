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

// evidence is what clients' connections have shown about a backend: checks that only
// connect, or none, show less. All fields except failing are guarded by the service's
// queue.
type evidence struct {
	failing    atomic.Bool // the last dial failed; read on the data path
	dials      int         // consecutive failures
	error      string      // of the last failure
	reason     Reason      // of the last failure, as a word; "": not a dial
	unanswered int         // consecutive clients that the backend ended before sending a byte
	at         time.Time   // time of the last one counted
	throttle   throttle    // of events about dials
}

// forget resets it for a backend about which nothing is known any more.
func (e *evidence) forget() {
	e.failing.Store(false)
	e.dials, e.unanswered = 0, 0
}

// readsAnswer reports whether checks read an answer of the backend itself: what clients
// saw then does not change its state.
func (c *CheckConfig) readsAnswer() bool {
	return c.Type == health.HTTP || c.Type == health.Talk || c.Type == checkExec
}

// doubtLocked returns why a backend that gets sessions is not called up, and how many
// consecutive clients have seen that; "": no doubt.
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

// dialFailed records a session that could not connect, and requests a check of the
// backend.
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

// dialWorked clears what failed dials have shown.
func (b *Backend) dialWorked() {
	if !b.evidence.failing.Load() {
		return // nearly always: no lock needed
	}
	b.service.queue.Update(func() {
		b.evidence.failing.Store(false)
		b.evidence.dials = 0
		if b.service.config().Check.Type == health.Passive && b.admin() != AdminMaint {
			b.addResultLocked(health.Result{OK: true, Detail: "a client connected"})
		}
	})
}

// clientEndedLocked records how a served session ended.
func (b *Backend) clientEndedLocked(answered, byBackend bool) {
	e := &b.evidence
	switch {
	case answered:
		e.unanswered = 0
		return
	case !byBackend:
		return // there was no request, or no time
	}
	before, _ := b.doubtLocked()
	e.unanswered++
	e.at, e.reason = time.Now(), ""
	if what, times := b.doubtLocked(); before == "" && what != "" {
		b.service.engine.note(Event{Kind: EventDial, Level: LevelWarn, Service: b.service.name, Backend: b.name,
			Text: fmt.Sprintf("backend %s %s (%d of %d): its own log may say why", b.target(), what, times, times)})
	}
}

// noteLack raises the instance's alarm for a resource that it has run out of, wherever
// that was noticed: in a dial, a check or an accept. It is never a backend's fault (see
// relay.Lack).
func (e *Engine) noteLack(lack relay.Lack, met string, err error) {
	e.noteThrottledAs(EventLimit+" "+string(lack), Event{Kind: EventLimit, Level: LevelAlarm,
		Text: fmt.Sprintf("out of %s: %s: %v; retrying; it counts against no backend; %s", lack, met, err, lack.Try())})
}
