package tui

import (
	tea "github.com/charmbracelet/bubbletea"

	"github.com/tcpctl/tcpctl/proxy/api"
	"github.com/tcpctl/tcpctl/themes"
	"github.com/tcpctl/tcpctl/tui/internal/screen"
)

// leave asks how to leave if that can mean two things. An attached console just leaves: there is no
// engine here to stop.
func leave(f *frame) intent {
	if f.cfg.Attached {
		return quit(Detach)
	}
	return open{&leaveBox{}}
}

// quit ends the console.
type quit Outcome

func (o quit) apply(m *model) tea.Cmd {
	m.outcome = Outcome(o)
	return tea.Quit
}

// leaveBox is opened by q and ctrl+c, however often they are pressed: a process with live sessions
// stops only after its name was typed.
type leaveBox struct{ at int }

var leaveButtons = []struct {
	text string
	role themes.Role
}{{"Cancel (esc)", themes.SafeButton}, {"Detach (d)", themes.Button}, {"Stop (s)", themes.DangerButton}}

func (l *leaveBox) freezes() bool      { return true }
func (l *leaveBox) hint(*frame) string { return "d detach   s stop   esc cancel" }
func (l *leaveBox) tiny() string       { return "leave? d detach s stop esc" }

func (l *leaveBox) key(f *frame, k tea.KeyMsg) intent {
	if k.Paste {
		return nil
	}
	switch k.String() {
	case "d":
		return quit(Detach)
	case "s":
		return l.stop(f)
	case "esc", "n", "c":
		return closeAnd{}
	case "tab", "right", "l", "down":
		l.at = (l.at + 1) % len(leaveButtons)
	case "shift+tab", "left", "h", "up":
		l.at = (l.at + len(leaveButtons) - 1) % len(leaveButtons)
	case "enter":
		switch l.at {
		case 0:
			return closeAnd{}
		case 1:
			return quit(Detach)
		case 2:
			return l.stop(f)
		}
	}
	return nil
}

// stop proposes the stop of the console's own engine, whichever is shown. It is an act like any
// other, with its impact and its confirmation.
func (l *leaveBox) stop(f *frame) intent {
	if f.cfg.ReadOnly {
		return closeAnd{refuse("stop: this console is read-only; d detaches")}
	}
	return closeAnd{inConsole(func(m *model) tea.Cmd {
		return tea.Batch(m.goHome(), m.carryOut(propose{req: api.Request{Act: "stop"}}))
	})}
}

func (l *leaveBox) draw(f *frame, c *screen.Canvas) {
	box := drawWindow(f, c, dialogWidth, 11, "Leave "+f.ownName()+" ?", "")
	lines := []struct{ key, text string }{
		{"d", "detach: close the console, keep serving; tcpctl attach opens it again"},
		{"s", "stop the service: " + stopText(f)},
		{"esc", "stay"},
	}
	y := 1
	if box.H < 8 {
		y = 0
	}
	for _, l := range lines {
		box.Text(2, y, l.key, themes.Key)
		for _, line := range screen.Wrap(l.text, box.W-8) {
			box.Text(6, y, line, themes.Text)
			y++
		}
	}
	x := max((box.W-42)/2, 1)
	for i, b := range leaveButtons {
		text := "  " + b.text + "  "
		if i == l.at {
			text = "[ " + b.text + " ]"
		}
		end := box.Text(x, box.H-2, text, b.role)
		if i == l.at {
			box.Reverse(x, box.H-2, end-x)
		}
		x = end + 1
	}
}

// stopText describes the effect of a stop: the last line of its impact says how many clients it affects.
func stopText(f *frame) (text string) {
	for _, i := range api.Lookup("stop").Impact(f.own.status, &api.Request{Act: "stop"}) {
		for _, line := range i.Lines {
			text = screen.Safe(line)
		}
	}
	return text
}
