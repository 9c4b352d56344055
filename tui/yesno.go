package tui

import (
	"strings"

	tea "github.com/charmbracelet/bubbletea"

	"github.com/tcpctl/tcpctl/proxy/api"
	"github.com/tcpctl/tcpctl/themes"
)

// yesNo is a question of one line, above it what the answer would do. Enter
// is no: it is pressed without reading.
type yesNo struct{ p *proposal }

func (q *yesNo) freezes() bool { return true }
func (q *yesNo) hint() string {
	return "y yes   N no   tab options   = " + safe(q.p.requestLine())
}
func (q *yesNo) tiny() string { return q.p.question() + " y/N" }

func (q *yesNo) key(m *model, k tea.KeyMsg) tea.Cmd {
	if k.Paste {
		return nil
	}
	switch k.String() {
	case "y", "Y":
		if why := m.recheck(q.p); why != "" {
			m.pop()
			m.say(refusal("nothing was done: "+why), "")
			return nil
		}
		before := q.p.level
		if m.judge(q.p); q.p.level > before {
			d := newDialog(q.p)
			d.err = "it would do more than when you were asked: look at it again"
			m.pop()
			m.push(d)
			return nil
		}
		m.pop()
		return m.do(q.p)
	case "n", "N", "esc", "enter", "q", "ctrl+c":
		m.pop()
		m.show("info", q.p.act.Name+": nothing was done")
	case "tab":
		m.pop()
		m.push(newDialog(q.p))
	}
	return nil
}

func (q *yesNo) draw(m *model, c *canvas) {
	y := max(c.h-2, 0)
	c.fill(0, y, c.w, ' ', is(themes.Text))
	x := c.text(1, y, "> ", is(themes.Prompt))
	x = c.text(x, y, q.p.question(), is(themes.Title))
	x = c.text(x+1, y, "[y/N]", is(themes.Key))
	if q.p.old > 0 {
		c.text(x+2, y, "what you see is "+staleText(q.p.old)+" old", is(themes.Stale))
	}
	if y > 1 {
		c.fill(0, y-1, c.w, ' ', is(themes.Text))
		c.text(3, y-1, cut(strings.Join(q.p.effects(), " "+string(m.theme.Glyphs.Dot)+" "), max(c.w-4, 0)), is(themes.Text))
	}
}

// question names the act and its targets.
func (p *proposal) question() string {
	text := p.act.Name
	if len(p.req.Targets) == 1 {
		text += " " + safe(p.req.Targets[0])
	} else if n := len(p.req.Targets); n > 1 {
		text += " " + many(n, nounOf(p.act))
	}
	if len(p.req.Args) > 0 {
		text += " " + safe(strings.Join(p.req.Args, " "))
	}
	return text + p.on() + "?"
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

// on names the node, where it is not the console's own.
func (p *proposal) on() string {
	switch {
	case p.everywhere:
		return " on every node"
	case p.peer != "":
		return " on " + safe(p.peer)
	}
	return ""
}

// effects is what would happen, in sentences: of one target what it says of
// itself, of several what they come to.
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
				lines = append(lines, safe(prefix+l))
			}
		}
	}
	return append(lines, p.also...)
}

// warnings is why it is asked more than usual.
func (p *proposal) warnings() []string {
	var lines []string
	if p.together != "" {
		lines = append(lines, safe(p.together))
	}
	for _, i := range p.impact {
		if i.Warning != "" && p.together == "" {
			lines = append(lines, safe(i.Warning))
			break
		}
	}
	if p.hidden > 0 {
		lines = append(lines, many(p.hidden, "marked row")+" hidden by the filter would be acted on too")
	}
	if p.old > 0 {
		lines = append(lines, "what you see is "+staleText(p.old)+" old")
	}
	return lines
}

// word is what has to be typed to confirm.
func (p *proposal) word() string {
	if len(p.req.Targets) == 1 {
		t := p.req.Targets[0]
		if _, backend := api.SplitTarget(t); backend != "" {
			t = backend
		}
		return t
	}
	return p.act.Name + " " + many(len(p.req.Targets), nounOf(p.act))
}
