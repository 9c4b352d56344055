package tui

import (
	"github.com/tcpctl/tcpctl/themes"
)

// draw paints the rows, under their names where there is room for them.
func (t *table[T]) draw(c *canvas, focused, names bool, ellipsis rune) {
	const margin = 2 // the cursor's sign and the mark
	slots := fit(t.cols, c.w-margin-1, t.scrollX)
	y := 0
	if names && c.h > 1 {
		for _, s := range slots {
			name := t.cols[s.col].name
			if t.cols[s.col].right {
				c.right(margin+s.x+s.w, y, cut(name, s.w), is(themes.TextDim))
			} else {
				c.text(margin+s.x, y, cut(name, s.w), is(themes.TextDim))
			}
		}
		y++
	}
	t.reveal(c.h - y)
	first := y
	for i := t.top; i < t.len() && y < c.h; i++ {
		r := t.row(i)
		t.drawRow(c, y, r, slots, margin, ellipsis)
		last := y
		if t.second != nil && y+1 < c.h && t.second(r, c, margin, y+1) {
			last++
		}
		if i == t.at && focused {
			c.fill(0, y, 1, '>', is(themes.Prompt)) // also where there are no colours
			c.tint(0, y, c.w, themes.Cursor, 0)
		}
		y = last + 1
		t.page = i - t.top + 1
	}
	if y == first {
		t.page = 0
	}
}

func (t *table[T]) drawRow(c *canvas, y int, r T, slots []slot, margin int, ellipsis rune) {
	marked := t.marks[t.id(r)]
	if marked {
		c.fill(1, y, 1, '*', is(themes.Marked))
	}
	for _, s := range slots {
		col := &t.cols[s.col]
		text, role := col.cell(r)
		if marked && role == themes.Text {
			role = themes.Marked
		}
		if col.right {
			c.right(margin+s.x+s.w, y, cut(text, s.w), is(role))
		} else {
			if col.ends {
				text = middle(text, s.w, ellipsis)
			}
			c.text(margin+s.x, y, clip(text, s.w, ellipsis), is(role))
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
