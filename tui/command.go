package tui

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	tea "github.com/charmbracelet/bubbletea"

	"github.com/tcpctl/tcpctl/proxy/api"
	"github.com/tcpctl/tcpctl/themes"
)

// consoleWords are what the command line knows besides the engine's acts.
var consoleWords = []string{"detach", "filter", "help", "pane", "quit", "sort", "theme", "view"}

// command carries out a line: an act, in the words of the CLI, or something
// about the console itself.
func (m *Model) command(line string) tea.Cmd {
	keep := m.typed.add(line)
	words, err := splitWords(line)
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
		req, err := parseAct(words)
		if err != nil {
			m.say(err, "")
			return keep
		}
		return tea.Batch(keep, m.typedAct(req))
	}
	return tea.Batch(keep, m.consoleCommand(words[0], strings.Join(words[1:], " ")))
}

func (m *Model) consoleCommand(word, rest string) tea.Cmd {
	switch word {
	case "q", "q!", "quit", "exit":
		return m.leave()
	case "detach":
		return m.quit(Detach)
	case "help":
		return showHelp(m)
	case "filter":
		if g := m.pane().grid(); g != nil {
			g.setFilter(rest)
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
	case "pane":
		for i, p := range m.panes {
			if rest != "" && strings.HasPrefix(strings.ToLower(p.name()), strings.ToLower(rest)) || rest == fmt.Sprint(i+1) {
				return m.focusOn(i)
			}
		}
		m.say(refusal("there is no pane "+safe(rest)), "")
		return nil
	}
	m.say(refusal(fmt.Sprintf("there is no command %q%s", safe(word), nearest(word, commandWords()))), "")
	return nil
}

func (m *Model) viewCommand(name string) tea.Cmd {
	if name == "all" || name == "" {
		m.setView("")
		return m.poll()
	}
	if m.world.status.Service(name) == nil {
		m.say(refusal(fmt.Sprintf("there is no service %q%s", safe(name), nearest(name, m.serviceNames()))), "")
		return nil
	}
	m.setView(name)
	return m.poll()
}

func (m *Model) sortCommand(rest string) tea.Cmd {
	g := m.pane().grid()
	if g == nil {
		m.say(refusal("this pane has no rows"), "")
		return nil
	}
	name, desc := strings.CutPrefix(rest, "-")
	names, _, _ := g.sorts()
	for i, n := range names {
		if n != "" && columnNamed(n, strings.ToLower(name)) {
			g.setSort(i+1, desc)
			return nil
		}
	}
	m.say(refusal(fmt.Sprintf("there is no column %q%s", safe(name), nearest(strings.ToUpper(name), names))), "")
	return nil
}

// typedAct asks for an act that was typed. One without a target is about what
// is marked or under the cursor, as a key would be.
func (m *Model) typedAct(req api.Request) tea.Cmd {
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
		return m.do(&proposal{req: req, act: act})
	}
	return m.propose(req, hidden, moved)
}

