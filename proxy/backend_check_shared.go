package proxy

import (
	"context"
	"time"

	"github.com/tcpctl/tcpctl/proxy/health"
)

// Where engines share the slots of a lock (Shared), one of them checks a backend for all,
// and the others use its verdict like a result of their own. The code that joins the
// engines sends Operator.SharedChecks to all of them, and passes the results to
// Operator.FollowCheck. Without it, or when it falls silent, each engine checks for itself.

// SharedCheck is a backend that engines check for each other: those that have it
// with the same name and address.
type SharedCheck struct {
	Service string   `json:"service"`
	Backend string   `json:"backend"`
	Addr    string   `json:"addr"`
	Wanted  bool     `json:"wanted,omitempty"`  // clients wait here for the backend
	Verdict *Verdict `json:"verdict,omitempty"` // from this engine's checks; nil: others check, or there is no result yet

	Place   int  `json:"-"` // as in the last FollowCheck
	Awaited bool `json:"-"` // likewise: whether another engine wants it
}

// Verdict is the result of one engine's checks of a backend. That engine decides
// which consecutive results change the state.
type Verdict struct {
	At          time.Time `json:"at"` // by that engine's clock; unique
	OK          bool      `json:"ok"`
	Known       bool      `json:"known"` // the backend is up or down, not new
	Up          bool      `json:"up"`
	Consecutive int       `json:"consecutive"`
	Reason      Reason    `json:"reason,omitempty"`
	Detail      string    `json:"detail"`
	RTTSeconds  float64   `json:"rtt_seconds,omitempty"`
}

// FollowedCheck is what other engines report about a SharedCheck.
type FollowedCheck struct {
	Service, Backend, Addr string
	// Place is the number of engines before this one in their order. The first one checks;
	// any other starts to check if no verdict has come for longer than Place engines may take.
	Place   int
	Awaited bool     // clients of another engine wait for the backend
	By      string   // name of the engine with the Verdict, for operators
	Verdict *Verdict // new verdict; nil: none
}

// sharedCheck is a backend's state of shared checks. It is guarded by the service's queue.
type sharedCheck struct {
	place   int
	awaited bool
	heard   time.Time // time of the last verdict of another engine, or when this engine stopped being the checker
	own     *Verdict
	by      string // engine of the last result; "": this one
	reason  Reason // of another engine's result
}

// SharedChecks returns the backends behind slots that engines share, except those
// that this engine does not check: in maint, or checked only after failed dials
// of its own clients.
func (o Operator) SharedChecks() (all []SharedCheck) {
	for _, s := range o.engine.all() {
		s.queue.View(func() {
			if !s.sharesChecksLocked() {
				return
			}
			for _, b := range s.backends.all {
				if b.removing || b.admin() == AdminMaint {
					continue
				}
				c := &b.sharedCheck
				all = append(all, SharedCheck{Service: s.name, Backend: b.name, Addr: b.cfg.Addr, Wanted: b.wantedLocked(),
					Verdict: c.own, Place: c.place, Awaited: c.awaited})
			}
		})
	}
	return all
}

// FollowCheck applies what other engines report about a backend. It does nothing
// for a backend that no longer exists.
func (o Operator) FollowCheck(f FollowedCheck) {
	s := o.engine.Service(f.Service)
	if s == nil {
		return
	}
	s.queue.Update(func() {
		if b := s.backends.byNameLocked(f.Backend); b != nil && b.cfg.Addr == f.Addr && s.sharesChecksLocked() {
			b.followCheckLocked(&f)
		}
	})
}

func (s *Service) sharesChecksLocked() bool {
	kind := s.config().Check.Type
	return s.shared.slots != nil && kind != health.None && kind != health.Passive
}

// wantedLocked reports whether clients wait for the backend.
func (b *Backend) wantedLocked() bool {
	q := b.service.queue
	return !b.tracker.Up() && q.Waiting() > 0 && (q.Reason() == ReasonNoBackend || q.Reason() == ReasonRetry)
}

