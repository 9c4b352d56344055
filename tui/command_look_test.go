package tui

import (
	"fmt"
	"testing"
	"time"

	"github.com/tcpctl/tcpctl/proxy"
)

// TestTheCommandLineShowsPanes: commands of the CLI that show something work in the console, too.
func TestTheCommandLineShowsPanes(t *testing.T) {
	c := healthy(t, 100, 30)
	line := func(text string) {
		c.press(":")
		c.write(text)
		c.press("enter")
		c.look()
	}
	line("queue office")
	if c.focus != paneQueue || c.queue.service != "office" {
		t.Errorf("pane %d, service %q", c.focus, c.queue.service)
	}
	line("sessions db-front")
	if c.focus != paneSessions || c.view != "db-front" {
		t.Errorf("pane %d, view %q", c.focus, c.view)
	}
	line("status")
	if c.focus != paneBackends || c.view != "" {
		t.Errorf("pane %d, view %q", c.focus, c.view)
	}
	line("status ofice")
	c.sees(`there is no service "ofice"; did you mean "office"?`)
	c.engine.change(func(f *fake) {
		f.report = proxy.Report{ID: "w12", Kind: "roll", Service: "db-front", Owner: "ana@edge-01", State: "done", Started: start.Add(-time.Minute), Ended: start,
			Numbers: proxy.Numbers{Held: 31, LongestSeconds: 4.5}, Steps: window().Steps}
	})
	line("report")
	c.sees("report w12", "31, longest 4.5s", "drain pg-c", "tcpctl report w12 --markdown")
	c.press("esc")
	line("fleet")
	c.sees("fleet lab", "db-front/pg-a")
}

// TestTabGoesThroughTheChoices: once their common prefix is complete.
func TestTabGoesThroughTheChoices(t *testing.T) {
	c := healthy(t, 80, 24)
	c.press(":")
	c.write("drain db-front/p")
	c.press("tab")
	c.sees(":drain db-front/pg-_")
	for _, want := range []string{"pg-a", "pg-b", "pg-c", "pg-d", "pg-a"} {
		c.press("tab")
		c.sees(":drain db-front/" + want + "_")
	}
	c.press("shift+tab")
	c.sees(":drain db-front/pg-d_")
	c.write(" ")
	c.press("esc")
	c.did()
}

// TestAFilterReplacesTheOneBefore: the prompt does not start with the old text.
func TestAFilterReplacesTheOneBefore(t *testing.T) {
	c := healthy(t, 80, 24)
	filter := func(text, keys string) {
		c.press("/")
		c.write(text)
		c.press(keys)
	}
	filter("pg-a", "enter")
	filter("pg-b", "enter")
	if f := c.backends.table.Filter(); f != "pg-b" {
		t.Errorf("the filter is %q", f)
	}
	filter("", "enter") // opened and left unchanged
	filter("office", "esc")
	if f := c.backends.table.Filter(); f != "pg-b" {
		t.Errorf("the filter is %q", f)
	}
	filter("x", "backspace enter")
	if f := c.backends.table.Filter(); f != "" {
		t.Errorf("the filter is %q", f)
	}
	filter("pg-c", "enter")
	c.press("/ up")
	c.write(" up")
	c.press("enter")
	if f := c.backends.table.Filter(); f != "pg-c up" {
		t.Errorf("the filter is %q", f)
	}
}

// TestHelpHasWhatWorksHereOnTop: acts come before the rest.
func TestHelpHasWhatWorksHereOnTop(t *testing.T) {
	c := healthy(t, 80, 24)
	c.press("?")
	c.sees("Acts that work here and now", "drain: no new sessions", "1-17 of ")
	c.seesNot("Off now")
	c.press("esc up ?") // on a service
	c.seesNot("drain: no new sessions")
	c.write("drain:")
	c.sees("Off now", "(off: the")
}

// TestACutCommandLineSaysSo: wherever it is drawn, it ends with an ellipsis.
func TestACutCommandLineSaysSo(t *testing.T) {
	c := healthy(t, 80, 24)
	c.press(":")
	c.write("drain db-front/pg-a --limit 5m --then keep --reason 'a reason that is longer than the frame'")
	c.press("enter")
	c.sees("= tcpctl drain db-front/pg-a --limit 5m --then k…")
	c.press("tab")
	c.sees("tcpctl drain db-front/pg-a --limit 5m --then keep --reason 'a rea…")
}

// A list that is longer than its window has pages, and shows the current one.
func TestAPickerHasPages(t *testing.T) {
	c := newConsole(t, edge(), 40, 10)
	p := &picker{title: "Pick", choose: func(int) intent { return nil }}
	for i := range 20 {
		p.items = append(p.items, fmt.Sprintf("item-%02d", i))
	}
	c.over = append(c.over, p)
	c.changed()
	c.sees("item-00", "1/")
	c.seesNot("item-19")
	c.press("up")
	c.sees("> item-19")
	c.seesNot("item-00")
}

// Details scroll with the keys of a viewport, no further than their last line.
func TestDetailsScroll(t *testing.T) {
	c := newConsole(t, edge(), 60, 12)
	var facts []fact
	for i := range 30 {
		facts = append(facts, fact{fmt.Sprint("fact", i), "x"})
	}
	c.carry(c.carryOut(open{factsBox("All", facts)}))
	c.sees("fact0 ")
	c.press("j j")
	c.sees("fact2 ")
	c.seesNot("fact1 ")
	for range 20 {
		c.press("pgdown")
	}
	c.sees("fact29")
	c.press("k")
	c.seesNot("fact29")
}
