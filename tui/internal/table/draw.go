package table

import (
	"github.com/tcpctl/tcpctl/themes"
	"github.com/tcpctl/tcpctl/tui/internal/screen"
)

// Look is how a table is drawn.
type Look[T any] struct {
	Focused  bool // the cursor is shown
	Names    bool // the columns' names stand above, where there is room
	Ellipsis rune
	Columns  []screen.Column[T]                      // in place of the table's own, and not scrolled; nil: the table's own
	Second   func(row T, c *screen.Canvas, x, y int) // draws the second line of a tall row; nil: no row has one
	// After draws over a row, before the cursor; at is where a column begins. nil:
	// nothing does.
	After func(row T, c *screen.Canvas, y int, at func(column int) int)
}

// margin is the width of the cursor's sign and the mark.
const margin = 2

// Draw draws the rows around the cursor, and returns how many lines it took.
func (t *Table[T]) Draw(c *screen.Canvas, look Look[T]) int {
	cols, skip := t.Columns, t.scrollX
	if look.Columns != nil {
		cols, skip = look.Columns, 0
	}
	slots := screen.Fit(cols, c.W-margin-1, skip)
	y := 0
	if look.Names && c.H > 1 {
		drawNames(c, cols, slots)
		y++
	}
	at := func(column int) int {
		for _, s := range slots {
			if s.Column == column {
				return margin + s.X
			}
		}
		return c.W // not shown
	}
	tall := func(i int) bool { return look.Second != nil && t.Tall(t.Row(i)) }
	t.reveal(c.H-y, tall)
	t.page = 0
	t.lines = t.lines[:0]
	for i := t.top; i < t.Len() && y < c.H; i++ {
		r := t.Row(i)
		for len(t.lines) < c.Top()+y {
			t.lines = append(t.lines, -1)
		}
		t.lines = append(t.lines, i)
		t.drawRow(c, y, r, cols, slots, look.Ellipsis)
		if look.After != nil {
			look.After(r, c, y, at)
		}
		next := y + 1
		if tall(i) && next < c.H {
			look.Second(r, c, margin, next)
			next++
		}
		if i == t.at && look.Focused {
			c.Fill(0, y, 1, '>', themes.Prompt) // visible without colours, too
			c.Tint(0, y, c.W, themes.Cursor)
		}
		y = next
		t.page++
	}
	return y
}

func drawNames[T any](c *screen.Canvas, cols []screen.Column[T], slots []screen.Slot) {
	for _, s := range slots {
		name := screen.Cut(cols[s.Column].Name, s.W)
		if cols[s.Column].Right {
			c.Right(margin+s.X+s.W, 0, name, themes.TextDim)
		} else {
			c.Text(margin+s.X, 0, name, themes.TextDim)
		}
	}
}

func (t *Table[T]) drawRow(c *screen.Canvas, y int, r T, cols []screen.Column[T], slots []screen.Slot, ellipsis rune) {
	marked := t.marks[t.ID(r)]
	if marked {
		c.Fill(1, y, 1, '*', themes.Marked)
	}
	for _, s := range slots {
		col := &cols[s.Column]
		text, role := col.Cell(r)
		if marked && role == themes.Text {
			role = themes.Marked
		}
		if col.Right {
			c.Right(margin+s.X+s.W, y, screen.Cut(text, s.W), role)
			continue
		}
		if col.Ends {
			text = screen.Middle(text, s.W, ellipsis)
		}
		c.Text(margin+s.X, y, screen.Clip(text, s.W, ellipsis), role)
	}
}

// reveal scrolls until the cursor's row, with its second line, is within the h lines.
func (t *Table[T]) reveal(h int, tall func(i int) bool) {
	if t.Len() == 0 {
		t.top = 0
		return
	}
	height := func(i int) int {
		if tall(i) {
			return 2
		}
		return 1
	}
	t.top = min(max(min(t.top, t.Len()-1), 0), t.at)
	if h < 1 {
		return
	}
	used := 0
	for i := t.at; i >= t.top; i-- {
		used += height(i)
		if used > h && i < t.at {
			t.top = i + 1
			break
		}
	}
	// Rather than leave lines empty at the end, show more rows from above.
	below := 0
	for i := t.top; i < t.Len() && below <= h; i++ {
		below += height(i)
	}
	for t.top > 0 && below+height(t.top-1) <= h {
		t.top--
		below += height(t.top)
	}
}
