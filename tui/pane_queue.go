package tui

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/tcpctl/tcpctl/proxy/api"
	"github.com/tcpctl/tcpctl/themes"
	"github.com/tcpctl/tcpctl/tui/internal/screen"
	"github.com/tcpctl/tcpctl/tui/internal/table"
)

// queuePane shows the waiters of one service in order, with how long and why they wait, and the
// sessions that hold the slots.
type queuePane struct {
	versioned
	table   table.Table[queueRow]
	chosen  string        // the service that the operator chose, until the cursor of Backends moves
	was     string        // the row that this cursor was on then
	cursor  func() string // the row that the cursor of Backends was moved to; "": it never was
	service string        // the service that is shown
	ofAll   bool          // the rows are those of all nodes
	answer  uint64        // the version of the answer that is shown
}

func newQueuePane() *queuePane {
	return &queuePane{table: table.Table[queueRow]{Columns: waiterColumns, ID: queueRow.id}, cursor: func() string { return "" }}
}

func (p *queuePane) name() string { return "Queue" }
func (p *queuePane) grid() grid   { return &p.table }

// pick returns the service whose queue to show: the chosen one, until the cursor of Backends moves;
// else the one under that cursor; else that of the view, a paused one, the one with most waiters,
// or one with a lock.
func (p *queuePane) pick(f *frame) string {
	st := f.stats.status
	cursor := p.cursor()
	if cursor != p.was {
		p.chosen = ""
	}
	under, _ := api.SplitTarget(cursor)
	for _, name := range []string{p.chosen, under, f.view} {
		if name != "" && st.Service(name) != nil {
			return name
		}
	}
	best, most := "", -1
	for i := range st.Services {
		s := &st.Services[i]
		n := s.Queue.Waiting * 4
		if s.Lock != nil {
			n++
		}
		if s.Pause != nil {
			n += 1 << 30
		}
		if s.Name == p.service && s.Queue.Waiting > 0 {
			n += n / 2 // two queues of similar length must not alternate
		}
		if n > most {
			best, most = s.Name, n
		}
	}
	return best
}

// choose shows the queue of a service until the cursor of Backends moves.
func (p *queuePane) choose(service string) { p.chosen, p.was = service, p.cursor() }

func (p *queuePane) refresh(f *frame) {
	if now := p.pick(f); now != p.service {
		p.service, p.answer = now, 0
		p.table.Clear()
	}
	if f.past != nil && f.past.moment != nil && p.answer == 0 {
		f.stats.waiters.take(p.service, f.past.moment.Waiters[p.service])
	}
	line := f.lineOf(p.service)
	p.show(line != nil)
	switch w := &f.stats.waiters; {
	case line != nil && f.stats.line.version != p.answer:
		p.answer = f.stats.line.version
		p.table.Set(lineRows(line, f.nodeLabel()), f.clock())
	case line == nil && w.service == p.service && w.version != p.answer:
		p.answer = w.version
		p.table.Set(waiterRows(w.list), f.clock())
	}
	p.touch()
}

// show switches the rows between all nodes and the node that is shown.
func (p *queuePane) show(ofAll bool) {
	if ofAll == p.ofAll {
		return
	}
	p.ofAll, p.answer = ofAll, 0
	p.table.Columns = waiterColumns
	if ofAll {
		p.table.Columns = lineColumns
	}
	p.table.SetSort(0, false) // the columns differ
}

func (p *queuePane) turn(f *frame) intent {
	p.choose(f.nextService(p.service))
	p.refresh(f)
	return focusPane(paneQueue) // which fetches its waiters
}

func (p *queuePane) badge(f *frame) string {
	return screen.Count(float64(totalsOf(f.stats.status).waiting))
}

func (p *queuePane) title(f *frame) string {
	s := f.stats.status.Service(p.service)
	if s == nil {
		return screen.Safe(p.service)
	}
	text := screen.Safe(p.service)
	if line := f.lineOf(p.service); line != nil {
		return text + fmt.Sprintf("  all nodes: %d/%d slots, %d waiting", len(line.Holders), line.Slots, len(line.Waiters)+line.Beyond)
	}
	if s.Lock != nil {
		text += fmt.Sprintf("  %d/%d slots", s.Lock.InUse, s.Lock.Slots)
	}
	return text + "  FIFO"
}

func (p *queuePane) foot(f *frame) string {
	if s := f.stats.status.Service(p.service); s != nil && f.past != nil {
		return waitedText(s.Queue.Waiting, len(p.table.Rows()))
	}
	if p.ofAll {
		return rowsFoot(f, &p.table, "client")
	}
	text := rowsFoot(f, &p.table, "waiter")
	then, now, _ := f.stats.history(p.service).since(historySpan)
	return text + fmt.Sprintf(" %c %d unserved in 5m", f.theme.Glyphs.Dot, now.unserved-then.unserved)
}

