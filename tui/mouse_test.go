package tui

import (
	"strings"
	"testing"

	tea "github.com/charmbracelet/bubbletea"
)

// at returns a click on a text of the screen.
func at(c *console, text string) tea.MouseMsg {
	c.t.Helper()
	for y, line := range strings.Split(c.screen(), "\n") {
		if i := strings.Index(line, text); i >= 0 {
			return tea.MouseMsg{X: len([]rune(line[:i])), Y: y, Action: tea.MouseActionPress, Button: tea.MouseButtonLeft}
		}
	}
	c.t.Fatalf("not on the screen: %s\n%s", text, c.screen())
	return tea.MouseMsg{}
}

// TestTheMouse: it selects once it is switched on, and does nothing else.
func TestTheMouse(t *testing.T) {
	for _, size := range [][2]int{{80, 24}, {140, 45}} {
		c := newConsole(t, edge(), size[0], size[1])
		click := at(c, "10.0.0.13:5432")
		before := c.backends.table.CurrentID()
		c.send(click)
		if id := c.backends.table.CurrentID(); id != before {
			t.Errorf("%v: the mouse is off, and moves to %s", size, id)
		}
		c.press(":")
		c.write("mouse on")
		c.press("enter esc")
		c.send(at(c, "10.0.0.13:5432"))
		if id := c.backends.table.CurrentID(); id != "db-front/pg-c" {
			t.Errorf("%v: a click on pg-c is one on %s", size, id)
		}
		c.send(at(c, "38/210 remaining")) // the second line of pg-b
		if id := c.backends.table.CurrentID(); id != "db-front/pg-b" {
			t.Errorf("%v: a click on the drain of pg-b is one on %s", size, id)
		}
		wheel := at(c, "10.0.0.13:5432")
		wheel.Button = tea.MouseButtonWheelDown
		c.send(wheel)
		if id := c.backends.table.CurrentID(); id != "office" {
			t.Errorf("%v: the wheel goes to %s", size, id)
		}
		if size[0] > 100 {
			c.look() // the Queue pane follows the service under the cursor
			c.send(at(c, "10.2.0.8:41877"))
			if c.focus != paneQueue || c.queue.table.CurrentID() != "s4721" {
				t.Errorf("a click on a waiter: pane %d, %s", c.focus, c.queue.table.CurrentID())
			}
		}
		c.press("1 g j d")
		c.send(at(c, "Cancel (esc)"))
		c.send(click)
		if c.overlay() == nil || len(c.engine.acts()) > 0 {
			t.Errorf("%v: a click answers a question", size)
		}
		c.press("esc")
	}
}

// TestHeatHasTheTablesRows: the cursor is visible on a service, too, and a click selects what it
// hits.
func TestHeatHasTheTablesRows(t *testing.T) {
	c := newConsole(t, edge(), 80, 24)
	c.mouse = true
	c.press("H g")
	c.sees("> db-front ")
	for _, target := range []string{"db-front/pg-c", "db-front/pg-a", "office"} {
		c.send(at(c, "  "+target+" "))
		if id := c.backends.table.CurrentID(); id != target {
			t.Errorf("a click on %s is one on %s", target, id)
		}
		c.sees("> " + target + " ")
	}
}
