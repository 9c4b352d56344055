package proxy

import (
	"maps"
	"slices"
	"time"

	"github.com/tcpctl/tcpctl/lock"
	"github.com/tcpctl/tcpctl/proxy/internal/stats"
)

// tally counts what happens to a service's clients while a plan runs.
type tally struct {
	service     *Service
	own         bool // only this process, without those before an upgrade
	counts      SessionCounts
	queueCounts QueueInfo
	// held has the clients that have waited, and is only appended to: a copy made with
	// the queue locked can be read without the lock. A session that could not be served
	// waits again; its last entry has the total.
	held     []heldFor
	forgot   int // how many did not fit
	backends []BackendChange
	wasUp    map[string]bool
}

// heldFor is how long a session has waited, until its grant or without one.
type heldFor struct {
	session uint64
	wait    time.Duration
}

// tallyMost bounds the entries of a tally; beyond it only counts.
const tallyMost = 1 << 17

func (t *tally) beginLocked() {
	s := t.service
	t.wasUp = map[string]bool{}
	t.counts, t.queueCounts = t.totalsLocked()
	for _, b := range s.backends.all {
		t.backends = append(t.backends, BackendChange{Name: b.name, Before: b.stateLocked() + " " + b.admin()})
		t.wasUp[b.name] = b.tracker.Up()
	}
	s.stats.tallies = append(s.stats.tallies, t)
}

func (t *tally) totalsLocked() (SessionCounts, QueueInfo) {
	if t.own {
		return t.service.stats.counts, t.service.stats.queueCounts
	}
	return t.service.stats.totalsLocked()
}

// forgetLocked ends the counting.
func (t *tally) forgetLocked() {
	s := t.service
	s.stats.tallies = slices.DeleteFunc(s.stats.tallies, func(o *tally) bool { return o == t })
}

// goodBeforeLocked returns the backends for which a window requires successful checks.
func (t *tally) goodBeforeLocked() (of []*Backend) {
	all := t.service.backends.all
	for _, b := range all {
		if b.admin() == AdminReady && (t.wasUp[b.name] || len(all) == 1) {
			of = append(of, b)
		}
	}
	return of
}

// waiting returns the sessions that wait now, and how long so far.
func (t *tally) waiting() []heldFor {
	s := t.service
	now, all := time.Now(), make([]heldFor, 0, s.queue.Len())
	s.queue.Walk(func(w *lock.Waiter) {
		all = append(all, heldFor{w.Owner.(*Session).number, now.Sub(w.Since())})
	}, nil)
	return all
}

// end returns the final numbers, and each backend's state.
func (t *tally) end() (n Numbers, after map[string]string) {
	s := t.service
	n = t.numbers()
	after = map[string]string{}
	s.queue.Do(func() {
		t.forgetLocked()
		for _, b := range s.backends.all {
			after[b.name] = b.stateLocked() + " " + b.admin()
		}
	})
	return n, after
}

// numbers returns the numbers so far, including clients that still wait.
func (t *tally) numbers() (n Numbers) {
	s := t.service
	var held []heldFor
	waiting := t.waiting()
	s.queue.View(func() {
		counts, line := t.totalsLocked()
		n = Numbers{Held: t.forgot, Abandoned: line.Abandoned - t.queueCounts.Abandoned, TimedOut: line.TimedOut - t.queueCounts.TimedOut,
			Cut: counts.Cut - t.counts.Cut, Failed: counts.Failed - t.counts.Failed, Rejected: counts.Rejected - t.counts.Rejected}
		held = t.held
	})
	all := make(map[uint64]time.Duration, len(held)+len(waiting))
	for _, h := range append(waiting, held...) { // a session may be in one of the two, or in both
		all[h.session] = max(all[h.session], h.wait)
	}
	n.Held += len(all)
	n.LongestSeconds, n.P50Seconds, n.P99Seconds = stats.Quantiles(slices.Collect(maps.Values(all)))
	return n
}
