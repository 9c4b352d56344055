package tui

import (
	"encoding/json"
	"fmt"
	"strings"

	tea "github.com/charmbracelet/bubbletea"

	"github.com/tcpctl/tcpctl/proxy/api"
	"github.com/tcpctl/tcpctl/themes"
	"github.com/tcpctl/tcpctl/tui/internal/screen"
	"github.com/tcpctl/tcpctl/tui/internal/table"
)

// fleetTable is the other view of the Peers pane: services and backends by node, with a cell for
// each. The cursor is on a cell.
type fleetTable struct {
	table.Table[*fleetRow]
	on      bool
	node    int // of the cell under the cursor
	version uint64
}

func newFleetTable() fleetTable {
	return fleetTable{Table: table.Table[*fleetRow]{
		ID:      func(r *fleetRow) string { return r.id },
		Columns: fleetColumns,
	}}
}

// MarshalJSON is what the row is about.
func (r *fleetRow) MarshalJSON() ([]byte, error) {
	return json.Marshal(map[string]any{"target": r.id, "up": r.up, "nodes": r.of, "active": r.active, "queue": r.queue})
}

// Sideways moves from cell to cell, in place of the columns.
func (t *fleetTable) Sideways(by int) {
	if n := t.nodes(); n > 0 {
		t.node = min(max(t.node+by, 0), n-1)
		t.version++
	}
}

func (t *fleetTable) Version() uint64 { return t.Table.Version() + t.version }

func (t *fleetTable) nodes() int {
	if rows := t.Rows(); len(rows) > 0 {
		return len(rows[0].cells)
	}
	return 0
}

// fleetColumns are all columns but the cells, which come after the name. Filters and sorting use
// these.
var fleetColumns = []screen.Column[*fleetRow]{
	{Name: "SERVICE/BACKEND", Ends: true, Prio: 1, Width: 18, Fixed: true, Cell: func(r *fleetRow) (string, themes.Role) {
		if _, backend := api.SplitTarget(r.id); backend == "" {
			return screen.Safe(r.id), themes.Title
		}
		return screen.Safe(r.id), themes.Text
	}},
	{Name: "UP", Prio: 1, Width: 5, Right: true, Value: func(r *fleetRow) float64 { return float64(r.up) }, Cell: func(r *fleetRow) (string, themes.Role) {
		if r.up < r.of {
			return fmt.Sprintf("%d/%d", r.up, r.of), themes.Warn
		}
		return fmt.Sprintf("%d/%d", r.up, r.of), themes.Text
	}},
	screen.Number("ACT", 3, 4, func(r *fleetRow) float64 { return float64(r.active) }, screen.Count),
	{Name: "QUEUE", Prio: 4, Width: 5, Right: true, Value: func(r *fleetRow) float64 { return float64(r.queue) }, Cell: func(r *fleetRow) (string, themes.Role) {
		if r.queue > 0 {
			return screen.Count(float64(r.queue)), themes.Warn
		}
		return "0", themes.TextDim
	}},
	screen.Number("IN/s", 5, 4, func(r *fleetRow) float64 { return r.rate }, screen.Bytes),
	{Name: "WORST", Prio: 2, Width: 9, Grow: 20, Cell: func(r *fleetRow) (string, themes.Role) {
		if r.worst < 0 {
			return "", themes.Text
		}
		s := r.cells[r.worst].sign
		if s.mark == '~' && r.draining > 0 {
			return "~ " + screen.Count(float64(r.draining)) + " remaining", s.role
		}
		return string(s.mark) + " " + screen.Safe(r.worstOn), s.role
	}},
}

// fleetName is the width of the name before the cells.
const fleetName = 18

// drawFleet draws the table, with as many cells around the cursor as fit.
func drawFleet(f *frame, t *fleetTable, c *screen.Canvas, focused bool) {
	nodes := f.own.fleet.nodes
	rest := c.W - fleetName - 4 // without the name, its margin and a gap
	cells := min(cellsWidth(len(nodes)), max(rest-7, 10))
	first, shown := cellsAround(t.node, len(nodes), cells)
	width := max(cellsWidth(shown), min(10, rest-7)) // leave room for a node's name even above few cells
	cols := make([]screen.Column[*fleetRow], 0, len(fleetColumns)+1)
	cols = append(cols, fleetColumns[0], screen.Column[*fleetRow]{Prio: 1, Width: width, Fixed: true, Cell: func(*fleetRow) (string, themes.Role) { return "", themes.Text }})
	cols = append(cols, fleetColumns[1:]...)
	x := -1
	look := table.Look[*fleetRow]{Focused: focused, Names: true, Ellipsis: f.theme.Glyphs.Ellipsis, Columns: cols}
	look.After = func(r *fleetRow, c *screen.Canvas, y int, at func(column int) int) {
		x = at(1)
		for i := range shown {
			s := r.cells[first+i].sign
			mark, role := s.mark, s.role
			if mark == 0 {
				mark, role = ' ', themes.Text
			}
			c.Fill(x+cellAt(i), y, 1, mark, role)
		}
	}
	h := t.Draw(c.Sub(0, 0, c.W, max(c.H-3, 2)), look)
	if x >= 0 {
		drawNodeNames(f, c.Sub(0, 0, x+width, 1), x, first, shown)
		drawCellCursor(t, c, x, first, focused)
	}
	drawFleetNote(f, t, c, min(h+1, c.H-2))
}

// cellAt returns the column of cell i: there is a gap after every ten.
func cellAt(i int) int { return i + i/10 }

