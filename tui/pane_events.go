package tui

import (
	"fmt"
	"slices"
	"strings"

	"github.com/tcpctl/tcpctl/proxy"
	"github.com/tcpctl/tcpctl/themes"
	"github.com/tcpctl/tcpctl/tui/internal/screen"
	"github.com/tcpctl/tcpctl/tui/internal/table"
)

// eventsPane shows what happened, newest first, including operators' acts with their command lines.
type eventsPane struct {
	versioned
	table table.Table[*entry]
	show  int    // index of the tab
	read  uint64 // how many events there had been when the cursor left the newest
	all   uint64 // how many events there have been
}

var eventTabs = []string{"all", "alarms", "operators"}

var eventColumns = []screen.Column[*entry]{
	{Name: "TIME", Prio: 1, Width: 8, Fixed: true, Value: func(e *entry) float64 { return float64(e.Time.UnixNano()) },
		Cell: func(e *entry) (string, themes.Role) { return e.clock, themes.TextDim }},
	{Name: "", Prio: 1, Width: 1, Fixed: true, Cell: func(e *entry) (string, themes.Role) { s := eventSign(e); return string(s.mark), s.role }},
	{Name: "KIND", Prio: 3, Width: 8, Cell: func(e *entry) (string, themes.Role) { return eventNoun(e), themes.TextDim }},
	{Name: "TEXT", Prio: 2, Width: 20, Grow: 400, Cell: func(e *entry) (string, themes.Role) { return eventText(e), eventSign(e).role }},
}

func newEventsPane() *eventsPane {
	p := &eventsPane{}
	p.table = table.Table[*entry]{
		Columns: eventColumns, ID: func(e *entry) string { return e.id },
		Follow: true, Unfollow: func() { p.read = p.all },
	}
	return p
}

func (p *eventsPane) name() string { return "Events" }
func (p *eventsPane) grid() grid   { return &p.table }

func eventSign(e *entry) sign {
	switch {
	case e.Level == proxy.LevelAlarm:
		return sign{'!', "", themes.Error}
	case e.Kind == proxy.EventOperator || e.Kind == proxy.EventMark:
		return sign{'>', "", themes.Op}
	case e.Level == proxy.LevelWarn:
		return sign{'~', "", themes.Warn}
	case e.Level == proxy.LevelGood:
		return sign{'+', "", themes.OK}
	}
	return sign{'.', "", themes.Info}
}

// eventNoun returns the first word of an event's kind.
func eventNoun(e *entry) string {
	switch e.Kind {
	case proxy.EventOperator:
		return "op"
	case proxy.EventMark:
		return "note"
	}
	noun, _, _ := strings.Cut(e.Kind, ".")
	return noun
}

// eventText returns an event as one sentence. For an act this is the command line, with its options
// and reason, and the outcome.
func eventText(e *entry) string {
	text := strings.TrimPrefix(e.Text, eventNoun(e)+" ") // shown in its own column
	if e.folded > 1 {
		text, _, _ = strings.Cut(text, " (and ")
		text += fmt.Sprintf(" (%d like it)", e.folded)
	}
	if e.Kind == proxy.EventOperator && e.Command != "" {
		line := strings.TrimPrefix(e.Command, "tcpctl ")
		text = strings.TrimSuffix(line+": "+withoutBeginning(text, line), ": ")
	}
	if e.By != "" && (e.Kind == proxy.EventOperator || e.Kind == proxy.EventMark) {
		text = operatorName(e.By) + ": " + text
	}
	return text
}

// withoutBeginning removes the words at the beginning of a text that a command line already has:
// the act and its target.
func withoutBeginning(text, line string) string {
	words, said := strings.Fields(text), strings.Fields(line)
	if len(words) > 1 && words[1] == "of" {
		words = slices.Delete(words, 1, 2) // weight of db/a: 5
	}
	n := 0
	for n < len(words) && n < len(said) && strings.TrimRight(words[n], ":,") == said[n] {
		n++
	}
	switch {
	case n == 0 && len(words) > 1 && len(said) > 1 && words[0] == said[1]+":": // db/a: already draining
		n = 1
	case n < 2 && n < len(words) && (n == 0 || !strings.HasSuffix(words[0], ":")): // "reload: db is new" has no target
		return text
	}
	return strings.Join(words[n:], " ")
}

