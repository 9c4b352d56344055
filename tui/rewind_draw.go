package tui

import (
	"fmt"
	"time"

	"github.com/tcpctl/tcpctl/proxy"
	"github.com/tcpctl/tcpctl/themes"
	"github.com/tcpctl/tcpctl/tui/internal/screen"
)

// timelineEdges is the width of the timeline's times and edges.
const timelineEdges = 16

// rewindKeys is the key line in the past.
const rewindKeys = "0 now  [ ] one step  { } mark  < > column  space play 10x  e report  ? help"

// drawRewindHeader says first of all that this is the past.
func (w *workspace) drawRewindHeader(c *screen.Canvas) {
	f, r := &w.frame, w.past
	when := f.timeOf(r.at)
	if r.live.stats.now().Sub(r.at) > 20*time.Hour {
		when = f.dated(r.at)
	}
	node, role := nodeText(f)
	alarms := w.alarms(c.W < 100)
	list := []screen.Segment{
		{Text: "tcpctl", Role: themes.TextDim, Prio: 8, Gap: 1},
		{Text: screen.Middle(node, 20, f.theme.Glyphs.Ellipsis), Role: role, Prio: 5, Gap: 1},
		{Text: "REWIND " + when, Role: themes.Warn, Prio: 1, Gap: 1},
		{Text: "(" + r.agoText() + ")", Role: themes.Header, Prio: 3, Gap: 1},
		{Text: "acts are off", Role: themes.ReadOnly, Prio: 2, Gap: 1},
	}
	if r.playing {
		list = append(list, screen.Segment{Text: "PLAY 10x", Role: themes.Live, Prio: 4, Gap: 1})
	}
	list = append(list, alarms...)
	list = append(list, screen.Segment{Text: "0 = back to now", Role: themes.TextDim, Prio: 6, Gap: 2})
	screen.Segments(c, 0, list)
}

// timelineHeight returns how many lines the timeline takes, in place of the strip of troubles.
func timelineHeight(w, h int) int {
	switch {
	case h >= 16:
		return 3
	case h >= 10:
		return 2
	case h >= 8:
		return 1
	}
	return 0
}

// drawTimeline draws from line y on the sessions of the period as bars, with the marks and their
// letters below.
func (w *workspace) drawTimeline(c *screen.Canvas, y int) {
	f, r := &w.frame, w.past
	h, n := timelineHeight(w.width, w.height), c.W-timelineEdges
	if h == 0 || n < 10 {
		return
	}
	clock := "15:04"
	if r.line.span() > 24*time.Hour {
		clock = "02.01"
	}
	bar := f.theme.Glyphs.BoxFocus[5]
	column := func(t time.Time) int {
		return min(int(float64(t.Sub(r.line.since))/float64(max(r.line.span(), 1))*float64(n)), n-1)
	}
	c.Text(1, y, r.line.since.In(f.zone).Format(clock), themes.TextDim)
	c.Fill(7, y, 1, bar, themes.BorderFocus)
	screen.Spark(c, 8, y, r.line.bars(n, w.view, column), f.theme.Glyphs.Spark, themes.GraphIn)
	c.Fill(8+n, y, 1, bar, themes.BorderFocus)
	c.Text(10+n, y, r.line.until.In(f.zone).Format(clock), themes.TextDim)
	here := max(column(r.at), 0)
	c.Reverse(8+here, y, 1)
	if h == 1 {
		return
	}
	c.Text(1, y+1, "marks", themes.TextDim)
	for i := range r.line.marks {
		if x := column(r.line.marks[i].Time); x >= 0 {
			letter, role := markLetter(&r.line.marks[i])
			c.Fill(8+x, y+1, 1, letter, role)
		}
	}
	if h == 2 {
		return
	}
	c.Fill(8+here, y+2, 1, '^', themes.Warn)
	text, role := w.momentText()
	if x := 8 + here + 2; x+screen.Width(text) < c.W {
		c.Text(x, y+2, text, role)
	} else {
		c.Text(max(8+here-1-screen.Width(text), 1), y+2, screen.Cut(text, max(6+here, c.W-x)), role)
		c.Fill(8+here, y+2, 1, '^', themes.Warn)
	}
}

