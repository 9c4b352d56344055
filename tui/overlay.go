package tui

import (
	"strings"

	"github.com/charmbracelet/bubbles/key"
	"github.com/charmbracelet/bubbles/spinner"
	"github.com/charmbracelet/bubbles/textinput"
	"github.com/charmbracelet/bubbles/viewport"
	tea "github.com/charmbracelet/bubbletea"

	"github.com/tcpctl/tcpctl/themes"
	"github.com/tcpctl/tcpctl/tui/internal/screen"
)

// overlay covers the panes and has the focus: a question, a list, an input line. Those with a
// method freezes() bool can freeze the panes, and those with tiny() string are one line on the
// smallest screens.
type overlay interface {
	key(*frame, tea.KeyMsg) intent
	draw(*frame, *screen.Canvas)
	hint(*frame) string // in place of the key line
}

// drawWindow draws an empty box in the middle and returns its inside. On a small screen it takes
// all of it.
func drawWindow(f *frame, c *screen.Canvas, w, h int, title, foot string) *screen.Canvas {
	if c.W < w+4 {
		w = c.W
	}
	if c.H < h+2 {
		h = c.H
	}
	r := screen.Rect{X: (c.W - w) / 2, Y: (c.H - h) / 2, W: w, H: h}
	c.Sub(r.X, r.Y, r.W, r.H).Clear()
	return screen.Box(c, r, &f.theme.Glyphs, title, foot, true)
}

// newInput makes an input line. Its cursor is drawn by drawInput and does not blink: a screen that
// blinks is never idle.
func newInput(text string) textinput.Model {
	in := textinput.New()
	in.Prompt = ""
	in.CharLimit = 400
	in.KeyMap.Paste.SetEnabled(false) // it would run a program to read the clipboard
	in.SetValue(text)
	in.CursorEnd()
	in.Focus()
	return in
}

// drawInput draws w columns of the input, around the cursor.
func drawInput(c *screen.Canvas, x, y, w int, in *textinput.Model, focused bool) {
	text := []rune(in.Value())
	at := min(in.Position(), len(text))
	from := 0
	for from < at && screen.Width(screen.Safe(string(text[from:at])))+1 > w {
		from++
	}
	box := c.Sub(x, y, w, 1)
	box.Text(0, 0, screen.Safe(string(text[from:])), themes.Text)
	if focused {
		cursor := screen.Width(screen.Safe(string(text[from:at])))
		if cursor < box.W && box.Row(0)[cursor].Rune == ' ' {
			box.Fill(cursor, 0, 1, '_', themes.Text)
		}
		box.Reverse(cursor, 0, 1)
	}
}

// turned returns the current frame of a spinner. The console redraws with each tick, so the spinner
// needs no ticks of its own.
func turned(f *frame, s *spinner.Model) string {
	frames := s.Spinner.Frames
	return frames[int(f.clock().UnixMilli()/tickUsual.Milliseconds())%len(frames)]
}

// newScroll makes a viewport that only keeps the scroll offset. Its owner draws the text, with
// roles. Letters are not its keys, since they are typed.
func newScroll() viewport.Model {
	v := viewport.New(0, 0)
	v.KeyMap = viewport.KeyMap{
		Up: key.NewBinding(key.WithKeys("up")), Down: key.NewBinding(key.WithKeys("down")),
		PageUp: key.NewBinding(key.WithKeys("pgup")), PageDown: key.NewBinding(key.WithKeys("pgdown")),
		HalfPageUp: key.NewBinding(key.WithKeys("ctrl+u")), HalfPageDown: key.NewBinding(key.WithKeys("ctrl+d")),
	}
	return v
}

// fitScroll sets a viewport's number of lines, and how many are visible.
func fitScroll(v *viewport.Model, lines, height int) {
	if v.Height != height || v.TotalLineCount() != max(lines, 1) {
		v.Height = height
		v.SetContent(strings.Repeat("\n", max(lines-1, 0)))
		v.SetYOffset(v.YOffset) // clamp to the text
	}
}
