package themes

import (
	"fmt"
	"path/filepath"
	"strings"
)

// minContrast is the contrast that WCAG 2.1 (1.4.3) requires for text of normal size.
const minContrast = 4.5

// minDeltaE is the least difference of two states, as a distance in CIE Lab: at 2.3 a
// difference is just noticeable; 12 is visible at a glance.
const minDeltaE = 12

// A Report is the result of Check.
type Report struct {
	Name     string
	Problems []string // one sentence each; empty: the theme passes
	Notes    []string // what could not be checked, and why
	Contrast float64  // the lowest contrast of any text, from 1 to 21; 0: unknown
}

// OK reports whether there are no problems.
func (r Report) OK() bool { return len(r.Problems) == 0 }

// withoutText are the roles in which no text is written: its contrast does not apply.
var withoutText = map[Role]bool{Surface: true, Border: true, BorderFocus: true, GraphAxis: true, GaugeEmpty: true, KeyOff: true}

// Check parses a theme's file and looks for roles that are not defined, for text of
// low contrast where the colours are known, and for states that cannot be told
// apart, also with red-green colour blindness. A theme that it inherits from is read
// from the same folder, or else from the embedded ones. An error means that the theme
// cannot be loaded: Report has the problems of one that can.
func Check(path string) (Report, error) {
	name := strings.TrimSuffix(filepath.Base(path), ".toml")
	r := Report{Name: name}
	text, err := readFile(path)
	if err != nil {
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
	for role, named := range t.defined {
		if !named {
			r.Problems = append(r.Problems, fmt.Sprintf("role %s is missing: define it, or inherit from a theme that does", Role(role)))
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
		if withoutText[Role(i)] {
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

// checkStates compares each pair of states: different attributes are enough, else the
// colours must differ for each kind of colour vision.
func (t *Theme) checkStates(r *Report) {
	unknown := 0
	for a := StateUp; a <= StateIdle; a++ {
		for b := a + 1; b <= StateIdle; b++ {
			x, y := t.styles[a], t.styles[b]
			switch {
			case x.attributes() != y.attributes():
			case x == y:
				r.Problems = append(r.Problems, fmt.Sprintf("%s and %s have the same style", a, b))
			case !x.FG.known() || !y.FG.known():
				unknown++
			default:
				for _, eye := range visions {
					if d := deltaE(eye.simulate(x.FG), eye.simulate(y.FG)); d < minDeltaE {
						r.Problems = append(r.Problems, fmt.Sprintf("%s and %s look alike with %s (colour distance %.0f, needs %d)", a, b, eye.name, d, minDeltaE))
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
