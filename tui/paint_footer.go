package tui

import (
	"strings"

	"github.com/tcpctl/tcpctl/themes"
	"github.com/tcpctl/tcpctl/tui/internal/screen"
)

// messageLine is where the message stands: above the keys, or in their place
// where there is no other.
func messageLine(h int) int {
	if h < 8 {
		return h - 1
	}
	return h - 2
}

func (m *model) drawMessage(c *screen.Canvas) {
	if m.message.text == "" {
		return
	}
	y := messageLine(c.H)
	c.Fill(0, y, c.W, ' ', themes.Text)
	hint := "[esc] dismiss"
	if b := m.bindingNamed("dismiss"); b != nil {
		hint = "[" + keyName(b.keys[0]) + "] dismiss"
	}
	room := c.W - 4
	if c.W >= 60 {
		room -= screen.Width(hint) + 2
		c.Right(c.W-1, y, hint, themes.TextDim)
	}
	c.Text(1, y, ">", themes.Prompt)
	c.Text(3, y, screen.Cut(m.message.text, max(room, 0)), m.message.role)
}

// drawKeys is the line of keys that work here and now.
func (m *model) drawKeys(c *screen.Canvas) {
	y := c.H - 1
	if m.message.text != "" && messageLine(c.H) == y {
		return
	}
	c.Fill(0, y, c.W, ' ', themes.Text)
	if o := m.overlay(); o != nil {
		c.Text(1, y, screen.Cut(o.hint(), c.W-2), themes.TextDim)
		return
	}
	// Help and quit are always there; the others as far as there is room.
	var must, rest []*binding
	for _, b := range m.keys.in(m.pane().name()) {
		switch {
		case b.label == "" || b.why(m) != "":
		case b.name == "help" || b.name == "quit":
			must = append(must, b)
		default:
			rest = append(rest, b)
		}
	}
	room := c.W - 2
	for _, b := range must {
		room -= labelWidth(b) + 2
	}
	x := 1
	draw := func(b *binding) {
		x = c.Text(x, y, keyName(b.keys[0]), themes.Key)
		x = c.Text(x+1, y, b.label, themes.TextDim) + 2
	}
	for _, b := range rest {
		if room -= labelWidth(b) + 2; room < 0 {
			break
		}
		draw(b)
	}
	for _, b := range must {
		draw(b)
	}
}

func labelWidth(b *binding) int { return screen.Width(keyName(b.keys[0])) + 1 + screen.Width(b.label) }

func (m *model) bindingNamed(name string) *binding {
	for _, b := range m.keys.in(m.pane().name()) {
		if b.name == name {
			return b
		}
	}
	return nil
}

// keysOf is an action's keys as people write them.
func (m *model) keysOf(name string) string {
	if b := m.bindingNamed(name); b != nil {
		return strings.Fields(showKeys(b.keys))[0]
	}
	return ""
}
