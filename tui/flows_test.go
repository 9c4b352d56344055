package tui

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	tea "github.com/charmbracelet/bubbletea"
	"github.com/charmbracelet/x/exp/teatest"

	"github.com/tcpctl/tcpctl/proxy"
	"github.com/tcpctl/tcpctl/themes"
)

// runFlow runs a console in Bubble Tea's own loop and presses keys. Tests check the final model,
// since the renderer's output depends on timing.
func runFlow(t *testing.T, engine *fake, cfg Config, steps ...any) *model {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	cfg.Source = engine
	m, err := newModel(ctx, cfg)
	if err != nil {
		t.Fatal(err)
	}
	m.zone = time.UTC
	tm := teatest.NewTestModel(t, probed{m}, teatest.WithInitialTermSize(140, 45))
	for _, step := range append(steps, until(func(*model) bool { return true })) {
		switch step := step.(type) {
		case string:
			for _, k := range strings.Fields(step) {
				tm.Send(keyMsg(k))
			}
		case typing:
			tm.Type(string(step))
		case tea.Msg:
			tm.Send(step)
		}
		if cond, ok := step.(until); ok {
			waitFor(t, tm, cond)
		}
	}
	if err := tm.Quit(); err != nil {
		t.Fatal(err)
	}
	return tm.FinalModel(t, teatest.WithFinalTimeout(20*time.Second)).(probed).model
}

// typing is text to type; until is a condition of the model to wait for.
type (
	typing string
	until  func(*model) bool
)

// probed is a model that can be inspected inside Bubble Tea's loop.
type probed struct{ *model }

type probe func(*model)

func (p probed) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	if look, ok := msg.(probe); ok {
		look(p.model)
		return p, nil
	}
	_, cmd := p.model.Update(msg)
	return p, cmd
}

