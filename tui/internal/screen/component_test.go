package screen

import (
	"testing"

	"github.com/tcpctl/tcpctl/themes"
)

// What a component draws with the style of a role has that role on the canvas, for every role.
func TestComponentKeepsRoles(t *testing.T) {
	c := New(12, 1)
	for r := range themes.NumRoles {
		role := themes.Role(r)
		end := c.Component(1, 0, "a"+Style(role).Render("bc")+"d\x1b[1mX", themes.TextDim)
		if got := c.Plain(); got != " abcdX      " && got != " abcdX      \n" || end != 6 {
			t.Fatalf("%q, %d", got, end)
		}
		for x, want := range map[int]themes.Role{1: themes.TextDim, 2: role, 3: role, 4: themes.TextDim, 5: themes.TextDim} {
			if got := c.Row(0)[x].Ink.FG; got != want {
				t.Errorf("%s at %d: %s, not %s", role, x, got, want)
			}
		}
	}
}

// A bar has the given width at any progress.
func TestBarHasItsWidth(t *testing.T) {
	for part, want := range map[float64]string{-1: "[----------]", 0: "[----------]", 0.44: "[####------]", 0.45: "[#####-----]", 1: "[##########]", 2: "[##########]"} {
		c := New(12, 1)
		if end := Bar(c, 0, 0, 10, part); end != 12 || c.Plain()[:12] != want {
			t.Errorf("%v: %q, %d", part, c.Plain(), end)
		}
	}
}
