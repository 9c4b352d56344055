package tui

import (
	"fmt"
	"strings"
	"time"

	"github.com/tcpctl/tcpctl/proxy"
	"github.com/tcpctl/tcpctl/themes"
	"github.com/tcpctl/tcpctl/tui/internal/screen"
)

var waiterColumns = []screen.Column[queueRow]{
	{Name: "#", Rises: true, Prio: 1, Width: 4, Right: true, Fixed: true, Value: func(w queueRow) float64 { return float64(w.Position) },
		Cell: func(w queueRow) (string, themes.Role) { return screen.Count(float64(w.Position)), themes.TextDim }},
	{Name: "CLIENT", Ends: true, Prio: 1, Width: 18, Grow: 24, Fixed: true, Cell: func(w queueRow) (string, themes.Role) { return screen.Safe(w.Client), themes.Text }},
	{Name: "WAITED", Prio: 1, Width: 6, Right: true, Value: func(w queueRow) float64 { return w.WaitedSeconds },
		Cell: func(w queueRow) (string, themes.Role) {
			return screen.Clock(screen.Seconds(w.WaitedSeconds)), themes.Text
		}},
	{Name: "STATE", Prio: 2, Width: 9, Cell: func(w queueRow) (string, themes.Role) {
		switch w.State {
		case proxy.WaiterNext:
			return "next", themes.OK
		case proxy.WaiterVerifying:
			return "verifying", themes.Warn
		}
		return screen.Safe(w.State), themes.Text
	}},
	{Name: "ID", Prio: 3, Width: 7, Cell: func(w queueRow) (string, themes.Role) { return screen.Safe(w.ID), themes.TextDim }},
	{Name: "REASON", Prio: 4, Width: 10, Grow: 20, Cell: func(w queueRow) (string, themes.Role) { return reasonText(w.Reason), themes.TextDim }},
}

func reasonText(reason proxy.Reason) string {
	switch reason {
	case proxy.ReasonSlots:
		return "slot taken"
	case proxy.ReasonNoBackend:
		return "no backend up"
	case proxy.ReasonFull:
		return "backends full"
	case proxy.ReasonLimit:
		return "service limit"
	case proxy.ReasonRetry:
		return "dial failed"
	case proxy.ReasonCluster:
		return "slots taken" // of the cluster
	case proxy.ReasonClusterLease:
		return "no lease"
	case proxy.ReasonClusterVersion:
		return "other version"
	}
	return screen.Safe(string(reason))
}

// holderLines lists the sessions that hold a slot, leaving room for the waiters.
func (p *queuePane) holderLines(s *proxy.ServiceInfo, h int) []string {
	if s.Lock == nil || p.ofAll { // they are rows
		return nil
	}
	room := max(h/4, 1)
	var lines []string
	for i, holder := range s.Lock.Holders {
		if len(lines) == room-1 && len(s.Lock.Holders)-i > 1 {
			lines = append(lines, fmt.Sprintf("and %d more", max(s.Lock.InUse, len(s.Lock.Holders))-i))
			break
		}
		lines = append(lines, fmt.Sprintf("%s  %s   %s", screen.Safe(holder.Client), screen.Safe(holder.ID), heldText(s.Lock, &holder))+tokenText(&holder))
	}
	return lines
}

// waitedText says how many clients waited at a moment of the past, and how many of them are
// recorded.
func waitedText(waited, recorded int) string {
	if recorded < waited {
		return fmt.Sprintf("%d waited, %d recorded", waited, recorded)
	}
	return fmt.Sprintf("%d waited", waited)
}

// tokenText shows the fencing token of a slot of the cluster.
func tokenText(h *proxy.HolderInfo) string {
	if h.Token == 0 {
		return ""
	}
	return fmt.Sprintf("   token %d", h.Token)
}

func heldText(l *proxy.LockInfo, h *proxy.HolderInfo) string {
	text := "held " + screen.Clock(screen.Seconds(h.HeldSeconds))
	if l.TTLSeconds > 0 {
		text += "/" + screen.Clock(screen.Seconds(l.TTLSeconds))
	}
	return text
}

func drawQueueFoot(f *frame, c *screen.Canvas, s *proxy.ServiceInfo) {
	q := &s.Queue
	text := fmt.Sprintf("wait p50 %s  p99 %s   next grant %s", screen.Clock(screen.Seconds(q.WaitP50Seconds)), screen.Clock(screen.Seconds(q.WaitP99Seconds)), nextGrant(f, s))
	if s.Lock != nil && s.Lock.Scope == proxy.ScopeCluster {
		share := ""
		if s.Lock.Order == proxy.OrderShares {
			share = fmt.Sprintf("share %d of %d slots, ", s.Lock.Share, s.Lock.Slots)
		}
		text = fmt.Sprintf("here: %s%d waiting, p50 %s  p99 %s", share, q.Waiting, screen.Clock(screen.Seconds(q.WaitP50Seconds)), screen.Clock(screen.Seconds(q.WaitP99Seconds)))
	}
	room := ""
	if q.Max > 0 {
		room = fmt.Sprintf("   room %d of %d", max(q.Max-q.Waiting, 0), q.Max)
	}
	c.Text(1, c.H-1, screen.Clip(screen.FirstFit(c.W-2, text+room, text), c.W-2, f.theme.Glyphs.Ellipsis), themes.TextDim) // a number must not lose its end
}

