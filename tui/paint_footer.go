package tui

import (
	"slices"
	"strings"

	"github.com/charmbracelet/bubbles/help"
	"github.com/charmbracelet/bubbles/key"

	"github.com/tcpctl/tcpctl/themes"
	"github.com/tcpctl/tcpctl/tui/internal/screen"
)

// messageLine returns the line of the message: above the keys, or in their place if there is no
// other.
func messageLine(h int) int {
	if h < 8 {
		return h - 1
	}
	return h - 2
}

// messageLines bounds how many lines a message takes.
const messageLines = 3

// draw draws the message. A warning or an error has more lines, over those of the panes, if one
// does not hold it: what to do next is at its end. Other messages are cut; Events has all of them.
func (l *message) draw(w *workspace, c *screen.Canvas, alone bool) {
	if l.text == "" {
		return
	}
	hint := "[" + w.keyOf("dismiss", "esc") + "] dismiss"
	room := max(c.W-4, 0)
	if c.W >= 60 {
		room -= screen.Width(hint) + 2
	}
	lines := []string{l.text}
	if alone && c.H >= 12 && (l.role == themes.Warn || l.role == themes.Error) && screen.Width(l.text) > room {
		lines = screen.Wrap(l.text, room)
	}
	if len(lines) > messageLines {
		lines[messageLines-1] = strings.Join(lines[messageLines-1:], " ")
		lines = lines[:messageLines]
	}
	y := messageLine(c.H) - len(lines) + 1
	for i, line := range lines {
		c.Fill(0, y+i, c.W, ' ', themes.Text)
		c.Text(3, y+i, screen.Clip(line, room, w.theme.Glyphs.Ellipsis), l.role)
	}
	c.Text(1, y, ">", themes.Prompt)
	if c.W >= 60 {
		c.Right(c.W-1, y, hint, themes.TextDim)
	}
}

// drawKeys draws the keys that work here and now.
func (m *model) drawKeys(c *screen.Canvas) {
	y := c.H - 1
	if m.message.text != "" && messageLine(c.H) == y {
		return
	}
	c.Fill(0, y, c.W, ' ', themes.Text)
	if o := m.overlay(); o != nil {
		c.Text(1, y, screen.Clip(o.hint(&m.frame), c.W-2, m.theme.Glyphs.Ellipsis), themes.TextDim)
		return
	}
	if m.past != nil {
		c.Text(1, y, screen.Clip(rewindKeys, c.W-2, m.theme.Glyphs.Ellipsis), themes.TextDim)
		return
	}
	// Help and quit are always shown; the others as far as there is room. While something is wrong,
	// the key that goes there comes first.
	var must, rest []*binding
	shown, _ := m.troubleLines()
	for _, b := range m.keys.in(m.pane().name()) {
		switch {
		case b.Help().Desc == "" || b.disabled(&m.frame) != "":
		case b.name == "help" || b.name == "quit":
			must = append(must, b)
		case b.name == "trouble" && len(shown) > 0:
			rest = slices.Insert(rest, 0, b)
		default:
			rest = append(rest, b)
		}
	}
	c.Component(1, y, keyLine(must, rest, c.W-2), themes.TextDim)
}

// keyHelp draws keys with their labels. Its own width limit is not used: if fewer columns remain
// than its ellipsis takes, it draws one key too many.
var keyHelp = help.Model{ShortSeparator: "  ", Styles: help.Styles{ShortKey: screen.Style(themes.Key), ShortDesc: screen.Style(themes.TextDim)}}

// keyLine returns as many of the rest as fit, in order, then must. Each binding is shown by its
// first key.
func keyLine(must, rest []*binding, room int) string {
	label := func(b *binding) key.Binding { return on(b.Help().Desc, b.Keys()[0]) }
	width := func(b *binding) int { return 2 + screen.Width(keyName(b.Keys()[0])) + 1 + screen.Width(b.Help().Desc) }
	for _, b := range must {
		room -= width(b)
	}
	var line []key.Binding
	for _, b := range rest {
		if room -= width(b); room < 0 {
			break
		}
		line = append(line, label(b))
	}
	for _, b := range must {
		line = append(line, label(b))
	}
	return keyHelp.ShortHelpView(line)
}

// keyOf returns the first key of an action in the focused pane or, if the pane uses that key
// itself, the key of the other action.
func (w *workspace) keyOf(name, other string) string {
	for _, b := range w.keys.in(w.pane().name()) {
		if b.name == name {
			return keyName(b.Keys()[0])
		}
	}
	return other
}
