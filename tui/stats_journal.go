package tui

import (
	"fmt"

	"github.com/tcpctl/tcpctl/proxy"
	"github.com/tcpctl/tcpctl/tui/internal/screen"
)

// journalKept is the maximum number of events that the console keeps.
const journalKept = 2000

// entry is an event of the engine.
type entry struct {
	id     string
	clock  string // the formatted time of day, cached
	folded int    // how many events it stands for; 0: one
	proxy.Event
}

// journal has the newest events, newest first.
type journal struct {
	entries []*entry
	seen    uint64 // the engine's newest event so far
	peer    string // the node, if it is not the console's own
	dropped uint64 // how many the engine dropped before they were fetched
	run     int    // how often the engine was restarted: its event numbers start over
}

// take adds a page of the engine's events, and reports whether it had any.
func (j *journal) take(page proxy.EventPage) bool {
	j.dropped += page.Dropped
	j.seen = max(page.Last, j.seen)
	for _, ev := range page.Events {
		if j.peer != "" && ev.Command != "" {
			ev.Command += " --peer " + j.peer // as one would type it here
		}
		j.add(&entry{id: fmt.Sprintf("%d.%d", j.run, ev.Seq), Event: ev})
	}
	if n := len(page.Events); n > 0 {
		j.seen = page.Events[n-1].Seq // a page may end before the newest
	}
	return len(page.Events) > 0 || page.Dropped > 0
}

func (j *journal) add(e *entry) {
	e.Text, e.Command, e.By, e.Kind = screen.Safe(e.Text), screen.Safe(e.Command), screen.Safe(e.By), screen.Safe(e.Kind)
	j.entries = append(j.entries, nil)
	copy(j.entries[1:], j.entries)
	j.entries[0] = e
	if len(j.entries) > journalKept {
		j.entries = j.entries[:journalKept]
	}
}

// restart starts over with the event numbers of a restarted engine.
func (j *journal) restart() {
	j.run++
	j.seen = 0
}
