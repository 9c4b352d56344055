package tui

import (
	"encoding/base64"
	"fmt"

	tea "github.com/charmbracelet/bubbletea"

	"github.com/tcpctl/tcpctl/tui/internal/screen"
)

// noRows is why keys that are about rows do nothing.
const noRows = "this pane has no rows"

// copyMax bounds what is copied: terminals drop what is longer.
const copyMax = 70_000

// globalKeys work in every pane of a place. Their order is that of the help and
// of the key line, where a pane's own come before them.
//
// ctrl+d and ctrl+u scroll, whatever a pane is about: k9s lost users by making
// one of them delete. ctrl+z, ctrl+s and ctrl+q are the terminal's.
func globalKeys(at *place) []*binding {
	keys := append(moveKeys(at), rowKeys(at)...)
	keys = append(keys, []*binding{
		{name: "command", keys: []string{":"}, label: "cmd", help: "command line: the words of the CLI", run: func(*frame) intent { return askCommand(at) }},
		{name: "details", keys: []string{"enter"}, help: "all about the row", weak: true, off: at.noRows, run: at.showDetails},
		{name: "back", keys: []string{"esc"}, help: "back: dismiss, clear the filter, leave the zoom, come home from another node", run: in((*model).back)},
		{name: "zoom", keys: []string{"z"}, label: "zoom", help: "the pane alone, or all again", run: in((*model).toggleZoom)},
		{name: "next_pane", keys: []string{"tab"}, help: "next pane", run: func(*frame) intent { return focused((at.focus + 1) % paneCount) }},
		{name: "prev_pane", keys: []string{"shift+tab"}, help: "pane before", run: func(*frame) intent { return focused((at.focus + paneCount - 1) % paneCount) }},
	}...)
	for i := range paneCount {
		keys = append(keys, &binding{
			name: fmt.Sprintf("pane_%d", i+1), keys: []string{fmt.Sprint(i + 1)},
			help: "pane " + fmt.Sprint(i+1) + "; again: its next tab",
			run: func(f *frame) intent {
				if at.focus == i {
					if next := at.pane().turn(f); next != nil {
						return next
					}
				}
				return focused(i)
			},
		})
	}
	return append(keys, []*binding{
		{name: "copy_id", keys: []string{"y"}, help: "copy the row's id to the clipboard", off: at.noRows, run: func(*frame) intent { return copied(at.grid().CurrentID(), "its id") }},
		{name: "copy_row", keys: []string{"Y"}, help: "copy the row as JSON", off: at.noRows, run: func(*frame) intent { return copied(at.grid().CurrentJSON(), "the row as JSON") }},
		{name: "undo", keys: []string{"U"}, help: "undo the last act that can be", off: at.nothingToUndo, run: in((*model).undoLast)},
		{name: "note", keys: []string{"M"}, label: "note", help: "put a note on the time line", act: "mark", run: askNote},
		{name: "theme", keys: []string{"t"}, label: "theme", help: "choose a theme, and see it at once", run: loadThemes},
		{name: "dismiss", keys: []string{"n"}, help: "dismiss the message", weak: true, run: in(func(m *model) tea.Cmd { m.dismiss(); return nil })},
		{name: "redraw", keys: []string{"ctrl+l"}, help: "draw the screen anew", run: in((*model).redraw)},
		{name: "help", keys: []string{"?"}, label: "help", help: "this help", run: func(*frame) intent { return showHelp(at) }},
		{name: "quit", keys: []string{"q", "ctrl+c"}, label: "quit", help: "leave: keep serving, or stop", run: leave},
	}...)
}

