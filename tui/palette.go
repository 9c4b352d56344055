package tui

import (
	"strconv"
	"strings"

	"github.com/muesli/termenv"

	"github.com/tcpctl/tcpctl/themes"
)

// palette makes a terminal's sequences of inks: a theme, at the number of
// colours that the terminal has.
type palette struct {
	theme   *themes.Theme
	profile termenv.Profile
	seen    map[ink]string
	plain   bool // no sequences at all
}

func newPalette(t *themes.Theme, profile termenv.Profile) *palette {
	return &palette{theme: t, profile: profile, seen: map[ink]string{}}
}

// sgr is the sequence for an ink, from a reset, so that no line depends on
// the one above it: the renderer skips lines that have not changed.
func (p *palette) sgr(k ink) string {
	if s, ok := p.seen[k]; ok {
		return s
	}
	fg, bg := p.theme.Style(k.fg), p.theme.Style(k.bg)
	codes := []string{"0"}
	add := func(on bool, code string) {
		if on {
			codes = append(codes, code)
		}
	}
	background := k.bg != themes.Surface
	add(fg.Bold || background && bg.Bold || k.mod&bold != 0, "1")
	add(fg.Dim || background && bg.Dim || k.mod&dim != 0, "2")
	add(fg.Underline || background && bg.Underline, "4")
	// Two reasons to turn a cell around would turn it back, and a selection
	// would vanish where the state in it is drawn in reverse.
	add(fg.Reverse || background && bg.Reverse || k.mod&reverse != 0, "7")
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
	codes = append(codes, p.color(front, false)...)
	codes = append(codes, p.color(back, true)...)
	s := "\x1b[" + strings.Join(codes, ";") + "m"
	p.seen[k] = s
	return s
}

func (p *palette) color(c themes.Color, bg bool) []string {
	var name string
	switch c.Kind {
	case themes.None:
		return nil
	case themes.RGB:
		name = hex(c)
	default:
		name = strconv.Itoa(int(c.N))
	}
	tc := p.profile.Color(name)
	if tc == nil {
		return nil
	}
	if s := tc.Sequence(bg); s != "" {
		return []string{s}
	}
	return nil
}

// blank reports whether a space in this ink looks like one without any.
func (p *palette) blank(k ink) bool { return p.sgr(k) == "\x1b[0m" }

func hex(c themes.Color) string {
	const digits = "0123456789abcdef"
	return string([]byte{'#', digits[c.R>>4], digits[c.R&15], digits[c.G>>4], digits[c.G&15], digits[c.B>>4], digits[c.B&15]})
}
