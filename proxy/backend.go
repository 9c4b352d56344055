package proxy

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"github.com/tcpctl/tcpctl/proxy/health"
	"github.com/tcpctl/tcpctl/proxy/internal/balance"
	"github.com/tcpctl/tcpctl/proxy/internal/tlsclient"
	"github.com/tcpctl/tcpctl/proxy/text"
)

// ErrUnknown means that there is no service, backend or session with that name.
var ErrUnknown = errors.New("proxy: unknown")

// ErrAlready means that the goal of an act was reached already, and nothing was
// done. Repeating an act is safe (rule 12a), so tools should report success, with
// the text of the error.
var ErrAlready = errors.New("proxy: already so")

// alreadyError is an ErrAlready with its own text.
type alreadyError string

func (e alreadyError) Error() string        { return string(e) }
func (e alreadyError) Is(target error) bool { return target == ErrAlready }

func already(format string, args ...any) error {
	return alreadyError("proxy: " + fmt.Sprintf(format, args...))
}

// Backend is one server behind a service. The queue of the service guards its
// mutable state, because admitting a client and choosing its backend is one
// decision.
type Backend struct {
	service *Service
	name    string
	network string // tcp or unix
	addr    string
	cfg     BackendConfig

	balance  balance.Backend // for the policy, set before each call
	weight   int
	priority int
	holds    holds
	removing bool
	retired  bool // removing because the configuration or its source no longer has it
	added    bool // by an operator, not by the file

	tracker        health.Tracker
	since          time.Time // of the last change of health or admin state
	history        health.History
	transitions    int64
	everUp         bool      // at some time
	downNoted      bool      // the last event about its health says that it is down
	slowStartSince time.Time // when it came back up; zero: it was never down
	rtt            time.Duration

	active, peak      int
	total             atomic.Int64
	failed            int64 // failed dials
	bytesIn, bytesOut atomic.Int64
	reported          reported

	tls         atomic.Pointer[tlsclient.Client] // nil: no TLS
	hooked      bool                             // taken down by a failed hook
	ejection    ejection
	quiet       atomic.Pointer[quietDrain] // ends its live sessions at a quiet moment; nil: none
	evidence    evidence
	checks      *health.Loop
	checkStats  checkStats
	sharedCheck sharedCheck
	stopChecks  context.CancelFunc // ends the checks (counted in Service.working) without waiting
	demanded    time.Time          // only checks that began after it count
}

// serves reports whether the backend gets new sessions, unless it is full.
func (b *Backend) serves() bool { return b.serving() && !b.ejected() }

// serving reports whether the backend is up and ready; it may be full or ejected.
func (b *Backend) serving() bool {
	return b.tracker.Up() && b.admin() == AdminReady && b.weight > 0 && !b.removing
}

func (b *Backend) full() bool { return b.cfg.MaxSessions > 0 && b.active >= b.cfg.MaxSessions }

// whole is the share of a backend of weight 1.
const whole = 256

// share is the backend's part of new sessions relative to others: its weight, reduced
// during a slow start. maxWeight keeps sums of shares and their products with counts of
// sessions far from an overflow.
func (b *Backend) share() int64 {
	weight := int64(b.weight)
	if b.slowStartSince.IsZero() {
		return weight * whole
	}
	slow, warm := b.service.config().Check.SlowStart, time.Since(b.slowStartSince)
	if warm >= slow {
		b.slowStartSince = time.Time{}
		return weight * whole
	}
	return weight * max(1, int64(float64(warm)/float64(slow)*whole))
}

func (b *Backend) admin() string { return b.holds.strongest() }

// stateLocked returns the state according to checks and clients.
func (b *Backend) stateLocked() string {
	doubt, _ := b.doubtLocked()
	switch {
	case b.tracker.Up() && b.ejected():
		return StateEjected
	case b.tracker.Up() && doubt == "":
		return StateUp
	case b.tracker.Up():
		return StateChecking // it still gets sessions
	case b.tracker.Known() && !b.tracker.Demanding():
		return StateDown
	}
	return StateChecking
}

// Reasons of backends that serve, in BackendInfo.
const (
	reasonFull    = "full"
	reasonStandby = "standby" // one with a lower priority number serves
)

// Serves reports whether the backend is up and its admin state allows sessions,
// even if it is full or on standby.
func (i *BackendInfo) Serves() bool {
	return i.Eligible || i.Reason == reasonFull || i.Reason == reasonStandby
}

// reasonLocked returns a word or two why the backend gets no new sessions.
func (b *Backend) reasonLocked() string {
	switch {
	case b.removing:
		return "removing"
	case b.admin() == AdminDrain && b.active == 0:
		return "drained"
	case b.admin() == AdminDrain:
		return "draining"
	case b.admin() == AdminMaint:
		return "maint"
	case b.stateLocked() == StateDown:
		return "down"
	case !b.tracker.Up():
		return "checking"
	case b.weight == 0:
		return "weight 0"
	case b.ejected():
		return "ejected"
	case b.full():
		return reasonFull
	}
	for _, o := range b.service.backends.all {
		if o.serves() && o.priority < b.priority {
			return reasonStandby
		}
	}
	return ""
}

