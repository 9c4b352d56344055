package tui

import tea "github.com/charmbracelet/bubbletea"

const wheelRows = 3

// mouseCommand switches the mouse on or off. While it is off, the default, the terminal's own
// selection works.
func mouseCommand(word string) intent {
	return inConsole(func(m *model) tea.Cmd {
		switch word {
		case "on", "":
			m.mouse = true
			m.message.show("info", "the mouse selects: wheel and click; :mouse off gives it back to the terminal")
			return tea.EnableMouseCellMotion
		case "off":
			m.mouse = false
			m.message.show("info", "the mouse is the terminal's again")
			return tea.DisableMouse
		}
		return m.carryOut(refuse("mouse is on or off"))
	})
}

// onMouse moves the cursor, or the focus to another pane. No click acts, or answers a question,
// since one clicks without reading.
func (m *model) onMouse(e tea.MouseMsg) tea.Cmd {
	if !m.mouse || m.overlay() != nil || e.Action != tea.MouseActionPress {
		return nil
	}
	for i, r := range m.places {
		if e.X < r.X || e.X >= r.X+r.W || e.Y < r.Y || e.Y >= r.Y+r.H {
			continue
		}
		g := m.panes[i].grid()
		switch {
		case e.Button == tea.MouseButtonWheelDown && g != nil:
			g.Move(wheelRows)
		case e.Button == tea.MouseButtonWheelUp && g != nil:
			g.Move(-wheelRows)
		case e.Button == tea.MouseButtonLeft && g != nil:
			g.Click(e.Y - r.Y)
		}
		m.changed()
		if e.Button == tea.MouseButtonLeft && i != m.focus {
			return m.carryOut(focusPane(i))
		}
	}
	return nil
}
