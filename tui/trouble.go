package tui

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/tcpctl/tcpctl/themes"
	"github.com/tcpctl/tcpctl/tui/internal/screen"
)

// troubleKind is what is wrong. The order is that of the strip: worst first.
type troubleKind int

const (
	troubleQuorum  troubleKind = iota // the cluster's: none of its slots is granted here
	troubleDown                       // a backend, or a service whose listeners are closed
	troubleExpired                    // a certificate: no client accepts it
	troubleEjected                    // a backend on which sessions fail, whatever its checks say
	troubleFailing
	troublePaused
	troubleHook
	troublePlan
	troubleQueue
	troubleSource // of backends: it does not answer, or its answer omits too many
	troubleDrain
	troubleHog
	troubleVoter // this node does not vote
	troubleNode
	troubleCertificate
	troubleKinds
)

// troubleWords are the kinds' names in the header, and their signs.
var troubleWords = [troubleKinds]sign{
	troubleQuorum: {'!', "QUORUM", themes.Error}, troubleVoter: {'x', "VOTER", themes.Error},
	troubleDown: signDown, troubleExpired: {'!', "EXPIRED", themes.Error}, troubleEjected: signEject, troubleFailing: {'!', "FAIL", themes.Warn}, troublePaused: {'=', "PAUSED", themes.StateMaint},
	troubleHook: {'x', "HOOK", themes.StateError}, troublePlan: {'=', "PLAN", themes.StateMaint}, troubleQueue: {'~', "QUEUE", themes.Warn},
	troubleSource: {'!', "SOURCE", themes.Warn}, troubleDrain: signDrain, troubleHog: {'~', "HOG", themes.Warn}, troubleNode: {'!', "NODE", themes.Error},
	troubleCertificate: {'~', "CERT", themes.Warn},
}

// trouble is one thing that is wrong now: a line of the strip.
type trouble struct {
	kind  troubleKind
	id    string // changes when the same thing goes wrong again
	name  string // what it concerns
	state string // the state, and for how long
	text  string // why, and what ends it
	brief string // the same in fewer words, for a narrow screen; "" is text
	least string // in the fewest; "" is brief
	key   string // the action of its pane that ends it; "": enter, for its details
	verb  string // what that action does here
	kick  string // the session for this action, if it is no row of the pane
	pane  int    // the pane that shows it,
	row   string // the row there,
	at    string // and its service
	folds int    // how many it stands for, if there is no room for each; 0: one
}

func (t *trouble) sign() sign { return troubleWords[t.kind] }

const (
	snoozeTime = time.Hour
	queueOld   = time.Minute // a waiter that has waited this long is a trouble
)

// watch has the troubles, as the strip shows them.
type watch struct {
	list    []trouble            // all, worst first
	snoozed map[string]time.Time // by id, until when
	ended   time.Time            // when the last trouble ended; zero: none has since the console was opened
	at      string               // the id of the one that `!` last went to
	active  bool                 // troubleMode still has the focus
	hogs    hogs
}

// update finds the current troubles.
func (w *watch) update(f *frame) {
	had := len(w.list)
	w.list = troublesOf(f, &w.hogs)
	if had > 0 && len(w.list) == 0 {
		w.ended = f.now()
	}
	maps.DeleteFunc(w.snoozed, func(_ string, until time.Time) bool { return !f.now().Before(until) })
}

// shown returns what the strip shows in room lines, and how many are snoozed.
func (w *watch) shown(room int) (lines []trouble, snoozed int) {
	for _, t := range w.list {
		if _, asleep := w.snoozed[t.id]; asleep {
			snoozed++
			continue
		}
		lines = append(lines, t)
	}
	for len(lines) > max(room, 1) {
		less := foldLargest(lines)
		if len(less) == len(lines) {
			break
		}
		lines = less
	}
	if len(lines) > room {
		lines = lines[:max(room, 0)]
	}
	return lines, snoozed
}

