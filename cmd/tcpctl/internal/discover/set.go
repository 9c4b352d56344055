package discover

import (
	"cmp"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"sort"
	"strings"
	"time"

	"github.com/tcpctl/tcpctl/proxy"
	"github.com/tcpctl/tcpctl/proxy/text"
)

// Set is what a source has found, as it is in force. It is a value: Answer and
// Fail return the next one, and what has happened.
type Set struct {
	Backends []proxy.BackendConfig // sorted by name
	At       time.Time             // of the last answer; zero: none yet
	Failure  string                // why the last question had no answer; "": it had
	Failing  time.Time             // since when
	Failures int64                 // questions without an answer, all of them
	Held     *Held                 // nil: the last answer is in force as it was given
}

// Held is an answer that leaves out too much to be believed at once.
type Held struct {
	// Missing is since when each answer has left a name out.
	Missing map[string]time.Time
	// Of are the names that were in force when the hold began: what is judged
	// is how many of those are missing, not of those that came meanwhile.
	Of []string
	// Until is when the first name will have been missing for the whole hold.
	// The next answer after it removes the name.
	Until time.Time
}

// Names are the missing ones, sorted.
func (h *Held) Names() []string { return slices.Sorted(maps.Keys(h.Missing)) }

// Kinds of what happens to a set.
const (
	Changed   = "changed"   // backends came, went or changed values
	Holding   = "holding"   // an answer is held
	Deferred  = "deferred"  // what an answer omits stays during maintenance
	Released  = "released"  // a hold is over, since answers have the names again
	Failed    = "failed"    // the source does not answer
	Recovered = "recovered" // it answers again
)

// Event is one thing that has happened to a set.
type Event struct {
	Kind string
	Text string // a clause without a subject: "left out a, b"
}

// Terms are what an answer is judged by.
type Terms struct {
	Hold time.Duration // how long answers must leave out too much; 0: one is believed
	// Maintenance is under way: a backend that is restarted is no surprise, and
	// nothing is removed. Clocks of what is missing begin when it ends.
	Maintenance bool
}

// Answer is the set after an answer, which is sorted by name. What is new or
// has other values is in force at once; what is missing goes as rule 40b says.
func (s Set) Answer(found []proxy.BackendConfig, t Terms, now time.Time) (Set, []Event) {
	next := Set{At: now, Failures: s.Failures}
	var events []Event
	if s.Failure != "" {
		events = append(events, Event{Recovered, "answers again"})
	}
	kept, held := s.missing(found, t, now)
	next.Held = held
	next.Backends = slices.Concat(found, kept)
	sort.Slice(next.Backends, func(i, j int) bool { return next.Backends[i].Name < next.Backends[j].Name })
	if len(next.Backends) > 2*maxBackends { // answers change faster than the hold ends
		return s.Fail(fmt.Sprintf("its answers change too fast: with those that are held, it would be %d backends", len(next.Backends)), now)
	}

	if said := changes(s.Backends, next.Backends); said != "" || s.At.IsZero() {
		events = append(events, Event{Changed, cmp.Or(said, "found no backends")})
	}
	switch {
	case held != nil && (s.Held == nil || !slices.Equal(held.Names(), s.Held.Names())):
		kind, until := Holding, fmt.Sprintf("answers have left them out for %s", t.Hold)
		if t.Maintenance {
			kind, until = Deferred, "the maintenance has ended"
		}
		events = append(events, Event{kind, fmt.Sprintf("left out %d of %d backends (%s): they stay until %s",
			len(held.Missing), len(s.Backends), list(held.Names()), until)})
	case held == nil && s.Held != nil && len(kept) == 0 && !slices.ContainsFunc(s.Held.Names(), func(n string) bool { return index(next.Backends, n) < 0 }):
		events = append(events, Event{Released, "names " + list(s.Held.Names()) + " again: nothing is removed"})
	}
	return next, events
}

// missing decides which of the backends that an answer leaves out stay, and why.
func (s Set) missing(found []proxy.BackendConfig, t Terms, now time.Time) (kept []proxy.BackendConfig, held *Held) {
	before := names(s.Backends)
	of := before
	if s.Held != nil {
		of = s.Held.Of
	}
	since := map[string]time.Time{}
	missingOf := 0
	for _, name := range before {
		if index(found, name) >= 0 {
			continue
		}
		since[name] = now
		if s.Held != nil && !t.Maintenance {
			if at, known := s.Held.Missing[name]; known {
				since[name] = at
			}
		}
		if slices.Contains(of, name) {
			missingOf++
		}
	}
	if !t.Maintenance && (t.Hold <= 0 || !tooMany(len(since), len(before)) && !tooMany(missingOf, len(of))) {
		return nil, nil
	}
	for _, b := range s.Backends {
		at, missing := since[b.Name]
		switch {
		case !missing:
		case !t.Maintenance && now.Sub(at) >= t.Hold:
			delete(since, b.Name)
			of = slices.DeleteFunc(slices.Clone(of), func(n string) bool { return n == b.Name })
		default:
			kept = append(kept, b)
		}
	}
	if len(kept) == 0 {
		return nil, nil
	}
	until := slices.MinFunc(slices.Collect(maps.Values(since)), time.Time.Compare).Add(t.Hold)
	return kept, &Held{Missing: since, Of: of, Until: until}
}

// tooMany reports whether n is more than half, or all.
func tooMany(n, of int) bool { return n > 0 && (2*n > of || n == of) }

// Fail is the set after a question that had no answer: what was found stays.
func (s Set) Fail(err string, now time.Time) (Set, []Event) {
	var events []Event
	if s.Failure == "" {
		s.Failing = now
		said := "does not answer: " + err
		if len(s.Backends) > 0 {
			said += fmt.Sprintf("; %s found %s ago stay", text.Plural(len(s.Backends), "backend"), now.Sub(s.At).Round(time.Second))
		}
		events = append(events, Event{Failed, said})
	}
	s.Failure = err
	s.Failures++
	return s, events
}

// changes describes the differences in a clause; "": none.
func changes(was, is []proxy.BackendConfig) string {
	var added, changed, removed []string
	for _, b := range is {
		switch i := index(was, b.Name); {
		case i < 0:
			added = append(added, b.Name)
		case !reflect.DeepEqual(was[i], b):
			changed = append(changed, b.Name)
		}
	}
	for _, b := range was {
		if index(is, b.Name) < 0 {
			removed = append(removed, b.Name)
		}
	}
	var parts []string
	for _, p := range []struct {
		verb  string
		names []string
		then  string
	}{{"found ", added, ""}, {"changed ", changed, ""}, {"no longer names ", removed, ": drained, then removed"}} {
		if len(p.names) > 0 {
			parts = append(parts, p.verb+list(p.names)+p.then)
		}
	}
	return strings.Join(parts, "; ")
}

// index finds a name in backends that are sorted by name; -1: not found.
func index(sorted []proxy.BackendConfig, name string) int {
	i, ok := slices.BinarySearchFunc(sorted, name, func(b proxy.BackendConfig, n string) int { return strings.Compare(b.Name, n) })
	if !ok {
		return -1
	}
	return i
}

func names(backends []proxy.BackendConfig) (all []string) {
	for _, b := range backends {
		all = append(all, b.Name)
	}
	return all
}

// list formats names for a message; if there are many, not all of them.
func list(names []string) string {
	const most = 8
	if more := len(names) - most; more > 1 {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), more)
	}
	return strings.Join(names, ", ")
}
