package tui

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/tcpctl/tcpctl/themes"
	"github.com/tcpctl/tcpctl/tui/internal/screen"
)

// troubleRoom returns how many lines the strip may take.
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

// troubleLines returns what the strip shows on this screen, and how many troubles are snoozed.
func (w *workspace) troubleLines() (lines []trouble, snoozed int) {
	return w.watch.shown(troubleRoom(w.width, w.height))
}

// troubleHeight returns how many lines the strip takes.
func (w *workspace) troubleHeight() int {
	if w.past != nil {
		return timelineHeight(w.width, w.height)
	}
	room := troubleRoom(w.width, w.height)
	lines, _ := w.watch.shown(room)
	return min(max(len(lines), 1), room)
}

// drawTroubles draws the strip from line y on: what is wrong, worst first. It is one line when all
// is well.
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
	text, hint := w.troubleText(i, t, c.W-x-1, c.W >= 60)
	c.Right(c.W-1, y, hint, themes.TextDim)
	c.Text(x, y, screen.Clip(text, max(c.W-x-1-screen.Width(hint), 0), e), themes.Text)
	if t.id == w.watch.at && w.watch.active {
		c.Fill(0, y, 1, '>', themes.Prompt)
		c.Tint(0, y, c.W, themes.Cursor)
	}
}

// troubleText returns the text of line i for that many columns, and the keys at its end. Both are
// shortened to fit; the keys lose their verb first.
func (w *workspace) troubleText(i int, t *trouble, room int, keys bool) (text, hint string) {
	brief := cmp.Or(t.brief, t.text)
	least := cmp.Or(t.least, brief)
	if !keys || t.folds > 0 || i >= 9 {
		return screen.FirstFit(room, t.text, brief, least), ""
	}
	press, verb := w.troubleKeys(i, t)
	for _, text := range []string{t.text, brief, least} {
		for _, hint := range []string{"  [" + strings.TrimSpace(press+" "+verb) + "]", "  [" + press + "]"} {
			if screen.Width(text)+screen.Width(hint) <= room {
				return text, hint
			}
		}
	}
	if w.width < 80 {
		return screen.FirstFit(room, brief, least), "" // its words matter more
	}
	return least, "  [" + press + "]"
}

// troubleKeys returns the keys that end the trouble of line i, or show its details if the console
// may not act: first `!` and the line's digit, unless `!` is there already.
func (w *workspace) troubleKeys(i int, t *trouble) (press, verb string) {
	press = "enter"
	for _, b := range w.keys.in(w.panes[t.pane].name()) {
		if b.name == t.key && w.cannotAct() == "" {
			press, verb = keyName(b.Keys()[0]), t.verb
		}
	}
	switch {
	case w.watch.active && t.id == w.watch.at:
		return press, verb
	case w.watch.active:
		return fmt.Sprintf("%d %s", i+1, press), verb
	}
	return fmt.Sprintf("%s %d %s", w.keyOf("trouble", "!"), i+1, press), verb
}

// wellText says since when all is well.
func (w *workspace) wellText() string {
	text := "all well since " + w.dated(w.watch.wellSince(&w.frame))
	if n := len(w.watch.list); n > 0 {
		text = fmt.Sprintf("nothing else is wrong: %d snoozed", n)
	}
	return text
}

// alarms returns the header's first segments: how many troubles of each kind there are. With short,
// signs replace words.
func (w *workspace) alarms(short bool) (list []screen.Segment) {
	add := func(s sign, n int) {
		text := fmt.Sprintf("%s %d", s.word, n)
		if short {
			text = fmt.Sprintf("%c%d", s.mark, n)
		}
		list = append(list, screen.Segment{Text: text, Role: s.role, Gap: 2})
	}
	if text := noQuorum(w.stats.status); text != "" {
		if short {
			text, _, _ = strings.Cut(text, ":")
		}
		list = append(list, screen.Segment{Text: text, Role: themes.Error, Gap: 2})
	}
	for kind := range troubleKinds {
		if n := w.watch.count(kind); n > 0 && kind != troubleQueue && kind != troubleQuorum {
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
