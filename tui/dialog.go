package tui

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/charmbracelet/bubbles/spinner"
	"github.com/charmbracelet/bubbles/textinput"
	tea "github.com/charmbracelet/bubbletea"

	"github.com/tcpctl/tcpctl/proxy/api"
	"github.com/tcpctl/tcpctl/tui/internal/screen"
)

// impactGrew is why a confirmation is refused.
const impactGrew = "its impact has grown since you were asked: look at it again"

// dialog asks to confirm an act, and shows all its effects and options. It starts on Cancel. If a
// name must be typed, no single key confirms. After an error the dialog stays open and shows it.
type dialog struct {
	p      *proposal
	typing textinput.Model // the name, at the highest confirmation level
	fields []*field
	at     int // the focus: the name, the fields, Cancel or the act
	busy   bool
	spin   spinner.Model // spins while the engine is asked
	err    string
}

func newDialog(f *frame, p *proposal) *dialog {
	d := &dialog{p: p, typing: newInput(""), spin: spinner.New(spinner.WithSpinner(spinner.Line))}
	d.fields = fieldsOf(f, p)
	d.at = d.cancel()
	return d
}

func (d *dialog) freezes() bool { return true }
func (d *dialog) typed() bool   { return d.p.level == api.LevelTyped }
func (d *dialog) tiny() string  { return "no room: esc   " + d.p.question() }

// first is where the focus starts; fields and the two buttons follow.
func (d *dialog) first() int {
	if d.typed() {
		return 0
	}
	return 1
}
func (d *dialog) cancel() int { return len(d.fields) + 1 }
func (d *dialog) button() int { return len(d.fields) + 2 }

func (d *dialog) hint(f *frame) string {
	switch {
	case d.busy:
		return "asking the engine   esc close"
	case d.plan(f) == nil:
		return "not all of it can be shown here: esc, or a larger window"
	case d.typed():
		return "type " + screen.Safe(d.p.word()) + " to confirm   tab next   esc cancel"
	}
	return "y yes   n no   tab next   left/right choose   esc cancel"
}

func (d *dialog) key(f *frame, k tea.KeyMsg) intent {
	if k.Paste {
		return nil // a paste must not confirm anything
	}
	key := k.String()
	if key == "esc" || key == "ctrl+c" {
		if d.busy {
			return closeAnd{}
		}
		return closeAnd{d.p.notDone()}
	}
	shown := d.plan(f)
	if d.busy || shown == nil {
		return nil // what cannot be read cannot be confirmed
	}
	if d.at > 0 && d.at < d.cancel() && !shown.fields {
		d.at = d.cancel()
	}
	onButton := d.at >= d.cancel()
	if onButton && d.typed() && k.Type == tea.KeyRunes {
		d.at, onButton = 0, false // typing goes to the name
	}
	switch {
	case key == "tab" || key == "down":
		d.step(1, shown.fields)
	case key == "shift+tab" || key == "up":
		d.step(-1, shown.fields)
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

// step moves the focus, through the fields only if they are shown.
func (d *dialog) step(by int, fields bool) {
	n := d.button() - d.first() + 1
	for {
		d.at = d.first() + (d.at-d.first()+by+n)%n
		if fields || d.at == 0 || d.at >= d.cancel() {
			return
		}
	}
}

// enter moves from a field to the next, and from the last to the act's button: that is why the
// operator filled them in.
func (d *dialog) enter(f *frame) intent {
	switch {
	case d.at == d.cancel():
		return closeAnd{d.p.notDone()}
	case d.at == d.button(), d.at == 0:
		return d.confirm(f)
	case d.fields[d.at-1].err != "":
		return nil // the field shows its error
	case d.at == len(d.fields) && d.typed():
		d.at = 0
	case d.at == len(d.fields):
		d.at = d.button()
	default:
		d.at++
	}
	return nil
}

// edit changes what has the focus, validates it at once, and judges the changed act again.
func (d *dialog) edit(f *frame, k tea.KeyMsg) {
	d.err = ""
	if d.at == 0 {
		d.typing, _ = d.typing.Update(k)
		return
	}
	if why := d.fields[d.at-1].edit(k); why != "" {
		d.err = why
		return
	}
	if err := d.read(); err != nil {
		d.err = errorText(err)
		return
	}
	d.judge(f)
}

// judge computes the impact again. The dialog stays open even if the act no longer needs one.
func (d *dialog) judge(f *frame) {
	d.p.judge(f)
	d.p.level = max(d.p.level, api.LevelDialog)
}

// read takes the options from the fields, and returns the first error.
func (d *dialog) read() (first error) {
	for _, f := range d.fields {
		err := f.set(d.p)
		if f.err = ""; err != nil {
			f.err = errorText(err)
			first = cmp.Or(first, err)
		}
	}
	return first
}

// confirm carries out the act if nothing has changed since the operator was asked.
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
