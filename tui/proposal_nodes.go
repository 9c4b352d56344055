package tui

import (
	"context"
	"fmt"
	"strings"

	tea "github.com/charmbracelet/bubbletea"

	"github.com/tcpctl/tcpctl/proxy"
	"github.com/tcpctl/tcpctl/proxy/api"
	"github.com/tcpctl/tcpctl/tui/internal/screen"
)

// allPeers is what --peer takes for every node, here as on the command line.
const allPeers = "all"

// takePeer takes --peer NODE out of a line's words: it says where an act is
// done, and not how.
func takePeer(words []string) (rest []string, peer string, err error) {
	for i := 0; i < len(words); i++ {
		value, inline := strings.CutPrefix(words[i], "--peer=")
		switch {
		case inline:
			peer = value
		case words[i] == "--peer":
			if i++; i == len(words) {
				return nil, "", refusal("--peer needs a node, or all")
			}
			peer = words[i]
		default:
			rest = append(rest, words[i])
		}
	}
	return rest, peer, nil
}

// typedOn carries out a line where it is meant to be.
func (m *model) typedOn(req api.Request, peer string) tea.Cmd {
	switch {
	case peer == allPeers:
		return m.typedAct(req, true)
	case peer == "" || peer == m.peer:
		return m.typedAct(req, false)
	case screen.Safe(peer) == m.homeName():
		m.goHome()
		return m.typedAct(req, false)
	}
	// What the act would do there is only known once the node has answered.
	return m.visit(peer, func(m *model) tea.Cmd { return m.typedAct(req, false) })
}

// allNodes names those that an act on every node is for; nil when there are
// no others, or they cannot be asked. The one that is looked at comes first.
func (m *model) allNodes() []string {
	if m.mesh() == nil || !m.mesh().Secret || m.cfg.Peer == nil {
		return nil
	}
	names := []string{m.homeName()}
	for _, p := range m.mesh().Members() {
		if names = append(names, screen.Safe(p.Called())); p.Called() == m.peer {
			n := len(names) - 1
			names[0], names[n] = names[n], names[0]
		}
	}
	return names
}

// alsoOn says which other nodes an act would go to, and which it cannot reach.
func (m *model) alsoOn() (lines []string) {
	if m.mesh() == nil || !m.mesh().Secret {
		return []string{"there are no others to ask: " + noSecret}
	}
	there, gone := []string{m.homeName()}, []string(nil)
	for _, p := range m.mesh().Members() {
		if p.Gone(m.engineNow()) == "" {
			there = append(there, screen.Safe(p.Called()))
		} else {
			gone = append(gone, screen.Safe(p.Called()))
		}
	}
	lines = append(lines, fmt.Sprintf("on %s: the above is of %s, each looks at its own and may refuse", strings.Join(there, ", "), m.placeName()))
	if len(gone) > 0 {
		lines = append(lines, strings.Join(gone, ", ")+": not reachable, nothing is done there")
	}
	return lines
}

// doEverywhere has every node carry out a proposal. It does so from home,
// whatever is looked at.
func (m *model) doEverywhere(p *proposal, req api.Request) tea.Cmd {
	at, home, peers, ctx := m.place, m.home.source, m.cfg.Peer, m.ctx
	if peers == nil {
		m.say(refusal("this node is in no mesh"), "")
		return nil
	}
	return guard(func() tea.Msg {
		ctx, cancel := context.WithTimeout(ctx, actLimit)
		defer cancel()
		of := func(string) *api.Request { return &req }
		if p.each != nil {
			of = func(node string) *api.Request { return p.each[node] }
		}
		answers, err := api.DoOnEach(ctx, home, peers, of)
		return actMsg{p: p, at: at, answers: answers, err: err}
	})
}

// showAnswers shows what each node has answered, and keeps it in Events.
func (m *model) showAnswers(p *proposal, answers []api.PeerAnswer) {
	var facts []fact
	did := 0
	for _, a := range answers {
		texts := a.Result.Texts
		switch {
		case a.Outcome == api.OutcomeUnknown:
			texts = []string{"? unknown: " + errorText(a.Error)}
		case a.Error != nil:
			texts = []string{"! " + errorText(a.Error)}
		default:
			did++
			for _, i := range a.Result.Impact {
				texts = append(texts, i.Lines...)
			}
		}
		for i, text := range texts {
			name := a.Node
			if i > 0 {
				name = ""
			}
			facts = append(facts, fact{screen.Safe(name), screen.Safe(text)})
			m.world.journal.note(m.engineNow(), levelOf(a.Error), a.Node+": "+text)
		}
	}
	m.eventsPane().refresh(m)
	level := proxy.LevelGood
	if did < len(answers) {
		level = proxy.LevelWarn
	}
	text := fmt.Sprintf("%s: done on %d of %s", strings.TrimSuffix(p.question(), "?"), did, screen.Plural(len(answers), "node"))
	if p.undo {
		text = "undone: " + text
	}
	if undoOf(answers).each != nil {
		text += "   (undo: " + m.keysOf("undo") + ")"
	}
	m.show(level, text)
	if m.overlay() == nil {
		m.push(&detailsBox{title: strings.TrimSuffix(p.question(), "?"), facts: facts})
	}
}

func levelOf(e *api.Error) string {
	if e != nil {
		return proxy.LevelWarn
	}
	return proxy.LevelGood
}

// windowLine is what to type for a window.
func windowLine(rest, peer string) string {
	line := "tcpctl window"
	if peer != "" {
		line += " --peer " + screen.Safe(peer)
	}
	if rest == "" {
		rest = "SERVICE -- CMD"
	}
	return line + " " + screen.Safe(rest)
}
