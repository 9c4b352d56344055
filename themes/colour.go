package themes

import (
	"fmt"
	"strconv"
	"strings"
)

// A Kind is the way in which a colour is written to a terminal.
type Kind uint8

const (
	None    Kind = iota // the terminal's own text or background colour
	ANSI                // one of the terminal's sixteen colours, whose values it decides
	Indexed             // 16 to 255, whose values are xterm's
	RGB                 // 24 bits
)

// A Color is one colour. The zero value is the terminal's own.
type Color struct {
	Kind    Kind
	N       uint8 // of ANSI and Indexed
	R, G, B uint8 // of RGB and Indexed
}

var ansiNames = []string{
	"black", "red", "green", "yellow", "blue", "magenta", "cyan", "white",
	"bright_black", "bright_red", "bright_green", "bright_yellow",
	"bright_blue", "bright_magenta", "bright_cyan", "bright_white",
}

// parseColor parses "#rrggbb", a number from 0 to 255, one of the terminal's sixteen
// names, or "default".
func parseColor(s string) (Color, error) {
	if s == "default" {
		return Color{}, nil
	}
	for i, name := range ansiNames {
		if s == name {
			return Color{Kind: ANSI, N: uint8(i)}, nil
		}
	}
	if hex, ok := strings.CutPrefix(s, "#"); ok {
		v, err := strconv.ParseUint(hex, 16, 32)
		if err != nil || len(hex) != 6 {
			return Color{}, fmt.Errorf("colour %q is not #rrggbb", s)
		}
		return Color{Kind: RGB, R: uint8(v >> 16), G: uint8(v >> 8), B: uint8(v)}, nil
	}
	n, err := strconv.Atoi(s)
	switch {
	case err != nil:
		return Color{}, errNoColor
	case n < 0 || n > 255:
		return Color{}, fmt.Errorf("colour %d is not between 0 and 255", n)
	case n < 16:
		return Color{Kind: ANSI, N: uint8(n)}, nil
	}
	return indexed(uint8(n)), nil
}

// errNoColor: not written like a colour, so it may be a name in the palette.
var errNoColor = fmt.Errorf("not a colour")

// indexed computes xterm's value of a colour from 16 on: a cube of six steps a side,
// then a ramp of greys.
func indexed(n uint8) Color {
	c := Color{Kind: Indexed, N: n}
	if n >= 232 {
		grey := 8 + 10*(n-232)
		c.R, c.G, c.B = grey, grey, grey
		return c
	}
	step := [6]uint8{0, 95, 135, 175, 215, 255}
	c.R, c.G, c.B = step[(n-16)/36], step[(n-16)/6%6], step[(n-16)%6]
	return c
}

// known reports whether the RGB value of the colour is known.
func (c Color) known() bool { return c.Kind == Indexed || c.Kind == RGB }
