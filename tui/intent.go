package tui

import (
	tea "github.com/charmbracelet/bubbletea"

	"github.com/tcpctl/tcpctl/proxy/api"
)

// intent is what a key should do. Panes and dialogs return one, and the model carries it out; nil
// does nothing.
type intent interface{ apply(*model) tea.Cmd }

func (m *model) carryOut(i intent) tea.Cmd {
	if i == nil {
		return nil
	}
	return i.apply(m)
}

// inConsole is an intent that acts on the model.
type inConsole func(*model) tea.Cmd

func (do inConsole) apply(m *model) tea.Cmd { return do(m) }

// inBackground is an intent that may take long: it runs in its own goroutine, and Update gets its
// message.
type inBackground func() tea.Msg

func (do inBackground) apply(*model) tea.Cmd { return guard(do) }

// propose requests an act, which may have to be confirmed first.
type propose struct {
	req        api.Request
	hidden     []string // the targets that the filter hides
	gone       bool     // the row under the cursor had just gone
	everywhere bool     // on every node
}

func (w propose) apply(m *model) tea.Cmd {
	p, err := newProposal(&m.frame, w)
	if err != nil {
		m.message.say(err)
		return nil
	}
	return m.confirm(p)
}

// perform sends a confirmed proposal to the engine.
type perform struct{ p *proposal }

func (d perform) apply(m *model) tea.Cmd { return m.do(d.p) }

// open opens an overlay.
type open struct{ overlay }

func (o open) apply(m *model) tea.Cmd {
	m.over = append(m.over, o.overlay)
	return nil
}

// closeAnd closes the focused overlay, and carries out what follows.
type closeAnd struct{ then intent }

func (c closeAnd) apply(m *model) tea.Cmd {
	m.pop()
	return m.carryOut(c.then)
}

// notice shows a message.
type notice struct{ level, text string }

func (n notice) apply(m *model) tea.Cmd {
	m.message.show(n.level, n.text)
	return nil
}

// refuse shows why something is not done.
func refuse(text string) intent { return fail{refusal(text)} }

// fail shows an error.
type fail struct{ err error }

func (f fail) apply(m *model) tea.Cmd {
	m.message.say(f.err)
	return nil
}

// setView narrows the panes to one service; "" is all of them.
type setView string

func (v setView) apply(m *model) tea.Cmd {
	m.view = string(v)
	m.refresh()
	return m.poll()
}

// focusPane gives a pane the keys.
type focusPane int

func (i focusPane) apply(m *model) tea.Cmd {
	m.focus = int(i)
	return m.poll()
}

// openNode shows another node ("": the console's own), and carries out what follows once the node
// has answered.
type openNode struct {
	node string
	then intent
}

func (v openNode) apply(m *model) tea.Cmd {
	if v.node == "" {
		m.goHome()
		return tea.Batch(m.poll(), m.carryOut(v.then))
	}
	return m.openNode(v.node, v.then)
}
