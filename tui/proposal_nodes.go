package tui

import (
	"context"
	"fmt"
	"strings"

	"github.com/tcpctl/tcpctl/proxy"
	"github.com/tcpctl/tcpctl/proxy/api"
	"github.com/tcpctl/tcpctl/proxy/text"
	"github.com/tcpctl/tcpctl/tui/internal/screen"
)

// askEach asks every node to carry out a proposal, through the console's own node, whichever is
// shown.
func askEach(home api.Source, peers func(string) api.Source, p *proposal, req api.Request) func(context.Context) actMsg {
	of := func(string) *api.Request { return &req }
	if p.each != nil {
		of = func(node string) *api.Request { return p.each[node] }
	}
	return func(ctx context.Context) actMsg {
		answers, err := api.DoOnEach(ctx, home, peers, of)
		return actMsg{answers: answers, err: err}
	}
}

// showAnswers shows what each node has answered.
func (m *model) showAnswers(act actMsg) {
	p, answers := act.p, act.answers
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
		}
	}
	level := proxy.LevelGood
	if did < len(answers) {
		level = proxy.LevelWarn
	}
	text := fmt.Sprintf("%s: done on %d of %s", strings.TrimSuffix(p.question(), "?"), did, text.Plural(len(answers), "node"))
	if p.undo {
		text = "undone: " + text
	}
	if u := undoOf(answers); u.each != nil {
		act.workspace.undos = append(act.workspace.undos, u)
		text += m.undoHint()
	}
	m.message.show(level, text)
	if m.overlay() == nil {
		m.over = append(m.over, factsBox(strings.TrimSuffix(p.question(), "?"), facts))
	}
}
