package tui

import (
	"strings"

	tea "github.com/charmbracelet/bubbletea"

	"github.com/tcpctl/tcpctl/themes"
	"github.com/tcpctl/tcpctl/tui/internal/screen"
)

// yesNo is a one-line question below the effects of the act. Enter means no, since it is pressed
// without reading.
type yesNo struct{ p *proposal }

func (q *yesNo) freezes() bool { return true }
func (q *yesNo) tiny() string  { return "no room: esc   " + q.p.question() }

func (q *yesNo) hint(f *frame) string {
	if q.plan(f) == nil {
		return "not all of it can be shown here: esc, or a larger window"
	}
	return "y yes   N no   tab options   = " + screen.Safe(q.p.requestLine())
}

func (q *yesNo) key(f *frame, k tea.KeyMsg) intent {
	if k.Paste {
		return nil
	}
	key := k.String()
	if key != "esc" && key != "ctrl+c" && q.plan(f) == nil {
		return nil // what cannot be read cannot be confirmed
	}
	switch key {
	case "y", "Y":
		if why := q.p.recheck(f); why != "" {
			return closeAnd{refuse("nothing was done: " + why)}
		}
		before := q.p.level
		if q.p.judge(f); q.p.level > before {
			d := newDialog(f, q.p)
			d.err = impactGrew
			return closeAnd{open{d}}
		}
		return closeAnd{perform{q.p}}
	case "n", "N", "esc", "enter", "q", "ctrl+c":
		return closeAnd{q.p.notDone()}
	case "tab":
		d := newDialog(f, q.p)
		if plan := d.plan(f); plan != nil && plan.fields && len(d.fields) > 0 {
			d.at = 1 // tab opens the dialog for its options
		}
		return closeAnd{open{d}}
	}
	return nil
}

// yesNoPlan has the lines of a question: the effects, and the question itself.
type yesNoPlan struct{ effects, question []string }

// plan returns nil if the screen has no room for all lines.
func (q *yesNo) plan(f *frame) *yesNoPlan {
	if shapeOf(f.width, f.height) == shapeTiny {
		return nil
	}
	dot := " " + string(f.theme.Glyphs.Dot) + " "
	text := q.p.question() + " [y/N]"
	if q.p.old > 0 {
		text += "  " + q.p.oldText()
	}
	p := &yesNoPlan{question: screen.Wrap(text, f.width-4)}
	if all := strings.Join(q.p.effects(), dot); all != "" {
		p.effects = screen.Wrap(all, f.width-4)
	}
	if len(p.question)+len(p.effects)+2 > f.height {
		return nil
	}
	return p
}

func (q *yesNo) draw(f *frame, c *screen.Canvas) {
	p := q.plan(f)
	if p == nil {
		drawNoRoom(f, c, q.p.question())
		return
	}
	y := c.H - 1 - len(p.question) - len(p.effects)
	for _, line := range p.effects {
		c.Fill(0, y, c.W, ' ', themes.Text)
		c.Text(3, y, line, themes.Text)
		y++
	}
	for i, line := range p.question {
		c.Fill(0, y, c.W, ' ', themes.Text)
		if i == 0 {
			c.Text(1, y, ">", themes.Prompt)
		}
		before, answer, found := strings.Cut(line, "[y/N]")
		x := c.Text(3, y, before, themes.Title)
		if found {
			x = c.Text(x, y, "[y/N]", themes.Key)
			c.Text(x, y, answer, themes.Stale)
		}
		y++
	}
}

// drawNoRoom says that there is no room to show a question, and so none to answer it.
func drawNoRoom(f *frame, c *screen.Canvas, title string) {
	box := drawWindow(f, c, dialogWidth, c.H, screen.Clip(title, max(min(dialogWidth, c.W)-6, 1), f.theme.Glyphs.Ellipsis), "")
	y := 0
	for _, line := range screen.Wrap("There is no room to show what this would do. Nothing can be confirmed here: press esc, or make the window larger.", box.W-1) {
		box.Text(1, y, line, themes.Warn)
		y++
	}
}
