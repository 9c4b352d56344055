package tui

import (
	"strings"

	"github.com/tcpctl/tcpctl/themes"
)

// messageLine is where the message stands: above the keys, or in their place
// where there is no other.
func messageLine(h int) int {
	if h < 8 {
		return h - 1
	}
	return h - 2
}

func (m *model) drawMessage(c *canvas) {
	if m.message.text == "" {
		return
	}
	y := messageLine(c.h)
	c.fill(0, y, c.w, ' ', is(themes.Text))
	hint := "[esc] dismiss"
	if b := m.bindingNamed("dismiss"); b != nil {
		hint = "[" + keyName(b.keys[0]) + "] dismiss"
	}
	room := c.w - 4
	if c.w >= 60 {
		room -= width(hint) + 2
		c.right(c.w-1, y, hint, is(themes.TextDim))
	}
	c.text(1, y, ">", is(themes.Prompt))
	c.text(3, y, cut(m.message.text, max(room, 0)), is(m.message.role))
}

// drawKeys is the line of keys that work here and now.
func (m *model) drawKeys(c *canvas) {
	y := c.h - 1
	if m.message.text != "" && messageLine(c.h) == y {
		return
	}
	c.fill(0, y, c.w, ' ', is(themes.Text))
	if o := m.overlay(); o != nil {
		c.text(1, y, cut(o.hint(), c.w-2), is(themes.TextDim))
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
	room := c.w - 2
	for _, b := range must {
		room -= labelWidth(b) + 2
	}
	x := 1
	draw := func(b *binding) {
		x = c.text(x, y, keyName(b.keys[0]), is(themes.Key))
		x = c.text(x+1, y, b.label, is(themes.TextDim)) + 2
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

func labelWidth(b *binding) int { return width(keyName(b.keys[0])) + 1 + width(b.label) }

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
