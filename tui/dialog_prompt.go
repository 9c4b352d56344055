package tui

import (
	"strings"

	"github.com/charmbracelet/bubbles/textinput"
	tea "github.com/charmbracelet/bubbletea"

	"github.com/tcpctl/tcpctl/proxy/api"
	"github.com/tcpctl/tcpctl/themes"
	"github.com/tcpctl/tcpctl/tui/internal/screen"
)

// prompt is an input line, in place of the message line.
type prompt struct {
	label  string
	input  textinput.Model
	empty  string // placeholder: what applies if nothing is typed
	after  string // shown after the input
	done   func(string) intent
	change func(string) // after each key; nil: nothing
	cancel func()
	check  func(string) error // validates the line after each key; nil: all lines are valid
	err    error

	// complete returns the words that can complete the line, and where the last word begins.
	complete func(string) (from int, words []string)
	words    []string // the possible completions, shown above the line
	choice   int      // the one that tab has put into the line, counted from 1
	earlier  func() []string
	back     int    // how far back in the earlier lines
	draft    string // the line before going back
}

func newPrompt(label, text string) *prompt { return &prompt{label: label, input: newInput(text)} }

// ask opens a prompt with an initial text.
func ask(label, text string, check func(string) error, done func(string) intent) intent {
	p := newPrompt(label, text)
	p.check, p.done = check, done
	return open{p}
}

func (p *prompt) hint(*frame) string {
	switch {
	case p.complete != nil:
		return "enter do   tab complete, again: the next choice   up/down history   esc cancel"
	case p.earlier != nil:
		return "enter done   up the one before   esc cancel"
	}
	return "enter done   esc cancel"
}

func (p *prompt) tiny() string { return p.label + screen.Safe(p.input.Value()) + "_" }

func (p *prompt) key(_ *frame, k tea.KeyMsg) intent {
	switch k.String() {
	case "enter":
		line := strings.TrimSpace(p.input.Value())
		if p.check != nil {
			if p.err = p.check(line); p.err != nil {
				return nil
			}
		}
		return closeAnd{p.done(line)}
	case "esc", "ctrl+c":
		if p.cancel != nil {
			p.cancel()
		}
		return closeAnd{}
	case "tab":
		p.fillIn(1)
		return nil
	case "shift+tab":
		p.fillIn(-1)
		return nil
	case "up", "down":
		p.recall(k.String() == "up")
		p.changed()
		return nil
	case "backspace":
		if p.input.Value() == "" && p.complete != nil {
			return closeAnd{} // as in vi: an empty command line goes away
		}
	}
	p.input, _ = p.input.Update(k)
	p.changed()
	p.suggest()
	return nil
}

// changed validates the line and, if the prompt applies changes while typing, applies it.
func (p *prompt) changed() {
	line := strings.TrimSpace(p.input.Value())
	if p.change != nil {
		p.change(p.input.Value())
	}
	if p.err = nil; p.check != nil && line != "" {
		p.err = p.check(line)
	}
}

func (p *prompt) suggest() {
	p.choice = 0
	if p.complete != nil {
		_, p.words = p.complete(p.input.Value())
	}
}

// fillIn completes the last word as far as it is unambiguous. After that, each tab puts the next
// choice into the line.
func (p *prompt) fillIn(by int) {
	if p.complete == nil {
		return
	}
	text := p.input.Value()
	if p.choice > 0 {
		p.choose(p.choice + by)
		return
	}
	from, words := p.complete(text)
	p.words = words
	if len(words) == 0 {
		return
	}
	common := words[0]
	for _, w := range words[1:] {
		for !strings.HasPrefix(w, common) {
			common = common[:len(common)-1]
		}
	}
	if len(words) == 1 {
		common += " "
	}
	common = strings.ToValidUTF8(common, "")
	if len(common) <= len(text)-from {
		p.draft = text[:from]
		p.choose(1)
		return
	}
	p.setLine(text[:from] + common)
	p.suggest()
}

