package tui

import (
	"fmt"

	tea "github.com/charmbracelet/bubbletea"

	"github.com/tcpctl/tcpctl/proxy/api"
	"github.com/tcpctl/tcpctl/themes"
	"github.com/tcpctl/tcpctl/tui/internal/screen"
)

// leave asks how to leave, where leaving can mean two things. A console that
// is attached only leaves: there is no engine here to stop.
func (m *model) leave() tea.Cmd {
	if m.cfg.Attached {
		return m.quit(Detach)
	}
	m.push(&leaveBox{})
	return nil
}

func (m *model) quit(o Outcome) tea.Cmd {
	m.outcome = o
	return tea.Quit
}

// leaveBox is asked by q and ctrl+c, however often they are pressed: a
// process with live sessions never stops without having been told to.
type leaveBox struct{ at int }

var leaveWords = []string{"cancel", "detach", "stop"}

func (l *leaveBox) freezes() bool { return true }
func (l *leaveBox) hint() string  { return "d detach   s stop   esc cancel" }
func (l *leaveBox) tiny() string  { return "leave? d detach s stop esc" }

func (l *leaveBox) key(m *model, k tea.KeyMsg) tea.Cmd {
	if k.Paste {
		return nil
	}
	switch k.String() {
	case "d":
		return m.quit(Detach)
	case "s":
		return l.stop(m)
	case "esc", "n", "c":
		m.pop()
	case "tab", "right", "l", "down":
		l.at = (l.at + 1) % len(leaveWords)
	case "shift+tab", "left", "h", "up":
		l.at = (l.at + len(leaveWords) - 1) % len(leaveWords)
	case "enter":
		switch l.at {
		case 0:
			m.pop()
		case 1:
			return m.quit(Detach)
		case 2:
			return l.stop(m)
		}
	}
	return nil
}

// stop ends the service: the process that runs the console does it.
func (l *leaveBox) stop(m *model) tea.Cmd {
	if m.cfg.ReadOnly {
		m.pop()
		m.say(refusal("stop: this console is read-only; d detaches"), "")
		return nil
	}
	return m.quit(Stop)
}

func (l *leaveBox) draw(m *model, c *screen.Canvas) {
	box := m.window(c, dialogWidth, 11, "Leave "+m.homeName()+" ?", "")
	lines := []struct{ key, text string }{
		{"d", "detach: close the console, keep serving; tcpctl attach opens it again"},
		{"s", "stop the service: " + m.stopText()},
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
	for i, w := range []string{"Cancel (esc)", "Detach (d)", "Stop (s)"} {
		role := []themes.Role{themes.SafeButton, themes.Button, themes.DangerButton}[i]
		if i == l.at {
			w = "[ " + w + " ]"
		} else {
			w = "  " + w + "  "
		}
		end := box.Text(x, box.H-2, w, role)
		if i == l.at {
			box.Reverse(x, box.H-2, end-x)
		}
		x = end + 1
	}
}

// stopText is the impact of stopping, in a sentence.
func (m *model) stopText() string {
	if a := api.Lookup("stop"); a != nil {
		for _, i := range a.Impact(m.home.world.status, &api.Request{Act: "stop", Targets: []string{""}}) {
			if len(i.Lines) > 0 {
				return screen.Safe(i.Lines[0])
			}
		}
	}
	n := count(m.home.world.status)
	return fmt.Sprintf("%s and %s get the grace, then they are reset", screen.Plural(n.active, "session"), screen.Plural(n.waiting, "waiting client"))
}
