package tui

import (
	"fmt"

	tea "github.com/charmbracelet/bubbletea"

	"github.com/tcpctl/tcpctl/proxy"
	"github.com/tcpctl/tcpctl/tui/internal/screen"
)

// troubleMode has the keys after `!`, until one comes that is not its own: that one
// does what it always does, on the row that `!` has gone to.
type troubleMode struct{}

func (t *troubleMode) hint(*frame) string {
	return "! next trouble   1-9 that one   enter details   n snooze 1h   esc back"
}

func (t *troubleMode) draw(*frame, *screen.Canvas) {}
func (t *troubleMode) tiny() string                { return "! next  enter details" }

func (t *troubleMode) key(_ *frame, k tea.KeyMsg) intent {
	switch s := k.String(); {
	case s == "!":
		return inConsole(func(m *model) tea.Cmd { return m.goTrouble(1) })
	case len(s) == 1 && s[0] >= '1' && s[0] <= '9':
		return inConsole(func(m *model) tea.Cmd { return m.goTroubleAt(int(s[0] - '1')) })
	case s == "enter":
		return closeAnd{inConsole((*model).openTrouble)}
	case s == "n":
		return closeAnd{inConsole((*model).snoozeTrouble)}
	case s == "esc":
		return closeAnd{}
	}
	return closeAnd{inConsole(func(m *model) tea.Cmd { return m.key(k) })}
}

// nextTrouble goes to the first trouble, or to the one after that of before.
func (m *model) nextTrouble() tea.Cmd {
	lines, _ := m.troubleLines()
	if len(lines) == 0 {
		m.message.show(proxy.LevelGood, m.wellText())
		return nil
	}
	m.over = append(m.over, &troubleMode{})
	m.watch.active = true
	return m.goTrouble(1)
}

// goTrouble goes so many lines further than the one that `!` went to last.
func (m *model) goTrouble(by int) tea.Cmd {
	lines, _ := m.troubleLines()
	if len(lines) == 0 {
		return nil
	}
	return m.goTroubleAt((findTrouble(lines, m.watch.at) + by) % len(lines))
}

// goTroubleAt gives the keys to the pane and row that a trouble is about.
func (m *model) goTroubleAt(i int) tea.Cmd {
	lines, _ := m.troubleLines()
	if i >= len(lines) {
		return nil
	}
	t := &lines[i]
	m.watch.at = t.id
	if m.view != "" && t.at != "" && t.at != m.view {
		m.view = "" // it would not be shown
	}
	m.focus = t.pane
	switch t.pane {
	case paneQueue:
		m.queue.choose(t.at)
	case paneSessions:
		m.sessions.show = 0
	}
	m.refresh()
	if g := m.grid(); g != nil && t.row != "" && !g.Select(t.row) {
		g.SetFilter("")
		g.Select(t.row)
	}
	return m.poll()
}

// openTrouble shows the details of what `!` went to.
func (m *model) openTrouble() tea.Cmd {
	lines, _ := m.troubleLines()
	i := findTrouble(lines, m.watch.at)
	if i < 0 {
		return nil
	}
	t := lines[i]
	if t.pane == paneQueue { // all that waits there, rather than one waiter
		t.pane, t.row = paneBackends, t.at
	}
	if t.row == "" {
		return nil
	}
	return open{&detailsBox{pane: m.panes[t.pane], id: t.row}}.apply(m)
}

// snoozeTrouble takes what `!` went to out of the strip for an hour.
func (m *model) snoozeTrouble() tea.Cmd {
	lines, _ := m.troubleLines()
	i := findTrouble(lines, m.watch.at)
	if i < 0 {
		return nil
	}
	t := lines[i]
	until := m.now().Add(snoozeTime)
	for j := range m.watch.list {
		if one := &m.watch.list[j]; one.id == t.id || t.folds > 0 && one.kind == t.kind {
			m.watch.snooze(one.id, until)
		}
	}
	m.message.show(proxy.LevelInfo, fmt.Sprintf("snoozed until %s: %s %s", m.timeOf(until)[:5], t.name, t.state))
	return nil
}
