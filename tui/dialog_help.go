package tui

import (
	"strings"

	tea "github.com/charmbracelet/bubbletea"

	"github.com/charmbracelet/bubbles/textinput"

	"github.com/tcpctl/tcpctl/proxy/api"
	"github.com/tcpctl/tcpctl/themes"
	"github.com/tcpctl/tcpctl/tui/internal/screen"
)

// helpBox lists what keys do in a pane, made from the table of keys: with what
// has been remapped, and why a key does nothing now. Typing searches.
type helpBox struct {
	pane   string
	keys   *keymap
	search textinput.Model
	top    int
}

func showHelp(w *workspace) intent {
	return open{&helpBox{pane: w.pane().name(), keys: w.keys, search: newInput("")}}
}

func (h *helpBox) hint(*frame) string { return "type to search   up/down scroll   esc close" }

func (h *helpBox) key(f *frame, k tea.KeyMsg) intent {
	switch k.String() {
	case "esc", "ctrl+c", "enter":
		return closeAnd{}
	case "down":
		h.top++
	case "up":
		h.top--
	case "pgdown", "ctrl+d":
		h.top += f.height / 2
	case "pgup", "ctrl+u":
		h.top -= f.height / 2
	case "?":
		if h.search.Value() == "" {
			return closeAnd{} // the key that opened it
		}
		fallthrough
	default:
		h.search, _ = h.search.Update(k)
		h.top = 0
	}
	return nil
}

type helpLine struct {
	keys, text, note string
	role             themes.Role
}

// lines is the whole help of a pane.
func (h *helpBox) lines(f *frame) (lines []helpLine) {
	for _, b := range h.keys.in(h.pane) {
		l := helpLine{keys: b.Help().Key, text: b.help, role: themes.Text}
		if b.act != "" && b.name != "note" {
			l.text += "   = :" + b.act
		}
		if was := h.keys.remapped[b.name]; was != "" {
			l.note = "was " + was
		}
		if why := b.disabled(f); why != "" {
			l.role, l.note = themes.KeyOff, strings.TrimPrefix(l.note+", ", ", ")+"off: "+why
		}
		lines = append(lines, l)
	}
	lines = append(lines, helpLine{}, helpLine{keys: ":", text: "acts, in the words of the command line", role: themes.Title})
	for _, a := range api.Acts {
		text := a.Short
		for i, p := range a.Params {
			if i == 0 {
				text += " "
			}
			text += " --" + p.Name
		}
		lines = append(lines, helpLine{keys: ":" + a.Use(), text: text, role: themes.Text})
	}
	lines = append(lines, helpLine{}, helpLine{keys: "/", text: "filter: all words must match", role: themes.Title})
	for _, term := range [][2]string{{"word", "in any column"}, {"!word", "in no column"}, {"~pgb", "these letters in this order"},
		{"state:down", "in that column"}, {"act>100", "a number: > < >= <= =, with 10k, 30s, 5m"}} {
		lines = append(lines, helpLine{keys: term[0], text: term[1], role: themes.Text})
	}
	lines = append(lines, helpLine{}, helpLine{keys: "signs", text: "+ up   ~ drain   = maint   ! down   ? first checks   x error   o idle", role: themes.Text})
	return lines
}

// rows is the lines that the search finds, wrapped.
func (h *helpBox) rows(f *frame, keyW, textW int) (rows []helpLine) {
	want := strings.ToLower(strings.TrimSpace(h.search.Value()))
	for _, l := range h.lines(f) {
		if want != "" && (l.keys == "" || !strings.Contains(strings.ToLower(l.keys+" "+l.text+" "+l.note), want)) {
			continue
		}
		if screen.Width(l.keys) > keyW-1 { // a line of its own
			rows = append(rows, helpLine{keys: l.keys, role: l.role})
			l.keys = ""
		}
		text := l.text
		if l.note != "" {
			text += "  (" + l.note + ")"
		}
		parts := screen.Wrap(text, textW)
		if len(parts) == 0 {
			parts = []string{""}
		}
		for i, part := range parts {
			if i > 0 {
				l.keys = ""
			}
			rows = append(rows, helpLine{keys: l.keys, text: part, role: l.role})
		}
	}
	return rows
}

func (h *helpBox) draw(f *frame, c *screen.Canvas) {
	box := drawWindow(f, c, max(c.W-4, 20), max(c.H-3, 4), "Help: "+h.pane, "")
	keyW := 18
	if box.W < 60 {
		keyW = 10
	}
	rows := h.rows(f, keyW, box.W-keyW-3)
	x := box.Text(2, 0, "search: ", themes.Prompt)
	drawInput(box, x, 0, max(box.W-x-2, 1), &h.search, true)
	room := box.H - 2
	h.top = max(min(h.top, len(rows)-room), 0)
	for y := range min(max(room, 0), len(rows)-h.top) {
		l := rows[h.top+y]
		k := themes.Key
		if l.role == themes.KeyOff {
			k = themes.KeyOff
		}
		box.Text(2, y+2, l.keys, k)
		box.Text(2+keyW, y+2, l.text, l.role)
	}
	if len(rows) == 0 {
		box.Text(2, 2, "nothing found", themes.TextDim)
	}
	if h.top+room < len(rows) {
		box.Fill(box.W-2, box.H-1, 1, f.theme.Glyphs.Down, themes.TextDim)
	}
}
