package tui

import (
	"fmt"
	"strings"

	"github.com/charmbracelet/bubbles/textinput"
	"github.com/charmbracelet/bubbles/viewport"
	tea "github.com/charmbracelet/bubbletea"

	"github.com/tcpctl/tcpctl/proxy/api"
	"github.com/tcpctl/tcpctl/themes"
	"github.com/tcpctl/tcpctl/tui/internal/screen"
)

// helpBox lists what keys do in a pane, from the table of keys: first what works here and now, acts
// before the rest, then what does not work and why. Typing searches.
type helpBox struct {
	pane   string
	keys   *keymap
	search textinput.Model
	scroll viewport.Model
}

func showHelp(w *workspace) intent {
	return open{&helpBox{pane: w.pane().name(), keys: w.keys, search: newInput(""), scroll: newScroll()}}
}

func (h *helpBox) hint(*frame) string { return "type to search   up/down scroll   esc close" }

func (h *helpBox) key(_ *frame, k tea.KeyMsg) intent {
	switch k.String() {
	case "esc", "ctrl+c", "enter":
		return closeAnd{}
	case "up", "down", "pgup", "pgdown", "ctrl+u", "ctrl+d":
		h.scroll, _ = h.scroll.Update(k)
		return nil
	case "?":
		if h.search.Value() == "" {
			return closeAnd{} // the key that opened it
		}
	}
	h.search, _ = h.search.Update(k)
	h.scroll.GotoTop()
	return nil
}

// helpLine is one key, or one command, and what it does.
type helpLine struct {
	keys, text, note string
	role             themes.Role
}

// helpSection is some of these lines under a title.
type helpSection struct {
	title string
	lines []helpLine
}

// sections returns the whole help of a pane.
func (h *helpBox) sections(f *frame) []helpSection {
	acts, own, off := helpSection{title: "Acts that work here and now"}, helpSection{title: "Keys that work here and now"}, helpSection{title: "Off now"}
	for _, b := range h.keys.in(h.pane) {
		l := helpLine{keys: showKeys(b.Keys()), text: b.help, role: themes.Text}
		if b.act != "" && b.name != "note" && !strings.HasPrefix(b.help, b.act) {
			l.text += " = :" + b.act
		}
		if was := h.keys.remapped[b.name]; was != "" {
			l.note = "was " + was
		}
		switch why := b.disabled(f); {
		case why != "":
			l.role, l.note = themes.KeyOff, strings.TrimPrefix(l.note+", ", ", ")+"off: "+why
			off.lines = append(off.lines, l)
		case b.act != "":
			acts.lines = append(acts.lines, l)
		default:
			own.lines = append(own.lines, l)
		}
	}
	return []helpSection{acts, own, off, commandHelp(), filterHelp()}
}

// commandHelp lists the acts as commands, and the console's own commands.
func commandHelp() helpSection {
	s := helpSection{title: ": the words of the command line"}
	for _, a := range api.Acts {
		text := a.Short
		for i, p := range a.Params {
			if i == 0 {
				text += " "
			}
			text += " --" + p.Name
		}
		s.lines = append(s.lines, helpLine{keys: ":" + a.Use(), text: text, role: themes.Text})
	}
	for _, w := range [][2]string{{":status :sessions [SERVICE]", "the pane, narrowed to a service"}, {":queue [SERVICE]", "its waiters"}, {":report [ID]", "of the last restart, window or roll"},
		{":fleet", "all nodes in one table"}, {":peer NODE", "another node"}, {":mouse on|off", "wheel and click select"}} {
		s.lines = append(s.lines, helpLine{keys: w[0], text: w[1], role: themes.Text})
	}
	return s
}

