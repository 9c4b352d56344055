package tui

import (
	"encoding/json"
	"testing"
	"time"
)

// Sort, filter, view, zoom and theme are restored, even in a console of another process.
func TestAConsoleIsAsItWasLeft(t *testing.T) {
	var kept []Kept
	keeping := func(cfg *Config) { cfg.Keep = func(k Kept) { kept = append(kept, k) } }
	c := newConsole(t, edge(), 140, 45, keeping)
	c.command("sort act")
	c.command("view db-front")
	c.press("/")
	c.write("pg !down")
	c.press("enter 4")
	c.command("sort idle")
	c.press("z")
	c.carry(c.command("theme dark"))
	c.carry(c.onTick())
	n := len(kept)
	c.carry(c.onTick())
	if n == 0 || len(kept) != n {
		t.Fatalf("kept %d times, and then %d: once is enough", n, len(kept))
	}
	text, err := json.Marshal(kept[n-1])
	if err != nil {
		t.Fatal(err)
	}
	var back Kept
	if err := json.Unmarshal(text, &back); err != nil {
		t.Fatal(err)
	}
	m, err := newModel(t.Context(), Config{Source: edge(), Kept: back})
	if err != nil {
		t.Fatal(err)
	}
	names, by, desc := m.backends.table.Sorts()
	if by == 0 || names[by-1] != "ACT" || !desc || m.backends.table.Filter() != "pg !down" || m.view != "db-front" || !m.zoom || m.theme.Name != "dark" {
		t.Errorf("it is not as it was left: %s", text)
	}
	if _, by, _ := m.sessions.table.Sorts(); by == 0 {
		t.Error("the sessions are sorted as usual")
	}
}

// Saved settings of things that no longer exist are ignored.
func TestKeptSettingsMayBeGone(t *testing.T) {
	gone := Kept{Theme: "none", View: "old", Panes: map[string]KeptPane{"Backends": {Sort: 99}, "Nope": {Sort: 1}, "Plan": {Sort: 1}}}
	c := newConsole(t, edge(), 80, 24, func(cfg *Config) { cfg.Kept = gone })
	c.pass(time.Second)
	c.sees("db-front", "pg-a")
	if _, by, _ := c.backends.table.Sorts(); by != 0 || c.view != "" || c.theme.Name != "default" {
		t.Errorf("sort %d, view %q, theme %s", by, c.view, c.theme.Name)
	}
}
