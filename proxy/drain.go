package proxy

import (
	"time"

	"github.com/tcpctl/tcpctl/proxy/text"
)

// holdKind is what can hold a backend out of service: an operator, or a plan.
// The two are independent: an operator's ready does not end a plan's hold.
type holdKind int

const (
	holdOperator holdKind = iota
	holdPlan
	holdKinds
)

// hold keeps a backend from getting new sessions.
type hold struct {
	state       string // AdminDrain or AdminMaint
	by, reason  string
	since       time.Time
	until       *time.Time // when then happens; nil: never, or it has
	then        string
	quiet       time.Duration // nothing of a session for so long ends it; 0: nothing does
	startedWith int
	cut         int           // sessions, at the limit
	emptyNoted  bool          // that it is empty
	retire      bool          // the configuration or a source has the backend no more: no operator's wish
	plan        *Plan         // whose it is; nil: an operator's, or
	cluster     *clusterPause // that of all engines
	everywhere  bool          // an operator's, of all engines
	givenUp     bool          // likewise: its limit has passed under ThenAbort, and it is to end on all of them
}

// runs says whether the plan whose hold it is is under way; h may be nil.
func (h *hold) runs() bool {
	return h != nil && (h.plan != nil && !h.plan.over() || h.cluster != nil && !h.cluster.over)
}

// kind is what the plan is whose hold it is.
func (h *hold) kind() string {
	if h.plan != nil {
		return h.plan.kind
	}
	return PlanRestart
}

type holds [holdKinds]*hold

// top is the strongest hold: maint before drain. nil: there is none.
func (h *holds) top() *hold {
	var top *hold
	for _, one := range h {
		if one != nil && (top == nil || one.state == AdminMaint) {
			top = one
		}
	}
	return top
}

func (h *holds) strongest() string {
	if top := h.top(); top != nil {
		return top.state
	}
	return AdminReady
}

// dueLocked ends the drains whose limit has come.
func (bs *backendSet) dueLocked(now time.Time) {
	s := bs.service
	for _, b := range bs.all {
		for kind, h := range b.holds {
			if h == nil || h.until == nil || now.Before(*h.until) {
				continue
			}
			h.until = nil
			s.changes.notifyLocked()
			ev := Event{Kind: EventDrained, Level: LevelWarn, Service: s.name, Backend: b.name, By: h.by}
			switch {
			case b.active == 0: // it was done in time
				continue
			case h.then == ThenAbort && h.cluster != nil: // on all engines, or on none
				h.cluster.givenUp = true
				ev.Text = "drain of " + b.target() + " at its limit: " + text.Plural(b.active, "session") + " remaining; it ends on all nodes"
			case h.then == ThenAbort && h.everywhere:
				h.givenUp = true
				ev.Text = "drain of " + b.target() + " at its limit: " + text.Plural(b.active, "session") + " remaining; the backend is to be ready again on all nodes"
			case h.then == ThenAbort:
				b.removing = false
				b.setHoldLocked(holdKind(kind), nil)
				ev.Text = "drain of " + b.target() + " ended at its limit: " + text.Plural(b.active, "session") + " remaining; the backend is ready again"
			case h.then == ThenCut:
				h.cut = b.active - s.predecessors.Backends[b.name]
				ev.Text = "drain of " + b.target() + " at its limit: cutting " + text.Plural(b.active, "session")
				s.live.signal(endRequest{by: ByOperator, who: h.by, reason: ReasonDrainLimit, on: b}, func(sess *Session) bool { return sess.backend == b })
				s.predecessors.cutLocked(b, ReasonDrainLimit)
			default:
				ev.Text = "drain of " + b.target() + " at its limit: no longer waiting for " + text.Plural(b.active, "session")
			}
			s.engine.note(ev)
		}
	}
}
