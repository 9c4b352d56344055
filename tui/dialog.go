package tui

import (
	"fmt"
	"slices"
	"strings"

	"github.com/charmbracelet/bubbles/textinput"
	tea "github.com/charmbracelet/bubbletea"

	"github.com/tcpctl/tcpctl/proxy/api"
	"github.com/tcpctl/tcpctl/tui/internal/screen"
)

// dialog asks for an act with all that it would do, and lets its options be
// set. It starts on Cancel; where a name has to be typed, no single key does
// it; what goes wrong is said in it, and it stays.
type dialog struct {
	p      *proposal
	typing textinput.Model // the name, at the highest level
	fields []*field
	at     int // confirm, the fields, Cancel, the act
	busy   bool
	err    string
}

// field is one option of the act: a line to type in, or words to choose from.
type field struct {
	name  string // of the flag
	input textinput.Model
	words []string
	at    int
}

func newDialog(p *proposal) *dialog {
	d := &dialog{p: p, typing: newInput("")}
	for _, param := range p.act.Params {
		value := param.Text(&p.req.Options)
		switch kind := param.Kind(); {
		case kind == api.KindChoice:
			words := []string{"keep", "cut", "abort"}
			if p.act.On == api.OnService || p.act.Plan {
				words = append([]string{"default"}, param.Choices...)
			}
			d.fields = append(d.fields, &field{name: param.Name, words: words, at: max(slices.Index(words, value), 0)})
		case kind == api.KindSwitch, p.act.On == api.OnSession && kind == api.KindText && param.Name != "reason":
		default:
			d.fields = append(d.fields, &field{name: param.Name, input: newInput(value)})
		}
	}
	if len(p.nodes) > 1 && !p.act.Plan {
		f := &field{name: "on", words: []string{p.nodes[0], fmt.Sprintf("all %d nodes", len(p.nodes))}}
		if p.everywhere {
			f.at = 1
		}
		d.fields = append(d.fields, f)
	}
	d.at = d.cancel()
	return d
}

func (d *dialog) freezes() bool { return true }
func (d *dialog) typed() bool   { return d.p.level == api.LevelTyped }
func (d *dialog) tiny() string  { return d.p.question() + " needs more room: esc" }

// The places that the focus goes through.
func (d *dialog) first() int {
	if d.typed() {
		return 0
	}
	return 1
}
func (d *dialog) cancel() int { return len(d.fields) + 1 }
func (d *dialog) button() int { return len(d.fields) + 2 }

func (d *dialog) hint() string {
	if d.busy {
		return "asking the engine   esc close"
	}
	if d.typed() {
		return "type " + screen.Safe(d.p.word()) + " to confirm   tab next   esc cancel"
	}
	return "y yes   n no   tab next   left/right choose   esc cancel"
}

func (d *dialog) key(m *model, k tea.KeyMsg) tea.Cmd {
	if k.Paste {
		return nil // nobody has read what a paste confirms
	}
	key := k.String()
	if key == "esc" || key == "ctrl+c" {
		m.pop()
		if !d.busy {
			m.show("info", d.p.act.Name+": nothing was done")
		}
		return nil
	}
	if d.busy {
		return nil
	}
	onButton := d.at >= d.cancel()
	if onButton && d.typed() && k.Type == tea.KeyRunes {
		d.at, onButton = 0, false // typing goes where a name is asked for
	}
	switch {
	case key == "tab" || key == "down":
		d.step(1)
	case key == "shift+tab" || key == "up":
		d.step(-1)
	case key == "enter":
		return d.enter(m)
	case onButton && (key == "left" || key == "right" || key == "h" || key == "l"):
		d.at = d.cancel() + d.button() - d.at
	case onButton && key == "y":
		return d.confirm(m)
	case onButton && (key == "n" || key == "q"):
		m.pop()
		m.show("info", d.p.act.Name+": nothing was done")
	case !onButton:
		d.edit(m, k)
	}
	return nil
}

func (d *dialog) step(by int) {
	n := d.button() - d.first() + 1
	d.at = d.first() + (d.at-d.first()+by+n)%n
}

func (d *dialog) enter(m *model) tea.Cmd {
	switch {
	case d.at == d.cancel():
		m.pop()
		m.show("info", d.p.act.Name+": nothing was done")
		return nil
	case d.at == d.button(), d.at == 0:
		return d.confirm(m)
	}
	d.step(1)
	return nil
}

// edit changes the option that has the focus, and shows at once what the act
// would then do.
func (d *dialog) edit(m *model, k tea.KeyMsg) {
	d.err = ""
	if d.at == 0 {
		d.typing, _ = d.typing.Update(k)
		return
	}
	f := d.fields[d.at-1]
	if f.words != nil {
		switch k.String() {
		case "left", "h":
			f.at = (f.at + len(f.words) - 1) % len(f.words)
		case "right", "l", " ":
			f.at = (f.at + 1) % len(f.words)
		}
	} else {
		f.input, _ = f.input.Update(k)
	}
	if d.read() == nil {
		m.judgeAgain(d)
	}
}

// judgeAgain works the impact out anew. The focus stays on what it was on,
// but a dialog never becomes a lesser one than it was.
func (m *model) judgeAgain(d *dialog) {
	m.judge(d.p)
	d.p.level = max(d.p.level, api.LevelDialog)
}

// read takes the options from the fields.
func (d *dialog) read() error {
	for _, f := range d.fields {
		value := strings.TrimSpace(f.input.Value())
		if f.words != nil {
			value = f.words[f.at]
			if f.name == "on" {
				d.p.everywhere = f.at == 1
				continue
			}
			if value == "default" || value == "keep" && f.at == 0 {
				d.p.req.Then = ""
				continue
			}
		}
		param, _ := d.p.act.Param(f.name)
		if value == "" {
			param.Clear(&d.p.req.Options)
			continue
		}
		if err := param.Set(&d.p.req.Options, value); err != nil {
			return err
		}
	}
	return nil
}

// confirm does it, if everything is as it was when the operator was asked.
func (d *dialog) confirm(m *model) tea.Cmd {
	if err := d.read(); err != nil {
		d.err = errorText(err)
		return nil
	}
	if why := m.recheck(d.p); why != "" {
		d.err = why + ": nothing was done; esc, and look again"
		return nil
	}
	before, cut := d.p.level, cutBy(d.p.impact)
	if m.judgeAgain(d); d.p.level > before || cutBy(d.p.impact) > 2*cut+10 {
		d.err = "it would do more than when you were asked: look at it again"
		return nil
	}
	if d.typed() && strings.TrimSpace(d.typing.Value()) != d.p.word() {
		d.at = 0
		d.err = fmt.Sprintf("type %s to confirm", screen.Safe(d.p.word()))
		return nil
	}
	d.busy, d.err = true, ""
	return m.do(d.p)
}

func cutBy(all []api.Impact) (n int) {
	for _, i := range all {
		n += i.Cut
	}
	return n
}
