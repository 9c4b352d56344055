package tui

import (
	"strings"

	"github.com/charmbracelet/bubbles/key"
	"github.com/charmbracelet/bubbles/viewport"
)

// newScroll makes a viewport that only keeps the scroll offset. Its owner draws the text, with
// roles. Letters are not its keys, since they are typed.
func newScroll() viewport.Model {
	v := viewport.New(0, 0)
	v.KeyMap = viewport.KeyMap{
		Up: key.NewBinding(key.WithKeys("up")), Down: key.NewBinding(key.WithKeys("down")),
		PageUp: key.NewBinding(key.WithKeys("pgup")), PageDown: key.NewBinding(key.WithKeys("pgdown")),
		HalfPageUp: key.NewBinding(key.WithKeys("ctrl+u")), HalfPageDown: key.NewBinding(key.WithKeys("ctrl+d")),
	}
	return v
}

// fitScroll sets a viewport's number of lines, and how many are visible.
func fitScroll(v *viewport.Model, lines, height int) {
	if v.Height != height || v.TotalLineCount() != max(lines, 1) {
		v.Height = height
		v.SetContent(strings.Repeat("\n", max(lines-1, 0)))
		v.SetYOffset(v.YOffset) // clamp to the text
	}
}
