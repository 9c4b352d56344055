package tui

import (
	"cmp"
	"fmt"
	"strings"

	tea "github.com/charmbracelet/bubbletea"

	"github.com/tcpctl/tcpctl/proxy/api"
	"github.com/tcpctl/tcpctl/proxy/text"
	"github.com/tcpctl/tcpctl/themes"
	"github.com/tcpctl/tcpctl/tui/internal/screen"
)

// consoleWords are the commands of the command line besides the engine's acts.
var consoleWords = []string{"detach", "filter", "fleet", "help", "history", "mouse", "pane", "peer", "queue", "quit", "report", "rewind", "sessions", "sort", "status", "theme", "top", "view"}

// askCommand opens the command line.
func askCommand(w *workspace) intent {
	p := newPrompt(":", "")
	p.complete = w.complete
	p.done = func(line string) intent { return inConsole(func(m *model) tea.Cmd { return m.command(line) }) }
	p.suggest()
	return inConsole(func(m *model) tea.Cmd {
		p.earlier = func() []string { return m.lines.lines }
		return m.carryOut(open{p})
	})
}

// command runs a line, and adds it to the history.
func (m *model) command(line string) tea.Cmd {
	return tea.Batch(m.lines.add(line), m.carryOut(m.parseCommand(line)))
}

// parseCommand returns the intent of a line: an act, as on the CLI, or a command of the console
// itself.
func (w *workspace) parseCommand(line string) intent {
	words, err := text.Words(strings.TrimLeft(line, ": ")) // vi users type a second :
	if len(words) > 0 && words[0] == "tcpctl" {
		words = words[1:] // pasted from a shell
	}
	switch {
	case err != nil:
		return fail{err}
	case len(words) == 0:
		return nil
	case api.Lookup(words[0]) == nil:
		return w.consoleCommand(words[0], strings.Join(words[1:], " "))
	}
	words, peer, err := takePeer(words)
	if err != nil {
		return fail{err}
	}
	req, err := api.ParseWords(words)
	if err != nil {
		return fail{err}
	}
	return w.actCommand(req, peer)
}

func (w *workspace) consoleCommand(word, rest string) intent {
	switch word {
	case "q", "q!", "quit", "exit":
		return leave(&w.frame)
	case "detach":
		return quit(Detach)
	case "help":
		return showHelp(w)
	case "filter":
		if g := w.grid(); g != nil {
			g.SetFilter(rest)
		}
		return nil
	case "theme":
		return loadTheme(rest, w.cfg.ThemeDir)
	case "view", "status":
		return w.showService(paneBackends, rest)
	case "sessions":
		return w.showService(paneSessions, rest)
	case "queue":
		return w.queueCommand(rest)
	case "fleet":
		return w.showFleet()
	case "history":
		return w.historyCommand(rest)
	case "rewind":
		return w.rewindCommand(rest)
	case "top":
		return w.topCommand(rest)
	case "report":
		if i, ok := w.incidentCommand(rest); ok {
			return i
		}
		return w.reportCommand(rest)
	case "mouse":
		return mouseCommand(rest)
	case "sort":
		return w.sortCommand(rest)
	case "peer":
		if rest == w.ownName() {
			rest = ""
		}
		return openNode{node: rest}
	case "window":
		return refuse("a window runs a command in your terminal, as you: type there  " + windowLine(rest, w.peer))
	case "pane":
		return w.paneCommand(rest)
	}
	return refuse(fmt.Sprintf("there is no command %q%s", screen.Safe(word), text.DidYouMean(word, commandWords())))
}

func (w *workspace) paneCommand(rest string) intent {
	for i, p := range w.panes {
		if rest != "" && strings.HasPrefix(strings.ToLower(p.name()), strings.ToLower(rest)) || rest == fmt.Sprint(i+1) {
			return focusPane(i)
		}
	}
	return refuse("there is no pane " + screen.Safe(rest))
}

func (w *workspace) sortCommand(rest string) intent {
	g := w.grid()
	if g == nil {
		return refuse(noRows)
	}
	name, reverse := strings.CutPrefix(rest, "-")
	if g.SortBy(name, reverse) {
		return nil
	}
	names, _, _ := g.Sorts()
	return refuse(fmt.Sprintf("there is no column %q%s", screen.Safe(name), text.DidYouMean(strings.ToUpper(name), names)))
}

// loadTheme reads a theme in the background, then shows it.
func loadTheme(name, dir string) intent {
	return inBackground(func() tea.Msg {
		t, err := themes.Load(name, dir)
		return themeMsg{theme: t, err: err}
	})
}

// windowLine returns the shell command for a window.
func windowLine(rest, peer string) string {
	line := "tcpctl window"
	if peer != "" {
		line += " --peer " + screen.Safe(peer)
	}
	rest = cmp.Or(rest, "SERVICE -- CMD")
	return line + " " + screen.Safe(rest)
}
