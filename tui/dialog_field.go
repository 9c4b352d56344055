package tui

import (
	"fmt"
	"slices"
	"strings"

	"github.com/charmbracelet/bubbles/textinput"
	tea "github.com/charmbracelet/bubbletea"

	"github.com/tcpctl/tcpctl/proxy/api"
	"github.com/tcpctl/tcpctl/tui/internal/screen"
)

// field is one option of the act: a line to type in, or words to choose from.
type field struct {
	name  string // of the flag
	param api.Param
	input textinput.Model
	empty string // what applies if nothing is typed
	words []string
	at    int
	def   int    // the word that applies if none is chosen; -1: unknown
	err   string // why its value is invalid
}

// fieldsOf makes the fields of an act, each with its default.
func fieldsOf(f *frame, p *proposal) (fields []*field) {
	var def api.Options
	if len(p.req.Targets) > 0 || p.act.On == api.OnNothing {
		def = p.act.Defaults(f.stats.status, strings.Join(p.req.Targets[:min(len(p.req.Targets), 1)], ""))
	}
	for _, param := range p.act.Params {
		value := param.Text(&p.req.Options)
		one := &field{name: param.Name, param: param, input: newInput(value)}
		switch kind := param.Kind(); {
		case kind == api.KindChoice:
			one.words, one.def = param.Choices, slices.Index(param.Choices, param.Text(&def))
			if one.def < 0 {
				one.words, one.def = append([]string{"default"}, one.words...), 0
			}
			one.at = max(slices.Index(one.words, value), 0)
			if value == "" {
				one.at = one.def
			}
		case kind == api.KindSwitch, p.act.On == api.OnSession && kind == api.KindText && param.Name != "reason":
			continue
		default:
			one.empty = emptyText(p.act, param, &def)
		}
		fields = append(fields, one)
	}
	switch {
	case p.across:
		on := &field{name: "on", words: []string{"all nodes", p.whole + " alone"}, def: -1}
		if p.req.Here {
			on.at = 1
		}
		fields = append(fields, on)
	case len(p.nodes) > 1 && !p.act.Plan:
		on := &field{name: "on", words: []string{p.nodes[0], fmt.Sprintf("all %d nodes", len(p.nodes))}, def: -1}
		if p.everywhere {
			on.at = 1
		}
		fields = append(fields, on)
	}
	return fields
}

// emptyText describes the default of an option.
func emptyText(act *api.Act, param api.Param, def *api.Options) string {
	if text := param.Text(def); text != "" {
		return text
	}
	switch {
	case param.Name == "rate":
		return "at once"
	case param.Name == "limit" && act.On == api.OnService:
		return "default" // the node does not tell its defaults, or the default is the length of the pause
	case param.Name == "min-up":
		return "1"
	case param.Name == "max" || param.Name == "grace":
		return "default"
	}
	return "none"
}

// edit types into the field, or chooses a word. It refuses a letter that no value can contain: a y
// there is meant as an answer to the question.
func (f *field) edit(k tea.KeyMsg) (refused string) {
	if f.words != nil {
		switch k.String() {
		case "left", "h":
			f.at = (f.at + len(f.words) - 1) % len(f.words)
		case "right", "l", " ":
			f.at = (f.at + 1) % len(f.words)
		}
		return ""
	}
	if k.Type == tea.KeyRunes && f.param.Kind() != api.KindText && strings.ContainsFunc(string(k.Runes), func(r rune) bool {
		return !strings.ContainsRune("0123456789.:/smhdinu", r)
	}) {
		return f.name + " takes no " + screen.Safe(string(k.Runes)) + ": " + valuesOf(f.param.Kind())
	}
	f.input, _ = f.input.Update(k)
	return ""
}

func valuesOf(kind api.Kind) string {
	switch kind {
	case api.KindDuration:
		return "it is a duration like 90s, 5m or 05:00"
	case api.KindRate:
		return "it is a rate like 50/s"
	}
	return "it is a whole number"
}

// set puts the field's value into the proposal.
func (f *field) set(p *proposal) error {
	if f.name == "on" && p.across {
		p.req.Here = f.at == 1
		return nil
	}
	if f.name == "on" {
		p.everywhere = f.at == 1
		return nil
	}
	value := strings.TrimSpace(f.input.Value())
	if f.words != nil {
		if value = f.words[f.at]; f.at == f.def {
			value = ""
		}
	}
	if value == "" {
		f.param.Clear(&p.req.Options)
		return nil
	}
	return f.param.Set(&p.req.Options, value)
}

// columns returns the width that a field needs on its line.
func (f *field) columns() int {
	n := len(f.name) + 1
	if f.words == nil {
		return n + f.room() + 2
	}
	for _, w := range f.words {
		n += len(w) + 4
	}
	return n
}

func (f *field) room() int {
	if f.name == "reason" {
		return 30
	}
	return 7
}