// target is the backend's name for people.
func (b *Backend) target() string { return b.service.name + "/" + b.name }

// infoLocked returns the backend's current state.
func (b *Backend) infoLocked() BackendInfo {
	i := BackendInfo{
		Name: b.name, Addr: b.cfg.Addr, State: b.stateLocked(), Admin: b.admin(), Reason: b.reasonLocked(), Since: b.since,
		Active: b.active, Total: b.total.Load(), Failed: b.failed, Peak: b.peak, Transitions: b.transitions,
		Weight: b.weight, Priority: b.priority, MaxSessions: b.cfg.MaxSessions, Removing: b.removing, FoundBy: b.cfg.FoundBy,
		Ejected: b.ejection.info(), Ejections: b.ejection.total,
		Checks: b.checkStats.infoLocked(), RTTSeconds: b.rtt.Seconds(), BytesIn: b.bytesIn.Load(), BytesOut: b.bytesOut.Load(),
	}
	if t := b.cfg.TLS; t != nil {
		i.TLS = "verified"
		if t.Insecure {
			i.TLS = "unverified"
		}
	}
	i.Eligible = b.serves() && !b.full() // rule 1; also true for a standby
	if h := b.holds.top(); h != nil && (b.active > 0 || h.until != nil) {
		i.Drain = &DrainInfo{StartedWith: h.startedWith, Remaining: b.active, Since: h.since, Until: h.until,
			Then: h.then, QuietSeconds: h.quiet.Seconds(), By: h.by, Reason: h.reason}
	}
	if h := &b.history; !h.Empty() {
		i.Check = &CheckInfo{OK: h.Last.OK, Consecutive: b.tracker.Consecutive(), Threshold: b.tracker.Threshold(),
			Detail: h.Last.Detail, At: h.At, By: b.sharedCheck.by, Last: h.Marks()}
		if i.Check.By != "" {
			i.Check.Reason = b.sharedCheck.reason
		} else if !h.Last.OK {
			i.Check.Reason = b.checkReason(h.Last)
		}
		if b.hooked && i.Check.Consecutive == 0 {
			i.Check.Consecutive, i.Check.Threshold = 1, 1 // the one check after a failed hook
		}
	}
	if what, times := b.doubtLocked(); what != "" && b.tracker.Up() {
		i.Check = &CheckInfo{Consecutive: times, Threshold: times, Reason: b.evidence.reason, Detail: what, At: b.evidence.at, Last: b.history.Marks()}
	}
	return i
}

// DrainOptions are the options of a drain.
type DrainOptions struct {
	Limit  time.Duration // how long live sessions may take to end; 0: no limit
	Then   string        // what happens at Limit: ThenAbort, ThenCut or ThenKeep; "" is ThenKeep
	Quiet  time.Duration // end a live session that has carried no data for this long; 0: the service's Drain.Quiet
	By     string        // operator: "ana@edge-01"
	Reason string
}

// Drain sends no new sessions to the backend. Live sessions end by themselves, or
// as o.Then says at the limit; checks continue. It returns a sentence about what
// it did.
func (b *Backend) Drain(o DrainOptions) (text string, err error) {
	return b.changeAdmin(AdminDrain, o)
}

// Maint drains the backend without a limit and stops its checks.
func (b *Backend) Maint(o DrainOptions) (text string, err error) {
	o.Limit, o.Then = 0, ThenKeep
	return b.changeAdmin(AdminMaint, o)
}

func (b *Backend) changeAdmin(state string, o DrainOptions) (text string, err error) {
	if err := o.Validate(); err != nil {
		return "", err
	}
	b.service.queue.Update(func() {
		h := b.holds[holdOperator]
		if h != nil && h.state == state && (b.active == 0 || o.Limit == 0 && (o.Quiet == 0 || o.Quiet == h.quiet)) { // otherwise another limit is requested
			err = already("%s: already %s%s, by %s", b.target(), pastOf(state, b.active), remaining(b.active), nameOf(h.by))
			return
		}
		if text = b.holdLocked(state, o); b.active == 0 {
			b.service.backends.emptiedLocked(b)
		}
	})
	return text, err
}

// pastOf is the state in words for a message, while so many sessions remain.
func pastOf(state string, active int) string {
	switch {
	case state == AdminMaint:
		return "in maint"
	case active > 0:
		return "draining"
	}
	return "drained"
}

// remaining says how many sessions remain, if any.
func remaining(active int) string {
	if active == 0 {
		return ""
	}
	return fmt.Sprintf(", %s remaining", text.Plural(active, "session"))
}

// holdLocked takes the backend out of service for an operator.
func (b *Backend) holdLocked(state string, o DrainOptions) (did string) {
	setDefault(&o.Then, ThenKeep)
	b.setHoldLocked(holdOperator, b.newHold(state, o))
	return fmt.Sprintf("%s %s: %s remaining", state, b.target(), text.Plural(b.active, "session"))
}

