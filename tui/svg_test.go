package tui

import (
	"fmt"
	"html"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/muesli/termenv"

	"github.com/tcpctl/tcpctl/themes"
	"github.com/tcpctl/tcpctl/tui/internal/screen"
)

// The README's picture, in the dark theme. Lines, bars and dots are drawn as shapes, since fonts
// differ most in these.
func TestPicture(t *testing.T) {
	dark, err := themes.Load("dark", "")
	if err != nil {
		t.Fatal(err)
	}
	c := newConsole(t, edge(), 140, 45, func(cfg *Config) { cfg.Theme = dark })
	c.engine.change(func(f *fake) { f.status.Plan = window() })
	c.colours.profile = termenv.TrueColor
	c.colours.show(dark)
	c.live()
	c.message.show("info", "draining db-front/pg-b: 38 sessions remaining   (undo: U)")
	c.View()
	got := svg(c.canvas, dark)
	path := filepath.Join("testdata", "console.svg")
	if updating() {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil || string(want) != got {
		t.Errorf("%s is not the screen of today (go test -update writes it anew) %v", path, err)
	}
}

const cw, ch = 8, 17

func svg(c *screen.Canvas, theme *themes.Theme) string {
	var b strings.Builder
	back := color(theme.Style(themes.Surface).BG)
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" font-family="DejaVu Sans Mono,Menlo,Consolas,monospace" font-size="13">`+"\n", c.W*cw+16, c.H*ch+16)
	fmt.Fprintf(&b, `<rect width="100%%" height="100%%" rx="8" fill="%s"/><g transform="translate(8 8)">`+"\n", back)
	for y := range c.H {
		row := c.Row(y)
		for x := 0; x < len(row); {
			end := x + 1
			for end < len(row) && row[end].Ink == row[x].Ink {
				end++
			}
			run(&b, row[x:end], x, y, theme)
			x = end
		}
	}
	b.WriteString("</g></svg>\n")
	return b.String()
}

// run draws cells of one ink, word by word: not every SVG viewer preserves multiple spaces.
func run(b *strings.Builder, cells []screen.Cell, x, y int, theme *themes.Theme) {
	k := cells[0].Ink
	fg, bg := theme.Style(k.FG), theme.Style(k.BG)
	front, back := fg.FG, bg.BG
	if k.BG == themes.Surface && fg.BG.Kind != themes.None {
		back = fg.BG
	}
	if front.Kind == themes.None {
		front = theme.Style(themes.Text).FG
	}
	if back != theme.Style(themes.Surface).BG {
		fmt.Fprintf(b, `<rect x="%d" y="%d" width="%d" height="%d" fill="%s"/>`, x*cw, y*ch, len(cells)*cw, ch, color(back))
	}
	weight := ""
	if fg.Bold || bg.Bold {
		weight = ` font-weight="bold"`
	}
	ink := color(front)
	text := ""
	from := x
	flush := func(at int) {
		if text != "" {
			fmt.Fprintf(b, `<text x="%d" y="%d" textLength="%d" lengthAdjust="spacingAndGlyphs" fill="%s"%s>%s</text>`,
				from*cw, y*ch+13, screen.Width(text)*cw, ink, weight, html.EscapeString(text))
		}
		text, from = "", at
	}
	for i, cell := range cells {
		if cell.Rune == ' ' || drawShape(b, cell.Rune, x+i, y, ink) {
			flush(x + i + 1)
			continue
		}
		text += string(cell.Rune)
	}
	flush(0)
	b.WriteString("\n")
}

// drawShape draws a line, a bar or dots, and reports whether r was one.
func drawShape(b *strings.Builder, r rune, x, y int, ink string) bool {
	px, py := x*cw, y*ch
	line := func(x1, y1, x2, y2 int, w float64) {
		fmt.Fprintf(b, `<path d="M%d %dL%d %d" stroke="%s" stroke-width="%.1f"/>`, px+x1, py+y1, px+x2, py+y2, ink, w)
	}
	const mx, my = cw / 2, ch / 2
	arms := map[rune]string{'─': "lr", '━': "LR", '│': "ud", '┃': "UD", '╭': "rd", '╮': "ld", '╰': "ru", '╯': "lu",
		'┏': "RD", '┓': "LD", '┗': "RU", '┛': "LU", '┤': "udl", '┼': "udlr", '└': "ur"}
	if a, ok := arms[r]; ok {
		for _, arm := range a {
			w := 1.0
			if arm < 'a' {
				w = 2
			}
			switch arm | 0x20 {
			case 'l':
				line(0, my, mx, my, w)
			case 'r':
				line(mx, my, cw, my, w)
			case 'u':
				line(mx, 0, mx, my, w)
			case 'd':
				line(mx, my, mx, ch, w)
			}
		}
		return true
	}
	if r > 0x2800 && r <= 0x28ff {
		for side := range 2 {
			for dot := range 4 {
				if r&[2][4]rune{{0x40, 0x04, 0x02, 0x01}, {0x80, 0x20, 0x10, 0x08}}[side][dot] != 0 {
					fmt.Fprintf(b, `<rect x="%d" y="%.1f" width="3" height="3.2" fill="%s"/>`, px+side*4, float64(py)+float64(3-dot)*4.25+0.5, ink)
				}
			}
		}
		return true
	}
	if i := strings.IndexRune(" ▁▂▃▄▅▆▇█", r); i > 0 {
		n := len([]rune(" ▁▂▃▄▅▆▇█"[:i]))
		fmt.Fprintf(b, `<rect x="%d" y="%.1f" width="%d" height="%.1f" fill="%s"/>`, px, float64(py+ch)-float64(n*ch)/8, cw, float64(n*ch)/8, ink)
		return true
	}
	return false
}

func color(c themes.Color) string {
	if c.Kind == themes.None {
		return "#12161d"
	}
	return fmt.Sprintf("#%02x%02x%02x", c.R, c.G, c.B)
}