// nextGrant estimates when the next waiter is admitted: from the rate of the last minute, at the
// latest when a holder's TTL ends.
func nextGrant(f *frame, s *proxy.ServiceInfo) string {
	if s.Pause != nil && s.State != proxy.StateReleasing {
		return "at the resume"
	}
	if s.Queue.Waiting == 0 {
		return "-"
	}
	guess := -1.0
	then, now, dt := f.stats.history(s.Name).since(time.Minute)
	if n := now.granted - then.granted; n > 0 && dt > 0 {
		guess = dt / float64(n)
	}
	if l := s.Lock; l != nil && l.TTLSeconds > 0 {
		for _, h := range l.Holders {
			if rest := max(l.TTLSeconds-h.HeldSeconds, 0); guess < 0 || rest < guess {
				guess = rest
			}
		}
	}
	if guess < 0 {
		return "not known"
	}
	if guess < 1 {
		return "within a second"
	}
	return "in ~" + screen.Clock(screen.Seconds(guess))
}

func (p *queuePane) strip(f *frame, c *screen.Canvas) int {
	s := f.stats.status.Service(p.service)
	if s == nil {
		return 1
	}
	waiting, line := s.Queue.Waiting, f.lineOf(p.service)
	holders := s.Lock != nil && len(s.Lock.Holders) > 0
	if line != nil {
		waiting, holders = len(line.Waiters)+line.Beyond, len(line.Holders) > 0
	}
	switch {
	case waiting == 0 && s.Pause == nil && !holders:
		return 0
	case waiting == 0:
		c.Text(2, 0, "no clients waiting", themes.TextDim)
		return 1
	}
	shown := p.drawFirst(f, c)
	if f.past != nil {
		c.Text(2, 1, waitedText(waiting, len(p.table.Rows())), themes.TextDim)
		return 2
	}
	more := ""
	if n := waiting - shown; n > 0 {
		more = fmt.Sprintf("+%d more, ", n)
	}
	if line != nil {
		c.Text(2, 1, fmt.Sprintf("%s%d of them here", more, s.Queue.Waiting), themes.TextDim)
		return 2
	}
	q := &s.Queue
	more += fmt.Sprintf("wait p50 %s p99 %s, next grant %s", screen.Clock(screen.Seconds(q.WaitP50Seconds)), screen.Clock(screen.Seconds(q.WaitP99Seconds)), nextGrant(f, s))
	c.Text(2, 1, more, themes.TextDim)
	return 2
}

// drawFirst draws as many waiters as fit in a line.
func (p *queuePane) drawFirst(f *frame, c *screen.Canvas) (shown int) {
	x, e := 2, f.theme.Glyphs.Ellipsis
	for _, w := range p.table.Rows() {
		if w.Holds() {
			continue
		}
		who := screen.Middle(screen.Safe(w.Client), 20, e)
		if p.ofAll {
			who = screen.Middle(screen.Safe(w.Node), 10, e) + " " + screen.Middle(screen.Safe(clientText(&w)), 20, e)
		}
		text := fmt.Sprintf("#%s  %-20s wait %s", positionText(&w), who, screen.Clock(screen.Seconds(w.WaitedSeconds)))
		if x+screen.Width(text) > c.W {
			break
		}
		x = c.Text(x, 0, text, themes.Text) + 4
		shown++
	}
	return shown
}

// ruleText is the text of the rule above the strip: the first holder or the pause, as far as there
// is room.
func (p *queuePane) ruleText(f *frame, room int) string {
	s := f.stats.status.Service(p.service)
	if s == nil {
		return ""
	}
	text := screen.Safe(s.Name)
	switch {
	case s.Pause != nil:
		brief := *s.Pause
		brief.Reason, brief.Step = "", ""
		word := text + "  " + strings.ToLower(serviceSign(s).word) + " "
		return screen.FirstFit(room, word+pauseText(f, s.Pause), word+pauseText(f, &brief), word+fmt.Sprintf("%d held", brief.Held))
	case p.ofAll:
		return screen.FirstFit(room, text+lineText(f.lineOf(p.service), true), text+lineText(f.lineOf(p.service), false))
	case s.Lock != nil && len(s.Lock.Holders) > 0:
		h := &s.Lock.Holders[0]
		text += "  holder "
		held := " " + screen.Safe(h.ID) + "  " + heldText(s.Lock, h)
		return screen.FirstFit(room, text+screen.Safe(h.Client)+held, text+screen.Safe(h.ID)+"  "+heldText(s.Lock, h))
	}
	return text
}

// line summarizes the queue in one line, without the holder if there is no room for both holder and
// waiters.
func (p *queuePane) line(f *frame, w int) string {
	s := f.stats.status.Service(p.service)
	if s == nil {
		return "queue: no service"
	}
	name, holder, waiting := screen.Safe(s.Name)+": ", "", "no clients waiting"
	if s.Pause != nil {
		name += strings.ToLower(serviceSign(s).word) + ", "
	} else if s.Lock != nil && len(s.Lock.Holders) > 0 {
		h := s.Lock.Holders[0]
		host := screen.Safe(h.Client)
		if i := strings.LastIndexByte(host, ':'); i > 0 {
			host = host[:i]
		}
		holder = host + " " + screen.Clock(screen.Seconds(h.HeldSeconds)) + ", "
	}
	if line := f.lineOf(p.service); line != nil {
		return screen.FirstFit(w, name+strings.TrimSpace(lineText(line, true)), name+strings.TrimSpace(lineText(line, false)))
	}
	if s.Queue.Waiting > 0 {
		waiting = fmt.Sprintf("%d waiting, max %s", s.Queue.Waiting, screen.Clock(screen.Seconds(s.Queue.OldestSeconds)))
	}
	if text := name + holder + waiting; screen.Width(text) <= w {
		return text
	}
	return name + waiting
}
