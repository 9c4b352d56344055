package tui

import (
	"github.com/tcpctl/tcpctl/themes"
	"github.com/tcpctl/tcpctl/tui/internal/screen"
)

// draw paints the rows, under their names where there is room for them.
func (t *table[T]) draw(c *screen.Canvas, focused, names bool, ellipsis rune) {
	const margin = 2 // the cursor's sign and the mark
	slots := screen.Fit(t.cols, c.W-margin-1, t.scrollX)
	y := 0
	if names && c.H > 1 {
		for _, s := range slots {
			name := t.cols[s.Column].Name
			if t.cols[s.Column].Right {
				c.Right(margin+s.X+s.W, y, screen.Cut(name, s.W), themes.TextDim)
			} else {
				c.Text(margin+s.X, y, screen.Cut(name, s.W), themes.TextDim)
			}
		}
		y++
	}
	t.reveal(c.H - y)
	first := y
	for i := t.top; i < t.len() && y < c.H; i++ {
		r := t.row(i)
		t.drawRow(c, y, r, slots, margin, ellipsis)
		last := y
		if t.second != nil && y+1 < c.H && t.second(r, c, margin, y+1) {
			last++
		}
		if i == t.at && focused {
			c.Fill(0, y, 1, '>', themes.Prompt) // also where there are no colours
			c.Tint(0, y, c.W, themes.Cursor)
		}
		y = last + 1
		t.page = i - t.top + 1
	}
	if y == first {
		t.page = 0
	}
}

func (t *table[T]) drawRow(c *screen.Canvas, y int, r T, slots []screen.Slot, margin int, ellipsis rune) {
	marked := t.marks[t.id(r)]
	if marked {
		c.Fill(1, y, 1, '*', themes.Marked)
	}
	for _, s := range slots {
		col := &t.cols[s.Column]
		text, role := col.Cell(r)
		if marked && role == themes.Text {
			role = themes.Marked
		}
		if col.Right {
			c.Right(margin+s.X+s.W, y, screen.Cut(text, s.W), role)
		} else {
			if col.Ends {
				text = screen.Middle(text, s.W, ellipsis)
			}
			c.Text(margin+s.X, y, screen.Clip(text, s.W, ellipsis), role)
		}
	}
}

// reveal moves the window so that the cursor's row is in it, with its second
// line. h is how many lines there are.
func (t *table[T]) reveal(h int) {
	if t.len() == 0 {
		t.top = 0
		return
	}
	t.top = max(min(t.top, t.len()-1), 0)
	if t.at < t.top {
		t.top = t.at
	}
	if h < 1 {
		return
	}
	used := 0
	for i := t.at; i >= t.top; i-- {
		used += t.height(i)
		if used > h && i < t.at {
			t.top = i + 1
			break
		}
	}
	// Lines that stay empty at the end show what is above instead.
	below := 0
	for i := t.top; i < t.len() && below <= h; i++ {
		below += t.height(i)
	}
	for t.top > 0 && below+t.height(t.top-1) <= h {
		t.top--
		below += t.height(t.top)
	}
}

func (t *table[T]) height(i int) int {
	if t.second != nil && t.second(t.row(i), nil, 0, 0) {
		return 2
	}
	return 1
}
