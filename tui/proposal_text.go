package tui

import (
	"fmt"
	"strings"

	"github.com/tcpctl/tcpctl/proxy/api"
	"github.com/tcpctl/tcpctl/proxy/text"
	"github.com/tcpctl/tcpctl/tui/internal/screen"
)

// question returns the act and its targets.
func (p *proposal) question() string {
	line := p.act.Name
	if len(p.named) == 1 {
		line += " " + p.named[0]
	} else if len(p.req.Targets) == 1 {
		line += " " + screen.Safe(p.req.Targets[0])
	} else if n := len(p.req.Targets); n > 1 {
		line += " " + text.Plural(n, nounOf(p.act))
	}
	if p.act.Name == "stop" || p.act.Name == "upgrade" || p.act.Name == "reload" {
		line += " " + p.whole
	}
	if len(p.req.Args) > 0 {
		line += " " + screen.Safe(strings.Join(p.req.Args, " "))
	}
	return line + p.on() + "?"
}

func nounOf(a *api.Act) string {
	switch a.On {
	case api.OnBackend:
		return "backend"
	case api.OnService:
		return "service"
	case api.OnSession:
		return "session"
	}
	return "thing"
}

func (p *proposal) requestLine() string {
	r := p.request()
	switch {
	case p.everywhere:
		return r.CommandLine() + " --peer all"
	case p.peer != "":
		return r.CommandLine() + " --peer " + p.peer
	}
	return r.CommandLine()
}

// on names the node, if it is not the console's own.
func (p *proposal) on() string {
	switch {
	case p.everywhere, p.onAll():
		return " on every node"
	case p.peer != "":
		return " on " + screen.Safe(p.peer)
	}
	return ""
}

// effects returns what would happen, in sentences: all of them for one target, the first of each
// for several.
func (p *proposal) effects() []string {
	var lines []string
	for _, i := range p.impact {
		prefix := ""
		if len(p.impact) > 1 {
			if len(lines) > 8 {
				return append(lines, "and so on")
			}
			prefix = i.Target + ": "
		}
		for n, l := range i.Lines {
			if n == 0 || len(p.impact) < 4 {
				lines = append(lines, screen.Safe(prefix+l))
			}
		}
	}
	if len(p.named) > 1 {
		lines = nil // the client's reset is said once, below
		for i, name := range p.named {
			if i == 8 {
				lines = append(lines, fmt.Sprintf("and %d more", len(p.named)-i))
				break
			}
			lines = append(lines, name)
		}
		lines = append(lines, "their clients see a reset")
	}
	return append(lines, p.also...)
}

// warnings says why a stronger confirmation than usual is needed.
func (p *proposal) warnings() []string {
	var lines []string
	if p.together != "" {
		lines = append(lines, screen.Safe(p.together))
	}
	for _, i := range p.impact {
		if i.Warning != "" && p.together == "" {
			lines = append(lines, screen.Safe(i.Warning))
			break
		}
	}
	if p.hidden > 0 {
		lines = append(lines, text.Plural(p.hidden, "marked row")+" hidden by the filter would be acted on too")
	}
	if p.old > 0 {
		lines = append(lines, p.oldText())
	}
	return lines
}

func (p *proposal) oldText() string { return "what you see is " + age(p.old) + " old" }

// notDone says that the operator has not confirmed the act.
func (p *proposal) notDone() intent { return notice{"info", p.act.Name + ": nothing was done"} }

// word returns what must be typed to confirm.
func (p *proposal) word() string {
	if p.act.On == api.OnNothing {
		return p.whole
	}
	if len(p.req.Targets) == 1 {
		t := p.req.Targets[0]
		if _, backend := api.SplitTarget(t); backend != "" {
			t = backend
		}
		return t
	}
	return p.act.Name + " " + text.Plural(len(p.req.Targets), nounOf(p.act))
}
