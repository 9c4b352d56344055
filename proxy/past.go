package proxy

import (
	"slices"
	"strconv"
)

// Past is what happened before an engine was created, from an earlier process or
// a file. The engine continues its numbers and ids.
type Past struct {
	Events    []Event  `json:"events"`     // the newest events, in order
	LastEvent uint64   `json:"last_event"` // Seq of the newest event; 0: there is no past
	Reports   []Report `json:"reports"`    // reports of plans, newest first
	Plans     int      `json:"plans"`      // number of plans so far
}

// pastEvents is how many events a process hands to its successor: those that an
// operator may still read, not a second ring.
const pastEvents = 1000

// Remember gives the engine a past: its events and reports can be read, and new
// ones get the numbers that follow. A plan that was running at its end counts as
// aborted. Call Remember before Start. Of two pasts, the later one counts.
func (h Handover) Remember(past Past) {
	e := h.engine
	events := slices.Clone(past.Events)
	for i := range events {
		events[i].Past = true
	}
	e.events.Restore(events, past.LastEvent, func(ev Event) uint64 { return ev.Seq }, func(ev Event, seq uint64) Event {
		ev.Seq = seq
		return ev
	})
	e.plans.remember(past)
}

func (ps *plans) remember(past Past) {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	ps.n = max(ps.n, past.Plans)
	var all []Report
	for _, r := range past.Reports {
		if number, err := strconv.Atoi(r.ID[min(1, len(r.ID)):]); err == nil {
			ps.n = max(ps.n, number)
		}
		if r.Ended.IsZero() {
			r.State, r.Error = PlanAborted, "the process ended while it ran"
			r.Ended = r.Started.Add(r.Took())
		}
		all = append(all, r)
	}
	for _, r := range ps.past {
		if !slices.ContainsFunc(all, func(o Report) bool { return o.ID == r.ID }) {
			all = append(all, r)
		}
	}
	ps.past = all[:min(len(all), plansKept)]
}

// Past returns what the next engine should Remember of this one.
func (h Handover) Past() Past {
	e := h.engine
	p := Past{Reports: e.Operator().Reports()}
	p.Events, _, p.LastEvent, _ = e.events.Since(0)
	p.Events = p.Events[max(0, len(p.Events)-pastEvents):]
	e.plans.mu.Lock()
	p.Plans = e.plans.n
	e.plans.mu.Unlock()
	return p
}

// Reports returns the reports of all plans that are kept, newest first.
func (o Operator) Reports() []Report {
	ps := &o.engine.plans
	ps.mu.Lock()
	plans, past := slices.Clone(ps.last), slices.Clone(ps.past)
	ps.mu.Unlock()
	all := []Report{}
	for _, p := range slices.Backward(plans) {
		all = append(all, p.Report())
	}
	return append(all, past...)
}
