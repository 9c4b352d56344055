package screen

import (
	"fmt"
	"math/rand/v2"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/muesli/termenv"

	"github.com/tcpctl/tcpctl/themes"
)

// paper is a terminal that understands what Diff writes: moves, clearing, inks and runes.
type paper struct {
	cells [][]Cell
	ink   string
	inks  [][]string
}

func newPaper(w, h int) *paper {
	p := &paper{}
	for range h {
		p.cells = append(p.cells, make([]Cell, w))
		p.inks = append(p.inks, make([]string, w))
	}
	p.clear()
	return p
}

func (p *paper) clear() {
	for y := range p.cells {
		for x := range p.cells[y] {
			p.cells[y][x], p.inks[y][x] = Cell{Rune: ' '}, reset
		}
	}
}

var sequence = regexp.MustCompile(`^\x1b\[([0-9;]*)([A-Za-z])`)

func (p *paper) take(t *testing.T, s string) {
	x, y := 0, 0
	for s != "" {
		if m := sequence.FindStringSubmatch(s); m != nil {
			s = s[len(m[0]):]
			switch m[2] {
			case "m":
				p.ink = m[0]
			case "J":
				p.clear()
			case "H":
				x, y = 0, 0
				if at := strings.Split(m[1], ";"); len(at) == 2 {
					y, _ = strconv.Atoi(at[0])
					x, _ = strconv.Atoi(at[1])
					x, y = x-1, y-1
				}
			}
			continue
		}
		r := []rune(s)[0]
		s = s[len(string(r)):]
		w := runeWidth(r)
		if y >= len(p.cells) || x+w > len(p.cells[y]) {
			t.Fatalf("%q is written beyond the screen, at %d, %d", r, x, y)
		}
		for i := range w {
			// Overwriting half of a wide rune erases it.
			if old := p.cells[y][x+i]; old.Rune == 0 && x+i > 0 {
				p.cells[y][x+i-1].Rune = ' '
			} else if runeWidth(old.Rune) == 2 && x+i+1 < len(p.cells[y]) {
				p.cells[y][x+i+1].Rune = ' '
			}
		}
		p.cells[y][x], p.inks[y][x] = Cell{Rune: r}, p.ink
		if w == 2 {
			p.cells[y][x+1], p.inks[y][x+1] = Cell{Rune: 0}, p.ink
		}
		x += w
	}
	if p.ink != "" && p.ink != reset {
		t.Fatalf("the terminal is left in the ink %q", p.ink)
	}
}

// Whatever was on the screen, Diff's output makes it what it should be: each rune in its ink, wide
// ones whole.
func TestDiffMakesTheScreenWhatItShouldBe(t *testing.T) {
	for _, name := range []string{"default", "dark", "light"} {
		theme, err := themes.Load(name, "")
		if err != nil {
			t.Fatal(err)
		}
		p := NewPalette(theme, termenv.TrueColor)
		rnd := rand.New(rand.NewPCG(1, 2))
		texts := []string{"db-front", "日本語", "+ UP", "   ", "12:04", "a日b", "x"}
		roles := []themes.Role{themes.Text, themes.OK, themes.Error, themes.Title, themes.TextDim}
		const w, h = 37, 7
		onPaper := newPaper(w, h)
		var before *Canvas
		now := New(w, h)
		for step := range 400 {
			if step%50 == 49 {
				before = nil // as after ctrl+l
			}
			for range 1 + rnd.IntN(3) {
				now.Text(rnd.IntN(w+2)-1, rnd.IntN(h), texts[rnd.IntN(len(texts))], roles[rnd.IntN(len(roles))])
			}
			if step%7 == 0 {
				now.Tint(rnd.IntN(w), rnd.IntN(h), rnd.IntN(w), themes.Cursor)
			}
			onPaper.take(t, now.Diff(before, p))
			for y := range h {
				for x := 0; x < w; x++ {
					r, wide := at(now.Row(y), x)
					ink := p.sgr(now.Row(y)[x].Ink)
					if got := onPaper.cells[y][x].Rune; got != r || onPaper.inks[y][x] != ink && !(onPaper.inks[y][x] == "" && ink == reset) {
						t.Fatalf("%s, step %d: %d, %d shows %q in %q, not %q in %q", name, step, x, y, got, onPaper.inks[y][x], r, ink)
					}
					if wide {
						x++
					}
				}
			}
			before = New(w, h)
			before.Draw(0, 0, now)
		}
		if s := now.Diff(before, p); s != "" {
			t.Errorf("%s: the same picture is written again: %q", name, s)
		}
	}
}

// Only changes are written: a clock costs a few bytes, not its whole line.
func TestDiffWritesLittle(t *testing.T) {
	theme, err := themes.Load("default", "")
	if err != nil {
		t.Fatal(err)
	}
	p := NewPalette(theme, termenv.TrueColor)
	draw := func(second int) *Canvas {
		c := New(140, 45)
		c.Text(40, 0, fmt.Sprintf("LIVE 14:02:%02d", second), themes.OK)
		for y := 1; y < 45; y++ {
			c.Text(2, y, "a row that stays as it is", themes.Text)
		}
		return c
	}
	if s := draw(12).Diff(draw(11), p); len(s) > 30 || !strings.Contains(s, "\x1b[1;53H") {
		t.Errorf("%q", s)
	}
}
