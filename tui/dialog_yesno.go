package tui

import (
	"strings"

	tea "github.com/charmbracelet/bubbletea"

	"github.com/tcpctl/tcpctl/proxy/api"
	"github.com/tcpctl/tcpctl/themes"
	"github.com/tcpctl/tcpctl/tui/internal/screen"
)

// yesNo is a question of one line, above it what the answer would do. Enter
// is no: it is pressed without reading.
type yesNo struct{ p *proposal }

func (q *yesNo) freezes() bool { return true }
func (q *yesNo) hint() string {
	return "y yes   N no   tab options   = " + screen.Safe(q.p.requestLine())
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

func (q *yesNo) draw(m *model, c *screen.Canvas) {
	y := max(c.H-2, 0)
	c.Fill(0, y, c.W, ' ', themes.Text)
	x := c.Text(1, y, "> ", themes.Prompt)
	x = c.Text(x, y, q.p.question(), themes.Title)
	x = c.Text(x+1, y, "[y/N]", themes.Key)
	if q.p.old > 0 {
		c.Text(x+2, y, "what you see is "+staleText(q.p.old)+" old", themes.Stale)
	}
	if y > 1 {
		c.Fill(0, y-1, c.W, ' ', themes.Text)
		c.Text(3, y-1, screen.Cut(strings.Join(q.p.effects(), " "+string(m.theme.Glyphs.Dot)+" "), max(c.W-4, 0)), themes.Text)
	}
}

// question names the act and its targets.
func (p *proposal) question() string {
	text := p.act.Name
	if len(p.req.Targets) == 1 {
		text += " " + screen.Safe(p.req.Targets[0])
	} else if n := len(p.req.Targets); n > 1 {
		text += " " + screen.Plural(n, nounOf(p.act))
	}
	if len(p.req.Args) > 0 {
		text += " " + screen.Safe(strings.Join(p.req.Args, " "))
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
		return " on " + screen.Safe(p.peer)
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
				lines = append(lines, screen.Safe(prefix+l))
			}
		}
	}
	return append(lines, p.also...)
}

// warnings is why it is asked more than usual.
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
		lines = append(lines, screen.Plural(p.hidden, "marked row")+" hidden by the filter would be acted on too")
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
	return p.act.Name + " " + screen.Plural(len(p.req.Targets), nounOf(p.act))
}
