package tui

import (
	"fmt"

	tea "github.com/charmbracelet/bubbletea"

	"github.com/tcpctl/tcpctl/proxy"
	"github.com/tcpctl/tcpctl/proxy/api"
	"github.com/tcpctl/tcpctl/tui/internal/screen"
)

// troubleMode has the focus after `!`, until a key comes that is not its own: that key does what it
// always does, on the row that `!` went to.
type troubleMode struct{ w *workspace }

// goTroubles goes to the first trouble, or to the one after the last visited.
func (w *workspace) goTroubles(*frame) intent {
	t := &troubleMode{w}
	next := t.next()
	if next == nil {
		return notice{proxy.LevelGood, w.wellText()}
	}
	return inConsole(func(m *model) tea.Cmd {
		w.watch.active = true
		return tea.Batch(m.carryOut(open{t}), m.carryOut(next))
	})
}

func (t *troubleMode) hint(*frame) string {
	return "! next trouble   1-9 that one   enter details   n snooze 1h   esc back"
}

func (t *troubleMode) draw(*frame, *screen.Canvas) {}
func (t *troubleMode) tiny() string                { return "! next  enter details" }

func (t *troubleMode) key(_ *frame, k tea.KeyMsg) intent {
	if to := t.at(); to != nil && to.kick != "" {
		if b := t.w.keys.find(t.w.panes[to.pane].name(), k); b != nil && b.name == to.key {
			return closeAnd{propose{req: api.Request{Act: "kick", Targets: []string{to.kick}}}}
		}
	}
	switch s := k.String(); {
	case s == "!":
		return t.next()
	case len(s) == 1 && s[0] >= '1' && s[0] <= '9':
		return t.line(int(s[0] - '1'))
	case s == "enter":
		return closeAnd{t.details()}
	case s == "n":
		return closeAnd{t.snooze()}
	case s == "esc":
		return closeAnd{}
	}
	return closeAnd{inConsole(func(m *model) tea.Cmd { return m.key(k) })}
}

// next goes to the line after the one that `!` went to last.
func (t *troubleMode) next() intent {
	lines, _ := t.w.troubleLines()
	if len(lines) == 0 {
		return nil
	}
	return t.line((findTrouble(lines, t.w.watch.at) + 1) % len(lines))
}

// line moves the focus to the pane and row of a trouble.
func (t *troubleMode) line(i int) intent {
	w := t.w
	lines, _ := w.troubleLines()
	if i >= len(lines) {
		return nil
	}
	to := &lines[i]
	return inConsole(func(m *model) tea.Cmd {
		w.watch.at = to.id
		if w.view != "" && to.at != "" && to.at != w.view {
			w.view = "" // the view would hide it
		}
		w.focus = to.pane
		switch to.pane {
		case paneQueue:
			w.queue.choose(to.at)
		case paneSessions:
			w.sessions.show = 0
		}
		m.refresh()
		if g := w.grid(); g != nil && to.row != "" && !g.Select(to.row) {
			g.SetFilter("")
			g.Select(to.row)
		}
		return m.poll()
	})
}

// at returns the trouble that `!` went to; nil: it has gone.
func (t *troubleMode) at() *trouble {
	lines, _ := t.w.troubleLines()
	if i := findTrouble(lines, t.w.watch.at); i >= 0 {
		return &lines[i]
	}
	return nil
}

// details shows the details of the trouble that `!` went to.
func (t *troubleMode) details() intent {
	to := t.at()
	if to == nil {
		return nil
	}
	p, id := t.w.panes[to.pane], to.row
	if to.pane == paneQueue { // the service rather than one waiter
		p, id = t.w.backends, to.at
	}
	if id == "" {
		return nil
	}
	return open{newDetails(p, id)}
}

// snooze hides the trouble that `!` went to for an hour.
func (t *troubleMode) snooze() intent {
	to, w := t.at(), t.w
	if to == nil {
		return nil
	}
	return inConsole(func(m *model) tea.Cmd {
		until := w.now().Add(snoozeTime)
		for i := range w.watch.list {
			if one := &w.watch.list[i]; one.id == to.id || to.folds > 0 && one.kind == to.kind {
				w.watch.snooze(one.id, until)
			}
		}
		m.message.show(proxy.LevelInfo, fmt.Sprintf("snoozed until %s: %s %s", w.timeOf(until)[:5], to.name, to.state))
		return nil
	})
}
