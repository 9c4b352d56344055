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

// impactGrew is why a confirmation is not enough.
const impactGrew = "its impact has grown since you were asked: look at it again"

// dialog asks for the confirmation of an act with all its effects and options. It
// starts on Cancel. Where a name has to be typed, no single key confirms; after an
// error it stays open and shows it.
type dialog struct {
	p      *proposal
	typing textinput.Model // the name, at the highest level
	fields []*field
	at     int // what has the focus: the name, the fields, Cancel, the act
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

// The focus goes from first, over the fields, to the two buttons.
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

func (d *dialog) key(f *frame, k tea.KeyMsg) intent {
	if k.Paste {
		return nil // a paste confirms what was not read
	}
	key := k.String()
	if key == "esc" || key == "ctrl+c" {
		if d.busy {
			return closeAnd{}
		}
		return closeAnd{d.p.notDone()}
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
		return d.enter(f)
	case onButton && (key == "left" || key == "right" || key == "h" || key == "l"):
		d.at = d.cancel() + d.button() - d.at
	case onButton && key == "y":
		return d.confirm(f)
	case onButton && (key == "n" || key == "q"):
		return closeAnd{d.p.notDone()}
	case !onButton:
		d.edit(f, k)
	}
	return nil
}

func (d *dialog) step(by int) {
	n := d.button() - d.first() + 1
	d.at = d.first() + (d.at-d.first()+by+n)%n
}

func (d *dialog) enter(f *frame) intent {
	switch {
	case d.at == d.cancel():
		return closeAnd{d.p.notDone()}
	case d.at == d.button(), d.at == 0:
		return d.confirm(f)
	}
	d.step(1)
	return nil
}

// edit changes what has the focus, and works out what the act would then do.
func (d *dialog) edit(f *frame, k tea.KeyMsg) {
	d.err = ""
	if d.at == 0 {
		d.typing, _ = d.typing.Update(k)
		return
	}
	option := d.fields[d.at-1]
	if option.words != nil {
		switch k.String() {
		case "left", "h":
			option.at = (option.at + len(option.words) - 1) % len(option.words)
		case "right", "l", " ":
			option.at = (option.at + 1) % len(option.words)
		}
	} else {
		option.input, _ = option.input.Update(k)
	}
	if d.read() == nil {
		d.judge(f)
	}
}

// judge works the impact out again. A dialog stays one, however little the act
// would now do.
func (d *dialog) judge(f *frame) {
	d.p.judge(f)
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

// confirm does it, if all is as it was when the operator was asked.
func (d *dialog) confirm(f *frame) intent {
	if err := d.read(); err != nil {
		d.err = errorText(err)
		return nil
	}
	if why := d.p.recheck(f); why != "" {
		d.err = why + ": nothing was done; esc, and look again"
		return nil
	}
	before, cut := d.p.level, cutBy(d.p.impact)
	if d.judge(f); d.p.level > before || cutBy(d.p.impact) > 2*cut+10 {
		d.err = impactGrew
		return nil
	}
	if d.typed() && strings.TrimSpace(d.typing.Value()) != d.p.word() {
		d.at = 0
		d.err = fmt.Sprintf("type %s to confirm", screen.Safe(d.p.word()))
		return nil
	}
	d.busy, d.err = true, ""
	return perform{d.p}
}

func cutBy(all []api.Impact) (n int) {
	for _, i := range all {
		n += i.Cut
	}
	return n
}