func cellsWidth(n int) int {
	if n == 0 {
		return 1
	}
	return cellAt(n-1) + 1
}

// cellsAround returns which cells to show in w columns: all, or whole groups of ten.
func cellsAround(at, n, w int) (first, shown int) {
	if cellsWidth(n) <= w {
		return 0, n
	}
	shown = n
	for shown > 1 && cellsWidth(shown) > w {
		shown--
	}
	if shown > 10 {
		shown -= shown % 10
	}
	first = min(max(at-shown/2, 0), n-shown)
	if shown >= 10 {
		first = min(first-first%10, n-1)
	}
	return first, min(shown, n-first)
}

// drawNodeNames draws the first node of each group above its cells.
func drawNodeNames(f *frame, c *screen.Canvas, x, first, shown int) {
	for i := 0; i < shown; i += 10 {
		w := min(10, c.W-x-cellAt(i))
		name := screen.Middle(screen.Safe(f.own.fleet.nodes[first+i].name), max(w, 2), f.theme.Glyphs.Ellipsis)
		end := c.Text(x+cellAt(i), 0, screen.Cut(name, w), themes.TextDim)
		for dot := end + 1; dot < x+cellAt(i)+w; dot++ {
			c.Fill(dot, 0, 1, '.', themes.TextDim)
		}
	}
}

// drawCellCursor marks the cell under the cursor, in its row and in the heading.
func drawCellCursor(t *fleetTable, c *screen.Canvas, x, first int, focused bool) {
	if !focused || t.Len() == 0 {
		return
	}
	at := x + cellAt(t.node-first)
	for y := 1; y < c.H; y++ {
		if c.Row(y)[0].Rune == '>' {
			c.Reverse(at, y, 1)
			return
		}
	}
}

// drawFleetNote describes the cell under the cursor, with the conclusions from all nodes together.
func drawFleetNote(f *frame, t *fleetTable, c *screen.Canvas, y int) {
	r, ok := t.Current()
	nodes := f.own.fleet.nodes
	if !ok || t.node >= len(nodes) {
		return
	}
	n, cell := nodes[t.node], r.cells[t.node]
	where := screen.Safe(n.name)
	if strings.Contains(n.name, "#") { // the name is not unique
		where += " (" + screen.Safe(n.addr) + ")"
	}
	text, role := screen.Safe(r.id)+" on "+where+": ", themes.Text
	switch {
	case n.status == nil:
		text, role = where+" does not answer: "+screen.Safe(n.why), themes.Warn
	case cell.service == nil:
		text += "this node does not have it"
	case cell.backend == nil:
		text += fmt.Sprintf("%s, %d sessions, %d waiting", cell.sign.word, cell.service.Sessions.Active, cell.service.Queue.Waiting)
	default:
		text += cell.sign.word + " " + screen.Safe(cell.backend.Addr)
		if check := cell.backend.Check; check != nil && !check.OK {
			text += ", " + screen.Safe(check.Detail)
		}
		if d := cell.backend.Drain; d != nil {
			text += fmt.Sprintf(", %d of %d remaining", d.Remaining, d.StartedWith)
		}
	}
	if path := r.path(t.node); path != "" {
		c.Text(2, y+1, screen.Clip(path, c.W-3, f.theme.Glyphs.Ellipsis), themes.Warn)
	} else if sick := r.sickNodes(nodes); sick != "" {
		c.Text(2, y+1, screen.Clip(sick, c.W-3, f.theme.Glyphs.Ellipsis), themes.TextDim)
	}
	c.Text(2, y, screen.Clip(text, c.W-3, f.theme.Glyphs.Ellipsis), role)
}

// sickNodes lists the nodes on which the row is not well.
func (r *fleetRow) sickNodes(nodes []fleetNode) string {
	var names []string
	for i, c := range r.cells {
		if c.service != nil && !isWell(c.sign) {
			names = append(names, screen.Safe(nodes[i].name)+" "+strings.ToLower(c.sign.word))
		}
	}
	if len(names) == 0 {
		return ""
	}
	return strings.Join(names, ", ")
}

// cell returns the node and the target under the cursor; ok is false if there is none.
func (t *fleetTable) cell(f *frame) (node fleetNode, target string, ok bool) {
	r, has := t.Current()
	if !has || t.node >= len(f.own.fleet.nodes) {
		return fleetNode{}, "", false
	}
	return f.own.fleet.nodes[t.node], r.id, r.cells[t.node].service != nil
}

// gotoCell opens the cell's node, with the cursor on its target.
func gotoCell(node fleetNode, target string) intent {
	there := inConsole(func(m *model) tea.Cmd {
		m.zoom = false
		m.view = ""
		m.backends.table.SetFilter("")
		m.refresh()
		m.backends.table.Select(target)
		return m.carryOut(focusPane(paneBackends))
	})
	if node.here {
		return openNode{then: there}
	}
	return openNode{node.name, there}
}

// actOnCell proposes an act on the cell's node only.
func actOnCell(act string, node fleetNode, target string) intent {
	w := propose{req: api.Request{Act: act, Targets: []string{target}}}
	if node.here {
		return openNode{then: w}
	}
	return openNode{node.name, w}
}

// fleetHint is what the pane shows without answers.
func fleetHint(f *frame) string {
	if f.mesh() == nil {
		return "This node is in no mesh."
	}
	if !f.mesh().Secret {
		return strings.ToUpper(noSecret[:1]) + noSecret[1:] + "."
	}
	return "Asking all nodes."
}
