package tui

import (
	"strings"

	"github.com/charmbracelet/bubbles/textinput"
	tea "github.com/charmbracelet/bubbletea"

	"github.com/tcpctl/tcpctl/proxy/api"
	"github.com/tcpctl/tcpctl/themes"
	"github.com/tcpctl/tcpctl/tui/internal/screen"
)

// prompt is a line to type in, where messages stand otherwise.
type prompt struct {
	label  string
	input  textinput.Model
	done   func(string) intent
	change func(string) // after each key; nil: nothing
	cancel func()

	// complete gives the words that could stand where the cursor is, and where
	// the one that is begun there begins.
	complete func(string) (from int, words []string)
	words    []string // those that fit, shown above the line
	earlier  func() []string
	back     int    // how far back in the earlier lines
	draft    string // what was typed before going back
}

// ask asks for a line, with a text to begin with.
func ask(label, text string, done func(string) intent) intent {
	return open{&prompt{label: label, input: newInput(text), done: done}}
}

func (p *prompt) hint() string {
	if p.complete != nil {
		return "enter do   tab complete   up/down history   esc cancel"
	}
	return "enter done   esc cancel"
}

func (p *prompt) tiny() string { return p.label + screen.Safe(p.input.Value()) + "_" }

func (p *prompt) key(_ *frame, k tea.KeyMsg) intent {
	switch k.String() {
	case "enter":
		return closeAnd{p.done(strings.TrimSpace(p.input.Value()))}
	case "esc", "ctrl+c":
		if p.cancel != nil {
			p.cancel()
		}
		return closeAnd{}
	case "tab":
		p.fillIn()
		return nil
	case "up", "down":
		p.recall(k.String() == "up")
		return nil
	case "backspace":
		if p.input.Value() == "" && p.complete != nil {
			return closeAnd{} // as in vi: an empty command line goes away
		}
	}
	p.input, _ = p.input.Update(k)
	if p.change != nil {
		p.change(p.input.Value())
	}
	p.suggest()
	return nil
}

func (p *prompt) suggest() {
	if p.complete != nil {
		_, p.words = p.complete(p.input.Value())
	}
}

// fillIn completes the word at the end as far as there is one way to go on.
func (p *prompt) fillIn() {
	if p.complete == nil {
		return
	}
	text := p.input.Value()
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
	if len(common) > len(text)-from {
		p.input.SetValue(text[:from] + common)
		p.input.CursorEnd()
		p.suggest()
	}
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
	p.input.SetValue(text)
	p.input.CursorEnd()
}

func (p *prompt) draw(_ *frame, c *screen.Canvas) {
	y := max(c.H-2, 0)
	c.Fill(0, y, c.W, ' ', themes.Text)
	x := c.Text(1, y, p.label, themes.Prompt)
	drawInput(c, x, y, max(c.W-x-1, 1), &p.input, true)
	if len(p.words) > 0 && y > 1 {
		c.Fill(0, y-1, c.W, ' ', themes.Text)
		c.Text(2, y-1, screen.Cut(screen.Safe(strings.Join(p.words, "  ")), c.W-3), themes.TextDim)
	}
}

// askFilter asks for a filter, and applies it while it is typed.
func askFilter(g grid) intent {
	old := g.Filter()
	return open{&prompt{
		label: "/", input: newInput(old),
		change: g.SetFilter,
		cancel: func() { g.SetFilter(old) },
		done:   func(s string) intent { g.SetFilter(s); return nil },
	}}
}

func askNote(*frame) intent {
	return ask("note: ", "", func(s string) intent {
		if s == "" {
			return nil
		}
		return propose{req: api.Request{Act: "mark", Args: []string{s}}}
	})
}
