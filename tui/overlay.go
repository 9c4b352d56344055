package tui

import (
	"strings"

	"github.com/charmbracelet/bubbles/textinput"
	tea "github.com/charmbracelet/bubbletea"

	"github.com/tcpctl/tcpctl/themes"
)

// overlay stands before the panes and has the keys: a question, a list, a
// line to type in.
type overlay interface {
	key(*model, tea.KeyMsg) tea.Cmd
	draw(*model, *canvas)
	hint() string // in place of the key line
}

// window draws an empty box in the middle and returns its inside. Where the
// screen is small, it takes all of it.
func (m *model) window(c *canvas, w, h int, title, foot string) *canvas {
	if c.w < w+4 {
		w = c.w
	}
	if c.h < h+2 {
		h = c.h
	}
	r := rect{(c.w - w) / 2, (c.h - h) / 2, w, h}
	c.sub(r.x, r.y, r.w, r.h).clear(is(themes.Text))
	return m.frame(c, r, title, foot, true)
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
func drawInput(c *canvas, x, y, w int, in *textinput.Model, focused bool) {
	text := []rune(in.Value())
	at := min(in.Position(), len(text))
	from := 0
	for from < at && width(safe(string(text[from:at])))+1 > w {
		from++
	}
	box := c.sub(x, y, w, 1)
	box.text(0, 0, safe(string(text[from:])), is(themes.Text))
	if focused {
		box.tint(width(safe(string(text[from:at]))), 0, 1, themes.Surface, reverse)
		if m := width(safe(string(text[from:at]))); m < box.w && box.row(0)[m].r == ' ' {
			box.fill(m, 0, 1, '_', ink{themes.Text, themes.Surface, reverse})
		}
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

func (p *picker) draw(m *model, c *canvas) {
	w := width(p.title) + 6
	for _, item := range p.items {
		w = max(w, width(item)+6)
	}
	box := m.window(c, min(w, c.w), min(len(p.items)+2, c.h), p.title, "")
	top := max(p.at-box.h+1, 0)
	for i := top; i < len(p.items) && i-top < box.h; i++ {
		y := i - top
		box.text(2, y, cut(p.items[i], box.w-3), is(themes.Text))
		if i == p.at {
			box.fill(0, y, 1, '>', is(themes.Prompt))
			box.tint(0, y, box.w, themes.Cursor, 0)
		}
	}
}

// pickSort chooses the column to sort by.
func pickSort(m *model) tea.Cmd {
	g := m.pane().grid()
	names, by, desc := g.sorts()
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
			g.setSort(0, false)
		} else {
			g.setSort(cols[i-1], desc && cols[i-1] == by)
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

func (d *detailsBox) draw(m *model, c *canvas) {
	const name = 11
	w := min(90, c.w)
	type line struct{ name, text string }
	var lines []line
	for _, f := range d.facts {
		for i, part := range append(wrap(f.value, w-name-4), "")[:max(1, len(wrap(f.value, w-name-4)))] {
			if i == 0 {
				lines = append(lines, line{f.name, part})
			} else {
				lines = append(lines, line{"", part})
			}
		}
	}
	box := m.window(c, w, min(len(lines)+2, c.h), strings.TrimSpace(d.title), "")
	d.top = min(d.top, max(len(lines)-box.h, 0))
	for y := range min(box.h, len(lines)-d.top) {
		l := lines[d.top+y]
		box.text(1, y, l.name, is(themes.TextDim))
		box.text(1+name, y, l.text, is(themes.Text))
	}
}
