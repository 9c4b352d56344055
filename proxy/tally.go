package proxy

import (
	"maps"
	"slices"
	"time"
)

// tally counts what happens to a service's clients while a plan runs.
type tally struct {
	counts SessionCounts
	line   QueueInfo
	// waits is how long each has waited whose wait has ended, with a grant or
	// in vain. One that could not be served goes back to its place, and waits
	// on: it is held once, for as long as it was in all.
	waits    map[uint64]time.Duration // by the session's number
	forgot   int                      // that there was no room for
	backends []BackendChange
	wasUp    map[string]bool
}

// tallyMost bounds what a tally remembers; beyond, it only counts.
const tallyMost = 1 << 17

func (s *Service) beginTally() *tally {
	t := &tally{waits: map[uint64]time.Duration{}, wasUp: map[string]bool{}}
	s.queue.Do(func() {
		t.counts, t.line = s.counts, s.line
		for _, b := range s.backends {
			t.backends = append(t.backends, BackendChange{Name: b.name, Before: b.state() + " " + b.admin()})
			t.wasUp[b.name] = b.judge.Up()
		}
		s.tallies = append(s.tallies, t)
	})
	return t
}

func (t *tally) before() []BackendChange { return slices.Clone(t.backends) }

// waitEnds notes the end of a session's wait. The queue is locked.
func (s *Service) waitEnds(sess *Session, at time.Time) {
	for _, t := range s.tallies {
		if _, known := t.waits[sess.number]; known || len(t.waits) < tallyMost {
			t.waits[sess.number] = at.Sub(sess.waiter.Since())
		} else {
			t.forgot++
		}
	}
}

// endTally gives the final numbers, and each backend's state after it.
func (s *Service) endTally(t *tally) (n Numbers, after map[string]string) {
	after = map[string]string{}
	s.queue.Do(func() {
		n = s.numbers(t)
		s.tallies = slices.DeleteFunc(s.tallies, func(o *tally) bool { return o == t })
		for _, b := range s.backends {
			after[b.name] = b.state() + " " + b.admin()
		}
	})
	return n, after
}

func (s *Service) peekTally(t *tally) (n Numbers) {
	s.queue.View(func() { n = s.numbers(t) })
	return n
}

// numbers are those of a tally so far. The queue is locked.
func (s *Service) numbers(t *tally) Numbers {
	n := Numbers{Left: s.line.Left - t.line.Left, TimedOut: s.line.TimedOut - t.line.TimedOut,
		Cut: s.counts.Cut - t.counts.Cut, Failed: s.counts.Failed - t.counts.Failed}
	all := maps.Clone(t.waits)
	for w := range s.queue.Waiters() {
		all[w.Owner.(*Session).number] = time.Since(w.Since())
	}
	n.Held = len(all) + t.forgot
	if len(all) > 0 {
		waits := slices.Sorted(maps.Values(all))
		n.LongestSeconds = waits[len(waits)-1].Seconds()
		n.P50Seconds, n.P99Seconds = waits[len(waits)/2].Seconds(), waits[len(waits)*99/100].Seconds()
	}
	return n
}
