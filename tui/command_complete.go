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

func (m *model) serviceNames() (names []string) {
	for _, s := range m.world.status.Services {
		names = append(names, s.Name)
	}
	return names
}

// complete lists what could stand at the end of a command line, and where the
// word that is begun there begins.
func complete(m *model, line string) (from int, words []string) {
	from = strings.LastIndexAny(line, " \t") + 1
	begun := line[from:]
	before := strings.Fields(line[:from])
	if len(before) > 0 && before[0] == "tcpctl" {
		before = before[1:]
	}
	for _, w := range m.candidates(before, begun) {
		if strings.HasPrefix(w, begun) && w != begun {
			words = append(words, w)
		}
	}
	return from, words
}

func (m *model) candidates(before []string, begun string) []string {
	if len(before) == 0 {
		return commandWords()
	}
	act := api.Lookup(before[0])
	if act == nil {
		switch before[0] {
		case "peer":
			return m.nodeNames()
		case "view":
			return append(m.serviceNames(), "all")
		case "theme":
			return themes.Names("")
		case "sort":
			if g := m.pane().grid(); g != nil {
				names, _, _ := g.Sorts()
				return names
			}
		case "pane":
			return []string{"backends", "queue", "peers", "sessions", "events", "plan"}
		}
		return nil
	}
	if strings.HasPrefix(begun, "-") {
		var flags []string
		for _, p := range act.Params {
			flags = append(flags, "--"+p.Name)
		}
		if m.mesh() != nil {
			flags = append(flags, "--peer")
		}
		return flags
	}
	last := before[len(before)-1]
	switch last {
	case "--peer":
		return append(m.nodeNames(), "all")
	case "--service":
		return m.serviceNames()
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
	return m.targetsOf(act)
}

// targetsOf is what an act could be done to.
func (m *model) targetsOf(act *api.Act) (targets []string) {
	switch act.On {
	case api.OnService:
		return m.serviceNames()
	case api.OnBackend:
		for _, s := range m.world.status.Services {
			for _, b := range s.Backends {
				targets = append(targets, s.Name+"/"+b.Name)
			}
		}
	case api.OnSession:
		for _, w := range m.queuePane().table.Rows() {
			targets = append(targets, w.ID)
		}
		for _, r := range m.sessionsPane().all {
			if r.Ended == nil && len(targets) < 200 {
				targets = append(targets, r.ID)
			}
		}
	}
	return targets
}
