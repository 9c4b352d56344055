package tui

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/tcpctl/tcpctl/themes"
)

// segment is a part of a line; where there is no room, the one with the
// highest number goes first.
type segment struct {
	text string
	role themes.Role
	prio int
	gap  int // columns before it
}

// segments draws as many as fit, in their order.
func segments(c *canvas, y int, list []segment) {
	for {
		total := 1
		last := -1
		for i, s := range list {
			total += s.gap + width(s.text)
			if last < 0 || s.prio >= list[last].prio {
				last = i
			}
		}
		if total <= c.w || len(list) < 2 {
			break
		}
		list = slices.Delete(slices.Clone(list), last, last+1)
	}
	c.fill(0, y, c.w, ' ', is(themes.Header))
	x := 0
	for _, s := range list {
		x = c.text(x+s.gap, y, s.text, is(s.role))
	}
}

// drawHeader is the line that is always there.
func (m *model) drawHeader(c *canvas) {
	n := count(m.world.status)
	st := m.world.status
	live, liveRole := "LIVE", themes.Live
	switch age := m.staleFor(); {
	case !m.world.known():
		live, liveRole = "WAIT", themes.Warn
	case age > 0:
		live, liveRole = "STALE "+staleText(age), themes.Stale
	}
	rw, rwRole := "RW", themes.Header
	if m.cfg.ReadOnly {
		rw, rwRole = "RO", themes.ReadOnly
	}
	upRole := themes.Header
	if n.up < n.backends {
		upRole = themes.Warn
	}
	if n.up == 0 && n.backends > 0 {
		upRole = themes.Error
	}
	queueRole := themes.Header
	if n.waiting > 0 {
		queueRole = themes.Warn
	}
	up := fmt.Sprintf("UP %d/%d", n.up, n.backends)
	if c.w < 80 {
		segments(c, 0, []segment{
			{middle(m.where(), 12, m.theme.Glyphs.Ellipsis), m.whereRole(), 5, 1},
			{live, liveRole, 1, 1}, {rw, rwRole, 4, 1}, {up, upRole, 2, 2},
			{fmt.Sprintf("Q %s", amount(float64(n.waiting))), queueRole, 3, 2},
			{m.at(m.engineNow()), themes.TextDim, 6, 2},
		})
		return
	}
	e := m.theme.Glyphs.Ellipsis
	list := []segment{
		{"tcpctl", themes.TextDim, 7, 1},
		{middle(m.homeName(), 20, e), themes.Title, 2, 2},
		{middle(safe(m.cfg.Where), whereWidth(c.w), e), themes.TextDim, 9, 1},
	}
	if m.away() {
		list[2] = segment{middle(m.where(), 22, e), m.whereRole(), 1, 1}
	}
	peers, peersRole := m.peersText()
	list = append(list, []segment{
		{live, liveRole, 1, 3}, {m.at(m.engineNow()), themes.Header, 3, 1},
		{rw, rwRole, 2, 3}, {up, upRole, 1, 3},
		{"QUEUE " + amount(float64(n.waiting)), queueRole, 1, 3},
		{peers, peersRole, 8, 3},
	}...)
	if h := st.Node.ConfigHash; h != "" {
		list = append(list, segment{"cfg " + cut(safe(h), 6), themes.TextDim, 10, 3})
	}
	if !st.Node.Started.IsZero() {
		list = append(list, segment{"up " + clock(m.world.now().Sub(st.Node.Started)), themes.TextDim, 11, 3})
	}
	if v := st.Node.Version; v != "" {
		list = append(list, segment{cut(safe(v), 14), themes.TextDim, 13, 3})
	}
	list = append(list, segment{"theme " + safe(m.theme.Name), themes.TextDim, 12, 3})
	segments(c, 0, list)
}

// where is the node that is looked at: behind an arrow when it is not the
// console's own, so that nobody drains the wrong one.
func (m *model) where() string {
	if m.away() {
		return "> " + m.placeName()
	}
	return m.homeName()
}

func (m *model) whereRole() themes.Role {
	if m.away() {
		return themes.Warn
	}
	return themes.Title
}

// peersText is how many nodes are there, of how many, this one with them.
func (m *model) peersText() (string, themes.Role) {
	here, all := m.countNodes()
	switch {
	case all == 0:
		return "PEERS -", themes.TextDim
	case here < all:
		return fmt.Sprintf("PEERS %d/%d", here, all), themes.Warn
	}
	return fmt.Sprintf("PEERS %d/%d", here, all), themes.Header
}

func whereWidth(w int) int {
	if w < 120 {
		return 14
	}
	return 34
}

// drawTabs is the row of panes, and what is narrowed. That rows are hidden by
// a filter must be seen; that all services are, need not.
func (m *model) drawTabs(c *canvas, y int) {
	filter := ""
	if g := m.pane().grid(); g != nil && g.filterText() != "" {
		shown, all, _, _ := g.counts()
		filter = fmt.Sprintf("filter: %s  %d of %d", safe(g.filterText()), shown, all)
	}
	view := "view: all"
	if m.view != "" {
		view = "view: " + safe(m.view)
	}
	tabs := m.tabs(c.w < 76)
	fits := func(note string) bool { return 1+segmentsWidth(tabs)+width(note)+1 <= c.w }
	if filter != "" && !fits(filter) {
		tabs = m.tabs(true) // the digit is enough to go there
	}
	note, role := filter, themes.Match
	if both := strings.TrimSpace(filter + "   " + view); fits(both) {
		note = both
	}
	if filter == "" && m.view == "" {
		role = themes.TextDim
	}
	x := 1
	for _, t := range tabs {
		x = c.text(x, y, t.text, is(t.role))
	}
	if note != "" && fits(note) {
		c.right(c.w-1, y, note, is(role))
	} else if note != "" {
		c.text(x+1, y, cut(note, max(c.w-x-2, 0)), is(role))
	}
}

// tabs are the panes' names, or in short the digits of all but one.
func (m *model) tabs(short bool) (list []segment) {
	for i, p := range m.panes {
		text := fmt.Sprintf("%d %s", i+1, p.name())
		if b := p.badge(m); b != "" {
			text += " " + b
		}
		switch {
		case i == m.focus:
			list = append(list, segment{text: "[" + text + "] ", role: themes.Title})
		case short:
			list = append(list, segment{text: fmt.Sprintf("%d  ", i+1), role: themes.TextDim})
		default:
			list = append(list, segment{text: text + "  ", role: themes.TextDim})
		}
	}
	return list
}

func segmentsWidth(list []segment) (n int) {
	for _, s := range list {
		n += width(s.text)
	}
	return n
}

// staleText is an age in a word: 8s, 2m, 3h.
func staleText(d time.Duration) string {
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%.0fs", d.Seconds())
	case d < time.Hour:
		return fmt.Sprintf("%.0fm", d.Minutes())
	}
	return fmt.Sprintf("%.0fh", d.Hours())
}