// moveKeys move the cursor and the columns.
func moveKeys(at *place) []*binding {
	return []*binding{
		at.gridKey("down", []string{"j", "down"}, "next row", func(g grid) { g.Move(1) }),
		at.gridKey("up", []string{"k", "up"}, "row above", func(g grid) { g.Move(-1) }),
		at.gridKey("top", []string{"g", "home"}, "first row", func(g grid) { g.Jump(0) }),
		at.gridKey("bottom", []string{"G", "end"}, "last row", func(g grid) { g.Jump(-1) }),
		at.gridKey("page_down", []string{"pgdown"}, "a page down", func(g grid) { g.Move(g.PageSize()) }),
		at.gridKey("page_up", []string{"pgup"}, "a page up", func(g grid) { g.Move(-g.PageSize()) }),
		at.gridKey("half_down", []string{"ctrl+d"}, "half a page down", func(g grid) { g.Move(max(g.PageSize()/2, 1)) }),
		at.gridKey("half_up", []string{"ctrl+u"}, "half a page up", func(g grid) { g.Move(-max(g.PageSize()/2, 1)) }),
		at.gridKey("right", []string{"l", "right"}, "columns further right", func(g grid) { g.Sideways(1) }),
		at.gridKey("left", []string{"h", "left"}, "columns further left", func(g grid) { g.Sideways(-1) }),
	}
}

// rowKeys mark, sort and filter rows.
func rowKeys(at *place) []*binding {
	mark := at.gridKey("mark", []string{" "}, "mark the row, and go on", func(g grid) { g.Mark() })
	mark.weak = true
	return []*binding{
		mark,
		at.gridKey("mark_shown", []string{"A", "ctrl+a"}, "mark all that are shown", func(g grid) { g.MarkShown() }),
		at.gridKey("mark_range", []string{"ctrl+@"}, "mark from the last mark to here", func(g grid) { g.MarkRange() }),
		at.gridKey("unmark", []string{"X"}, "clear all marks", func(g grid) { g.Unmark() }),
		{name: "sort", keys: []string{"s"}, label: "sort", help: "sort by a column", off: at.noRows, run: func(*frame) intent { return askSort(at.grid()) }},
		at.gridKey("reverse", []string{"S"}, "the other way round", func(g grid) {
			_, by, desc := g.Sorts()
			g.SetSort(max(by, 1), !desc)
		}),
		at.gridKey("original", []string{"o"}, "the original order", func(g grid) { g.SetSort(0, false) }),
		{name: "filter", keys: []string{"/"}, label: "filter", help: "filter: words, !not, ~fuzzy, state:down, act>100", off: at.noRows, run: func(*frame) intent { return askFilter(at.grid()) }},
	}
}

// in makes a key of what the console itself does.
func in(do inModel) func(*frame) intent { return func(*frame) intent { return do } }

// gridKey makes a key of what the rows of a pane do.
func (at *place) gridKey(name string, keys []string, help string, do func(grid)) *binding {
	return &binding{name: name, keys: keys, help: help, off: at.noRows, run: func(*frame) intent {
		do(at.grid())
		return nil
	}}
}

func (at *place) noRows(*frame) string {
	if at.grid() == nil {
		return noRows
	}
	return ""
}

func (at *place) nothingToUndo(f *frame) string {
	switch {
	case f.cfg.ReadOnly:
		return "read-only"
	case len(at.undos) == 0:
		return "nothing to undo"
	}
	return ""
}

func (at *place) showDetails(f *frame) intent {
	if details := at.pane().details(f); details.title != "" {
		return open{&details}
	}
	return nil
}

// back goes one step back, and never out: esc is pressed without thinking.
func (m *model) back() tea.Cmd {
	g := m.grid()
	switch {
	case m.message.text != "":
		m.dismiss()
	case g != nil && g.Filter() != "":
		g.SetFilter("")
	case m.zoom:
		return m.toggleZoom()
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
	m.canvas, m.last, m.drawn = nil, "", 0
	clear(m.shown[:])
	return tea.ClearScreen
}

// copied puts a text on the terminal's clipboard, also over ssh (OSC 52). The
// sequence is one write, so that it cannot land inside a frame.
func copied(text, what string) intent {
	if text == "" || len(text) > copyMax {
		return refused("there is nothing to copy")
	}
	return inModel(func(m *model) tea.Cmd {
		m.show("info", "copied "+what+", if the terminal allows it: "+screen.Cut(text, 60))
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
