package tui

import (
	"fmt"
	"strings"

	tea "github.com/charmbracelet/bubbletea"

	"github.com/tcpctl/tcpctl/proxy/api"
	"github.com/tcpctl/tcpctl/themes"
	"github.com/tcpctl/tcpctl/tui/internal/screen"
)

// consoleWords are what the command line knows besides the engine's acts.
var consoleWords = []string{"detach", "filter", "help", "pane", "peer", "quit", "sort", "theme", "view"}

// askCommand asks for a line of the command line.
func askCommand(at *place) intent {
	p := &prompt{label: ":", input: newInput(""), complete: at.complete}
	p.done = func(line string) intent { return inModel(func(m *model) tea.Cmd { return m.command(line) }) }
	p.suggest()
	return inModel(func(m *model) tea.Cmd {
		p.earlier = func() []string { return m.typed.lines }
		return m.carryOut(open{p})
	})
}

// command carries out a line, and keeps it in the history.
func (m *model) command(line string) tea.Cmd {
	return tea.Batch(m.typed.add(line), m.carryOut(m.parseCommand(line)))
}

// parseCommand is what a line asks for: an act, in the words of the CLI, or
// something about the console itself.
func (at *place) parseCommand(line string) intent {
	words, err := splitWords(strings.TrimLeft(line, ": ")) // a second : is a habit
	if len(words) > 0 && words[0] == "tcpctl" {
		words = words[1:] // pasted from the command line
	}
	switch {
	case err != nil:
		return failed{err}
	case len(words) == 0:
		return nil
	case api.Lookup(words[0]) == nil:
		return at.consoleCommand(words[0], strings.Join(words[1:], " "))
	}
	words, peer, err := takePeer(words)
	if err != nil {
		return failed{err}
	}
	req, err := api.ParseWords(words)
	if err != nil {
		return failed{err}
	}
	return at.actCommand(req, peer)
}

func (at *place) consoleCommand(word, rest string) intent {
	switch word {
	case "q", "q!", "quit", "exit":
		return leave(&at.frame)
	case "detach":
		return ended(Detach)
	case "help":
		return showHelp(at)
	case "filter":
		if g := at.grid(); g != nil {
			g.SetFilter(rest)
		}
		return nil
	case "theme":
		return loadTheme(rest, at.cfg.ThemeDir)
	case "view":
		return at.viewCommand(rest)
	case "sort":
		return at.sortCommand(rest)
	case "peer":
		if rest == at.ownName() {
			rest = ""
		}
		return visited{node: rest}
	case "window":
		return refused("a window runs a command in your terminal, as you: type there  " + windowLine(rest, at.peer))
	case "pane":
		for i, p := range at.panes {
			if rest != "" && strings.HasPrefix(strings.ToLower(p.name()), strings.ToLower(rest)) || rest == fmt.Sprint(i+1) {
				return focused(i)
			}
		}
		return refused("there is no pane " + screen.Safe(rest))
	}
	return refused(fmt.Sprintf("there is no command %q%s", screen.Safe(word), nearest(word, commandWords())))
}

func (at *place) viewCommand(name string) intent {
	if name == "all" || name == "" {
		return viewed("")
	}
	if at.stats.status.Service(name) == nil {
		return refused(fmt.Sprintf("there is no service %q%s", screen.Safe(name), nearest(name, at.stats.serviceNames())))
	}
	return viewed(name)
}

func (at *place) sortCommand(rest string) intent {
	g := at.grid()
	if g == nil {
		return refused(noRows)
	}
	name, desc := strings.CutPrefix(rest, "-")
	if g.SortBy(name, desc) {
		return nil
	}
	names, _, _ := g.Sorts()
	return refused(fmt.Sprintf("there is no column %q%s", screen.Safe(name), nearest(strings.ToUpper(name), names)))
}

// loadTheme reads a theme, and shows it once it has been read.
func loadTheme(name, dir string) intent {
	return inBackground(func() tea.Msg {
		t, err := themes.Load(name, dir)
		return themeMsg{theme: t, err: err}
	})
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
