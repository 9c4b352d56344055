package tui

import (
	"fmt"
	"testing"
	"time"

	"github.com/tcpctl/tcpctl/proxy"
)

// Similar events are one line, at the time of the newest, which keeps the cursor; state changes are
// shown each time.
func TestSimilarEventsAreOneLine(t *testing.T) {
	engine := edge()
	at := start.Add(-3 * time.Minute)
	note := func(kind, text string) {
		at = at.Add(10 * time.Second)
		engine.events = append(engine.events, proxy.Event{Time: at, Kind: kind, Level: proxy.LevelWarn, Service: "office", Text: text})
	}
	engine.events = nil
	note(proxy.EventRefused, "10.2.0.1:4000 refused: the queue is full")
	note(proxy.EventBackendDown, "backend office/soffice is down: reset")
	note(proxy.EventRefused, "10.2.0.7:4010 refused: the queue is full (and 40 more like it before)")
	note(proxy.EventBackendDown, "backend office/soffice is down: reset")
	c := newConsole(t, engine, 100, 30)
	c.press("5")
	rows := func() (all string) {
		for i := range c.events.table.Len() {
			all += fmt.Sprintln(c.timeOf(c.events.table.Row(i).Time), eventText(c.events.table.Row(i)))
		}
		return all
	}
	want := "13:59:51 office/soffice is down: reset\n13:59:41 10.2.0.7:4010 refused: the queue is full (42 like it)\n13:59:31 office/soffice is down: reset\n"
	if got := rows(); got != want {
		t.Errorf("events\n%s, not\n%s", got, want)
	}
	c.press("j")
	c.engine.change(func(*fake) { note(proxy.EventRefused, "10.2.0.9:4020 refused: the queue is full") })
	c.look()
	if r, _ := c.events.table.Current(); r == nil || r.folded != 43 || !r.Time.Equal(at) {
		t.Errorf("the cursor is not on the line that grew: %+v", r)
	}
	if got := c.timeOf(c.events.table.Row(0).Time); got != c.timeOf(at) {
		t.Errorf("the line that grew is not the newest: %s\n%s", got, rows())
	}
}

func TestAnActIsNamedOnce(t *testing.T) {
	for _, c := range [][3]string{
		{"pause db until 20:47:34 UTC: 0 sessions live", "pause db --max 10m", "until 20:47:34 UTC: 0 sessions live"},
		{"drain db/a: 2 sessions remaining", "drain db/a --limit 5m", "2 sessions remaining"},
		{"kicked 1 session", "kick s47", "kicked 1 session"},
		{"weight of db/b: 50, was 1", "weight db/b 50", "was 1"},
		{"stop", "stop", ""},
		{"db/a: already draining, 7 sessions remaining", "drain db/a", "already draining, 7 sessions remaining"},
		{"reload: nothing changed", "reload", "nothing changed"},
		{"reload: nothing changed", "reload --peer all", "nothing changed"},
	} {
		if got := withoutBeginning(c[0], c[1]); got != c[2] {
			t.Errorf("%q after %q is %q, not %q", c[0], c[1], got, c[2])
		}
	}
}

// An act is one sentence: who did what, with which options and why, and the outcome. The console's
// own messages are not events.
func TestAnEventIsOneSentence(t *testing.T) {
	c := newConsole(t, edge(), 140, 45)
	c.press("5 z")
	c.sees("ana: drain db-front/pg-b --limit 5m --then cut: 210 sessions remaining",
		"ana: maint db-front/pg-c --reason 'kernel patch': no sessions remaining",
		"backend   db-front/pg-d is down: connection refused", "ana: pg-d: disk swap begins")
	c.seesNot("= tcpctl")
	before := c.events.table.Len()
	c.command("view nope") // refused
	c.sees("there is no service \"nope\"")
	c.now = c.now.Add(8 * time.Second)
	c.pass(time.Second)
	c.sees("live again after 9s")
	if n := c.events.table.Len(); n != before {
		t.Errorf("%d events, not %d: the console's own are among them\n%s", n, before, c.screen())
	}
}
