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
	done   func(*model, string) tea.Cmd
	change func(*model, string)
	cancel func(*model)

	// complete gives the words that could stand where the cursor is, and
	// where the one that is begun there begins.
	complete func(*model, string) (from int, words []string)
	words    []string // those that fit, shown above the line
	before   *typed   // what was typed before
	back     int      // how far back in it we are
	draft    string
}

// ask opens a line to type in, with a text to begin with.
func (m *model) ask(label, text string, done func(*model, string) tea.Cmd) tea.Cmd {
	m.push(&prompt{label: label, input: newInput(text), done: done})
	return nil
}

func (p *prompt) hint() string {
	if p.complete != nil {
		return "enter do   tab complete   up/down history   esc cancel"
	}
	return "enter done   esc cancel"
}

func (p *prompt) tiny() string { return p.label + screen.Safe(p.input.Value()) + "_" }

func (p *prompt) key(m *model, k tea.KeyMsg) tea.Cmd {
	switch k.String() {
	case "enter":
		m.pop()
		return p.done(m, strings.TrimSpace(p.input.Value()))
	case "esc", "ctrl+c":
		m.pop()
		if p.cancel != nil {
			p.cancel(m)
		}
		return nil
	case "tab":
		p.fillIn(m)
		return nil
	case "up", "down":
		p.recall(k.String() == "up")
		return nil
	case "backspace":
		if p.input.Value() == "" && p.complete != nil {
			m.pop() // as in vi: an empty command line goes away
			return nil
		}
	}
	p.input, _ = p.input.Update(k)
	if p.change != nil {
		p.change(m, p.input.Value())
	}
	p.suggest(m)
	return nil
}

func (p *prompt) suggest(m *model) {
	if p.complete != nil {
		_, p.words = p.complete(m, p.input.Value())
	}
}

// fillIn completes the word at the end as far as there is one way to go on.
func (p *prompt) fillIn(m *model) {
	if p.complete == nil {
		return
	}
	text := p.input.Value()
	from, words := p.complete(m, text)
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
		p.suggest(m)
	}
}

func (p *prompt) recall(up bool) {
	if p.before == nil {
		return
	}
	if p.back == 0 {
		p.draft = p.input.Value()
	}
	n := len(p.before.lines)
	if up {
		p.back = min(p.back+1, n)
	} else {
		p.back = max(p.back-1, 0)
	}
	text := p.draft
	if p.back > 0 {
		text = p.before.lines[n-p.back]
	}
	p.input.SetValue(text)
	p.input.CursorEnd()
}

func (p *prompt) draw(m *model, c *screen.Canvas) {
	y := max(c.H-2, 0)
	c.Fill(0, y, c.W, ' ', themes.Text)
	x := c.Text(1, y, p.label, themes.Prompt)
	drawInput(c, x, y, max(c.W-x-1, 1), &p.input, true)
	if len(p.words) > 0 && y > 1 {
		c.Fill(0, y-1, c.W, ' ', themes.Text)
		c.Text(2, y-1, screen.Cut(screen.Safe(strings.Join(p.words, "  ")), c.W-3), themes.TextDim)
	}
}

// askFilter narrows the rows while it is typed.
func askFilter(m *model) tea.Cmd {
	g := m.pane().grid()
	old := g.Filter()
	m.push(&prompt{
		label: "/", input: newInput(old),
		change: func(_ *model, s string) { g.SetFilter(s) },
		cancel: func(*model) { g.SetFilter(old) },
		done:   func(_ *model, s string) tea.Cmd { g.SetFilter(s); return nil },
	})
	return nil
}

func askNote(m *model) tea.Cmd {
	return m.ask("note: ", "", func(m *model, s string) tea.Cmd {
		if s == "" {
			return nil
		}
		return m.propose(api.Request{Act: "mark", Args: []string{s}}, nil, false)
	})
}

func askCommand(m *model) tea.Cmd {
	p := &prompt{label: ":", input: newInput(""), done: (*model).command, complete: complete, before: &m.typed}
	p.suggest(m)
	m.push(p)
	return nil
}
