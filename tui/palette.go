package tui

import (
	"io"
	"strconv"
	"strings"

	"github.com/charmbracelet/lipgloss"
	"github.com/muesli/termenv"

	"github.com/tcpctl/tcpctl/themes"
)

// palette makes a terminal's sequences of inks: a theme, at the number of
// colours that the terminal has. Lipgloss writes them, once for each ink: the
// canvas puts them between its cells itself, so that no cut falls into one.
type palette struct {
	theme *themes.Theme
	style *lipgloss.Renderer
	seen  map[ink]string
	plain bool // no sequences at all
}

func newPalette(t *themes.Theme, profile termenv.Profile) *palette {
	r := lipgloss.NewRenderer(io.Discard)
	r.SetColorProfile(profile)
	return &palette{theme: t, style: r, seen: map[ink]string{}}
}

const reset = "\x1b[0m"

// sgr is the sequence for an ink, from a reset, so that no line depends on
// the one above it: the renderer skips lines that have not changed.
func (p *palette) sgr(k ink) string {
	if s, ok := p.seen[k]; ok {
		return s
	}
	fg, bg := p.theme.Style(k.fg), p.theme.Style(k.bg)
	background := k.bg != themes.Surface
	// Two reasons to turn a cell around would turn it back, and a selection
	// would vanish where the state in it is drawn in reverse.
	style := p.style.NewStyle().
		Bold(fg.Bold || background && bg.Bold || k.mod&bold != 0).
		Faint(fg.Dim || background && bg.Dim || k.mod&dim != 0).
		Underline(fg.Underline || background && bg.Underline).
		Reverse(fg.Reverse || background && bg.Reverse || k.mod&reverse != 0)
	front, back := fg.FG, bg.BG
	if fg.BG.Kind != themes.None && !background {
		back = fg.BG
	}
	if background && bg.FG.Kind != themes.None {
		front = bg.FG // a cursor that says both colours is readable only with both
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

func colorOf(c themes.Color) lipgloss.TerminalColor {
	switch c.Kind {
	case themes.None:
		return lipgloss.NoColor{}
	case themes.RGB:
		return lipgloss.Color(hex(c))
	}
	return lipgloss.Color(strconv.Itoa(int(c.N)))
}

// blank reports whether a space in this ink looks like one without any.
func (p *palette) blank(k ink) bool { return p.sgr(k) == reset }

func hex(c themes.Color) string {
	const digits = "0123456789abcdef"
	return string([]byte{'#', digits[c.R>>4], digits[c.R&15], digits[c.G>>4], digits[c.G&15], digits[c.B>>4], digits[c.B&15]})
}
