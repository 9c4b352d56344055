package screen

import (
	"io"
	"strconv"
	"strings"

	"github.com/charmbracelet/lipgloss"
	"github.com/muesli/termenv"

	"github.com/tcpctl/tcpctl/themes"
)

// Palette turns inks into escape sequences: a theme at the number of colours
// that the terminal has. Lipgloss makes each sequence once. The canvas writes
// them between its cells, so that no text is ever cut inside one.
type Palette struct {
	theme *themes.Theme
	style *lipgloss.Renderer
	seen  map[Ink]string
	Plain bool // no sequences at all, for a dumb terminal
}

// NewPalette makes the palette of a theme for a terminal's colour profile.
func NewPalette(t *themes.Theme, profile termenv.Profile) *Palette {
	r := lipgloss.NewRenderer(io.Discard)
	r.SetColorProfile(profile)
	return &Palette{theme: t, style: r, seen: map[Ink]string{}}
}

const reset = "\x1b[0m"

// sgr returns the escape sequence of an ink. It begins with a reset, so that no line depends on the
// one above it: the renderer skips unchanged lines.
func (p *Palette) sgr(k Ink) string {
	if s, ok := p.seen[k]; ok {
		return s
	}
	fg, bg := p.theme.Style(k.FG), p.theme.Style(k.BG)
	background := k.BG != themes.Surface
	badge := background && isState(k.FG) && (bg.Reverse || bg.FG.Kind != themes.None)
	if badge {
		// The word of a state keeps its colour under the cursor. It is drawn in reverse: as legible
		// as before, without a gap in the bar.
		background, bg = false, p.theme.Style(themes.Surface)
		badge = fg.BG.Kind == themes.None // otherwise it already has its own background
	}
	// The reasons for reverse are or-ed: if two cancelled out, the selection would vanish on a cell
	// that is itself in reverse.
	style := p.style.NewStyle().
		Bold(fg.Bold || background && bg.Bold).
		Faint(fg.Dim || background && bg.Dim || k.Mod&dim != 0).
		Underline(fg.Underline || background && bg.Underline).
		Reverse(fg.Reverse || badge || background && bg.Reverse || k.Mod&reverse != 0)
	front, back := fg.FG, bg.BG
	if fg.BG.Kind != themes.None && !background {
		back = fg.BG
	}
	if background && bg.FG.Kind != themes.None {
		front = bg.FG // a cursor style with both colours is readable only with both
	}
	if front.Kind == themes.None {
		front = p.theme.Style(themes.Text).FG
	}
	if back.Kind == themes.None {
		back = p.theme.Style(themes.Surface).BG
	}
	style = style.Foreground(colorOf(front)).Background(colorOf(back))
	open, _, _ := strings.Cut(style.Render("x"), "x")
	s := reset
	if codes, ok := strings.CutPrefix(open, "\x1b["); ok {
		s = "\x1b[0;" + codes
	}
	p.seen[k] = s
	return s
}

// isState reports whether a role stands for a state.
func isState(r themes.Role) bool {
	return r >= themes.StateUp && r <= themes.StateIdle || r == themes.OK || r == themes.Warn || r == themes.Error
}

func colorOf(c themes.Color) lipgloss.TerminalColor {
	switch c.Kind {
	case themes.None:
		return lipgloss.NoColor{}
	case themes.RGB:
		return lipgloss.Color(hex(c))
	}
	return lipgloss.Color(strconv.Itoa(int(c.N)))
}

// blank reports whether a space in this ink looks like an uncoloured one.
func (p *Palette) blank(k Ink) bool { return p.sgr(k) == reset }

func hex(c themes.Color) string {
	const digits = "0123456789abcdef"
	return string([]byte{'#', digits[c.R>>4], digits[c.R&15], digits[c.G>>4], digits[c.G&15], digits[c.B>>4], digits[c.B&15]})
}
