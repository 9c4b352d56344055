package tui

import (
	"encoding/base64"
	"fmt"

	tea "github.com/charmbracelet/bubbletea"

	"github.com/tcpctl/tcpctl/tui/internal/screen"
)

// noRows is why keys that need a row do nothing.
const noRows = "this pane has no rows"

// copyMax bounds what is copied: terminals drop longer texts.
const copyMax = 70_000

// globalKeys returns the keys that work in every pane of a workspace, in the order of the help and
// the key line, where a pane's own come first.
//
// ctrl+d and ctrl+u scroll in every pane: k9s lost users by making one of them delete. ctrl+z,
// ctrl+s and ctrl+q belong to the terminal.
func globalKeys(w *workspace) []*binding {
	keys := append(moveKeys(w), rowKeys(w)...)
	keys = append(keys, []*binding{
		{name: "trouble", Binding: on("trouble", "!"), help: "the next trouble; then a digit: that one, enter: its details, n: snooze it for an hour", run: w.goTroubles},
		{name: "command", Binding: on("cmd", ":"), help: "command line, in the words of the CLI", run: func(*frame) intent { return askCommand(w) }},
		{name: "details", Binding: on("", "enter"), help: "details of the row", weak: true, off: w.noRows, run: w.showDetails},
		{name: "back", Binding: on("", "esc"), help: "back: dismiss the message, clear the filter, show all services, end the zoom, return from another node", run: in((*model).back)},
		{name: "view", Binding: on("view", "v"), help: "narrow the pane to the service under the cursor, or to live sessions; again: all. esc shows all", run: func(f *frame) intent { return w.pane().turn(f) }},
		{name: "zoom", Binding: on("zoom", "z"), help: "zoom: the pane alone, or all panes", run: in((*model).toggleZoom)},
		{name: "next_pane", Binding: on("", "tab"), help: "next pane", run: func(*frame) intent { return focusPane((w.focus + 1) % paneCount) }},
		{name: "prev_pane", Binding: on("", "shift+tab"), help: "previous pane", run: func(*frame) intent { return focusPane((w.focus + paneCount - 1) % paneCount) }},
	}...)
	for i := range paneCount {
		keys = append(keys, &binding{
			name: fmt.Sprintf("pane_%d", i+1), Binding: on("", fmt.Sprint(i+1)),
			help: "pane " + fmt.Sprint(i+1),
			run:  func(*frame) intent { return focusPane(i) },
		})
	}
	return append(keys, []*binding{
		{name: "copy_id", Binding: on("", "y"), help: "copy the row's id to the clipboard", off: w.noRows, run: func(*frame) intent { return copyText(w.grid().CurrentID(), "its id") }},
		{name: "copy_row", Binding: on("", "Y"), help: "copy the row as JSON", off: w.noRows, run: func(*frame) intent { return copyText(w.grid().CurrentJSON(), "the row as JSON") }},
		{name: "undo", Binding: on("", "U"), help: "undo the last act that can be undone", off: w.nothingToUndo, run: in((*model).undoLast)},
		{name: "note", Binding: on("note", "M"), help: "add a note to the time line", act: "mark", run: askNote},
		{name: "theme", Binding: on("theme", "t"), help: "choose a theme, with a preview", run: loadThemes},
		{name: "dismiss", Binding: on("", "n"), help: "dismiss the message", weak: true, run: in(func(m *model) tea.Cmd { m.message.dismiss(); return nil })},
		{name: "rewind", Binding: on("", "["), help: "rewind: one step back; :rewind 02:41 goes there", run: stepBy(-1)},
		{name: "forward", Binding: on("", "]"), help: "in the past: one step on; space plays it", run: stepBy(1)},
		{name: "rewind_mark", Binding: on("", "{"), help: "rewind: to the act, note or trouble before", run: stepMark(-1)},
		{name: "forward_mark", Binding: on("", "}"), help: "in the past: to the next act, note or trouble", run: stepMark(1)},
		{name: "rewind_column", Binding: on("", "<"), help: "rewind: one column of the timeline back", run: stepColumn(-1)},
		{name: "forward_column", Binding: on("", ">"), help: "in the past: one column on", run: stepColumn(1)},
		{name: "now", Binding: on("", "0"), help: "from the past back to now", run: in((*model).endRewind)},
		{name: "incident", Binding: on("", "e"), help: "in the past: incident report of the timeline's stretch; else :report 02:30..now", run: reportStretch},
		{name: "redraw", Binding: on("", "ctrl+l"), help: "redraw the screen", run: in((*model).redraw)},
		{name: "help", Binding: on("help", "?"), help: "this help", run: func(*frame) intent { return showHelp(w) }},
		{name: "quit", Binding: on("quit", "q", "ctrl+c"), help: "leave: keep serving, or stop", run: leave},
	}...)
}

