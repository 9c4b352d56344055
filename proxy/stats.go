package proxy

import (
	"cmp"
	"fmt"
	"github.com/tcpctl/tcpctl/proxy/internal/stats"
	"maps"
	"slices"
	"strconv"
)

// counters are what a service counts of its sessions for those who look from
// outside: how long things took, and how sessions ended.
type counters struct {
	connect, wait, session *stats.Timings
	endings                map[EndingInfo]int64 // guarded by the queue; Count is 0 in the keys
	closes                 map[int]int64        // by the code of a Protocol's end; guarded by the queue
}

// TimesInfo is how long things took in one service since its start.
type TimesInfo struct {
	Connect Histogram `json:"connect"` // dials that reached a backend
	Wait    Histogram `json:"wait"`    // in the queue until let in; those never let in are not in it
	Session Histogram `json:"session"` // from accept to end, of sessions that reached a backend
}

// EndingInfo counts sessions that ended alike.
type EndingInfo struct {
	By     string `json:"ended_by"`
	Phase  string `json:"phase"`
	Reason Reason `json:"reason"`
	Count  int64  `json:"count"`
}

// Bounds of the histograms: steps that an operator can name, around what is
// usual, and so few that a thousand services are no burden.
var (
	connectBounds = []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10}
	waitBounds    = []float64{.001, .01, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 120, 300}
	sessionBounds = []float64{.01, .1, 1, 10, 60, 300, 900, 3600, 4 * 3600, 24 * 3600, 7 * 24 * 3600}
)

func newCounters() counters {
	return counters{connect: stats.NewTimings(connectBounds), wait: stats.NewTimings(waitBounds), session: stats.NewTimings(sessionBounds),
		endings: map[EndingInfo]int64{}, closes: map[int]int64{}}
}

// addEndingLocked counts one ending.
func (k *counters) addEndingLocked(e *ending) {
	k.endings[EndingInfo{By: e.by, Phase: e.phase, Reason: e.reason}]++
}

// CloseInfo counts sessions that ended with one code of their Protocol. Of the
// codes from 3000, which are anybody's and can be a thousand each, the first
// of each thousand stands for all of it.
type CloseInfo struct {
	Code  int   `json:"code"`
	Count int64 `json:"count"`
}

// addCloseLocked counts one such ending; 0 is none.
func (k *counters) addCloseLocked(code int) {
	if code >= closeAnybody {
		code -= code % 1000
	}
	if code != 0 {
		k.closes[code]++
	}
}

// closeAnybody is the first code that RFC 6455 leaves to libraries and
// programs.
const closeAnybody = 3000

// Label is the code for a metric: a number, or a range like "4000-4999".
func (c CloseInfo) Label() string {
	if c.Code >= closeAnybody {
		return fmt.Sprintf("%d-%d", c.Code, c.Code+999)
	}
	return strconv.Itoa(c.Code)
}

// closesOf gives them in the order of their codes.
func closesOf(closes map[int]int64) (all []CloseInfo) {
	for _, code := range slices.Sorted(maps.Keys(closes)) {
		all = append(all, CloseInfo{code, closes[code]})
	}
	return all
}

// endingsOf gives them in a fixed order.
func endingsOf(endings map[EndingInfo]int64) []EndingInfo {
	all := make([]EndingInfo, 0, len(endings))
	for e, n := range endings {
		e.Count = n
		all = append(all, e)
	}
	slices.SortFunc(all, func(a, b EndingInfo) int {
		return cmp.Or(cmp.Compare(a.By, b.By), cmp.Compare(a.Phase, b.Phase), cmp.Compare(a.Reason, b.Reason))
	})
	return all
}

// times are those of the counters at this moment.
func (k *counters) times() TimesInfo {
	return TimesInfo{Connect: histogramOf(k.connect), Wait: histogramOf(k.wait), Session: histogramOf(k.session)}
}