// waitFor evaluates the condition inside the loop, where the model may be read.
func waitFor(t *testing.T, tm *teatest.TestModel, cond until) {
	t.Helper()
	for end := time.Now().Add(hangs); time.Now().Before(end); {
		done := make(chan bool, 1)
		tm.Send(probe(func(m *model) { done <- cond(m) }))
		select {
		case ok := <-done:
			if ok {
				return
			}
		case <-time.After(hangs):
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatal("the condition was never met")
}

func known(m *model) bool { return m.stats.known() && len(m.stats.journal.entries) > 0 }

func TestFlows(t *testing.T) {
	dir := t.TempDir()
	for _, f := range []struct {
		name  string
		cfg   Config
		steps []any
		check func(*model, *fake) bool
	}{
		{"the panes come alive", Config{}, []any{until(known)}, func(m *model, _ *fake) bool { return len(m.backends.table.Rows()) == 7 }},
		{"a drain by keys", Config{}, []any{until(known), "o d y", until(func(m *model) bool { return m.stats.status.Backend("db-front/pg-a").Drain != nil && len(m.undos) > 0 })},
			func(m *model, f *fake) bool { return len(m.undos) == 1 && len(f.acts()) == 1 }},
		{"a drain and its undo", Config{}, []any{until(known), "o d y", until(func(m *model) bool { return len(m.undos) == 1 }), "U", until(func(m *model) bool { return strings.HasPrefix(m.message.text, "undone: ") })},
			func(_ *model, f *fake) bool { return f.acts()[1].Act == "ready" }},
		{"a drain by words", Config{}, []any{until(known), ":", typing("drain db-front/pg-a --limit 5m --reason 'new kernel'"), "enter y", until(func(m *model) bool { return len(m.undos) == 1 })},
			func(_ *model, f *fake) bool {
				return f.acts()[0].CommandLine() == "tcpctl drain db-front/pg-a --limit 5m --reason 'new kernel'"
			}},
		{"the queue, filtered", Config{}, []any{until(known), "2", until(func(m *model) bool { return len(m.queue.table.Rows()) == 7 }), "/", typing("waited>2m"), "enter"},
			func(m *model, _ *fake) bool { return m.queue.table.Len() == 3 }},
		{"a waiter kicked", Config{}, []any{until(known), "2", until(func(m *model) bool { return len(m.queue.table.Rows()) == 7 }), "j K y", until(func(m *model) bool { return m.message.text != "" })},
			func(_ *model, f *fake) bool { return f.acts()[0].CommandLine() == "tcpctl kick s4720" }},
		{"sessions, ended ones only", Config{}, []any{until(known), "4", until(func(m *model) bool { return len(m.stats.sessions.list) == 7 }), "v v"},
			func(m *model, _ *fake) bool { return m.sessions.table.Len() == 3 }},
		{"a theme tried, and left", Config{}, []any{until(known), "t", until(func(m *model) bool { return m.overlay() != nil }), "down", until(func(m *model) bool { return m.theme.Name == "dark" }), "esc"},
			func(m *model, _ *fake) bool { return m.theme.Name == "default" }},
		{"a theme chosen by word", Config{}, []any{until(known), ":", typing("theme light"), "enter", until(func(m *model) bool { return m.theme.Name == "light" })},
			func(m *model, _ *fake) bool { return m.message.text == "theme light" }},
		{"a note", Config{}, []any{until(known), "M", typing("disk swap"), "enter", until(func(m *model) bool { return m.message.text != "" })},
			func(_ *model, f *fake) bool { return f.acts()[0].Args[0] == "disk swap" }},
		{"resized to the least and back", Config{}, []any{until(known), tea.WindowSizeMsg{Width: 1, Height: 1}, tea.WindowSizeMsg{Width: 40, Height: 10}, "d", tea.WindowSizeMsg{Width: 200, Height: 60}, "esc"},
			func(m *model, f *fake) bool { return m.width == 200 && len(f.acts()) == 0 && m.crash == nil }},
		{"the command line remembers", Config{History: filepath.Join(dir, "history")}, []any{until(known), ":", typing("view office"), "enter :", typing("view all"), "enter : up up enter", until(func(m *model) bool { return m.view == "office" })},
			func(m *model, _ *fake) bool { return len(m.lines.lines) == 3 }},
		{"help, searched and left", Config{}, []any{until(known), "?", typing("drain"), "down esc"}, func(m *model, _ *fake) bool { return m.overlay() == nil }},
		{"a dry run", Config{}, []any{until(known), ":", typing("drain db-front/pg-a --dry-run"), "enter", until(func(m *model) bool { return m.overlay() != nil })},
			func(m *model, _ *fake) bool { return m.stats.status.Backend("db-front/pg-a").Drain == nil }},
	} {
		t.Run(f.name, func(t *testing.T) {
			engine := edge()
			heal(engine)
			if m := runFlow(t, engine, f.cfg, f.steps...); !f.check(m, engine) {
				m.View()
				t.Errorf("unexpected final state: %q\n%s", m.message.text, m.paint().Plain())
			}
		})
	}
	// It is written in the background, and the console may have ended first.
	for end := time.Now().Add(hangs); ; time.Sleep(time.Millisecond) {
		text, err := os.ReadFile(filepath.Join(dir, "history"))
		if strings.Contains(string(text), "view office\nview all\n") {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("the history was not kept: %q %v", text, err)
		}
	}
}

// A theme that is saved while it is in use is applied; an invalid one changes nothing, and says
// why.
func TestASavedThemeIsReadAgain(t *testing.T) {
	dir := t.TempDir()
	save := func(text string, at time.Time) {
		path := filepath.Join(dir, "sea.toml")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(path, at, at); err != nil {
			t.Fatal(err)
		}
	}
	save("inherits = \"dark\"\n", start)
	theme, err := themes.Load("sea", dir)
	if err != nil {
		t.Fatal(err)
	}
	c := newConsole(t, edge(), 80, 24, func(cfg *Config) { cfg.Theme, cfg.ThemeDir = theme, dir })
	c.carry(c.colours.watch())
	save("inherits = \"dark\"\n[roles]\ntext = \"bright_red\"\n", start.Add(time.Second))
	c.carry(c.colours.watch())
	if got := c.theme.Style(themes.Text).FG.Kind; got != themes.ANSI {
		t.Errorf("text is still of kind %v", got)
	}
	c.carry(c.colours.watch())
	save("[roles]\ntxt = \"red\"\n", start.Add(2*time.Second))
	c.carry(c.colours.watch())
	c.sees("sea.toml:2: unknown role \"txt\"")
	if c.theme.Style(themes.Text).FG.Kind != themes.ANSI {
		t.Error("the theme before is gone")
	}
}

func TestEventsFollowAndPause(t *testing.T) {
	c := newConsole(t, edge(), 140, 45)
	c.press("5")
	c.sees("following", "8 kept")
	add := func(text string) {
		c.engine.change(func(f *fake) {
			f.events = append(f.events, proxy.Event{Time: f.status.Node.Now, Kind: proxy.EventQueue, Level: proxy.LevelInfo, Text: text})
		})
		c.pass(time.Second)
	}
	add("one more")
	if c.events.table.CurrentID() != c.stats.journal.entries[0].id {
		t.Error("it does not follow")
	}
	c.press("j j")
	id := c.events.table.CurrentID()
	add("and another")
	add("and a third")
	c.sees("paused +2")
	if got := c.events.table.CurrentID(); got != id {
		t.Errorf("the cursor went from %s to %s", id, got)
	}
	c.press("g")
	c.sees("following")
}

// Client names with escape sequences cannot move the cursor or hide a line.
func TestHostileNames(t *testing.T) {
	engine := edge()
	evil := "\x1b[2J\x1b]0;owned\a\u202e\u0301" + strings.Repeat("Ａ", 50) + "\n\r\t"
	for i := range engine.waiters {
		engine.waiters[i].Client, engine.waiters[i].ID, engine.waiters[i].Reason = evil, evil, proxy.Reason(evil)
	}
	for i := range engine.events {
		engine.events[i].Text, engine.events[i].By, engine.events[i].Command, engine.events[i].Kind = evil, evil, evil, evil
	}
	s := &engine.status.Services[0]
	s.Name, s.Listen = evil, []string{evil}
	for i := range s.Backends {
		b := &s.Backends[i]
		b.Name, b.Addr, b.Reason = evil, evil, evil
		if b.Check != nil {
			b.Check.Detail, b.Check.Last = evil, evil
		}
		if b.Drain != nil {
			b.Drain.By, b.Drain.Reason, b.Drain.Then = evil, evil, evil
		}
	}
	engine.status.Node.Name = evil
	engine.refuse = errors.New(evil)
	for _, size := range sizes {
		for _, keys := range []string{"1", "1 j enter", "2", "4", "5 j enter", "6", "1 P y", "q", "?"} {
			c := newConsole(t, engine, size[0], size[1])
			c.press(keys)
			exact(t, c, c.screen())
			for _, r := range strings.ReplaceAll(c.screen(), "\n", "") {
				if r < ' ' || r == 0x7f || r == 0x202e {
					t.Fatalf("%v %s: %U on the screen", size, keys, r)
				}
			}
		}
	}
}

func TestOnlyWhatIsShownIsAskedFor(t *testing.T) {
	engine := edge()
	engine.status.Services[0].Sessions.Active = 1 // with many sessions there might be a hog
	c := newConsole(t, engine, 40, 10)
	c.look()
	if n := c.engine.asked["queue"] + c.engine.asked["sessions"]; n > 0 {
		t.Errorf("%v", c.engine.asked)
	}
	c.press("2")
	c.look()
	if c.engine.asked["queue"] == 0 || c.engine.asked["sessions"] > 0 {
		t.Errorf("%v", c.engine.asked)
	}
}

func TestCommandLine(t *testing.T) {
	c := healthy(t, 100, 30)
	for line, want := range map[string]string{
		"drian db-front/pg-a":          `there is no command "drian"; did you mean "drain"?`,
		"drain db-front/pg-x":          `there is no db-front/pg-x; did you mean "db-front/pg-a"?`,
		"drain db-front/pg-a --limt 5": `drain does not take --limt (it takes --limit, --then,`,
		"drain --limit":                "--limit needs a value",
		"drain --limit soon":           `--limit "soon" is not a duration like 90s, 5m or 05:00`,
		"drain --then stop":            `--then "stop" is not known`,
		"drain 'db":                    "a quote is not closed",
		"view nope":                    `there is no service "nope"`,
		"sort wat":                     `there is no column "wat"`,
		"mark":                         "mark needs TEXT (usage: tcpctl mark TEXT)",
		"resume office":                "office is not paused",
	} {
		c.command(line)
		if !strings.Contains(c.message.text, want) {
			t.Errorf("%s: %q, not %q", line, c.message.text, want)
		}
		c.over = nil
	}
	c.carry(c.command("tcpctl weight db-front/pg-a 50 --reason \"half of it\""))
	c.carry(c.command("weight 7"))
	c.carry(c.command("resume db-front --rate 50/s"))
	c.did("tcpctl weight db-front/pg-a 50 --reason 'half of it'", "tcpctl weight db-front/pg-a 7")

	from, words := c.complete("drain db-front/pg-a --th")
	if from != 20 || strings.Join(words, " ") != "--then" {
		t.Errorf("completes to %d %q", from, words)
	}
	c.press(":")
	c.write("dr")
	c.press("tab")
	c.write("of")
	c.press("tab")
	c.sees(":drain office/soffice")
}

func TestCopyIsOneSequence(t *testing.T) {
	c := newConsole(t, edge(), 80, 24)
	var out []string
	c.out = func(s string) error { out = append(out, s); return nil }
	c.press("y Y")
	if len(out) != 2 || out[0] != "\x1b]52;c;ZGItZnJvbnQvcGctYQ==\a" || !strings.HasPrefix(out[1], "\x1b]52;c;eyJuYW1l") {
		t.Errorf("%q", out)
	}
}
