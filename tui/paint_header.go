package tui

import (
	"fmt"
	"slices"
	"strings"

	"github.com/tcpctl/tcpctl/themes"
	"github.com/tcpctl/tcpctl/tui/internal/screen"
)

// drawHeader draws the first line. Alarms come first, and are never left out.
func (w *workspace) drawHeader(c *screen.Canvas) {
	if w.past != nil {
		w.drawRewindHeader(c)
		return
	}
	f := &w.frame
	live, liveRole := liveText(f)
	rw, rwRole := "RW", themes.Header
	if f.cfg.ReadOnly {
		rw, rwRole = "RO", themes.ReadOnly
	}
	e := f.theme.Glyphs.Ellipsis
	var list []screen.Segment
	add := func(text string, role themes.Role, prio, gap int) {
		list = append(list, screen.Segment{Text: text, Role: role, Prio: prio, Gap: gap})
	}
	alarms := w.alarms(false)
	if segmentsWidth(alarms) > c.W-18 {
		alarms = w.alarms(true)
	}
	if c.W < 80 {
		node, nodeRole := nodeText(f)
		add(screen.Middle(node, 12, e), nodeRole, 5, 1)
		add(live, liveRole, 1, 1)
		add(rw, rwRole, 4, 1)
		list = append(list, alarms...)
		add(f.timeOf(f.now()), themes.TextDim, 6, 2)
		screen.Segments(c, 0, list)
		return
	}
	add("tcpctl", themes.TextDim, 7, 1)
	add(screen.Middle(f.ownName(), 20, e), themes.Title, 2, 2)
	if f.away() {
		node, nodeRole := nodeText(f)
		add(screen.Middle(node, 22, e), nodeRole, 1, 1)
	} else {
		add(screen.Middle(screen.Safe(f.cfg.Where), whereWidth(c.W), e), themes.TextDim, 9, 1)
	}
	add(live, liveRole, 1, 3)
	add(f.timeOf(f.now()), themes.Header, 3, 1)
	add(rw, rwRole, 2, 3)
	alarms[0].Gap = 3
	list = append(list, alarms...)
	w.addFacts(roomFor(clusterPrio, c.W, list)-3, add)
	screen.Segments(c, 0, list)
}

// liveText says whether what is shown is current.
func liveText(f *frame) (string, themes.Role) {
	switch old := f.staleFor(); {
	case !f.stats.known():
		return "WAIT", themes.Warn
	case old > 0:
		return "STALE " + age(old), themes.Stale
	}
	return "LIVE", themes.Live
}

// clusterPrio is the priority of the cluster in the header; a higher number is less important.
const clusterPrio = 7

// roomFor returns how many columns of the header are left for a segment of that priority.
func roomFor(prio, w int, list []screen.Segment) int {
	list = slices.DeleteFunc(slices.Clone(list), func(s screen.Segment) bool { return s.Prio > prio })
	return w - 1 - segmentsWidth(list)
}

// addFacts adds the less important segments to the header. room is what is left for the cluster.
func (w *workspace) addFacts(room int, add func(text string, role themes.Role, prio, gap int)) {
	f, st := &w.frame, w.stats.status
	if n := totalsOf(st); n.maint > 0 {
		add(fmt.Sprintf("MAINT %d", n.maint), themes.StateMaint, 6, 2)
	}
	if text, role := clusterText(f, room); text != "" {
		add(text, role, clusterPrio, 3)
	}
	peers, peersRole := peersText(f)
	add(peers, peersRole, 8, 3)
	if h := st.Node.ConfigHash; h != "" {
		add("cfg "+screen.Cut(screen.Safe(h), 6), themes.TextDim, 10, 3)
	}
	if !st.Node.Started.IsZero() {
		add("up "+screen.Clock(f.stats.now().Sub(st.Node.Started)), themes.TextDim, 11, 3)
	}
	if v := st.Node.Version; v != "" {
		add(screen.Cut(screen.Safe(v), 14), themes.TextDim, 13, 3)
	}
	add("theme "+screen.Safe(f.theme.Name), themes.TextDim, 12, 3)
}

// nodeText returns the node that is shown, after an arrow if it is not the console's own, so that
// the wrong one is not drained by mistake.
func nodeText(f *frame) (string, themes.Role) {
	if f.away() {
		return "> " + f.nodeName(), themes.Warn
	}
	return f.ownName(), themes.Title
}

// peersText says how many nodes are alive, of how many, including this one.
func peersText(f *frame) (string, themes.Role) {
	alive, all := f.countNodes()
	switch {
	case all == 0:
		return "PEERS -", themes.TextDim
	case alive < all:
		return fmt.Sprintf("PEERS %d/%d", alive, all), themes.Warn
	}
	return fmt.Sprintf("PEERS %d/%d", alive, all), themes.Header
}

func whereWidth(w int) int {
	if w < 120 {
		return 14
	}
	return 34
}

// drawTabs draws the panes' tabs, the filter and the view. It must be visible that a filter hides
// rows, but not that all services are shown.
func (w *workspace) drawTabs(c *screen.Canvas, y int) {
	filter := ""
	if g := w.grid(); g != nil && g.Filter() != "" {
		shown, all, _, _ := g.Counts()
		filter = fmt.Sprintf("filter: %s  %d of %d", screen.Safe(g.Filter()), shown, all)
	}
	view := "view: all"
	if w.view != "" {
		view = "view: " + screen.Safe(w.view)
	}
	tabs := w.tabs(c.W < 76)
	fits := func(note string) bool { return 1+tabsWidth(tabs)+screen.Width(note)+1 <= c.W }
	if filter != "" && !fits(filter) || tabsWidth(tabs) > c.W {
		tabs = w.tabs(true) // the digits are enough to switch
	}
	note, role := filter, themes.Match
	if both := strings.TrimSpace(filter + "   " + view); fits(both) {
		note = both
	}
	if filter == "" && w.view == "" {
		role = themes.TextDim
	}
	x := 1
	for _, t := range tabs {
		x = c.Text(x, y, t.Text, t.Role)
	}
	if note != "" && fits(note) {
		c.Right(c.W-1, y, note, role)
	} else if note != "" {
		c.Text(x+1, y, screen.Cut(note, max(c.W-x-2, 0)), role)
	}
}

// tabs returns the panes' names, or in short all but the focused one as digits.
func (w *workspace) tabs(short bool) (list []screen.Segment) {
	for i, p := range w.panes {
		text := fmt.Sprintf("%d %s", i+1, p.name())
		if b := p.badge(&w.frame); b != "" {
			text += " " + b
		}
		switch {
		case i == w.focus:
			list = append(list, screen.Segment{Text: "[" + text + "] ", Role: themes.Title})
		case short:
			list = append(list, screen.Segment{Text: fmt.Sprintf("%d  ", i+1), Role: themes.TextDim})
		default:
			list = append(list, screen.Segment{Text: text + "  ", Role: themes.TextDim})
		}
	}
	return list
}

func tabsWidth(tabs []screen.Segment) (n int) {
	for _, t := range tabs {
		n += screen.Width(t.Text)
	}
	return n
}
