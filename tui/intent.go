package tui

import (
	tea "github.com/charmbracelet/bubbletea"

	"github.com/tcpctl/tcpctl/proxy/api"
)

// intent is what a key asks for. Panes and dialogs return one, and the model
// carries it out; nil is nothing.
type intent interface{ apply(*model) tea.Cmd }

func (m *model) carryOut(i intent) tea.Cmd {
	if i == nil {
		return nil
	}
	return i.apply(m)
}

// inModel is an intent that is about the console itself.
type inModel func(*model) tea.Cmd

func (do inModel) apply(m *model) tea.Cmd { return do(m) }

// inBackground is a command of Bubble Tea: it runs beside the console.
type inBackground func() tea.Msg

func (do inBackground) apply(*model) tea.Cmd { return guard(do) }

// wanted asks for an act, or for what has to be confirmed first.
type wanted struct {
	req        api.Request
	hidden     []string // the targets that the filter hides
	gone       bool     // the row under the cursor had just gone
	everywhere bool     // on every node
}

func (w wanted) apply(m *model) tea.Cmd {
	p, err := newProposal(&m.frame, w)
	if err != nil {
		m.say(err, "")
		return nil
	}
	return m.confirm(p)
}

// perform has the engine carry out a proposal that was confirmed.
type perform struct{ p *proposal }

func (d perform) apply(m *model) tea.Cmd { return m.do(d.p) }

// open puts a dialog before the panes.
type open struct{ overlay }

func (o open) apply(m *model) tea.Cmd {
	m.over = append(m.over, o.overlay)
	return nil
}

// closed closes the dialog that has the keys, and carries out what follows.
type closed struct{ then intent }

func (c closed) apply(m *model) tea.Cmd {
	m.pop()
	return m.carryOut(c.then)
}

// notice shows a line that is not kept.
type notice struct{ level, text string }

func (n notice) apply(m *model) tea.Cmd {
	m.show(n.level, n.text)
	return nil
}

// refused says why something is not done.
type refused string

func (r refused) apply(m *model) tea.Cmd {
	m.say(refusal(string(r)), "")
	return nil
}

// failed says what went wrong.
type failed struct{ err error }

func (f failed) apply(m *model) tea.Cmd {
	m.say(f.err, "")
	return nil
}

// viewed narrows the panes to one service; "" is all of them.
type viewed string

func (v viewed) apply(m *model) tea.Cmd {
	m.view = string(v)
	m.refresh()
	return m.poll()
}

// focused gives a pane the keys.
type focused int

func (i focused) apply(m *model) tea.Cmd {
	m.focus = int(i)
	return m.poll()
}

// visited looks at another node, or with "" at the console's own, and carries
// out what follows once the node has answered.
type visited struct {
	node string
	then intent
}

func (v visited) apply(m *model) tea.Cmd {
	if v.node == "" {
		m.goHome()
		return tea.Batch(m.poll(), m.carryOut(v.then))
	}
	return m.visit(v.node, v.then)
}
