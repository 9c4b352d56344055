package screen

import (
	"strings"
	"testing"

	"github.com/muesli/termenv"

	"github.com/tcpctl/tcpctl/themes"
)

// Under the cursor a state keeps its colour, as the background if the theme's cursor would change
// it: never white on bright green, and no gap in the bar.
func TestAStateKeepsItsColourUnderTheCursor(t *testing.T) {
	for _, e := range themes.List("") {
		theme, err := themes.Load(e.Name, "")
		if err != nil {
			t.Fatal(err)
		}
		p := NewPalette(theme, termenv.TrueColor)
		cursor := theme.Style(themes.Cursor)
		for r := themes.StateUp; r <= themes.StateIdle; r++ {
			usual, under := p.sgr(Ink{FG: r, BG: themes.Surface}), p.sgr(Ink{FG: r, BG: themes.Cursor})
			fg := p.style.NewStyle().Foreground(colorOf(theme.Style(r).FG)).Render("x")
			fg, _, _ = strings.Cut(strings.TrimPrefix(fg, "\x1b["), "m")
			if fg != "x" && !strings.Contains(under, fg) {
				t.Errorf("%s: %v is drawn in %q under the cursor, without its colour %q", theme.Name, r, under, fg)
			}
			want := p.sgr(Ink{FG: r, BG: themes.Surface, Mod: reverse})
			if theme.Style(r).BG.Kind != themes.None {
				want = usual
			}
			if (cursor.Reverse || cursor.FG.Kind != themes.None) && under != want {
				t.Errorf("%s: %v is %q under the cursor, not %q", theme.Name, r, under, want)
			}
		}
		text := p.sgr(Ink{FG: themes.Text, BG: themes.Cursor})
		if text == p.sgr(Ink{FG: themes.Text, BG: themes.Surface}) {
			t.Errorf("%s: the cursor is not visible", theme.Name)
		}
	}
}