// moveKeys move the cursor and the columns.
func moveKeys(w *workspace) []*binding {
	return []*binding{
		w.gridKey("down", []string{"j", "down"}, "next row", func(g grid) { g.Move(1) }),
		w.gridKey("up", []string{"k", "up"}, "previous row", func(g grid) { g.Move(-1) }),
		w.gridKey("top", []string{"g", "home"}, "first row", func(g grid) { g.Jump(0) }),
		w.gridKey("bottom", []string{"G", "end"}, "last row", func(g grid) { g.Jump(-1) }),
		w.gridKey("page_down", []string{"pgdown"}, "a page down", func(g grid) { g.Move(g.PageSize()) }),
		w.gridKey("page_up", []string{"pgup"}, "a page up", func(g grid) { g.Move(-g.PageSize()) }),
		w.gridKey("half_down", []string{"ctrl+d"}, "half a page down", func(g grid) { g.Move(max(g.PageSize()/2, 1)) }),
		w.gridKey("half_up", []string{"ctrl+u"}, "half a page up", func(g grid) { g.Move(-max(g.PageSize()/2, 1)) }),
		w.gridKey("right", []string{"l", "right"}, "scroll the columns right", func(g grid) { g.Sideways(1) }),
		w.gridKey("left", []string{"h", "left"}, "scroll the columns left", func(g grid) { g.Sideways(-1) }),
	}
}

// rowKeys mark, sort and filter rows.
func rowKeys(w *workspace) []*binding {
	mark := w.gridKey("mark", []string{" "}, "mark the row, and move down", func(g grid) { g.Mark() })
	mark.weak = true
	return []*binding{
		mark,
		w.gridKey("mark_shown", []string{"A", "ctrl+a"}, "mark all rows that are shown", func(g grid) { g.MarkShown() }),
		w.gridKey("mark_range", []string{"ctrl+@"}, "mark the rows from the last mark to here", func(g grid) { g.MarkRange() }),
		w.gridKey("unmark", []string{"X"}, "clear all marks", func(g grid) { g.Unmark() }),
		{name: "sort", Binding: on("sort", "s"), help: "sort by a column", off: w.noRows, run: func(*frame) intent { return askSort(w.grid()) }},
		w.gridKey("reverse", []string{"S"}, "reverse the order", func(g grid) {
			_, by, desc := g.Sorts()
			g.SetSort(max(by, 1), !desc)
		}),
		w.gridKey("original", []string{"o"}, "the sickest first; again: the order in which they come", func(g grid) {
			_, by, desc := g.Sorts()
			g.SetSort(0, by == 0 && !desc)
		}),
		{name: "filter", Binding: on("filter", "/"), help: "filter: words, !not, ~fuzzy, state:down, act>100", off: w.noRows, run: func(*frame) intent { return askFilter(w.grid()) }},
	}
}

// in makes a key's function of one that acts on the model.
func in(do inConsole) func(*frame) intent { return func(*frame) intent { return do } }

// gridKey makes a binding that acts on the rows of a pane.
func (w *workspace) gridKey(name string, keys []string, help string, do func(grid)) *binding {
	return &binding{name: name, Binding: on("", keys...), help: help, off: w.noRows, run: func(*frame) intent {
		do(w.grid())
		return nil
	}}
}

func (w *workspace) noRows(*frame) string {
	if w.grid() == nil {
		return noRows
	}
	return ""
}

func (w *workspace) nothingToUndo(f *frame) string {
	switch {
	case f.cannotAct() != "":
		return f.cannotAct()
	case len(w.undos) == 0:
		return "nothing to undo"
	}
	return ""
}

func (w *workspace) showDetails(f *frame) intent {
	id := w.grid().CurrentID()
	if w.pane().details(f, id).title == "" {
		return nil
	}
	return open{newDetails(w.pane(), id)}
}

// back goes one step back, but never leaves the console: esc is pressed without thinking.
func (m *model) back() tea.Cmd {
	g := m.grid()
	switch {
	case m.message.text != "":
		m.message.dismiss()
	case g != nil && g.Filter() != "":
		g.SetFilter("")
	case m.view != "":
		return m.carryOut(setView(""))
	case m.sessions.show > 0 && m.focus == paneSessions:
		m.sessions.show = 0
		m.refreshPane(paneSessions)
	case m.focus == panePeers && m.nodes.fleet.on:
		return m.carryOut(m.nodes.turn(&m.frame))
	case m.zoom:
		return m.toggleZoom()
	case m.past != nil:
		return m.endRewind()
	case m.away():
		return m.goHome()
	}
	return nil
}

func (m *model) toggleZoom() tea.Cmd {
	m.zoom = !m.zoom
	return m.poll()
}

func (m *model) redraw() tea.Cmd {
	m.canvas, m.last, m.drawn = nil, "", look{}
	clear(m.shown[:])
	return nil
}

// copyText puts a text on the terminal's clipboard with OSC 52, which works over ssh, too. The
// sequence is one write, so that it cannot end up inside a frame.
func copyText(text, what string) intent {
	if text == "" || len(text) > copyMax {
		return refuse("there is nothing to copy")
	}
	return inConsole(func(m *model) tea.Cmd {
		m.message.show("info", "copied "+what+", if the terminal allows it: "+screen.Cut(text, 60))
		if m.out == nil {
			return nil
		}
		out := m.out
		return guard(func() tea.Msg {
			_ = out("\x1b]52;c;" + base64.StdEncoding.EncodeToString([]byte(text)) + "\x07")
			return nil
		})
	})
}
