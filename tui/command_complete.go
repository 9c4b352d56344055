package tui

import (
	"slices"
	"strings"

	"github.com/tcpctl/tcpctl/proxy/api"
	"github.com/tcpctl/tcpctl/themes"
)

func commandWords() []string {
	words := slices.Clone(consoleWords)
	for _, a := range api.Acts {
		words = append(words, a.Name)
	}
	slices.Sort(words)
	return words
}

// complete returns the words that can complete the end of a command line, and where the last word
// begins.
func (w *workspace) complete(line string) (from int, words []string) {
	from = strings.LastIndexAny(line, " \t") + 1
	begun := line[from:]
	before := strings.Fields(line[:from])
	if len(before) > 0 && before[0] == "tcpctl" {
		before = before[1:]
	}
	for _, w := range w.candidates(before, begun) {
		if strings.HasPrefix(w, begun) && w != begun {
			words = append(words, w)
		}
	}
	return from, words
}

func (w *workspace) candidates(before []string, begun string) []string {
	if len(before) == 0 {
		return commandWords()
	}
	act := api.Lookup(before[0])
	if act == nil {
		return w.argumentsOf(before[0])
	}
	if strings.HasPrefix(begun, "-") {
		var flags []string
		for _, p := range act.Params {
			flags = append(flags, "--"+p.Name)
		}
		if w.mesh() != nil {
			flags = append(flags, "--peer")
		}
		return flags
	}
	last := before[len(before)-1]
	switch last {
	case "--peer":
		return append(w.nodeNames(), "all")
	case "--service":
		return w.stats.serviceNames()
	}
	if p, ok := act.Param(strings.TrimPrefix(last, "--")); ok && strings.HasPrefix(last, "--") && p.Kind() != api.KindSwitch {
		if p.Kind() == api.KindDuration {
			return []string{"30s", "1m", "5m", "15m"}
		}
		return p.Choices
	}
	if act.On == api.OnNothing {
		return strings.Split(act.Args, "|") // plan pause|next|abort
	}
	if !act.Many && len(before) > 1 {
		return nil
	}
	return w.stats.targets(act)
}

// argumentsOf returns the possible arguments of one of the console's own commands.
func (w *workspace) argumentsOf(command string) []string {
	switch command {
	case "peer":
		return w.nodeNames()
	case "view", "status", "sessions", "top":
		return append(w.stats.serviceNames(), "all")
	case "queue":
		return w.stats.serviceNames()
	case "mouse":
		return []string{"on", "off"}
	case "theme":
		return themes.Names("")
	case "sort":
		if g := w.grid(); g != nil {
			names, _, _ := g.Sorts()
			return names
		}
	case "pane":
		return []string{"backends", "queue", "peers", "sessions", "events", "plan"}
	}
	return nil
}
