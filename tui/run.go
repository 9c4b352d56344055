package tui

import (
	"context"
	"errors"
	"fmt"
	"time"

	tea "github.com/charmbracelet/bubbletea"
)

// endLimit is how long Run waits for Bubble Tea to end. On a stalled terminal it never does: it
// blocks in a write that cannot be cancelled.
const endLimit = 700 * time.Millisecond

// Run shows the console until the operator leaves it, the terminal is lost, or
// ctx is done, and puts the terminal back. It handles no signal: main, which
// owns them, cancels ctx on TERM and INT, and feeds Config.Hangup on HUP.
//
// Run returns in time whatever the terminal does. Where the terminal takes
// nothing, a goroutine stays behind in its write until it does or the process
// ends. A panic in the console is an error here, with its stack.
func Run(ctx context.Context, cfg Config) (Outcome, error) {
	if cfg.Source == nil {
		return Ended, errors.New("tui: a console needs a Source")
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	m, err := newModel(ctx, cfg)
	if err != nil {
		return Ended, err
	}
	if err := m.colours.fit(cfg.Env); err != nil {
		return Ended, err
	}
	t := openTerminal(cfg.Input, cfg.Output)
	m.out = t.write
	painter, stopPainting := startPainter(ctx, t.write)
	m.painter = painter
	defer painter.end()
	defer stopPainting()

	alive, kill := context.WithCancel(context.WithoutCancel(ctx))
	defer kill()
	m.mouse = cfg.Mouse
	p := newProgram(alive, m, t)
	done := make(chan error, 1)
	go runProgram(p, done)
	sized := make(chan struct{})
	go func() {
		defer close(sized)
		forwardSizes(alive, p, cfg.Sizes)
	}()
	defer func() { kill(); <-sized }()

	outcome := Ended
	select {
	case err := <-done:
		m.keeper.keepLast()
		return m.end(ctx, t, err)
	case <-ctx.Done():
	case <-cfg.Hangup:
		outcome = Hangup
	case <-t.lost:
		outcome = Hangup
	}
	cancel()
	stopPainting() // otherwise it could paint after the screen was left
	return outcome, quitProgram(m, p, t, done, kill)
}

// quitProgram makes Bubble Tea end, or gives up on it. Quit waits for the reader before it closes
// the reader's input; Kill does not.
func quitProgram(m *model, p *tea.Program, t *terminal, done <-chan error, kill func()) error {
	go p.Quit()
	select {
	case <-done:
		m.keeper.keepLast()
		return m.crash
	case <-time.After(endLimit):
		kill()
		t.left.Store(true) // a later write would end up on the shell's screen
		t.restore()        // Bubble Tea could not
		return nil
	}
}

// startPainter starts a painter, and returns what stops it; end waits for it.
func startPainter(ctx context.Context, write func(string) error) (*painter, context.CancelFunc) {
	ctx, stop := context.WithCancel(context.WithoutCancel(ctx))
	p := newPainter(write)
	go p.run(ctx)
	return p, stop
}

// newProgram is Bubble Tea's program for a model on a terminal.
func newProgram(alive context.Context, m *model, t *terminal) *tea.Program {
	options := []tea.ProgramOption{tea.WithContext(alive), tea.WithInput(t.input), tea.WithOutput(t.output),
		tea.WithAltScreen(), tea.WithReportFocus(), tea.WithoutSignalHandler(), tea.WithFPS(1)}
	if m.mouse {
		options = append(options, tea.WithMouseCellMotion())
	}
	return tea.NewProgram(m, options...)
}

// forwardSizes sends the terminal's size to the console. Send returns once the program has ended,
// and does not block behind a stalled renderer.
func forwardSizes(ctx context.Context, p *tea.Program, sizes <-chan [2]int) {
	for {
		select {
		case size, ok := <-sizes:
			if !ok {
				return
			}
			p.Send(tea.WindowSizeMsg{Width: size[0], Height: size[1]})
		case <-ctx.Done():
			return
		}
	}
}

func runProgram(p *tea.Program, done chan<- error) {
	defer func() {
		if r := recover(); r != nil {
			done <- panicked(r)
		}
	}()
	_, err := p.Run()
	done <- err
}

// end says why Bubble Tea ended by itself.
func (m *model) end(ctx context.Context, t *terminal, err error) (Outcome, error) {
	switch {
	case m.crash != nil:
		return Ended, m.crash
	case m.outcome != Ended:
		return m.outcome, nil
	case ctx.Err() != nil:
		return Ended, nil
	}
	select {
	case <-t.lost:
		return Hangup, nil
	default:
	}
	if err != nil && m.width > 0 {
		return Hangup, nil // the terminal is gone
	}
	if err != nil {
		return Ended, fmt.Errorf("tui: %w", err)
	}
	return Ended, nil
}