func (p *queuePane) draw(f *frame, c *screen.Canvas, focused bool) {
	s := f.stats.status.Service(p.service)
	if s == nil {
		drawEmpty(f, c, "There is no service.")
		return
	}
	y := 0
	if s.Pause != nil {
		x := c.Text(1, y, serviceSign(s).text()+" ", serviceSign(s).role)
		c.Text(x+1, y, screen.Clip(pauseText(f, s.Pause), max(c.W-x-2, 0), f.theme.Glyphs.Ellipsis), themes.Text)
		y++
	}
	for _, unknown := range unknownLines(f.lineOf(p.service), c.H) {
		c.Text(1, y, screen.Clip(unknown, max(c.W-2, 0), f.theme.Glyphs.Ellipsis), themes.Warn)
		y++
	}
	for _, h := range p.holderLines(s, c.H) {
		x := c.Text(1, y, "HOLDER ", themes.TextDim)
		// Of a long address the middle can be spared, but not how long it has held the slot.
		if more := screen.Width(h) - (c.W - x - 1); more > 0 {
			client, rest, _ := strings.Cut(h, "  ")
			h = screen.Middle(client, max(screen.Width(client)-more, 8), f.theme.Glyphs.Ellipsis) + "  " + rest
		}
		c.Text(x, y, screen.Clip(h, max(c.W-x-1, 0), f.theme.Glyphs.Ellipsis), themes.Text)
		y++
	}
	foot := 0
	if c.H-y > 4 && c.W >= 40 && f.past == nil {
		foot = 1
		drawQueueFoot(f, c, s)
	}
	if len(p.table.Rows()) == 0 {
		if y+1 < c.H {
			text := "no clients waiting" + p.longestOther(f)
			switch {
			case p.ofAll:
				text = "on no node does a client have a slot or wait for one"
			case s.Queue.Waiting > 0:
				text = "asking for the waiters"
				if f.past != nil {
					text = notRecorded
				}
			}
			c.Text(3, y+1, text, themes.TextDim)
		}
		return
	}
	p.table.Draw(c.Sub(0, y, c.W, c.H-y-foot), table.Look[queueRow]{Focused: focused, Names: c.H-y > 4, Ellipsis: f.theme.Glyphs.Ellipsis})
}

// longestOther names the longest queue of the other services, so that an empty one does not hide it.
func (p *queuePane) longestOther(f *frame) string {
	name, most := "", 0
	for i := range f.stats.status.Services {
		if s := &f.stats.status.Services[i]; s.Name != p.service && s.Queue.Waiting > most {
			name, most = s.Name, s.Queue.Waiting
		}
	}
	if most == 0 {
		return ""
	}
	return fmt.Sprintf("; %s has %d", screen.Safe(name), most)
}

// need counts the pause, the holders, the waiters and the foot; it is 0 if there are neither
// waiters nor a pause.
func (p *queuePane) need(f *frame) int {
	s := f.stats.status.Service(p.service)
	if s == nil {
		return 0
	}
	if line := f.lineOf(p.service); line != nil && len(line.Holders)+len(line.Waiters) > 0 {
		return len(line.Holders) + len(line.Waiters) + len(line.Unknown) + 5
	}
	if s.Queue.Waiting == 0 && s.Pause == nil {
		return 0
	}
	return s.Queue.Waiting + len(p.holderLines(s, 20)) + 3
}

func (p *queuePane) details(f *frame, id string) details {
	i := slices.IndexFunc(p.table.Rows(), func(r queueRow) bool { return r.id() == id })
	if i < 0 {
		return details{}
	}
	r := p.table.Rows()[i]
	d := details{title: "waiter " + screen.Safe(r.ID), facts: []fact{{"service", screen.Safe(p.service)}}}
	if r.Holds() {
		d.title = "holder of a slot " + screen.Safe(r.ID)
	}
	if !r.foreign {
		d.about.session = r.ID
	}
	if r.Node != "" {
		d.facts = append(d.facts, fact{"node", screen.Safe(r.Node)})
	}
	if r.ID == "" {
		d.facts = append(d.facts, fact{"client", "not known: its node does not answer"})
	} else {
		d.facts = append(d.facts, fact{"client", screen.Safe(r.Client)})
	}
	if r.Holds() {
		lease := "none: when the cluster has ended it, the slot moves on"
		switch {
		case r.ID == "" && r.LeaseSeconds == 0:
			lease = "not known"
		case r.LeaseSeconds > 0:
			lease = "of its node, runs for " + leaseText(r.LeaseSeconds) + " still, if it is not renewed"
		}
		return d.with(fact{"held", screen.Clock(screen.Seconds(r.HeldSeconds))}, fact{"state", screen.Safe(r.State)}, fact{"token", strconv.FormatUint(r.Token, 10)}, fact{"lease", lease})
	}
	return d.with(fact{"position", positionText(&r)}, fact{"waited", screen.Clock(screen.Seconds(r.WaitedSeconds))}, fact{"state", screen.Safe(r.State)}, fact{"reason", reasonText(r.Reason)})
}

func (d details) with(facts ...fact) details {
	d.facts = append(d.facts, facts...)
	return d
}

func (p *queuePane) keys() []binding {
	return []binding{
		{name: "kick", Binding: on("kick", "K"), help: "kick: close the client's connection", act: "kick", off: p.noWaiters,
			run: p.kick},
		{name: "pause", Binding: on("pause", "P"), help: "pause the service, or resume it", act: "pause", off: p.noService,
			run: func(f *frame) intent { return pauseOrResume(f, p.service) }},
	}
}

func (p *queuePane) noWaiters(*frame) string {
	if p.table.Len() == 0 {
		return "no clients waiting"
	}
	return ""
}

func (p *queuePane) noService(*frame) string {
	if p.service == "" {
		return "there is no service"
	}
	return ""
}
