package tui

import (
	"fmt"
	"slices"
	"strings"

	tea "github.com/charmbracelet/bubbletea"

	"github.com/tcpctl/tcpctl/proxy/api"
	"github.com/tcpctl/tcpctl/themes"
	"github.com/tcpctl/tcpctl/tui/internal/screen"
)

// consoleWords are what the command line knows besides the engine's acts.
var consoleWords = []string{"detach", "filter", "help", "pane", "peer", "quit", "sort", "theme", "view"}

// command carries out a line: an act, in the words of the CLI, or something
// about the console itself.
func (m *model) command(line string) tea.Cmd {
	keep := m.typed.add(line)
	words, err := splitWords(strings.TrimLeft(line, ": ")) // a second : is a habit
	if len(words) > 0 && words[0] == "tcpctl" {
		words = words[1:] // pasted from a CLI twin
	}
	if err != nil || len(words) == 0 {
		if err != nil {
			m.say(err, "")
		}
		return keep
	}
	if api.Lookup(words[0]) != nil {
		words, peer, err := takePeer(words)
		if err != nil {
			m.say(err, "")
			return keep
		}
		req, err := api.ParseWords(words)
		if err != nil {
			m.say(err, "")
			return keep
		}
		return tea.Batch(keep, m.typedOn(req, peer))
	}
	return tea.Batch(keep, m.consoleCommand(words[0], strings.Join(words[1:], " ")))
}

func (m *model) consoleCommand(word, rest string) tea.Cmd {
	switch word {
	case "q", "q!", "quit", "exit":
		return m.leave()
	case "detach":
		return m.quit(Detach)
	case "help":
		return showHelp(m)
	case "filter":
		if g := m.pane().grid(); g != nil {
			g.SetFilter(rest)
		}
		return nil
	case "theme":
		dir := m.cfg.ThemeDir
		return guard(func() tea.Msg {
			t, err := themes.Load(rest, dir)
			return themeMsg{theme: t, err: err}
		})
	case "view":
		return m.viewCommand(rest)
	case "sort":
		return m.sortCommand(rest)
	case "peer":
		if rest == "" || rest == m.homeName() {
			return m.goHome()
		}
		return m.visit(rest, nil)
	case "window":
		m.say(refusal("a window runs a command in your terminal, as you: type there  "+windowLine(rest, m.peer)), "")
		return nil
	case "pane":
		for i, p := range m.panes {
			if rest != "" && strings.HasPrefix(strings.ToLower(p.name()), strings.ToLower(rest)) || rest == fmt.Sprint(i+1) {
				return m.focusOn(i)
			}
		}
		m.say(refusal("there is no pane "+screen.Safe(rest)), "")
		return nil
	}
	m.say(refusal(fmt.Sprintf("there is no command %q%s", screen.Safe(word), nearest(word, commandWords()))), "")
	return nil
}

func (m *model) viewCommand(name string) tea.Cmd {
	if name == "all" || name == "" {
		m.setView("")
		return m.poll()
	}
	if m.world.status.Service(name) == nil {
		m.say(refusal(fmt.Sprintf("there is no service %q%s", screen.Safe(name), nearest(name, m.serviceNames()))), "")
		return nil
	}
	m.setView(name)
	return m.poll()
}

func (m *model) sortCommand(rest string) tea.Cmd {
	g := m.pane().grid()
	if g == nil {
		m.say(refusal("this pane has no rows"), "")
		return nil
	}
	name, desc := strings.CutPrefix(rest, "-")
	if g.SortBy(name, desc) {
		return nil
	}
	names, _, _ := g.Sorts()
	m.say(refusal(fmt.Sprintf("there is no column %q%s", screen.Safe(name), nearest(strings.ToUpper(name), names))), "")
	return nil
}

// typedAct asks for an act that was typed. One without a target is about what
// is marked or under the cursor, as a key would be.
func (m *model) typedAct(req api.Request, everywhere bool) tea.Cmd {
	act := api.Lookup(req.Act)
	var hidden []string
	moved := false
	filtered := req.Service != "" || req.Backend != "" || req.Client != ""
	if act.On != api.OnNothing && !filtered {
		if act.Args != "" && act.Args[0] != '[' && len(req.Targets) == 1 && len(req.Args) == 0 {
			req.Targets, req.Args = nil, req.Targets // `:weight 5`
		}
		if len(req.Targets) == 0 {
			req.Targets, hidden, moved = m.underCursor(act)
		}
	}
	if req.DryRun {
		return m.do(&proposal{req: req, act: act, peer: m.peer, everywhere: everywhere})
	}
	return m.proposeOn(req, hidden, moved, everywhere)
}

// underCursor is what an act without a target is about.
func (m *model) underCursor(act *api.Act) (targets, hidden []string, moved bool) {
	var all []string
	switch p := m.pane().(type) {
	case *backendsPane:
		all, hidden = p.table.Chosen()
		moved = p.table.JustGone(m.clock())
	case *queuePane:
		all, hidden = p.table.Chosen()
		moved = p.table.JustGone(m.clock())
		if act.On == api.OnService {
			return []string{p.now}, nil, false
		}
	case *sessionsPane:
		all, hidden = p.table.Chosen()
		moved = p.table.JustGone(m.clock())
	}
	for _, t := range all {
		service, backend := api.SplitTarget(t)
		switch {
		case act.On == api.OnService && m.world.status.Service(service) != nil:
			targets = append(targets, service)
		case act.On == api.OnBackend && backend != "", act.On == api.OnSession && m.world.status.Service(service) == nil:
			targets = append(targets, t)
		}
	}
	return slices.Compact(targets), hidden, moved
}
