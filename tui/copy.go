package tui

import (
	"encoding/base64"

	tea "github.com/charmbracelet/bubbletea"
	"github.com/tcpctl/tcpctl/tui/internal/screen"
)

// copyMax bounds what is copied: terminals drop what is longer.
const copyMax = 70_000

func copyID(m *model) tea.Cmd { return m.copy(m.pane().grid().CurrentID(), "its id") }

func copyRow(m *model) tea.Cmd { return m.copy(m.pane().grid().CurrentJSON(), "the row as JSON") }

// copy puts a text on the clipboard of the terminal, also over ssh (OSC 52).
// The sequence is one write, so it cannot land inside a frame.
func (m *model) copy(text, what string) tea.Cmd {
	if text == "" || len(text) > copyMax {
		m.say(refusal("there is nothing to copy"), "")
		return nil
	}
	m.show("info", "copied "+what+", if the terminal allows it: "+screen.Cut(text, 60))
	if m.out == nil {
		return nil
	}
	out := m.out
	return guard(func() tea.Msg {
		_ = out("\x1b]52;c;" + base64.StdEncoding.EncodeToString([]byte(text)) + "\x07")
		return nil
	})
}
