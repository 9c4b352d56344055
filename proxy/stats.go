package proxy

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"sort"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/tcpctl/tcpctl/proxy/internal/stats"
)

// serviceStats are a service's counts of its sessions. Timings and atomics need no
// lock, also on the data path; all else is guarded by the service's queue.
type serviceStats struct {
	connect, wait, session *stats.Timings
	total                  atomic.Int64 // sessions accepted
	bytesIn, bytesOut      atomic.Int64 // of ended sessions
	reported               reported

	counts      SessionCounts        // without Active, Bypass and Total
	queueCounts QueueInfo            // only the counters
	waits       stats.Recent         // of admitted clients
	tallies     []*tally             // of running plans
	endings     map[EndingInfo]int64 // Count is 0 in the keys
	closes      map[int]int64        // by the code of a Protocol's end
	tlsFailures map[TLSFailure]int64 // Count is 0 in the keys, as in the next
	plans       map[PlanCount]int64
	inherited   ServiceInfo // counts of previous processes
}

// TimesInfo are the histograms of one service since its start.
type TimesInfo struct {
	Connect Histogram `json:"connect"` // connects of successful dials
	Wait    Histogram `json:"wait"`    // waits of admitted clients
	Session Histogram `json:"session"` // sessions that reached a backend, from accept to end
}

// EndingInfo is the number of sessions that ended by one side, in one phase and
// with one reason.
type EndingInfo struct {
	By     string `json:"ended_by"`
	Phase  string `json:"phase"`
	Reason Reason `json:"reason"`
	Count  int64  `json:"count"`
}

// RefusedText returns, for people, how many clients the service refused and why,
// the most frequent reason first: "refused 12: denied 10, tls 2"; "": none.
func (i *ServiceInfo) RefusedText() string {
	total, counts := int64(0), []EndingInfo{}
	for _, e := range i.Endings {
		if e.By == ByProxy && e.Phase == PhaseQueue && refusals[e.Reason] {
			total += e.Count
			counts = append(counts, e)
		}
	}
	sort.SliceStable(counts, func(i, j int) bool { return counts[i].Count > counts[j].Count })
	said := make([]string, len(counts))
	for n, e := range counts {
		said[n] = fmt.Sprintf("%s %d", strings.ReplaceAll(string(e.Reason), "_", " "), e.Count)
	}
	if total == 0 {
		return ""
	}
	return fmt.Sprintf("refused %d: %s", total, strings.Join(said, ", "))
}

// Bounds of the histograms: steps that an operator can name, around usual values, and
// so few that a thousand services are no burden.
var (
	connectBounds = []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10}
	waitBounds    = []float64{.001, .01, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 120, 300}
	sessionBounds = []float64{.01, .1, 1, 10, 60, 300, 900, 3600, 4 * 3600, 24 * 3600, 7 * 24 * 3600}
)

func newServiceStats() serviceStats {
	return serviceStats{connect: stats.NewTimings(connectBounds), wait: stats.NewTimings(waitBounds), session: stats.NewTimings(sessionBounds),
		endings: map[EndingInfo]int64{}, closes: map[int]int64{}, plans: map[PlanCount]int64{}}
}

// endedLocked counts an ending, and its Protocol's close code; 0 is none.
func (st *serviceStats) endedLocked(e *ending, code int) {
	st.endings[EndingInfo{By: e.by, Phase: e.phase, Reason: e.reason}]++
	if code >= closeAnybody {
		code -= code % 1000
	}
	if code != 0 {
		st.closes[code]++
	}
	switch {
	case e.reason == ReasonNoHandshake:
		return // it may only be for a file
	case e.phase == PhaseRelay:
		if e.cut {
			st.counts.Cut++
		}
		return
	case e.by == ByClient:
		if e.phase == PhaseQueue {
			st.queueCounts.Abandoned++
		}
		return
	case e.refused:
		st.counts.Rejected++
		return
	case e.reason == ReasonQueueTimeout:
		st.queueCounts.TimedOut++
	case e.by == ByOperator && e.phase == PhaseQueue:
		st.queueCounts.Kicked++
	}
	st.counts.Failed++
}

// CloseInfo is the number of sessions that ended with one close code of their
// Protocol. Codes from 3000, which are free for any use, are counted per
// thousand, under the first code of each thousand.
type CloseInfo struct {
	Code  int   `json:"code"`
	Count int64 `json:"count"`
}

// closeAnybody is the first code that RFC 6455 leaves to libraries and programs.
const closeAnybody = 3000

// Label returns the code as a metrics label: a number, or a range like
// "4000-4999".
func (c CloseInfo) Label() string {
	if c.Code >= closeAnybody {
		return fmt.Sprintf("%d-%d", c.Code, c.Code+999)
	}
	return strconv.Itoa(c.Code)
}

// closesOf returns them in the order of their codes.
func closesOf(closes map[int]int64) (all []CloseInfo) {
	for _, code := range slices.Sorted(maps.Keys(closes)) {
		all = append(all, CloseInfo{code, closes[code]})
	}
	return all
}

// endingsOf returns them in a fixed order.
func endingsOf(endings map[EndingInfo]int64) []EndingInfo {
	all := make([]EndingInfo, 0, len(endings))
	for e, n := range endings {
		e.Count = n
		all = append(all, e)
	}
	sort.Slice(all, func(i, j int) bool {
		a, b := &all[i], &all[j]
		return cmp.Or(cmp.Compare(a.By, b.By), cmp.Compare(a.Phase, b.Phase), cmp.Compare(a.Reason, b.Reason)) < 0
	})
	return all
}

// waitEndedLocked records the end of a session's wait.
func (st *serviceStats) waitEndedLocked(sess *Session, at time.Time) {
	for _, t := range st.tallies {
		if len(t.held) < tallyMost {
			t.held = append(t.held, heldFor{sess.number, at.Sub(sess.waiter.Since())})
		} else {
			t.forgot++
		}
	}
}

// totalsLocked returns the service's counters, with those of previous processes.
func (st *serviceStats) totalsLocked() (SessionCounts, QueueInfo) {
	counts, line := st.counts, st.queueCounts
	counts.add(&st.inherited.Sessions)
	line.add(&st.inherited.Queue)
	return counts, line
}

// reported is the last count of bytes shown. A session that ends during a reading is
// missed until the next one; the counter must not fall because of that.
type reported struct{ in, out atomic.Int64 }

func (s *reported) atLeast(in, out int64) (int64, int64) { return raise(&s.in, in), raise(&s.out, out) }

// raise returns the greater of the two, and stores it.
func raise(to *atomic.Int64, n int64) int64 {
	for {
		was := to.Load()
		if n <= was {
			return was
		}
		if to.CompareAndSwap(was, n) {
			return n
		}
	}
}