// newHold makes a hold whose limit, if it has one, begins now.
func (b *Backend) newHold(state string, o DrainOptions) *hold {
	h := &hold{state: state, by: o.By, reason: o.Reason, since: time.Now(), then: o.Then, quiet: o.Quiet, startedWith: b.active}
	if o.Limit > 0 {
		until := h.since.Add(o.Limit)
		h.until = &until
		b.service.timer.set(until)
	}
	return h
}

// Ready puts the backend back in service. After maint, its health is unknown: its
// state is StateChecking until a check has passed (rule 10).
func (b *Backend) Ready(by, reason string) (text string, err error) {
	if err := ValidateNote("reason", reason); err != nil {
		return "", err
	}
	b.service.queue.Update(func() {
		if h := b.holds[holdPlan]; h.runs() {
			err = fmt.Errorf("proxy: %s is held by the %s of %s, which is under way", b.target(), h.kind(), h.by)
			return
		}
		if b.ejected() && !b.removing { // the operator knows better
			b.ejection.forget()
			b.returnLocked("ready by " + nameOf(by))
			b.service.servingChangedLocked()
			if b.holds.top() == nil {
				text = fmt.Sprintf("ready %s: %s, no longer ejected", b.target(), b.stateLocked())
				return
			}
		}
		if !b.removing && b.holds.top() == nil {
			err = already("%s: already ready", b.target())
			return
		}
		if b.retired && b.cfg.FoundBy != "" {
			b.added, b.cfg.FoundBy = true, "" // its source no longer has it, but the operator wants it
		}
		b.removing, b.retired = false, false
		b.setHoldLocked(holdOperator, nil)
		b.setHoldLocked(holdPlan, nil) // left by a failed plan
		text = fmt.Sprintf("ready %s: %s", b.target(), b.stateLocked())
	})
	return text, err
}

// setHoldLocked sets one of the backend's holds, or ends it (nil).
func (b *Backend) setHoldLocked(kind holdKind, h *hold) {
	before := b.admin()
	if h != nil {
		setDefault(&h.quiet, b.service.config().Drain.Quiet)
	}
	b.holds[kind] = h
	b.service.quiet.updateLocked()
	after := b.admin()
	if before == after {
		b.service.changes.notifyLocked()
		return
	}
	b.since = time.Now()
	if before == AdminMaint {
		b.tracker.Reset()
		b.evidence.forget()
		b.ejection.forget()
		b.demanded = b.since
		if b.service.config().Check.Type == health.None {
			b.tracker.Add(true)
		}
	}
	if before == AdminMaint || after == AdminMaint {
		b.checks.Request()
	}
	b.service.servingChangedLocked()
}

// Remove drains the backend and then removes it from the service (rule 12).
func (b *Backend) Remove(o DrainOptions) (text string, err error) {
	if err := o.Validate(); err != nil {
		return "", err
	}
	b.service.queue.Update(func() {
		switch {
		case b.removing:
			err = already("%s: already being removed%s", b.target(), remaining(b.active))
			return
		case b.holds[holdOperator] != nil:
			text = "remove " + b.target() + ": it is already out of service"
		default:
			text = "remove" + strings.TrimPrefix(b.holdLocked(AdminDrain, o), AdminDrain)
		}
		b.removing = true
		b.service.backends.forgetEmptyLocked(b)
	})
	return text, err
}

// SetWeight changes the backend's share of new sessions; 0 gives it none.
func (b *Backend) SetWeight(n int, by, reason string) (text string, err error) {
	if err := cmp.Or(ValidateWeight(n), ValidateNote("reason", reason)); err != nil {
		return "", err
	}
	b.service.queue.Update(func() {
		if n == b.weight {
			err = already("weight of %s: already %d", b.target(), n)
			return
		}
		text = fmt.Sprintf("weight of %s: %d, was %d", b.target(), n, b.weight)
		b.weight = n
		b.service.servingChangedLocked()
	})
	return text, err
}

// Name returns the name of the backend.
func (b *Backend) Name() string { return b.name }

// Addr returns the address of the backend, "host:port" or "unix:/path".
func (b *Backend) Addr() string {
	if b.network == "unix" {
		return "unix:" + b.addr
	}
	return b.addr
}

// config returns the backend's configuration, which a reload changes.
func (b *Backend) config() (c BackendConfig) {
	b.service.queue.View(func() { c = b.cfg })
	return c
}

// Info returns the state of the backend now.
func (b *Backend) Info() (i BackendInfo) {
	b.service.queue.View(func() { i = b.infoLocked() })
	return i
}

// clockTime formats a time for a message that may be read in another zone or on another
// day.
func clockTime(t time.Time) string {
	if t.Format(time.DateOnly) == time.Now().In(t.Location()).Format(time.DateOnly) {
		return t.Format("15:04:05 MST")
	}
	return t.Format("2006-01-02 15:04:05 MST")
}