// underCursor is what an act without a target is about.
func (m *Model) underCursor(act *api.Act) (targets, hidden []string, moved bool) {
	var all []string
	switch p := m.pane().(type) {
	case *backendsPane:
		all, hidden = chosen(&p.table)
		moved = p.table.justMoved()
	case *queuePane:
		all, hidden = chosen(&p.table)
		moved = p.table.justMoved()
		if act.On == api.OnService {
			return []string{p.now}, nil, false
		}
	case *sessionsPane:
		all, hidden = chosen(&p.table)
		moved = p.table.justMoved()
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

// parseAct reads an act in the words and flags of the CLI.
func parseAct(words []string) (api.Request, error) {
	act := api.Lookup(words[0])
	r := api.Request{Act: act.Name}
	var plain []string
	for i := 1; i < len(words); i++ {
		flag, ok := strings.CutPrefix(words[i], "--")
		if !ok || flag == "" {
			plain = append(plain, words[i])
			continue
		}
		flag, value, inline := strings.Cut(flag, "=")
		if !act.Takes(flag) {
			return r, refusal(fmt.Sprintf("%s does not take --%s%s", act.Name, safe(flag), nearest(flag, act.Flags)))
		}
		if isSwitch(flag) {
			if err := setSwitch(&r, flag, value, inline); err != nil {
				return r, err
			}
			continue
		}
		if !inline {
			if i+1 == len(words) {
				return r, refusal("--" + flag + " needs a value")
			}
			i++
			value = words[i]
		}
		if err := setFlag(&r, flag, value); err != nil {
			return r, err
		}
	}
	switch {
	case act.On == api.OnNothing && act.Args != "":
		if len(plain) == 0 {
			return r, refusal("usage: " + act.Use())
		}
		r.Args = []string{strings.Join(plain, " ")}
	case act.On == api.OnNothing && len(plain) > 0:
		return r, refusal("usage: " + act.Use())
	case act.Args != "" && len(plain) > 1:
		r.Targets, r.Args = plain[:1], plain[1:]
	default:
		r.Targets = plain
	}
	return r, nil
}

func isSwitch(flag string) bool { return flag == "force" || flag == "dry-run" || flag == "wait" }

func setSwitch(r *api.Request, flag, value string, inline bool) error {
	on := true
	if inline {
		v, err := strconv.ParseBool(value)
		if err != nil {
			return refusal("--" + flag + " is true or false")
		}
		on = v
	}
	switch flag {
	case "force":
		r.Force = on
	case "dry-run":
		r.DryRun = on
	}
	return nil // the console always waits: a drain is a live row
}

func setFlag(r *api.Request, flag, value string) (err error) {
	switch flag {
	case "limit":
		r.Limit, err = parseSpan(value)
	case "max":
		r.Max, err = parseSpan(value)
	case "grace":
		r.Grace, err = parseSpan(value)
	case "max-wait":
		r.MaxWait, err = parseSpan(value)
	case "min-up":
		n, err := strconv.ParseUint("0"+value, 10, 16)
		if err != nil {
			return refusal(fmt.Sprintf("--min-up %q is no number", safe(value)))
		}
		r.MinUp = int(n)
	case "then":
		if !slices.Contains([]string{"abort", "cut", "keep"}, value) {
			return refusal(fmt.Sprintf("--then %q is not known: it is abort, cut or keep", safe(value)))
		}
		r.Then = value
	case "rate":
		r.Rate, err = strconv.ParseFloat(strings.TrimSuffix(value, "/s"), 64)
		if err != nil || r.Rate < 0 || r.Rate > 1e9 {
			return refusal(fmt.Sprintf("--rate %q is no rate: try 50/s", safe(value)))
		}
	case "reason":
		r.Reason = value
	case "service":
		r.Service = value
	case "backend":
		r.Backend = value
	case "client":
		r.Client = value
	default:
		return refusal("the console does not know --" + flag + " yet")
	}
	if err != nil {
		return refusal(fmt.Sprintf("--%s %q is no duration: try 5m, 90s or 05:00", flag, safe(value)))
	}
	return nil
}

// parseSpan reads 5m, 1h30m, 05:00 (minutes and seconds); "" is zero.
func parseSpan(s string) (time.Duration, error) {
	if s == "" {
		return 0, nil
	}
	if m, sec, ok := strings.Cut(s, ":"); ok {
		a, err1 := strconv.ParseUint(m, 10, 16)
		b, err2 := strconv.ParseUint(sec, 10, 16)
		if err1 != nil || err2 != nil || b > 59 {
			return 0, fmt.Errorf("not minutes:seconds")
		}
		return time.Duration(a)*time.Minute + time.Duration(b)*time.Second, nil
	}
	d, err := time.ParseDuration(s)
	if err == nil && d < 0 {
		err = fmt.Errorf("negative")
	}
	return d, err
}

// splitWords splits a line as a shell would: spaces, '…' and "…", \x.
func splitWords(line string) (words []string, err error) {
	var word strings.Builder
	open, quote, escaped := false, rune(0), false
	for _, r := range line {
		switch {
		case escaped:
			word.WriteRune(r)
			escaped = false
		case r == '\\' && quote != '\'':
			escaped, open = true, true
		case quote != 0 && r == quote:
			quote = 0
		case quote != 0:
			word.WriteRune(r)
		case r == '\'' || r == '"':
			quote, open = r, true
		case r == ' ' || r == '\t':
			if open {
				words = append(words, word.String())
				word.Reset()
				open = false
			}
		default:
			word.WriteRune(r)
			open = true
		}
	}
	if quote != 0 || escaped {
		return nil, refusal("a quote is not closed")
	}
	if open {
		words = append(words, word.String())
	}
	return words, nil
}
