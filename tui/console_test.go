package tui

import (
	"context"
	"math"
	"strings"
	"testing"
	"time"

	tea "github.com/charmbracelet/bubbletea"

	"github.com/tcpctl/tcpctl/proxy/api"
	"github.com/tcpctl/tcpctl/proxy/proxytest"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	proxytest.SetUp(16, 4)
	goleak.VerifyTestMain(m,
		goleak.IgnoreAnyFunction("github.com/charmbracelet/x/exp/teatest.NewTestModel.func2"))
}

// console is a model with a fake engine and clock, driven by key presses and read from its screen,
// without a terminal.
type console struct {
	*model
	t      testing.TB
	engine *fake
	now    time.Time
}

func newConsole(t testing.TB, engine *fake, w, h int, change ...func(*Config)) *console {
	t.Helper()
	cfg := Config{Source: engine, Instance: "edge-01", Where: "@unix:/run/tcpctl.sock"}
	cfg.Peer = func(node string) api.Source { return engine.peer(node) }
	for _, do := range change {
		do(&cfg)
	}
	m, err := newModel(context.Background(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	c := &console{model: m, t: t, engine: engine, now: start}
	m.backends.table.SetSort(0, true) // in the configured order, so that tests know which row is where
	m.clock, m.zone = func() time.Time { return c.now }, time.UTC
	c.send(tea.WindowSizeMsg{Width: w, Height: h})
	c.look()
	return c
}

// sickFirst sorts the backends as a console does by default.
func (c *console) sickFirst() { c.backends.table.SetSort(0, false) }

// send gives the console a message and runs the resulting commands, except the clock's ticks.
func (c *console) send(msg tea.Msg) {
	c.t.Helper()
	_, cmd := c.Update(msg)
	c.carry(cmd)
}

func (c *console) carry(cmd tea.Cmd) {
	if cmd == nil {
		return
	}
	switch msg := cmd().(type) {
	case nil, tickMsg, tea.QuitMsg:
	case tea.BatchMsg:
		for _, one := range msg {
			c.carry(one)
		}
	default:
		c.send(msg)
	}
}

// look polls the engine once.
func (c *console) look() {
	c.t.Helper()
	for i := range c.fetches {
		c.fetches[i].next = time.Time{}
	}
	c.carry(c.poll())
	c.carry(c.poll()) // the first answer may change what is shown
}

// pass advances both clocks, and polls.
func (c *console) pass(d time.Duration) {
	c.t.Helper()
	c.now = c.now.Add(d)
	c.engine.change(func(f *fake) { f.status.Node.Now = f.status.Node.Now.Add(d) })
	c.look()
}

// press presses keys, by name, with spaces between them.
func (c *console) press(keys string) {
	c.t.Helper()
	for _, k := range strings.Fields(keys) {
		c.send(keyMsg(k))
	}
}

// write types a text.
func (c *console) write(text string) {
	c.t.Helper()
	for _, r := range text {
		k := tea.KeyMsg{Type: tea.KeyRunes, Runes: []rune{r}}
		if r == ' ' {
			k.Type = tea.KeySpace
		}
		c.send(k)
	}
}

func keyMsg(name string) tea.KeyMsg {
	named := map[string]tea.KeyType{"enter": tea.KeyEnter, "esc": tea.KeyEsc, "tab": tea.KeyTab, "shift+tab": tea.KeyShiftTab, "up": tea.KeyUp, "down": tea.KeyDown,
		"left": tea.KeyLeft, "right": tea.KeyRight, "backspace": tea.KeyBackspace, "ctrl+c": tea.KeyCtrlC, "ctrl+d": tea.KeyCtrlD, "ctrl+a": tea.KeyCtrlA, "ctrl+space": tea.KeyCtrlAt,
		"ctrl+r": tea.KeyCtrlR, "pgdown": tea.KeyPgDown, "end": tea.KeyEnd, "home": tea.KeyHome, "ctrl+l": tea.KeyCtrlL}
	if t, ok := named[name]; ok {
		return tea.KeyMsg{Type: t}
	}
	if name == "space" {
		return tea.KeyMsg{Type: tea.KeySpace, Runes: []rune{' '}}
	}
	return tea.KeyMsg{Type: tea.KeyRunes, Runes: []rune(name)}
}

// screen returns the screen as text.
func (c *console) screen() string {
	c.t.Helper()
	c.View()
	if c.crash != nil {
		c.t.Fatal(c.crash)
	}
	return c.canvas.Plain()
}

func (c *console) sees(texts ...string) {
	c.t.Helper()
	screen := c.screen()
	for _, text := range texts {
		if !strings.Contains(screen, text) {
			c.t.Errorf("not on the screen: %q\n%s", text, screen)
		}
	}
}

func (c *console) seesNot(text string) {
	c.t.Helper()
	if screen := c.screen(); strings.Contains(screen, text) {
		c.t.Errorf("on the screen: %q\n%s", text, screen)
	}
}

// live gives the engine five minutes of history, with traffic in waves.
func (c *console) live() {
	end := c.now
	var in, out int64
	c.engine.change(func(f *fake) { in, out = f.status.Services[0].BytesIn, f.status.Services[0].BytesOut })
	c.now = end.Add(-5 * time.Minute)
	c.stats.recent, c.stats.past = nil, map[string]*history{}
	for i := 300; i >= 0; i-- {
		at := end.Add(-time.Duration(i) * time.Second)
		c.now = at
		wave := 100 + 80*math.Sin(float64(i)/23) + 20*math.Sin(float64(i)/3)
		in += int64(wave * (1 << 20))
		out += int64((60 + wave/3) * (1 << 20))
		c.engine.change(func(f *fake) {
			f.status.Node.Now = at
			s := &f.status.Services[0]
			s.BytesIn, s.BytesOut = in, out
			s.Sessions.Total += 118
			s.Backends[0].BytesIn, s.Backends[0].BytesOut = in*9/10, out*9/10
			s.Backends[0].Total += 118
			s.Backends[1].Drain.Remaining = 38 + i/2
			s.Backends[1].Active = s.Backends[1].Drain.Remaining
		})
		c.look()
	}
	c.changed()
}