func (p *eventsPane) refresh(f *frame) {
	j := &f.stats.journal
	p.all = j.seen
	var rows []*entry
	for _, e := range j.entries {
		if e.clock == "" {
			e.clock = f.timeOf(e.Time)
		}
		op := e.Kind == proxy.EventOperator || e.Kind == proxy.EventMark
		alarm := e.Level == proxy.LevelAlarm || e.Level == proxy.LevelWarn
		if p.show == 1 && !alarm || p.show == 2 && !op || f.view != "" && e.Service != "" && e.Service != f.view {
			continue
		}
		rows = append(rows, e)
	}
	p.table.Set(foldEvents(rows), f.clock())
	p.touch()
}

func (p *eventsPane) turn(f *frame) intent {
	p.show = (p.show + 1) % len(eventTabs)
	p.refresh(f)
	return nil
}

// badge shows the number of alarms in the last five minutes.
func (p *eventsPane) badge(f *frame) string {
	n := 0
	for _, e := range f.stats.journal.entries {
		if e.Level == proxy.LevelAlarm && f.now().Sub(e.Time) < historySpan {
			n++
		}
	}
	if n == 0 {
		return ""
	}
	return fmt.Sprintf("%d!", n)
}

func (p *eventsPane) title(f *frame) string {
	if p.show == 0 && f.view == "" {
		return ""
	}
	return strings.TrimSpace(screen.Safe(f.view) + " " + eventTabs[p.show])
}

func (p *eventsPane) foot(f *frame) string {
	dot := " " + string(f.theme.Glyphs.Dot) + " "
	state := "following"
	if !p.table.Following() {
		state = fmt.Sprintf("paused +%d", p.all-min(p.read, p.all))
	}
	text := fmt.Sprintf("%s%s%d kept%s%d dropped", state, dot, len(f.stats.journal.entries), dot, f.stats.journal.dropped)
	if filter := p.table.Filter(); filter != "" {
		text = fmt.Sprintf("filter: %s%s%d of %d%s", screen.Safe(filter), dot, p.table.Len(), len(p.table.Rows()), dot) + text
	}
	return text
}

func (p *eventsPane) draw(f *frame, c *screen.Canvas, focused bool) {
	if len(p.table.Rows()) == 0 {
		drawEmpty(f, c, "No events yet.")
		return
	}
	if !focused && p.table.Following() {
		p.strip(f, c) // without the focus, the cursor is not shown
		return
	}
	p.table.Draw(c, table.Look[*entry]{Focused: focused, Ellipsis: f.theme.Glyphs.Ellipsis})
}

// strip draws the newest events, one a line.
func (p *eventsPane) strip(f *frame, c *screen.Canvas) int {
	for y := range min(c.H, p.table.Len()) {
		e := p.table.Row(y)
		s := eventSign(e)
		x := c.Text(2, y, f.timeOf(e.Time), themes.TextDim)
		c.Text(x+1, y, string(s.mark), s.role)
		x = c.Text(x+3, y, fmt.Sprintf("%-8s ", screen.Cut(eventNoun(e), 8)), themes.TextDim)
		c.Text(x, y, screen.Clip(eventText(e), max(c.W-x-1, 0), f.theme.Glyphs.Ellipsis), s.role)
	}
	return min(p.table.Len(), 6)
}

func (p *eventsPane) need(*frame) int { return p.table.Len() }

func (p *eventsPane) details(f *frame, id string) details {
	i := slices.IndexFunc(p.table.Rows(), func(e *entry) bool { return e.id == id })
	if i < 0 {
		return details{}
	}
	e := p.table.Rows()[i]
	facts := []fact{{"time", e.Time.In(f.zone).Format("2006-01-02 15:04:05")}, {"kind", e.Kind + ", " + screen.Safe(e.Level)}, {"text", e.Text}}
	for _, more := range []fact{{"by", e.By}, {"command", e.Command}, {"service", screen.Safe(e.Service)}, {"backend", screen.Safe(e.Backend)}, {"session", screen.Safe(e.Session)}} {
		if more.value != "" {
			facts = append(facts, more)
		}
	}
	return details{title: "event " + e.id, facts: facts}
}

func (p *eventsPane) keys() []binding { return nil }

// line draws the newest event on line y.
func (p *eventsPane) line(f *frame, c *screen.Canvas, y int) {
	if es := f.stats.journal.entries; len(es) > 0 {
		s := eventSign(es[0])
		x := c.Text(1, y, f.timeOf(es[0].Time)[:5]+" ", themes.TextDim)
		c.Text(x, y, screen.Clip(string(s.mark)+" "+eventText(es[0]), max(c.W-x-1, 0), f.theme.Glyphs.Ellipsis), s.role)
	}
}
