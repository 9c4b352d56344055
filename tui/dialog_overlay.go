package tui

import (
	"strings"

	"github.com/charmbracelet/bubbles/textinput"
	tea "github.com/charmbracelet/bubbletea"

	"github.com/tcpctl/tcpctl/themes"
	"github.com/tcpctl/tcpctl/tui/internal/screen"
)

// overlay stands before the panes and has the keys: a question, a list, a
// line to type in.
type overlay interface {
	key(*model, tea.KeyMsg) tea.Cmd
	draw(*model, *screen.Canvas)
	hint() string // in place of the key line
}

// window draws an empty box in the middle and returns its inside. Where the
// screen is small, it takes all of it.
func (m *model) window(c *screen.Canvas, w, h int, title, foot string) *screen.Canvas {
	if c.W < w+4 {
		w = c.W
	}
	if c.H < h+2 {
		h = c.H
	}
	r := screen.Rect{X: (c.W - w) / 2, Y: (c.H - h) / 2, W: w, H: h}
	c.Sub(r.X, r.Y, r.W, r.H).Clear()
	return screen.Box(c, r, &m.theme.Glyphs, title, foot, true)
}

// newInput is a line to type in. Its cursor is drawn by us and does not
// blink: a screen that blinks is never idle.
func newInput(text string) textinput.Model {
	in := textinput.New()
	in.Prompt = ""
	in.CharLimit = 400
	in.KeyMap.Paste.SetEnabled(false) // it would run a program to ask the clipboard
	in.SetValue(text)
	in.CursorEnd()
	in.Focus()
	return in
}

// drawInput draws what was typed, w columns of it around the cursor.
func drawInput(c *screen.Canvas, x, y, w int, in *textinput.Model, focused bool) {
	text := []rune(in.Value())
	at := min(in.Position(), len(text))
	from := 0
	for from < at && screen.Width(screen.Safe(string(text[from:at])))+1 > w {
		from++
	}
	box := c.Sub(x, y, w, 1)
	box.Text(0, 0, screen.Safe(string(text[from:])), themes.Text)
	if focused {
		cursor := screen.Width(screen.Safe(string(text[from:at])))
		if cursor < box.W && box.Row(0)[cursor].Rune == ' ' {
			box.Fill(cursor, 0, 1, '_', themes.Text)
		}
		box.Reverse(cursor, 0, 1)
	}
}

// picker is a short list to choose from.
type picker struct {
	title   string
	items   []string
	at      int
	preview func(*model, int)
	choose  func(*model, int) tea.Cmd
	cancel  func(*model)
}

func (p *picker) hint() string { return "up/down move   enter choose   esc cancel" }

func (p *picker) key(m *model, k tea.KeyMsg) tea.Cmd {
	before := p.at
	switch k.String() {
	case "down", "j", "tab":
		p.at = (p.at + 1) % len(p.items)
	case "up", "k", "shift+tab":
		p.at = (p.at + len(p.items) - 1) % len(p.items)
	case "enter":
		m.pop()
		return p.choose(m, p.at)
	case "esc", "q", "ctrl+c":
		m.pop()
		if p.cancel != nil {
			p.cancel(m)
		}
		return nil
	}
	if p.at != before && p.preview != nil {
		p.preview(m, p.at)
	}
	return nil
}

func (p *picker) draw(m *model, c *screen.Canvas) {
	w := screen.Width(p.title) + 6
	for _, item := range p.items {
		w = max(w, screen.Width(item)+6)
	}
	box := m.window(c, min(w, c.W), min(len(p.items)+2, c.H), p.title, "")
	top := max(p.at-box.H+1, 0)
	for i := top; i < len(p.items) && i-top < box.H; i++ {
		y := i - top
		box.Text(2, y, screen.Cut(p.items[i], box.W-3), themes.Text)
		if i == p.at {
			box.Fill(0, y, 1, '>', themes.Prompt)
			box.Tint(0, y, box.W, themes.Cursor)
		}
	}
}

// pickSort chooses the column to sort by.
func pickSort(m *model) tea.Cmd {
	g := m.pane().grid()
	names, by, desc := g.Sorts()
	items := []string{"as they come"}
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
	m.push(&picker{title: "Sort by", items: items, at: at, choose: func(_ *model, i int) tea.Cmd {
		if i == 0 {
			g.SetSort(0, false)
		} else {
			g.SetSort(cols[i-1], desc && cols[i-1] == by)
		}
		return nil
	}})
	return nil
}

// detailsBox is all about one row.
type detailsBox struct {
	title string
	facts []fact
	top   int
}

func showDetails(m *model) tea.Cmd {
	if title, facts := m.pane().details(); title != "" {
		m.push(&detailsBox{title: title, facts: facts})
	}
	return nil
}

func (d *detailsBox) hint() string { return "up/down scroll   esc back" }

func (d *detailsBox) key(m *model, k tea.KeyMsg) tea.Cmd {
	switch k.String() {
	case "down", "j":
		d.top++
	case "up", "k":
		d.top = max(d.top-1, 0)
	case "esc", "enter", "q", "ctrl+c":
		m.pop()
	}
	return nil
}

func (d *detailsBox) draw(m *model, c *screen.Canvas) {
	const name = 11
	w := min(90, c.W)
	type line struct{ name, text string }
	var lines []line
	for _, f := range d.facts {
		for i, part := range append(screen.Wrap(f.value, w-name-4), "")[:max(1, len(screen.Wrap(f.value, w-name-4)))] {
			if i == 0 {
				lines = append(lines, line{f.name, part})
			} else {
				lines = append(lines, line{"", part})
			}
		}
	}
	box := m.window(c, w, min(len(lines)+2, c.H), strings.TrimSpace(d.title), "")
	d.top = min(d.top, max(len(lines)-box.H, 0))
	for y := range min(box.H, len(lines)-d.top) {
		l := lines[d.top+y]
		box.Text(1, y, l.name, themes.TextDim)
		box.Text(1+name, y, l.text, themes.Text)
	}
}
