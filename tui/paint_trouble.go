package tui

import (
	"fmt"

	"github.com/tcpctl/tcpctl/themes"
	"github.com/tcpctl/tcpctl/tui/internal/screen"
)

// troubleRoom is how many lines of a screen the strip may take.
func troubleRoom(w, h int) int {
	switch shapeOf(w, h) {
	case shapeGrid:
		return 8
	case shapeStack:
		if h < 22 {
			return 3
		}
		return 5
	}
	switch {
	case h >= 16:
		return 4
	case h >= 12:
		return 3
	case h >= 10:
		return 2
	case h >= 8:
		return 1
	}
	return 0
}

// troubleLines is what the strip shows on this screen, and how many are snoozed.
func (w *workspace) troubleLines() (lines []trouble, snoozed int) {
	return w.watch.shown(troubleRoom(w.width, w.height))
}

// troubleHeight is how many lines the strip takes.
func (w *workspace) troubleHeight() int {
	if w.past != nil {
		return timelineHeight(w.width, w.height)
	}
	room := troubleRoom(w.width, w.height)
	lines, _ := w.watch.shown(room)
	return min(max(len(lines), 1), room)
}

// drawTroubles draws the strip from line y on: what is wrong, the worst first, and
// nothing else. It is one line when all is well.
func (w *workspace) drawTroubles(c *screen.Canvas, y int) {
	if w.past != nil {
		w.drawTimeline(c, y)
		return
	}
	room := troubleRoom(w.width, w.height)
	if room == 0 || !w.stats.known() {
		return
	}
	lines, snoozed := w.watch.shown(room)
	if len(lines) == 0 {
		c.Text(1, y, screen.Clip(w.wellText(), c.W-2, w.theme.Glyphs.Ellipsis), themes.OK)
		return
	}
	nameW, stateW := 0, 0
	for i := range lines {
		nameW, stateW = max(nameW, screen.Width(lines[i].name)), max(stateW, screen.Width(lines[i].state))
	}
	nameW = min(nameW, max(c.W/4, 10))
	for i := range lines {
		w.drawTrouble(c, y+i, i, &lines[i], nameW, stateW)
	}
	if snoozed > 0 {
		note := fmt.Sprintf(" +%d snoozed ", snoozed)
		c.Right(c.W-1, y+len(lines)-1, note, themes.TextDim)
	}
}

func (w *workspace) drawTrouble(c *screen.Canvas, y, i int, t *trouble, nameW, stateW int) {
	e := w.theme.Glyphs.Ellipsis
	s := t.sign()
	x := 1
	c.Fill(x, y, 1, s.mark, s.role)
	if i < 9 && c.W >= 60 {
		c.Text(x+2, y, fmt.Sprint(i+1), themes.Key)
		x += 2
	}
	x += 2
	c.Text(x, y, screen.Middle(t.name, nameW, e), themes.Title)
	x += nameW + 2
	c.Text(x, y, screen.Cut(t.state, max(c.W-x, 0)), s.role)
	x += stateW + 2
	room := c.W - x - 1
	if hint := w.troubleHint(i, t); t.hint != "" && i < 9 && c.W >= 60 && screen.Width(t.text)+screen.Width(hint)+2 <= room {
		c.Right(c.W-1, y, hint, themes.TextDim)
	}
	c.Text(x, y, screen.Clip(t.text, max(room, 0), e), themes.Text)
	if t.id == w.watch.at && w.watch.active {
		c.Fill(0, y, 1, '>', themes.Prompt)
		c.Tint(0, y, c.W, themes.Cursor)
	}
}

// troubleHint is the keys that do what the hint of line i says: `!` and the line's
// digit go to it first, unless `!` has gone to it already.
func (w *workspace) troubleHint(i int, t *trouble) string {
	switch {
	case w.watch.active && t.id == w.watch.at:
		return "[" + t.hint + "]"
	case w.watch.active:
		return fmt.Sprintf("[%d %s]", i+1, t.hint)
	}
	return fmt.Sprintf("[%s %d %s]", w.keyOf("trouble", "!"), i+1, t.hint)
}

// wellText says since when nothing is wrong.
func (w *workspace) wellText() string {
	text := "all well since " + w.dated(w.watch.wellSince(&w.frame))
	if n := len(w.watch.list); n > 0 {
		text = fmt.Sprintf("nothing else is wrong: %d snoozed", n)
	}
	return text
}

// alarms is what the header says first: how much of which trouble there is. short
// has signs in place of words.
func (w *workspace) alarms(short bool) (list []screen.Segment) {
	add := func(s sign, n int) {
		text := fmt.Sprintf("%s %d", s.word, n)
		if short {
			text = fmt.Sprintf("%c%d", s.mark, n)
		}
		list = append(list, screen.Segment{Text: text, Role: s.role, Gap: 2})
	}
	for kind := range troubleKinds {
		if n := w.watch.count(kind); n > 0 && kind != troubleQueue {
			add(troubleWords[kind], n)
		}
	}
	n := totalsOf(w.stats.status)
	if len(list) == 0 && len(w.watch.list) == 0 {
		list = append(list, screen.Segment{Text: fmt.Sprintf("UP %d/%d", n.up, n.backends), Role: themes.OK, Gap: 2})
	}
	if n.waiting > 0 {
		list = append(list, screen.Segment{Text: "Q " + screen.Count(float64(n.waiting)), Role: themes.Warn, Gap: 2})
	}
	return list
}

func segmentsWidth(list []screen.Segment) (n int) {
	for _, s := range list {
		n += s.Gap + screen.Width(s.Text)
	}
	return n
}
