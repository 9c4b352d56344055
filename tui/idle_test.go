package tui

import (
	"context"
	"io"
	"testing"
	"time"

	tea "github.com/charmbracelet/bubbletea"

	"github.com/tcpctl/tcpctl/proxy"
)

// idleFor runs a console in Bubble Tea's own loop, and returns the bytes it wrote after its first
// second and its share of a core.
func idleFor(b *testing.B, m *model, span time.Duration) (bytes, cpu float64) {
	out := &counter{}
	m.painter = newPainter(func(s string) error { _, err := io.WriteString(out, s); return err })
	painting, stop := context.WithCancel(b.Context())
	go m.painter.run(painting)
	defer m.painter.end()
	defer stop()
	p := tea.NewProgram(m, tea.WithInput(nil), tea.WithOutput(io.Discard), tea.WithoutSignalHandler(), tea.WithFPS(1))
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, _ = p.Run()
	}()
	p.Send(tea.WindowSizeMsg{Width: 140, Height: 45})
	time.Sleep(time.Second)
	before, used := out.n.Load(), cpuTime()
	time.Sleep(span)
	bytes, cpu = float64(out.n.Load()-before), (cpuTime() - used).Seconds()
	p.Quit()
	<-done
	return bytes, cpu
}

// While nothing changes the console polls once a second; a key or a session wakes it.
func TestTheConsolePollsSlowlyWhileNothingMoves(t *testing.T) {
	engine := edge()
	heal(engine)
	for i := range engine.status.Services[0].Backends {
		engine.status.Services[0].Backends[i].Drain, engine.status.Services[0].Backends[i].Admin = nil, proxy.AdminReady
	}
	c := newConsole(t, engine, 80, 24)
	if c.quiet() {
		t.Error("quiet from the start")
	}
	for range 7 {
		c.pass(time.Second) // only its clock and the ages change
	}
	if !c.quiet() {
		t.Error("not quiet although nothing moves")
	}
	c.press("j")
	if c.quiet() {
		t.Error("quiet while keys are pressed")
	}
	for range 7 {
		c.pass(time.Second)
	}
	c.engine.change(func(f *fake) { f.status.Services[0].Sessions.Total++ })
	c.pass(time.Second)
	if c.quiet() {
		t.Error("quiet while sessions begin")
	}
}

// A quiet console, including its clocks and ages, writes at most 100 bytes a second at any size
// (the budget is 1 kB).
func TestAQuietScreenWritesLittle(t *testing.T) {
	for _, size := range [][2]int{{80, 24}, {140, 45}, {200, 60}} {
		c := newConsole(t, wellFleet(), size[0], size[1])
		c.screen()
		before, written := c.canvas, 0
		for range 60 {
			c.pass(time.Second)
			c.screen()
			written += len(c.canvas.Diff(before, c.colours.palette))
			before = c.canvas
		}
		if written > 60*100 {
			t.Errorf("%dx%d: %d bytes a second", size[0], size[1], written/60)
		} else {
			t.Logf("%dx%d: %d bytes a second", size[0], size[1], written/60)
		}
	}
}
