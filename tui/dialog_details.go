package tui

import (
	"strings"

	tea "github.com/charmbracelet/bubbletea"
	"github.com/tcpctl/tcpctl/themes"
	"github.com/tcpctl/tcpctl/tui/internal/screen"
)

// fact is one line of a row's details.
type fact struct{ name, value string }

// detailsBox is all about one row.
type detailsBox struct {
	title string
	facts []fact
	top   int
}

func (d *detailsBox) hint() string { return "up/down scroll   esc back" }

func (d *detailsBox) key(_ *frame, k tea.KeyMsg) intent {
	switch k.String() {
	case "down", "j":
		d.top++
	case "up", "k":
		d.top = max(d.top-1, 0)
	case "esc", "enter", "q", "ctrl+c":
		return closeAnd{}
	}
	return nil
}

func (d *detailsBox) draw(f *frame, c *screen.Canvas) {
	const name = 11
	w := min(90, c.W)
	type line struct{ name, text string }
	var lines []line
	for _, fact := range d.facts {
		parts := screen.Wrap(fact.value, w-name-4)
		if len(parts) == 0 {
			parts = []string{""}
		}
		for i, part := range parts {
			label := fact.name
			if i > 0 {
				label = ""
			}
			lines = append(lines, line{label, part})
		}
	}
	box := drawWindow(f, c, w, min(len(lines)+2, c.H), strings.TrimSpace(d.title), "")
	d.top = min(d.top, max(len(lines)-box.H, 0))
	for y := range min(box.H, len(lines)-d.top) {
		l := lines[d.top+y]
		box.Text(1, y, l.name, themes.TextDim)
		box.Text(1+name, y, l.text, themes.Text)
	}
}
