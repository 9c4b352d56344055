package themes

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// minContrast is what WCAG 2.1 (1.4.3) asks of text of ordinary size.
const minContrast = 4.5

// minApart is how far two states have to be apart, as a distance in CIE Lab:
// at 2.3 a trained eye sees a difference, at 12 so does one in a hurry.
const minApart = 12

// Report is what Check found.
type Report struct {
	Name     string
	Problems []string // a sentence each; none: the theme is right
	Notes    []string // what could not be judged, and why
	Contrast float64  // the lowest that was measured, 0 when none could be
}

// OK reports whether nothing was found.
func (r Report) OK() bool { return len(r.Problems) == 0 }

// wordless are the roles that no words are written in: contrast of text does
// not apply to them.
var wordless = map[Role]bool{Surface: true, Border: true, BorderFocus: true, GraphAxis: true, GaugeEmpty: true, KeyOff: true}

// Check parses a theme's file and looks at it: roles that nobody names,
// contrast of text where the colours are known, and whether the states can be
// told apart, also under red-green blindness. Its parents are looked for
// beside it, then among the embedded. An error means that it cannot be used.
func Check(path string) (Report, error) {
	name := strings.TrimSuffix(filepath.Base(path), ".toml")
	r := Report{Name: name}
	text, err := readFile(path)
	if err != nil {
		if os.IsNotExist(err) {
			return r, fmt.Errorf("themes: there is no file %s", path)
		}
		return r, fmt.Errorf("themes: %w", err)
	}
	f, err := parse(name, path, text)
	if err != nil {
		return r, err
	}
	t, err := f.build(filepath.Dir(path))
	if err != nil {
		return r, err
	}
	return t.check(), nil
}

func (t *Theme) check() Report {
	r := Report{Name: t.Name}
	for role, named := range t.named {
		if !named {
			r.Problems = append(r.Problems, fmt.Sprintf("role %s is missing: name it, or inherit from a theme that does", Role(role)))
		}
	}
	t.checkContrast(&r)
	t.checkStates(&r)
	return r
}

func (t *Theme) checkContrast(r *Report) {
	surface := t.styles[Surface].BG
	unknown := 0
	for i, s := range t.styles {
		if wordless[Role(i)] {
			continue
		}
		fg, bg := s.FG, s.BG
		if fg.Kind == None {
			fg = t.styles[Text].FG
		}
		if bg.Kind == None {
			bg = surface
		}
		if !fg.known() || !bg.known() {
			unknown++
			continue
		}
		c := contrast(fg, bg)
		if r.Contrast == 0 || c < r.Contrast {
			r.Contrast = c
		}
		if c < minContrast {
			r.Problems = append(r.Problems, fmt.Sprintf("role %s has a contrast of %.1f, and needs %.1f", Role(i), c, minContrast))
		}
	}
	if unknown > 0 {
		r.Notes = append(r.Notes, fmt.Sprintf("contrast of %d roles depends on the terminal's own colours", unknown))
	}
}

// checkStates compares each two states: other attributes are enough, else the
// colours have to be apart for three kinds of eyes.
func (t *Theme) checkStates(r *Report) {
	unknown := 0
	for a := StateUp; a <= StateIdle; a++ {
		for b := a + 1; b <= StateIdle; b++ {
			x, y := t.styles[a], t.styles[b]
			switch {
			case x.plain() != y.plain():
			case x == y:
				r.Problems = append(r.Problems, fmt.Sprintf("%s and %s look the same", a, b))
			case !x.FG.known() || !y.FG.known():
				unknown++
			default:
				for _, eye := range eyes {
					if d := apart(eye.see(x.FG), eye.see(y.FG)); d < minApart {
						r.Problems = append(r.Problems, fmt.Sprintf("%s and %s are alike for %s (distance %.0f, needs %d)", a, b, eye.name, d, minApart))
						break
					}
				}
			}
		}
	}
	if unknown > 0 {
		r.Notes = append(r.Notes, fmt.Sprintf("%d pairs of states differ in the terminal's own colours only", unknown))
	}
}
