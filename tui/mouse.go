package tui

import tea "github.com/charmbracelet/bubbletea"

// mouseCommand switches the mouse on or off. Off, which is the default, the
// terminal's own selecting and copying works.
func mouseCommand(word string) intent {
	return inConsole(func(m *model) tea.Cmd {
		switch word {
		case "on", "":
			m.mouse = true
			m.show("info", "the mouse selects: wheel and click; :mouse off gives it back to the terminal")
			return tea.EnableMouseCellMotion
		case "off":
			m.mouse = false
			m.show("info", "the mouse is the terminal's again")
			return tea.DisableMouse
		}
		return m.carryOut(refuse("mouse is on or off"))
	})
}