// momentText describes the moment, at its position.
func (w *workspace) momentText() (string, themes.Role) {
	r := w.past
	if r.moment == nil {
		return "", themes.Text
	}
	if r.moment.Missing != "" {
		return "not recorded: " + screen.Safe(r.moment.Missing), themes.Warn
	}
	for i := range r.line.marks {
		ev := &r.line.marks[i]
		if ev.Time.Unix() == r.onMark.Unix() {
			_, role := markLetter(ev)
			return screen.Cut(eventText(&entry{Event: safeEvent(*ev)}), 60), role
		}
	}
	return fmt.Sprintf("steps of %s", screen.Clock(r.step())), themes.TextDim
}

// bars returns the largest number of sessions in each column, -1 if unknown.
func (t *timeline) bars(n int, service string, column func(time.Time) int) []float64 {
	values := make([]float64, n)
	for i := range values {
		values[i] = -1
	}
	for i := range t.series {
		s := &t.series[i]
		if service != "" && s.Service != service {
			continue
		}
		here := make([]float64, n)
		for j := range here {
			here[j] = -1
		}
		for j := range s.Points {
			p := &s.Points[j]
			end := column(p.At.Add(screen.Seconds(s.StepSeconds)))
			for x := max(column(p.At), 0); x <= min(end, n-1); x++ {
				here[x] = max(here[x], float64(p.Active+p.Waiting))
			}
		}
		for x, v := range here {
			if v >= 0 {
				values[x] = max(values[x], 0) + v
			}
		}
	}
	return values
}

// markLetter returns the letter of a mark on the timeline.
func markLetter(ev *proxy.Event) (rune, themes.Role) {
	switch {
	case ev.Kind == proxy.EventOperator || ev.Kind == proxy.EventMark:
		return tickLetter(&entry{Event: *ev}), themes.Op
	case ev.Level == proxy.LevelAlarm:
		return '!', themes.Error
	}
	return '!', themes.Warn
}

func safeEvent(ev proxy.Event) proxy.Event {
	ev.Text, ev.Command, ev.By = screen.Safe(ev.Text), screen.Safe(ev.Command), screen.Safe(ev.By)
	return ev
}

// changedRoom returns how many lines "what changed" takes below the panes; 0 if there is no room
// for both.
func changedRoom(w, h int) int {
	switch shapeOf(w, h) {
	case shapeGrid:
		return 7
	case shapeStack:
		return 5
	case shapeSmall:
		if h >= 14 {
			return 3
		}
	}
	return 0
}

// paintPast draws the panes as they were, and below them what changed around the moment.
func (w *workspace) paintPast(c *screen.Canvas) {
	room := changedRoom(w.width, w.height)
	all := w.display
	less := *all
	less.height -= room
	w.display = &less
	w.paintPanes(c.Sub(0, 0, c.W, c.H-room))
	w.display = all
	if room > 0 {
		w.drawChanged(c, c.H-2-room, room)
	}
}

func (w *workspace) drawChanged(c *screen.Canvas, y, room int) {
	f, r := &w.frame, w.past
	c.Sub(0, y, c.W, room).Clear()
	screen.Rule(c, y, &f.theme.Glyphs, "what changed within 10 s", "", false)
	if r.moment == nil {
		return
	}
	list := r.moment.Changed
	for len(list) > room-1 && list[0].Time.Before(r.at) { // keep the newest before the moment, and those after it
		list = list[1:]
	}
	if len(list) == 0 {
		c.Text(2, y+1, "nothing", themes.TextDim)
	}
	for i := range min(len(list), room-1) {
		e := &entry{Event: safeEvent(list[i])}
		s := eventSign(e)
		x := c.Text(2, y+1+i, f.timeOf(e.Time), themes.TextDim)
		x = c.Text(x+1, y+1+i, string(s.mark), s.role)
		c.Text(x+1, y+1+i, screen.Clip(eventText(e), c.W-x-2, f.theme.Glyphs.Ellipsis), s.role)
	}
	if more := len(list) - (room - 1); more > 0 {
		c.Right(c.W-1, y+room-1, fmt.Sprintf(" +%d ", more), themes.TextDim)
	}
}