func (b *Backend) followCheckLocked(f *FollowedCheck) {
	c, was := &b.sharedCheck, b.sharedCheck
	if c.place, c.awaited = f.Place, f.Awaited; was.place == 0 && f.Place > 0 {
		c.heard = time.Now()
	}
	if f.Verdict != nil {
		c.heard = time.Now()
		b.takeVerdictLocked(f.By, f.Verdict)
	}
	if c.place == 0 && (was.place > 0 || c.awaited && !was.awaited) {
		b.checks.Request()
	}
}

// checksForItselfLocked reports whether the engine ignores other verdicts: for demanded
// checks, as the others' may have begun before, and while its own clients do not reach the
// backend.
func (b *Backend) checksForItselfLocked() bool {
	return b.tracker.Demanding() || b.hooked || b.evidence.failing.Load()
}

// takeVerdictLocked uses another engine's result as one of this engine.
func (b *Backend) takeVerdictLocked(by string, v *Verdict) {
	if b.admin() == AdminMaint || b.checksForItselfLocked() {
		return
	}
	c := &b.sharedCheck
	c.own, c.by, c.reason = nil, by, v.Reason
	r := health.Result{OK: v.OK, Detail: v.Detail, RTT: time.Duration(v.RTTSeconds * float64(time.Second))}
	b.noteResultLocked(r)
	if b.tracker.Follow(v.Known, v.Up, v.OK, v.Consecutive) {
		b.turnedLocked(r)
	}
}

// giveVerdictLocked keeps the result of this engine's check for the others.
func (b *Backend) giveVerdictLocked(r health.Result) {
	c := &b.sharedCheck
	if !b.service.sharesChecksLocked() || b.tracker.Demanding() || c.place > 0 && b.checksForItselfLocked() {
		return
	}
	c.own = &Verdict{At: time.Now(), OK: r.OK, Known: b.tracker.Known(), Up: b.tracker.Up(), Consecutive: b.tracker.Consecutive(),
		Detail: r.Detail, RTTSeconds: r.RTT.Seconds()}
	if !r.OK {
		c.own.Reason = b.checkReason(r)
	}
}

// checkedElsewhereLocked reports whether another engine checks the backend for this one.
func (b *Backend) checkedElsewhereLocked() bool {
	c := &b.sharedCheck
	if c.place == 0 || b.checksForItselfLocked() {
		return false
	}
	check := &b.service.config().Check
	timeout := check.Timeout
	setDefault(&timeout, health.DefaultTimeout)
	patience := 2*check.Interval + timeout + verdictDelay
	return time.Since(c.heard) < time.Duration(c.place)*patience
}

// verdictDelay is how long a verdict may be in transit.
const verdictDelay = 3 * time.Second

// checkSlot takes the slot of all engines that a check may need: release must be called
// when it has ended, and held ends with the slot. No slot is needed for a check that the
// backend does not see, for a backend that is not up, which could otherwise never come
// back, or for one that clients do not reach: those before the check in the queue would
// retry for ever. With before_next a check gets no slot, as its grant would count as a
// client's; with on_expire, a slot of a lost node is left to a client. may is false in
// maint, if another engine checks, unless asked, or if no slot was free for an interval:
// the sessions that hold them then prove that the backend is up.
func (b *Backend) checkSlot(ctx context.Context, asked bool) (held context.Context, release func(), may bool) {
	s, needs, expired, wait := b.service, false, false, time.Duration(0)
	var slots Shared
	may = true
	s.queue.Do(func() {
		if slots = s.shared.slots; slots == nil {
			return
		}
		c := s.config()
		may, wait = b.admin() != AdminMaint && (asked || !b.checkedElsewhereLocked()), c.Check.Interval
		away := !b.tracker.Up() || b.active == 0 && b.evidence.failing.Load()
		expired = !c.Hooks.OnExpire.set()
		needs = !away && !c.Hooks.BeforeNext.set() && !b.checkLocked(c.Check.Type, b.checkAddr()).Quiet
	})
	if !may || !needs {
		return ctx, func() {}, may
	}
	return slots.CheckSlot(ctx, max(wait, health.Urgent), expired)
}
