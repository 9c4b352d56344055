package tui

import (
	"fmt"
	"slices"
	"strings"

	"github.com/tcpctl/tcpctl/proxy/api"
	"github.com/tcpctl/tcpctl/themes"
	"github.com/tcpctl/tcpctl/tui/internal/screen"
)

// part is one line of a dialog. If there is no room for all, only blank lines are left out.
type part struct {
	blank bool
	draw  func(c *screen.Canvas, y int)
}

func (p part) spare() bool { return p.blank }

const dialogWidth = 72

// dialogPlan is the lines of a dialog that fit on the screen.
type dialogPlan struct {
	w      int
	parts  []part
	fields bool // the options are included
}

// plan chooses the lines of the dialog: all, or all but the options, which the command line shows,
// too. It returns nil if the screen has no room for the effects.
func (d *dialog) plan(f *frame) *dialogPlan {
	w := dialogWidth
	if f.width < w+4 {
		w = f.width
	}
	if w < leastDialog {
		return nil
	}
	for _, fields := range []bool{true, false} {
		parts := d.parts(f, w-2, fields)
		for len(parts)+2 > f.height-1 && slices.ContainsFunc(parts, part.spare) {
			last := len(parts) - 1
			for !parts[last].spare() {
				last--
			}
			parts = slices.Delete(parts, last, last+1)
		}
		if len(parts)+2 <= f.height-1 {
			return &dialogPlan{w, parts, fields || len(d.fields) == 0}
		}
	}
	return nil
}

// leastDialog is the minimum width, at which the buttons are still readable.
const leastDialog = 38

func (d *dialog) draw(f *frame, c *screen.Canvas) {
	title := strings.ToUpper(d.p.act.Name[:1]) + strings.TrimSuffix(d.p.question()[1:], "?") + " ?"
	shown := d.plan(f)
	if shown == nil {
		drawNoRoom(f, c, title)
		return
	}
	box := drawWindow(f, c, shown.w, len(shown.parts)+2, screen.Clip(title, shown.w-6, f.theme.Glyphs.Ellipsis),
		screen.Clip(screen.Safe(d.p.requestLine()), shown.w-6, f.theme.Glyphs.Ellipsis))
	for y, p := range shown.parts {
		p.draw(box, y)
	}
}

// partList collects the lines of a dialog.
type partList struct {
	parts []part
	width int
	name  int // columns for the lines' labels; 0: no labels
}

func (l *partList) add(draw func(*screen.Canvas, int)) { l.parts = append(l.parts, part{false, draw}) }

func (l *partList) blank() {
	l.parts = append(l.parts, part{true, func(*screen.Canvas, int) {}})
}

// say adds a text, with a label before its first line.
func (l *partList) say(name, text string, role themes.Role) {
	at := 2 + l.name
	for i, line := range screen.Wrap(text, l.width-l.name-4) {
		if i > 0 || l.name == 0 {
			name = ""
		}
		name := name
		l.add(func(c *screen.Canvas, y int) {
			c.Text(2, y, name, themes.TextDim)
			c.Text(at, y, line, role)
		})
	}
}

func (d *dialog) parts(f *frame, w int, fields bool) []part {
	l := &partList{width: w, name: 9}
	if w < 50 {
		l.name = 0
	}
	l.blank()
	if text := d.targetText(f); text != "" && l.name > 0 { // otherwise it is in the title
		l.say("Target", text, themes.Text)
	}
	if d.p.peer != "" && !d.p.everywhere {
		l.say("Node", screen.Safe(d.p.peer)+": another node, asked by "+f.ownName(), themes.Warn)
	}
	l.blank()
	name := "Effect"
	for _, line := range d.p.effects() {
		l.say(name, line, themes.Text)
		name = ""
	}
	for _, warning := range d.p.warnings() {
		l.say("Warning", warning, themes.Error)
	}
	if d.typed() {
		l.blank()
		l.add(func(c *screen.Canvas, y int) { d.drawConfirm(c, y, l.name) })
	}
	if fields && len(d.fields) > 0 {
		l.blank()
		for _, line := range d.fieldLines(w) {
			l.add(func(c *screen.Canvas, y int) { d.drawFields(c, y, line) })
		}
	}
	if d.err != "" {
		l.say("", d.err, themes.Error)
	} else {
		l.blank()
	}
	l.add(func(c *screen.Canvas, y int) { d.drawButtons(f, c, y) })
	l.blank()
	return l.parts
}

// drawConfirm draws the line in which the target's name is typed, after a label of that many
// columns; 0: none.
func (d *dialog) drawConfirm(c *screen.Canvas, y, label int) {
	x := 2
	if label > 0 {
		c.Text(2, y, "Confirm", themes.TextDim)
		x += label
	}
	x = c.Text(x, y, "[", themes.TextDim)
	room := min(max(screen.Width(d.p.word())+6, 20), max(c.W-x-3, 4))
	drawInput(c, x, y, room, &d.typing, d.at == 0)
	x = c.Text(x+room, y, "]", themes.TextDim)
	if hint := "type " + screen.Safe(d.p.word()); x+2+screen.Width(hint) <= c.W {
		c.Text(x+2, y, hint, themes.Warn)
	}
}

func (d *dialog) targetText(f *frame) string {
	if n := len(d.p.req.Targets); n != 1 {
		switch {
		case d.p.act.On == api.OnNothing:
			return ""
		case n == 0:
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
			if f.err != "" {
				role = themes.Error
			}
			x = c.Text(x, y, "[", role)
			room := min(f.room(), max(c.W-x-2, 1))
			if f.input.Value() == "" && !focused {
				c.Text(x, y, screen.Cut(f.empty, room), themes.TextDim)
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

func (d *dialog) drawButtons(f *frame, c *screen.Canvas, y int) {
	act := strings.ToUpper(d.p.act.Name[:1]) + d.p.act.Name[1:]
	if d.busy {
		c.Text(2, y, turned(f, &d.spin)+" asking the engine to "+d.p.act.Name, themes.Info)
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
