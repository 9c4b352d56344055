package proxy

import (
	"cmp"
	"slices"
	"strings"
)

// books are what a service counts of its sessions for those who look from
// outside: how long things took, and how sessions ended.
type books struct {
	connect, wait, session *timings
	endings                map[EndingInfo]int64 // guarded by the queue; Count is 0 in the keys
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
	Reason string `json:"reason"` // of Reasons, however long a record's Why is
	Count  int64  `json:"count"`
}

// Reasons are the words that EndingInfo.Reason can be: few and fixed, so that
// they can be a label. A reason that is not here is counted as "other".
var Reasons = []string{
	"fin", "reset", "left", "connect", "no_backend", "queue_full", "queue_timeout",
	"idle", "half_close_timeout", "max_lifetime", "ttl",
	"kicked", "drain_limit", "pause_limit", "pause_deadline", "shutdown", "other",
}

// reason makes one of Reasons of a record's Why: "left (reset)" is left,
// "kicked: too old" is kicked.
func reason(why string) string {
	word, _, _ := strings.Cut(why, ":")
	word, _, _ = strings.Cut(word, " (")
	word = underscores.Replace(word)
	if slices.Contains(Reasons, word) {
		return word
	}
	return "other"
}

var underscores = strings.NewReplacer(" ", "_", "-", "_")

func newBooks() books {
	return books{connect: newTimings(connectBounds), wait: newTimings(waitBounds), session: newTimings(sessionBounds),
		endings: map[EndingInfo]int64{}}
}

// ended counts one ending. The queue is locked.
func (k *books) ended(e *ending) {
	k.endings[EndingInfo{By: e.by, Phase: e.phase, Reason: reason(e.why)}]++
}

// info is the books at this moment, the endings in a fixed order. The queue is
// locked.
func (k *books) info() (TimesInfo, []EndingInfo) {
	all := make([]EndingInfo, 0, len(k.endings))
	for e, n := range k.endings {
		e.Count = n
		all = append(all, e)
	}
	slices.SortFunc(all, func(a, b EndingInfo) int {
		return cmp.Or(cmp.Compare(a.By, b.By), cmp.Compare(a.Phase, b.Phase), cmp.Compare(a.Reason, b.Reason))
	})
	return TimesInfo{Connect: k.connect.info(), Wait: k.wait.info(), Session: k.session.info()}, all
}
