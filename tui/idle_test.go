package tui

import (
	"testing"
	"time"

	tea "github.com/charmbracelet/bubbletea"
)

// idleFor lets a console run in Bubble Tea's own loop, and tells what it wrote
// after its first second, and how much of a core it took.
func idleFor(b *testing.B, m *model, span time.Duration) (bytes, cpu float64) {
	out := &counter{}
	p := tea.NewProgram(m, tea.WithInput(nil), tea.WithOutput(out), tea.WithAltScreen(), tea.WithoutSignalHandler(), tea.WithFPS(frames))
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
