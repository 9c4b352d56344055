package tui

import (
	"fmt"
	"strings"

	"github.com/charmbracelet/bubbles/spinner"
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
	spin   spinner.Model // turns while the engine is asked
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

// The focus goes from first, over the fields, to the two buttons.
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
		return nil // a paste confirms what was not read
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
		return nil // nothing is confirmed that cannot be read
	}
	if d.at > 0 && d.at < d.cancel() && !shown.fields {
		d.at = d.cancel()
	}
	onButton := d.at >= d.cancel()
	if onButton && d.typed() && k.Type == tea.KeyRunes {
		d.at, onButton = 0, false // typing goes where a name is asked for
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

// step moves the focus on, over the fields only where they are shown.
func (d *dialog) step(by int, fields bool) {
	n := d.button() - d.first() + 1
	for {
		d.at = d.first() + (d.at-d.first()+by+n)%n
		if fields || d.at == 0 || d.at >= d.cancel() {
			return
		}
	}
}

// enter goes on from a field to the next, and from the last to the act's button:
// it is what the operator has filled them in for.
func (d *dialog) enter(f *frame) intent {
	switch {
	case d.at == d.cancel():
		return closeAnd{d.p.notDone()}
	case d.at == d.button(), d.at == 0:
		return d.confirm(f)
	case d.fields[d.at-1].err != "":
		return nil // it says what is wrong with it
	case d.at == len(d.fields) && d.typed():
		d.at = 0
	case d.at == len(d.fields):
		d.at = d.button()
	default:
		d.at++
	}
	return nil
}

// edit changes what has the focus, says at once what is wrong with it, and works
// out what the act would then do.
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

// judge works the impact out again. A dialog stays one, however little the act
// would now do.
func (d *dialog) judge(f *frame) {
	d.p.judge(f)
	d.p.level = max(d.p.level, api.LevelDialog)
}

// read takes the options from the fields, and gives the first error.
func (d *dialog) read() (first error) {
	for _, f := range d.fields {
		err := f.set(d.p)
		if f.err = ""; err != nil {
			f.err = errorText(err)
			if first == nil {
				first = err
			}
		}
	}
	return first
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
