package tui

import (
	"fmt"
	"slices"
	"strings"

	"github.com/tcpctl/tcpctl/proxy/api"
	"github.com/tcpctl/tcpctl/themes"
	"github.com/tcpctl/tcpctl/tui/internal/screen"
)

// part is one line of a dialog. Where there is no room for all, those with the
// highest prio are left out first: blank lines, then effects, never the buttons.
type part struct {
	prio int
	draw func(c *screen.Canvas, y int)
}

const dialogWidth = 72

func (d *dialog) draw(f *frame, c *screen.Canvas) {
	w := dialogWidth
	if c.W < w+4 {
		w = c.W
	}
	parts := d.parts(f, w-2)
	for len(parts)+2 > c.H {
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
	box := drawWindow(f, c, w, len(parts)+2, title, screen.Safe(d.p.requestLine()))
	for y, p := range parts {
		p.draw(box, y)
	}
}

func (d *dialog) parts(f *frame, w int) (parts []part) {
	const name = 9
	add := func(prio int, draw func(*screen.Canvas, int)) { parts = append(parts, part{prio, draw}) }
	blank := func() { add(9, func(*screen.Canvas, int) {}) }
	say := func(prio int, label, text string, role themes.Role) {
		for i, line := range screen.Wrap(text, w-name-4) {
			if i > 0 {
				label = ""
			}
			label := label
			add(prio, func(c *screen.Canvas, y int) {
				c.Text(2, y, label, themes.TextDim)
				c.Text(2+name, y, line, role)
			})
		}
	}
	blank()
	say(3, "Target", d.targetText(f), themes.Text)
	if d.p.peer != "" && !d.p.everywhere {
		say(2, "Node", screen.Safe(d.p.peer)+": another node, asked by "+f.ownName(), themes.Warn)
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
		add(0, func(c *screen.Canvas, y int) {
			c.Text(2, y, "Confirm", themes.TextDim)
			x := c.Text(2+name, y, "[", themes.TextDim)
			room := min(max(screen.Width(d.p.word())+6, 20), max(c.W-x-3, 4))
			drawInput(c, x, y, room, &d.typing, d.at == 0)
			x = c.Text(x+room, y, "]", themes.TextDim)
			if hint := "type " + screen.Safe(d.p.word()); x+2+screen.Width(hint) <= c.W {
				c.Text(x+2, y, hint, themes.Warn)
			}
		})
	}
	if len(d.fields) > 0 {
		blank()
	}
	for _, line := range d.fieldLines(w) {
		add(4, func(c *screen.Canvas, y int) { d.drawFields(c, y, line) })
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

func (d *dialog) targetText(f *frame) string {
	if n := len(d.p.req.Targets); n != 1 {
		if n == 0 {
			return "whatever the flags select"
		}
		return screen.Safe(fmt.Sprintf("%d, fixed: %s", n, strings.Join(d.p.req.Targets, " ")))
	}
	t := d.p.req.Targets[0]
	if b := f.stats.status.Backend(t); b != nil {
		t = b.Name + " " + b.Addr
	}
	return screen.Safe(t) + " (fixed: does not follow the cursor)"
}

// fieldLines distributes the options over lines.
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

func (d *dialog) drawFields(c *screen.Canvas, y int, line []int) {
	x := 2
	for _, i := range line {
		f := d.fields[i]
		focused := d.at == i+1
		role := themes.TextDim
		if focused {
			role = themes.Prompt
			c.Text(x-1, y, ">", themes.Prompt)
		}
		x = c.Text(x, y, f.name+" ", role)
		if f.words == nil {
			x = c.Text(x, y, "[", role)
			room := min(f.room(), max(c.W-x-2, 1))
			if f.input.Value() == "" && !focused {
				empty := "default"
				if f.name == "reason" || f.name == "limit" && d.p.act.On == api.OnBackend {
					empty = "none"
				}
				c.Text(x, y, screen.Cut(empty, room), themes.TextDim)
			} else {
				drawInput(c, x, y, room, &f.input, focused)
			}
			x = c.Text(x+room, y, "]", role) + 2
			continue
		}
		for j, w := range f.words {
			box, k := "( )", themes.TextDim
			if j == f.at {
				box, k = "(o)", themes.Text
			}
			x = c.Text(x, y, box+w+" ", k)
		}
		x++
	}
}

func (d *dialog) drawButtons(c *screen.Canvas, y int) {
	act := strings.ToUpper(d.p.act.Name[:1]) + d.p.act.Name[1:]
	if d.busy {
		c.Text(2, y, "asking the engine to "+d.p.act.Name, themes.Info)
		return
	}
	no, yes := "  Cancel (esc)  ", "  "+act+" (enter)  "
	if d.at == d.cancel() {
		no = "[ Cancel (esc) ]"
	}
	if d.at == d.button() {
		yes = "[ " + act + " (enter) ]"
	}
	x := max((c.W-screen.Width(no)-screen.Width(yes)-4)/2, 1)
	role := themes.Button
	if d.typed() {
		role = themes.DangerButton
	}
	end := c.Text(x, y, no, themes.SafeButton)
	c.Text(end+4, y, yes, role)
	if d.at == d.cancel() {
		c.Reverse(x, y, screen.Width(no))
	}
	if d.at == d.button() {
		c.Reverse(end+4, y, screen.Width(yes))
	}
}
