package tui

import (
	"github.com/tcpctl/tcpctl/themes"
	"github.com/tcpctl/tcpctl/tui/internal/screen"
)

// emptyText says why a pane is empty, and what to do about it.
func emptyText(c *screen.Canvas, m *model, texts ...string) {
	y := 0
	if c.H > 5 {
		y = 1
	}
	if !m.world.known() {
		texts = []string{"Asking the engine."}
	}
	for i, text := range texts {
		role := themes.TextDim
		if i == 0 {
			role = themes.Text
		}
		for _, line := range screen.Wrap(text, c.W-4) {
			c.Text(2, y, line, role)
			y++
		}
	}
}
