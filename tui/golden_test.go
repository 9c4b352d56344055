package tui

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/charmbracelet/x/ansi"
)

// updating reports `go test -update`, which rewrites the golden screens and the README's picture.
// The flag is defined by teatest.
func updating() bool { return flag.Lookup("update").Value.String() == "true" }

var sizes = [][2]int{{200, 60}, {140, 45}, {100, 30}, {80, 24}, {60, 20}, {40, 10}, {30, 6}, {20, 3}, {1, 1}}

// One status at each size, with both sets of glyphs.
func TestScreens(t *testing.T) {
	for _, size := range sizes {
		for _, set := range []string{"unicode", "ascii"} {
			name := fmt.Sprintf("%dx%d.%s", size[0], size[1], set)
			t.Run(name, func(t *testing.T) {
				c := newConsole(t, edge(), size[0], size[1])
				c.colours.ascii = set == "ascii"
				c.colours.show(c.theme)
				c.sickFirst()
				c.engine.change(func(f *fake) {
					if size[0] == 140 {
						f.status.Plan = window()
					}
				})
				c.live()
				c.message.show("info", "draining db-front/pg-b: 38 sessions remaining   (undo: U)")
				golden(t, name, c)
			})
		}
	}
}

// Other screens, each at one size.
func TestMoreScreens(t *testing.T) {
	for _, s := range []struct {
		name string
		w, h int
		do   func(*console)
	}{
		{"queue", 80, 24, func(c *console) { c.press("2") }},
		{"sessions", 100, 30, func(c *console) { c.press("4"); c.look() }},
		{"sessions-grid", 140, 45, func(c *console) { c.press("4"); c.look() }},
		{"sessions-wide", 140, 45, func(c *console) { c.press("4 z"); c.look() }},
		{"sessions-narrow", 80, 24, func(c *console) { c.press("4"); c.look() }},
		{"sessions-details", 80, 24, func(c *console) { c.press("4"); c.look(); c.press("G k k enter") }},
		{"events", 80, 24, func(c *console) { c.press("5 j j") }},
		{"peers", 80, 24, func(c *console) { c.press("3") }},
		{"plan-none", 80, 24, func(c *console) { c.press("6") }},
		{"help", 80, 24, func(c *console) { c.press("?") }},
		{"help-search", 80, 24, func(c *console) { c.press("?"); c.write("zoom") }},
		{"yesno", 80, 24, func(c *console) { c.engine.change(heal); c.look(); c.press("d") }},
		{"yesno-small", 40, 10, func(c *console) { c.engine.change(heal); c.look(); c.press("m") }},
		{"dialog", 100, 30, func(c *console) { c.press("P") }},
		{"dialog-typed", 80, 24, func(c *console) { c.press("d"); c.write("pg-") }},
		{"dialog-typed-small", 40, 14, func(c *console) { c.press("d") }},
		{"marks-hidden", 100, 30, func(c *console) {
			c.press("A /")
			c.write("down")
			c.press("enter m")
		}},
		{"leave", 80, 24, func(c *console) { c.press("q") }},
		{"details", 80, 24, func(c *console) { c.press("j enter") }},
		{"command", 80, 24, func(c *console) { c.press(":"); c.write("drain db-front/pg") }},
		{"filter", 80, 24, func(c *console) { c.press("/"); c.write("pg !down"); c.press("enter") }},
		{"sort", 80, 24, func(c *console) { c.press("s j j") }},
		{"stale", 80, 24, func(c *console) { c.now = c.now.Add(8_000_000_000); c.changed() }},
		{"paused", 140, 45, func(c *console) {
			c.engine.change(pauseOffice)
			c.look()
			c.press("2")
		}},
		{"zoom", 140, 45, func(c *console) { c.press("z") }},
	} {
		t.Run(s.name, func(t *testing.T) {
			c := newConsole(t, edge(), s.w, s.h)
			c.live()
			s.do(c)
			golden(t, "more-"+s.name, c)
		})
	}
}

func golden(t *testing.T, name string, c *console) {
	t.Helper()
	got := c.screen()
	exact(t, c, got)
	path := filepath.Join("testdata", "screens", name+".txt")
	if updating() {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(got+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got+"\n" != strings.ReplaceAll(string(want), "\r\n", "\n") {
		t.Errorf("%s is not what it was (go test -update writes it anew):\n%s", path, got)
	}
}

// exact checks that a screen has exactly its size, by the renderer's measure.
func exact(t testing.TB, c *console, screen string) {
	t.Helper()
	for _, text := range []string{screen, c.View()} {
		lines := strings.Split(text, "\n")
		if len(lines) != c.height {
			t.Fatalf("%d lines, not %d", len(lines), c.height)
		}
		for i, line := range lines {
			if w := ansi.StringWidth(line); w != c.width {
				t.Fatalf("line %d has %d columns, not %d: %q", i, w, c.width, line)
			}
		}
	}
}
