package tui

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tcpctl/tcpctl/proxy"
)

// foldGap is the maximum time between two similar events in one line.
const foldGap = 10 * time.Minute

// foldKinds are the kinds of which many similar events come. Backends' states and operators' acts
// are shown one by one.
var foldKinds = []string{proxy.EventRefused, proxy.EventDial, proxy.EventLimit, proxy.EventQueue, proxy.EventSession, proxy.EventHook}

// foldEvents merges events that differ only in numbers into one line, at the time of the newest.
// entries and the result are newest first. The line keeps the id of its oldest event, so that a
// cursor stays on it as it grows.
func foldEvents(entries []*entry) []*entry {
	rows := make([]*entry, 0, len(entries))
	open := map[string]int{} // the row, by foldKey
	last := map[string]time.Time{}
	for _, e := range entries {
		if !slices.Contains(foldKinds, e.Kind) {
			rows = append(rows, e)
			continue
		}
		key := foldKey(e)
		i, ok := open[key]
		if !ok || last[key].Sub(e.Time) > foldGap {
			open[key], last[key] = len(rows), e.Time
			rows = append(rows, e)
			continue
		}
		last[key] = e.Time
		one := *rows[i]
		one.id, one.folded = e.id, max(one.folded, alike(rows[i]))+alike(e)
		rows[i] = &one
	}
	return rows
}

// foldKey returns what similar events have in common: everything but numbers.
func foldKey(e *entry) string {
	text, _, _ := strings.Cut(e.Text, " (and ")
	text = strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' {
			return -1
		}
		return r
	}, text)
	return strings.Join([]string{e.Kind, e.Level, e.Service, e.Backend, text}, "\x00")
}

// alike returns how many events an event of the engine stands for: it suppresses some that come too
// fast.
func alike(e *entry) int {
	_, more, ok := strings.Cut(e.Text, " (and ")
	number, _, _ := strings.Cut(more, " more like it")
	n, err := strconv.Atoi(number)
	if !ok || err != nil {
		return 1
	}
	return 1 + n
}
