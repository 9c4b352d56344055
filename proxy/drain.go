package proxy

import (
	"time"

	"github.com/tcpctl/tcpctl/proxy/text"
)

// holdKind is who can hold a backend out of service: an operator, or a plan. The two
// are independent: an operator's ready does not end a plan's hold.
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
	until       *time.Time // when then happens; nil: never, or it has happened
	then        string
	quiet       time.Duration // ends sessions that were silent for so long; 0: none
	startedWith int
	cut         int           // sessions cut at the limit
	emptyNoted  bool          // an event has said that the backend is empty
	retire      bool          // the configuration or a source no longer has the backend
	plan        *Plan         // the plan that holds it; nil: an operator, or
	cluster     *clusterPause // a pause of all engines
	everywhere  bool          // by an operator, on all engines
	givenUp     bool          // everywhere, and its limit has passed under ThenAbort: it must end on all engines
}

// runs reports whether the plan of the hold is running; h may be nil.
func (h *hold) runs() bool {
	return h != nil && (h.plan != nil && !h.plan.over() || h.cluster != nil && !h.cluster.over)
}

// kind is the kind of the hold's plan.
func (h *hold) kind() string {
	if h.plan != nil {
		return h.plan.kind
	}
	return PlanRestart
}

type holds [holdKinds]*hold

// top returns the strongest hold, maint before drain, or nil.
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

// dueLocked handles the drains whose limit has passed.
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
			case b.active == 0: // complete in time
				continue
			case h.then == ThenAbort && h.cluster != nil: // it ends on all engines, or on none
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
				h.cut = b.ownLocked()
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
