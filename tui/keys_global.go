package tui

import (
	"fmt"

	tea "github.com/charmbracelet/bubbletea"
)

// globalKeys work in every pane. Their order is that of the help and of the
// key line, where a pane's own come before them.
//
// ctrl+d and ctrl+u scroll, whatever a pane is about: k9s lost users by making
// one of them delete. ctrl+z, ctrl+s and ctrl+q are the terminal's, and free.
func globalKeys() []*binding {
	moves := func(name string, keys []string, help string, do func(grid)) *binding {
		return &binding{name: name, keys: keys, help: help, off: noRows, run: onGrid(do)}
	}
	list := []*binding{
		moves("down", []string{"j", "down"}, "next row", func(g grid) { g.Move(1) }),
		moves("up", []string{"k", "up"}, "row above", func(g grid) { g.Move(-1) }),
		moves("top", []string{"g", "home"}, "first row", func(g grid) { g.Jump(0) }),
		moves("bottom", []string{"G", "end"}, "last row", func(g grid) { g.Jump(-1) }),
		moves("page_down", []string{"pgdown"}, "a page down", func(g grid) { g.Move(g.PageSize()) }),
		moves("page_up", []string{"pgup"}, "a page up", func(g grid) { g.Move(-g.PageSize()) }),
		moves("half_down", []string{"ctrl+d"}, "half a page down", func(g grid) { g.Move(max(g.PageSize()/2, 1)) }),
		moves("half_up", []string{"ctrl+u"}, "half a page up", func(g grid) { g.Move(-max(g.PageSize()/2, 1)) }),
		moves("right", []string{"l", "right"}, "columns further right", func(g grid) { g.Sideways(1) }),
		moves("left", []string{"h", "left"}, "columns further left", func(g grid) { g.Sideways(-1) }),
		{name: "mark", keys: []string{" "}, help: "mark the row, and go on", weak: true, off: noRows, run: onGrid(func(g grid) { g.Mark() })},
		moves("mark_shown", []string{"A", "ctrl+a"}, "mark all that are shown", func(g grid) { g.MarkShown() }),
		moves("mark_range", []string{"ctrl+@"}, "mark from the last mark to here", func(g grid) { g.MarkRange() }),
		moves("unmark", []string{"X"}, "clear all marks", func(g grid) { g.Unmark() }),
		{name: "sort", keys: []string{"s"}, label: "sort", help: "sort by a column", off: noRows, run: pickSort},
		moves("reverse", []string{"S"}, "the other way round", func(g grid) {
			_, by, desc := g.Sorts()
			g.SetSort(max(by, 1), !desc)
		}),
		moves("original", []string{"o"}, "the original order", func(g grid) { g.SetSort(0, false) }),
		{name: "filter", keys: []string{"/"}, label: "filter", help: "filter: words, !not, ~fuzzy, state:down, act>100", off: noRows, run: askFilter},
		{name: "command", keys: []string{":"}, label: "cmd", help: "command line: the words of the CLI", run: askCommand},
		{name: "details", keys: []string{"enter"}, help: "all about the row", weak: true, off: noRows, run: showDetails},
		{name: "back", keys: []string{"esc"}, help: "back: dismiss, clear the filter, leave the zoom, come home from another node", run: back},
		{name: "zoom", keys: []string{"z"}, label: "zoom", help: "the pane alone, or all again", run: (*model).toggleZoom},
		{name: "next_pane", keys: []string{"tab"}, help: "next pane", run: func(m *model) tea.Cmd { return m.focusOn((m.focus + 1) % len(m.panes)) }},
		{name: "prev_pane", keys: []string{"shift+tab"}, help: "pane before", run: func(m *model) tea.Cmd { return m.focusOn((m.focus + len(m.panes) - 1) % len(m.panes)) }},
	}
	for i := range paneCount {
		list = append(list, &binding{
			name: fmt.Sprintf("pane_%d", i+1), keys: []string{fmt.Sprint(i + 1)},
			help: "pane " + fmt.Sprint(i+1) + "; again: its next tab",
			run:  func(m *model) tea.Cmd { return m.choosePane(i) },
		})
	}
	return append(list, []*binding{
		{name: "copy_id", keys: []string{"y"}, help: "copy the row's id to the clipboard", off: noRows, run: copyID},
		{name: "copy_row", keys: []string{"Y"}, help: "copy the row as JSON", off: noRows, run: copyRow},
		{name: "undo", keys: []string{"U"}, help: "undo the last act that can be", off: nothingToUndo, run: (*model).undoLast},
		{name: "note", keys: []string{"M"}, label: "note", help: "put a note on the time line", act: "mark", run: askNote},
		{name: "theme", keys: []string{"t"}, label: "theme", help: "choose a theme, and see it at once", run: pickTheme},
		{name: "dismiss", keys: []string{"n"}, help: "dismiss the message", weak: true, run: func(m *model) tea.Cmd { m.dismiss(); return nil }},
		{name: "redraw", keys: []string{"ctrl+l"}, help: "draw the screen anew", run: (*model).redraw},
		{name: "help", keys: []string{"?"}, label: "help", help: "this help", run: showHelp},
		{name: "quit", keys: []string{"q", "ctrl+c"}, label: "quit", help: "leave: keep serving, or stop", run: (*model).leave},
	}...)
}

func onGrid(do func(grid)) func(*model) tea.Cmd {
	return func(m *model) tea.Cmd {
		if g := m.pane().grid(); g != nil {
			do(g)
		}
		return nil
	}
}

func noRows(m *model) string {
	if m.pane().grid() == nil {
		return "this pane has no rows"
	}
	return ""
}

func nothingToUndo(m *model) string {
	switch {
	case m.cfg.ReadOnly:
		return "read-only"
	case len(m.undos) == 0:
		return "nothing to undo"
	}
	return ""
}

// back goes one step back, and never out: esc is pressed without thinking.
func back(m *model) tea.Cmd {
	g := m.pane().grid()
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
