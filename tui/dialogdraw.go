package tui

import (
	"fmt"
	"slices"
	"strings"

	"github.com/tcpctl/tcpctl/proxy/api"
	"github.com/tcpctl/tcpctl/themes"
)

// part is one line of a dialog. Where there is no room for all, those with
// the highest number go first: blank lines, then effects, never the buttons.
type part struct {
	prio int
	draw func(c *canvas, y int)
}

const dialogWidth = 72

func (d *dialog) draw(m *model, c *canvas) {
	w := dialogWidth
	if c.w < w+4 {
		w = c.w
	}
	parts := d.parts(m, w-2)
	for len(parts)+2 > c.h {
		worst := 0
		for i, p := range parts {
			if p.prio >= parts[worst].prio {
				worst = i
			}
		}
		if parts[worst].prio == 0 {
			break
		}
		parts = slices.Delete(parts, worst, worst+1)
	}
	title := strings.ToUpper(d.p.act.Name[:1]) + strings.TrimSuffix(d.p.question()[1:], "?") + " ?"
	box := m.window(c, w, len(parts)+2, title, safe(d.p.requestLine()))
	for y, p := range parts {
		p.draw(box, y)
	}
}

func (d *dialog) parts(m *model, w int) (parts []part) {
	const name = 9
	add := func(prio int, draw func(*canvas, int)) { parts = append(parts, part{prio, draw}) }
	blank := func() { add(9, func(*canvas, int) {}) }
	say := func(prio int, label, text string, role themes.Role) {
		for i, line := range wrap(text, w-name-4) {
			if i > 0 {
				label = ""
			}
			label := label
			add(prio, func(c *canvas, y int) {
				c.text(2, y, label, is(themes.TextDim))
				c.text(2+name, y, line, is(role))
			})
		}
	}
	blank()
	say(3, "Target", d.targetText(m), themes.Text)
	if d.p.peer != "" && !d.p.everywhere {
		say(2, "Node", safe(d.p.peer)+", which is not this one: "+m.homeName()+" asks it", themes.Warn)
	}
	blank()
	label := "Effect"
	for _, line := range d.p.effects() {
		say(5, label, line, themes.Text)
		label = ""
	}
	for _, warning := range d.p.warnings() {
		say(2, "Warning", warning, themes.Error)
	}
	if d.typed() {
		blank()
		add(0, func(c *canvas, y int) {
			c.text(2, y, "Confirm", is(themes.TextDim))
			x := c.text(2+name, y, "[", is(themes.TextDim))
			room := min(max(width(d.p.word())+6, 20), max(c.w-x-3, 4))
			drawInput(c, x, y, room, &d.typing, d.at == 0)
			x = c.text(x+room, y, "]", is(themes.TextDim))
			if hint := "type " + safe(d.p.word()); x+2+width(hint) <= c.w {
				c.text(x+2, y, hint, is(themes.Warn))
			}
		})
	}
	if len(d.fields) > 0 {
		blank()
	}
	for _, line := range d.fieldLines(w) {
		add(4, func(c *canvas, y int) { d.drawFields(c, y, line) })
	}
	if d.err != "" {
		say(1, "", d.err, themes.Error)
	} else {
		blank()
	}
	add(0, d.drawButtons)
	blank()
	return parts
}

func (d *dialog) targetText(m *model) string {
	if n := len(d.p.req.Targets); n != 1 {
		if n == 0 {
			return "all that the flags name"
		}
		return safe(fmt.Sprintf("%d, fixed: %s", n, strings.Join(d.p.req.Targets, " ")))
	}
	t := d.p.req.Targets[0]
	if b := m.world.status.Backend(t); b != nil {
		t = b.Name + " " + b.Addr
	}
	return safe(t) + " (fixed: does not follow the cursor)"
}

// fieldLines shares the options out over lines.
func (d *dialog) fieldLines(w int) (lines [][]int) {
	used := w
	for i, f := range d.fields {
		need := f.columns()
		if used+need > w-4 {
			lines = append(lines, nil)
			used = 0
		}
		used += need + 2
		lines[len(lines)-1] = append(lines[len(lines)-1], i)
	}
	return lines
}

func (f *field) columns() int {
	n := len(f.name) + 1
	if f.words == nil {
		return n + f.room() + 2
	}
	for _, w := range f.words {
		n += len(w) + 4
	}
	return n
}

func (f *field) room() int {
	if f.name == "reason" {
		return 30
	}
	return 7
}

func (d *dialog) drawFields(c *canvas, y int, line []int) {
	x := 2
	for _, i := range line {
		f := d.fields[i]
		focused := d.at == i+1
		role := themes.TextDim
		if focused {
			role = themes.Prompt
			c.text(x-1, y, ">", is(themes.Prompt))
		}
		x = c.text(x, y, f.name+" ", is(role))
		if f.words == nil {
			x = c.text(x, y, "[", is(role))
			room := min(f.room(), max(c.w-x-2, 1))
			if f.input.Value() == "" && !focused {
				empty := "default"
				if f.name == "reason" || f.name == "limit" && d.p.act.On == api.OnBackend {
					empty = "none"
				}
				c.text(x, y, cut(empty, room), is(themes.TextDim))
			} else {
				drawInput(c, x, y, room, &f.input, focused)
			}
			x = c.text(x+room, y, "]", is(role)) + 2
			continue
		}
		for j, w := range f.words {
			box, k := "( )", is(themes.TextDim)
			if j == f.at {
				box, k = "(o)", is(themes.Text)
			}
			x = c.text(x, y, box+w+" ", k)
		}
		x++
	}
}

func (d *dialog) drawButtons(c *canvas, y int) {
	act := strings.ToUpper(d.p.act.Name[:1]) + d.p.act.Name[1:]
	if d.busy {
		c.text(2, y, "asking the engine to "+d.p.act.Name, is(themes.Info))
		return
	}
	no, yes := "  Cancel (esc)  ", "  "+act+" (enter)  "
	if d.at == d.cancel() {
		no = "[ Cancel (esc) ]"
	}
	if d.at == d.button() {
		yes = "[ " + act + " (enter) ]"
	}
	x := max((c.w-width(no)-width(yes)-4)/2, 1)
	noInk, yesInk := is(themes.SafeButton), is(themes.Button)
	if d.typed() {
		yesInk = is(themes.DangerButton)
	}
	if d.at == d.cancel() {
		noInk.mod |= reverse
	}
	if d.at == d.button() {
		yesInk.mod |= reverse
	}
	x = c.text(x, y, no, noInk)
	c.text(x+4, y, yes, yesInk)
}