// choose puts one of the choices into the line; after the last comes the first.
func (p *prompt) choose(n int) {
	count := len(p.words)
	p.choice = (n-1+count)%count + 1
	p.setLine(p.draft + p.words[p.choice-1])
}

func (p *prompt) setLine(text string) {
	p.input.SetValue(text)
	p.input.CursorEnd()
}

func (p *prompt) recall(up bool) {
	if p.earlier == nil {
		return
	}
	if p.back == 0 {
		p.draft = p.input.Value()
	}
	lines := p.earlier()
	n := len(lines)
	if up {
		p.back = min(p.back+1, n)
	} else {
		p.back = max(p.back-1, 0)
	}
	text := p.draft
	if p.back > 0 {
		text = lines[n-p.back]
	}
	p.setLine(text)
}

func (p *prompt) draw(f *frame, c *screen.Canvas) {
	y := max(c.H-2, 0)
	c.Fill(0, y, c.W, ' ', themes.Text)
	x := c.Text(1, y, screen.Clip(p.label, max(c.W-8, 1), f.theme.Glyphs.Ellipsis), themes.Prompt)
	room := max(c.W-x-1-screen.Width(p.after), 1)
	if p.input.Value() == "" && p.empty != "" {
		end := c.Text(x, y, "["+screen.Cut(p.empty, max(room-2, 0))+"]", themes.TextDim)
		c.Reverse(x+1, y, 1) // the cursor
		c.Text(end+1, y, p.after, themes.Prompt)
	} else {
		drawInput(c, x, y, room, &p.input, true)
		if p.after != "" {
			c.Text(min(x+screen.Width(screen.Safe(p.input.Value()))+1, c.W-screen.Width(p.after)), y, p.after, themes.Prompt)
		}
	}
	if y < 2 {
		return
	}
	switch {
	case p.err != nil:
		c.Fill(0, y-1, c.W, ' ', themes.Text)
		c.Text(2, y-1, screen.Clip(screen.Safe(errorText(p.err)), c.W-3, f.theme.Glyphs.Ellipsis), themes.Error)
	case len(p.words) > 0:
		c.Fill(0, y-1, c.W, ' ', themes.Text)
		p.drawWords(f, c, y-1)
	}
}

// drawWords draws the choices around the one that is in the line.
func (p *prompt) drawWords(f *frame, c *screen.Canvas, y int) {
	first, w := 0, 0
	for i := range p.words { // skip the first ones until the chosen one fits
		w += screen.Width(screen.Safe(p.words[i])) + 2
		if i < p.choice-1 && w > c.W-30 {
			first, w = i+1, 0
		}
	}
	x := 2
	for i := first; i < len(p.words); i++ {
		word, role := screen.Safe(p.words[i]), themes.TextDim
		if i == p.choice-1 {
			role = themes.Title
		}
		if x+screen.Width(word) > c.W-2 {
			c.Fill(min(x, c.W-1), y, 1, f.theme.Glyphs.Ellipsis, themes.TextDim)
			return
		}
		x = c.Text(x, y, word, role) + 2
	}
}

// askFilter asks for a new filter, and applies it while it is typed. Enter alone keeps the old one,
// esc restores it.
func askFilter(g grid) intent {
	old, typed := g.Filter(), false
	p := newPrompt("/", "")
	p.empty = old
	p.change = func(s string) { typed = true; g.SetFilter(s) }
	p.cancel = func() { g.SetFilter(old) }
	if old != "" {
		p.earlier = func() []string { return []string{old} }
	}
	p.done = func(s string) intent {
		if typed {
			g.SetFilter(s)
		}
		return nil
	}
	return open{p}
}

func askNote(*frame) intent {
	return ask("note: ", "", nil, func(s string) intent {
		if s == "" {
			return nil
		}
		return propose{req: api.Request{Act: "mark", Args: []string{s}}}
	})
}
