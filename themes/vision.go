package themes

import "math"

// linear is a colour in linear RGB, from 0 to 1 each.
type linear [3]float64

func (c Color) linear() linear {
	var l linear
	for i, v := range [3]uint8{c.R, c.G, c.B} {
		x := float64(v) / 255
		if x <= 0.04045 {
			l[i] = x / 12.92
		} else {
			l[i] = math.Pow((x+0.055)/1.055, 2.4)
		}
	}
	return l
}

// luminance is the relative luminance of WCAG 2.1, from 0 to 1.
func (l linear) luminance() float64 { return 0.2126*l[0] + 0.7152*l[1] + 0.0722*l[2] }

// contrast is the contrast ratio of WCAG 2.1, from 1 (the same) to 21 (black on white).
func contrast(a, b Color) float64 {
	x, y := a.linear().luminance(), b.linear().luminance()
	return (max(x, y) + 0.05) / (min(x, y) + 0.05)
}

// A vision is a kind of colour vision. The matrices are those of Machado, Oliveira and
// Fernandes (2009) at full severity.
type vision struct {
	name   string
	matrix [3]linear
}

var visions = []vision{
	{"normal colour vision", [3]linear{{1, 0, 0}, {0, 1, 0}, {0, 0, 1}}},
	{"deuteranopia", [3]linear{{0.367322, 0.860646, -0.227968}, {0.280085, 0.672501, 0.047413}, {-0.011820, 0.042940, 0.968881}}},
	{"protanopia", [3]linear{{0.152286, 1.052583, -0.204868}, {0.114503, 0.786281, 0.099216}, {-0.003882, -0.048116, 1.051998}}},
}

func (e vision) simulate(c Color) linear {
	l := c.linear()
	var out linear
	for i, row := range e.matrix {
		out[i] = min(max(row[0]*l[0]+row[1]*l[1]+row[2]*l[2], 0), 1)
	}
	return out
}

// deltaE is the distance of two colours in CIE Lab (1976, white D65).
func deltaE(a, b linear) float64 {
	x, y := a.lab(), b.lab()
	return math.Sqrt(sq(x[0]-y[0]) + sq(x[1]-y[1]) + sq(x[2]-y[2]))
}

func (l linear) lab() [3]float64 {
	f := func(t float64) float64 {
		if t > 216.0/24389 {
			return math.Cbrt(t)
		}
		return (24389.0/27*t + 16) / 116
	}
	x := f((0.4124*l[0] + 0.3576*l[1] + 0.1805*l[2]) / 0.9505)
	y := f(l.luminance())
	z := f((0.0193*l[0] + 0.1192*l[1] + 0.9505*l[2]) / 1.089)
	return [3]float64{116*y - 16, 500 * (x - y), 200 * (y - z)}
}

func sq(x float64) float64 { return x * x }
