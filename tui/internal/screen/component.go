package screen

import (
	"io"
	"strconv"
	"strings"

	"github.com/charmbracelet/lipgloss"
	"github.com/muesli/termenv"

	"github.com/tcpctl/tcpctl/themes"
)

// carrier makes the styles of components: a role is encoded as a colour number, which Component
// decodes, so that the theme decides in the end.
var carrier = func() *lipgloss.Renderer {
	r := lipgloss.NewRenderer(io.Discard)
	r.SetColorProfile(termenv.ANSI256)
	return r
}()

// carried returns the colour that encodes a role. The first 16 have another notation.
func carried(role themes.Role) string { return strconv.Itoa(int(role) + 16) }

// Style is a role as a style of lipgloss, for components that draw with such.
func Style(role themes.Role) lipgloss.Style {
	return carrier.NewStyle().Foreground(lipgloss.Color(carried(role)))
}

// Component draws what a component has drawn with styles of Style, and returns the column
// after it.
func (c *Canvas) Component(x, y int, s string, role themes.Role) int {
	plain := role
	for s != "" {
		text, rest, found := strings.Cut(s, "\x1b[")
		x = c.Text(x, y, text, role)
		if !found {
			break
		}
		codes, after, _ := strings.Cut(rest, "m")
		s, role = after, plain
		if n, ok := strings.CutPrefix(codes, "38;5;"); ok {
			if k, err := strconv.Atoi(n); err == nil && k >= 16 && k < 16+themes.NumRoles {
				role = themes.Role(k - 16)
			}
		}
	}
	return x
}
