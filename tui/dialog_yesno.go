package tui

import (
	"strings"

	tea "github.com/charmbracelet/bubbletea"

	"github.com/tcpctl/tcpctl/themes"
	"github.com/tcpctl/tcpctl/tui/internal/screen"
)

// yesNo is a question of one line, above it what the answer would do. Enter is
// no: it is pressed without reading.
type yesNo struct{ p *proposal }

func (q *yesNo) freezes() bool { return true }
func (q *yesNo) tiny() string  { return q.p.question() + " y/N" }
func (q *yesNo) hint() string {
	return "y yes   N no   tab options   = " + screen.Safe(q.p.requestLine())
}

func (q *yesNo) key(f *frame, k tea.KeyMsg) intent {
	if k.Paste {
		return nil
	}
	switch k.String() {
	case "y", "Y":
		if why := q.p.recheck(f); why != "" {
			return closeAnd{refuse("nothing was done: " + why)}
		}
		before := q.p.level
		if q.p.judge(f); q.p.level > before {
			d := newDialog(q.p)
			d.err = impactGrew
			return closeAnd{open{d}}
		}
		return closeAnd{perform{q.p}}
	case "n", "N", "esc", "enter", "q", "ctrl+c":
		return closeAnd{q.p.notDone()}
	case "tab":
		return closeAnd{open{newDialog(q.p)}}
	}
	return nil
}

func (q *yesNo) draw(f *frame, c *screen.Canvas) {
	y := max(c.H-2, 0)
	c.Fill(0, y, c.W, ' ', themes.Text)
	x := c.Text(1, y, "> ", themes.Prompt)
	x = c.Text(x, y, q.p.question(), themes.Title)
	x = c.Text(x+1, y, "[y/N]", themes.Key)
	if q.p.old > 0 {
		c.Text(x+2, y, q.p.oldText(), themes.Stale)
	}
	if y > 1 {
		c.Fill(0, y-1, c.W, ' ', themes.Text)
		c.Text(3, y-1, screen.Cut(strings.Join(q.p.effects(), " "+string(f.theme.Glyphs.Dot)+" "), max(c.W-4, 0)), themes.Text)
	}
}