func filterHelp() helpSection {
	s := helpSection{title: "/ filter: all words must match"}
	for _, term := range [][2]string{{"word", "in any column"}, {"!word", "in no column"}, {"~pgb", "these letters in this order"},
		{"state:down", "in that column"}, {"act>100", "a number: > < >= <= =, with 10k, 30s, 5m"}} {
		s.lines = append(s.lines, helpLine{keys: term[0], text: term[1], role: themes.Text})
	}
	s.lines = append(s.lines, helpLine{keys: "signs", text: "+ up   ~ drain   = maint   ! down   ? first checks   x error   o idle", role: themes.Text})
	return s
}

// helpRow is one line of the box: a title, or the lines of one or two columns.
type helpRow struct {
	title string
	cells [2]helpLine
}

// rows returns the lines that match the search, wrapped, in columns.
func (h *helpBox) rows(f *frame, columns, keyW, textW int) (rows []helpRow) {
	want := strings.ToLower(strings.TrimSpace(h.search.Value()))
	for _, s := range h.sections(f) {
		var lines []helpLine
		for _, l := range s.lines {
			if want == "" || strings.Contains(strings.ToLower(l.keys+" "+l.text+" "+l.note), want) {
				lines = append(lines, wrapHelp(l, keyW, textW)...)
			}
		}
		if len(lines) == 0 {
			continue
		}
		if len(rows) > 0 {
			rows = append(rows, helpRow{})
		}
		rows = append(rows, helpRow{title: s.title})
		half := (len(lines) + columns - 1) / columns
		for half < len(lines) && lines[half].keys == "" {
			half++ // keep wrapped lines in one column
		}
		for i := range half {
			row := helpRow{cells: [2]helpLine{lines[i]}}
			if half+i < len(lines) {
				row.cells[1] = lines[half+i]
			}
			rows = append(rows, row)
		}
	}
	return rows
}

// wrapHelp wraps a line of help to the width of a column.
func wrapHelp(l helpLine, keyW, textW int) (lines []helpLine) {
	if screen.Width(l.keys) > keyW-1 { // a line of its own
		lines = append(lines, helpLine{keys: l.keys, role: l.role})
		l.keys = ""
	}
	text := l.text
	if l.note != "" {
		text += " (" + l.note + ")"
	}
	for i, part := range screen.Wrap(text, textW) {
		if i > 0 {
			l.keys = ""
		}
		lines = append(lines, helpLine{keys: l.keys, text: part, role: l.role})
	}
	return lines
}

func (h *helpBox) draw(f *frame, c *screen.Canvas) {
	box := drawWindow(f, c, max(c.W-4, 20), max(c.H-3, 4), "Help: "+h.pane, "")
	columns, keyW := 1, 10
	if box.W >= 70 {
		columns = 2
	}
	colW := (box.W - 3) / columns
	rows := h.rows(f, columns, keyW, colW-keyW-2)
	x := box.Text(2, 0, "search: ", themes.Prompt)
	drawInput(box, x, 0, max(box.W-x-12, 1), &h.search, true)
	room := max(box.H-2, 0)
	fitScroll(&h.scroll, len(rows), room)
	for y := range min(room, len(rows)-h.scroll.YOffset) {
		r := rows[h.scroll.YOffset+y]
		if r.title != "" {
			box.Text(2, y+2, r.title, themes.Title)
		}
		for i := range columns {
			l, k := r.cells[i], themes.Key
			if l.role == themes.KeyOff {
				k = themes.KeyOff
			}
			if l.keys+l.text != "" {
				box.Text(2+i*colW, y+2, l.keys, k)
				box.Text(2+i*colW+keyW, y+2, l.text, l.role)
			}
			if l.text == "" && screen.Width(l.keys) > colW-1 {
				box.Fill(2+(i+1)*colW-2, y+2, 1, f.theme.Glyphs.Ellipsis, k)
			}
		}
	}
	switch {
	case len(rows) == 0:
		box.Text(2, 2, "nothing found", themes.TextDim)
	case len(rows) > room:
		box.Right(box.W-1, 0, fmt.Sprintf("%d-%d of %d", h.scroll.YOffset+1, min(h.scroll.YOffset+room, len(rows)), len(rows)), themes.TextDim)
	}
}
