package tui

import (
	"context"
	"time"

	tea "github.com/charmbracelet/bubbletea"

	"github.com/tcpctl/tcpctl/proxy"
	"github.com/tcpctl/tcpctl/proxy/api"
)

// momentMsg is a moment with all that the screen shows about it.
type momentMsg struct {
	rewind *rewind
	at     time.Time
	moment *api.Moment
	graph  []api.Series  // the five minutes before
	events []proxy.Event // those before the moment
	line   *timeline     // nil: unchanged
	err    error
}

func (a momentMsg) apply(m *model) tea.Cmd { return m.takeMoment(&a) }

// timeline is the period that is drawn above the panes, with the acts and troubles in it.
type timeline struct {
	since, until, oldest time.Time
	series               []api.Series
	marks                []proxy.Event
}

// timelineSpans are the possible lengths of the timeline.
var timelineSpans = []time.Duration{5 * time.Minute, 10 * time.Minute, 30 * time.Minute, time.Hour, 2 * time.Hour, 6 * time.Hour, 12 * time.Hour, 24 * time.Hour,
	3 * 24 * time.Hour, 7 * 24 * time.Hour, 30 * 24 * time.Hour, 365 * 24 * time.Hour}

func (t *timeline) span() time.Duration { return t.until.Sub(t.since) }

// spanFor returns the shortest span that includes a moment or, if wider is set, the span that is
// wider sizes longer than the current one.
func (t *timeline) spanFor(at, now time.Time, wider int) time.Duration {
	i := 0
	for i < len(timelineSpans)-1 && timelineSpans[i] < now.Sub(at)*21/20 {
		i++
	}
	for wider == 0 && t.oldest.IsZero() && timelineSpans[i] < 30*time.Minute { // the first timeline is at least half an hour
		i++
	}
	for wider > 0 && i < len(timelineSpans)-1 && timelineSpans[i] <= t.span() {
		i++
	}
	return timelineSpans[i]
}

// isMark reports whether { and } stop at an event: acts, notes, and what went wrong.
func isMark(ev *proxy.Event) bool {
	return ev.Kind == proxy.EventOperator || ev.Kind == proxy.EventMark || ev.Level == proxy.LevelAlarm || ev.Level == proxy.LevelWarn
}

// mark returns the first mark after a time or, with dir -1, the last before it. Marks within one
// second count as one.
func (t *timeline) mark(from time.Time, dir int) *proxy.Event {
	second := from.Unix()
	if dir > 0 {
		for i := range t.marks {
			if t.marks[i].Time.Unix() > second {
				return &t.marks[i]
			}
		}
		return nil
	}
	for i := len(t.marks) - 1; i >= 0; i-- {
		if t.marks[i].Time.Unix() < second {
			return &t.marks[i]
		}
	}
	return nil
}

// ask fetches the requested moment, and the timeline if the moment is not on it or a wider one is
// requested. One query is in flight at a time.
func (r *rewind) ask(ctx context.Context, wider int) tea.Cmd {
	if !r.asked.IsZero() {
		return nil // takeMoment asks again
	}
	r.asked = r.at
	at, past, now := r.at, r.history, r.live.stats.now()
	var line *timeline
	if wider > 0 || at.Before(r.line.since) || r.line.until.Before(at) {
		line = &timeline{since: now.Add(-r.line.spanFor(at, now, wider)), until: now}
	}
	return guard(func() tea.Msg {
		ctx, cancel := context.WithTimeout(ctx, fetchLimit)
		defer cancel()
		a := momentMsg{rewind: r, at: at, line: line}
		a.err = a.read(ctx, past)
		return a
	})
}

func (a *momentMsg) read(ctx context.Context, past api.History) (err error) {
	if a.moment, err = past.Moment(ctx, a.at); err != nil {
		return err
	}
	end := a.moment.Status.Node.Now
	graph := api.SeriesQuery{Stretch: api.Stretch{Since: end.Add(-historySpan), Until: end}, Backends: true}
	if a.graph, err = past.Series(ctx, graph); err != nil {
		return err
	}
	q := api.TimelineQuery{Stretch: api.Stretch{Since: a.at.Add(-24 * time.Hour), Until: a.at.Add(time.Millisecond)}, Limit: rewindEvents}
	if a.events, err = past.Timeline(ctx, q); err != nil || a.line == nil {
		return err
	}
	return a.line.read(ctx, past)
}

func (t *timeline) read(ctx context.Context, past api.History) error {
	info, err := past.Remembered(ctx)
	if err != nil {
		return err
	}
	t.oldest = info.Oldest
	whole := api.Stretch{Since: t.since, Until: t.until}
	if t.series, err = past.Series(ctx, api.SeriesQuery{Stretch: whole, Points: 300}); err != nil {
		return err
	}
	all, err := past.Timeline(ctx, api.TimelineQuery{Stretch: whole})
	for i := range all {
		if isMark(&all[i]) {
			t.marks = append(t.marks, all[i])
		}
	}
	return err
}