// foldLargest merges the lines of the most frequent kind into one, so that no kind is hidden by
// another.
func foldLargest(lines []trouble) []trouble {
	var count [troubleKinds]int
	for _, t := range lines {
		if t.folds == 0 {
			count[t.kind]++
		}
	}
	kind := troubleKind(0)
	for k, n := range count {
		if n > count[kind] {
			kind = troubleKind(k)
		}
	}
	n := count[kind]
	if n < 2 {
		return lines
	}
	i := slices.IndexFunc(lines, func(t trouble) bool { return t.kind == kind })
	var names []string
	for _, t := range lines[i : i+n] {
		names = append(names, t.name)
	}
	one := lines[i]
	one.folds, one.name, one.state, one.text = n, fmt.Sprintf("%d of them", n), one.sign().word, strings.Join(names, ", ")
	one.id, one.brief, one.least, one.key, one.kick = one.sign().word, "", "", "", ""
	return slices.Replace(slices.Clone(lines), i, i+n, one)
}

// count returns how many troubles of a kind there are, including snoozed ones.
func (w *watch) count(kind troubleKind) (n int) {
	for i := range w.list {
		if w.list[i].kind == kind {
			n++
		}
	}
	return n
}

// findTrouble returns the index of the trouble with this id, -1 for none.
func findTrouble(lines []trouble, id string) int {
	return slices.IndexFunc(lines, func(t trouble) bool { return t.id == id })
}

// wellSince returns when the last trouble ended. About the time before this console was opened only
// the backends tell: when one last changed.
func (w *watch) wellSince(f *frame) time.Time {
	if !w.ended.IsZero() {
		return w.ended
	}
	since := f.stats.status.Node.Started
	for i := range f.stats.status.Services {
		for _, b := range f.stats.status.Services[i].Backends {
			if b.Since.After(since) {
				since = b.Since
			}
		}
	}
	return since
}

func (w *watch) snooze(id string, until time.Time) {
	if w.snoozed == nil {
		w.snoozed = map[string]time.Time{}
	}
	w.snoozed[id] = until
}

// dated formats a time of day, with the date unless that is today's.
func (f *frame) dated(t time.Time) string {
	t = t.In(f.zone)
	if now := f.now().In(f.zone); t.YearDay() != now.YearDay() || t.Year() != now.Year() {
		return t.Format("2 Jan 15:04")
	}
	return t.Format("15:04")
}

// age formats a duration in one unit: 8s, 26m, 3h, 4d. What is left over is not rounded up: a
// certificate must not have a day that it has not, and columns of clocks show whole units too.
func age(d time.Duration) string {
	switch s := int64(d.Seconds()); {
	case s < 60:
		return fmt.Sprintf("%ds", s)
	case s < 3600:
		return fmt.Sprintf("%dm", s/60)
	case s < 24*3600:
		return fmt.Sprintf("%dh", s/3600)
	default:
		return fmt.Sprintf("%dd", s/(24*3600))
	}
}

// ago returns how long ago a time was, 0 if it is unknown.
func (f *frame) ago(t time.Time) time.Duration {
	if t.IsZero() {
		return 0
	}
	return max(f.stats.now().Sub(t), 0)
}

// byService orders troubles of a kind: those of services with no usable backend come first.
func byService(f *frame) func(a, b *trouble) int {
	eligible := func(t *trouble) int {
		n := 0
		if s := f.stats.status.Service(t.at); s != nil {
			for i := range s.Backends {
				if s.Backends[i].Eligible {
					n++
				}
			}
		}
		return min(n, 1)
	}
	return func(a, b *trouble) int {
		if d := int(a.kind) - int(b.kind); d != 0 {
			return d
		}
		return eligible(a) - eligible(b)
	}
}

// cutReason returns a reason in quotation marks, after a space; "" for none.
func cutReason(reason string) string {
	if reason == "" {
		return ""
	}
	return " \"" + screen.Safe(reason) + "\""
}
