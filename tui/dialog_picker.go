package tui

import (
	"github.com/charmbracelet/bubbles/paginator"
	tea "github.com/charmbracelet/bubbletea"

	"github.com/tcpctl/tcpctl/themes"
	"github.com/tcpctl/tcpctl/tui/internal/screen"
)

// picker is a short list to choose from.
type picker struct {
	title   string
	items   []string
	at      int
	preview func(int) intent // shows an item when the cursor moves to it; nil: no preview
	choose  func(int) intent
	cancel  intent
}

func (p *picker) hint(*frame) string { return "up/down move   enter choose   esc cancel" }

func (p *picker) key(_ *frame, k tea.KeyMsg) intent {
	before := p.at
	switch k.String() {
	case "down", "j", "tab":
		p.at = (p.at + 1) % len(p.items)
	case "up", "k", "shift+tab":
		p.at = (p.at + len(p.items) - 1) % len(p.items)
	case "enter":
		return closeAnd{p.choose(p.at)}
	case "esc", "q", "ctrl+c":
		return closeAnd{p.cancel}
	}
	if p.at != before && p.preview != nil {
		return p.preview(p.at)
	}
	return nil
}

func (p *picker) draw(f *frame, c *screen.Canvas) {
	w := screen.Width(p.title) + 6
	for _, item := range p.items {
		w = max(w, screen.Width(item)+6)
	}
	h := min(len(p.items)+2, c.H)
	pages := paginator.New(paginator.WithPerPage(max(h-2, 1)))
	pages.Page = p.at / pages.PerPage
	foot := ""
	if pages.SetTotalPages(len(p.items)) > 1 {
		foot = pages.View()
	}
	box := drawWindow(f, c, min(w, c.W), h, p.title, foot)
	top, end := pages.GetSliceBounds(len(p.items))
	for i := top; i < end; i++ {
		y := i - top
		box.Text(2, y, screen.Cut(p.items[i], box.W-3), themes.Text)
		if i == p.at {
			box.Fill(0, y, 1, '>', themes.Prompt)
			box.Tint(0, y, box.W, themes.Cursor)
		}
	}
}

// askSort asks for the column by which to sort.
func askSort(g grid) intent {
	names, by, desc := g.Sorts()
	items := []string{"sickest first"}
	at := 0
	var cols []int
	for i, name := range names {
		if name == "" {
			continue
		}
		cols = append(cols, i+1)
		if i+1 == by {
			at = len(cols)
		}
		items = append(items, name)
	}
	return open{&picker{title: "Sort by", items: items, at: at, choose: func(i int) intent {
		if i == 0 {
			g.SetSort(0, false)
		} else {
			g.SetSort(cols[i-1], g.Falls(cols[i-1]))
			if cols[i-1] == by {
				g.SetSort(by, desc)
			}
		}
		return nil
	}}}
}
