package tui

import (
	"fmt"

	tea "github.com/charmbracelet/bubbletea"

	"github.com/tcpctl/tcpctl/proxy/api"
	"github.com/tcpctl/tcpctl/themes"
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

func (l *leaveBox) draw(m *model, c *canvas) {
	box := m.window(c, dialogWidth, 11, "Leave "+m.homeName()+" ?", "")
	lines := []struct{ key, text string }{
		{"d", "detach: close the console, keep serving; tcpctl attach opens it again"},
		{"s", "stop the service: " + m.stopText()},
		{"esc", "stay"},
	}
	y := 1
	if box.h < 8 {
		y = 0
	}
	for _, l := range lines {
		box.text(2, y, l.key, is(themes.Key))
		for _, line := range wrap(l.text, box.w-8) {
			box.text(6, y, line, is(themes.Text))
			y++
		}
	}
	x := max((box.w-42)/2, 1)
	for i, w := range []string{"Cancel (esc)", "Detach (d)", "Stop (s)"} {
		k := is([]themes.Role{themes.SafeButton, themes.Button, themes.DangerButton}[i])
		if i == l.at {
			k.mod |= reverse
			w = "[ " + w + " ]"
		} else {
			w = "  " + w + "  "
		}
		x = box.text(x, box.h-2, w, k) + 1
	}
}

// stopText is the impact of stopping, in a sentence.
func (m *model) stopText() string {
	if a := api.Lookup("stop"); a != nil {
		for _, i := range a.Impact(m.home.world.status, &api.Request{Act: "stop", Targets: []string{""}}) {
			if len(i.Lines) > 0 {
				return safe(i.Lines[0])
			}
		}
	}
	n := count(m.home.world.status)
	return fmt.Sprintf("%s and %s get the grace, then they are reset", many(n.active, "session"), many(n.waiting, "waiting client"))
}
