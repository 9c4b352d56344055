package tui

import (
	"fmt"
	"slices"
	"time"

	"github.com/tcpctl/tcpctl/tui/internal/screen"
)

// The panes, by their digit less one.
const (
	paneBackends = iota
	paneQueue
	panePeers
	paneSessions
	paneEvents
	panePlan
	paneCount
)

// pane is a part of the screen with its own keys. It draws what it took from
// the world at its last refresh, and asks nobody while it draws.
type pane interface {
	name() string
	keys() []binding
	bind(*model)         // once, at the start
	refresh(*model)      // the world has changed, or what is looked at
	turn(*model)         // its digit was pressed again: the next tab
	grid() grid          // its rows, nil when it has none
	badge(*model) string // after its name, in the row of tabs
	title(*model) string // after its name, in its frame
	foot(*model) string  // in the lower edge of its frame
	details() (title string, facts []fact)
	draw(m *model, c *screen.Canvas, focused bool)
	// strip draws the most important in a few lines, of a pane that has no
	// place of its own now. It says how many lines it would like.
	strip(m *model, c *screen.Canvas) int
}

// fact is one line of a row's details.
type fact struct{ name, value string }

func newPanes() []pane {
	return []pane{&backendsPane{}, &queuePane{}, &peersPane{}, &sessionsPane{}, &eventsPane{}, &planPane{}}
}

func (m *model) backendsPane() *backendsPane { return m.panes[paneBackends].(*backendsPane) }
func (m *model) queuePane() *queuePane       { return m.panes[paneQueue].(*queuePane) }
func (m *model) sessionsPane() *sessionsPane { return m.panes[paneSessions].(*sessionsPane) }
func (m *model) planPane() *planPane         { return m.panes[panePlan].(*planPane) }
func (m *model) eventsPane() *eventsPane     { return m.panes[paneEvents].(*eventsPane) }

// picture is a pane as it was drawn last, and what it was made from.
type picture struct {
	key pictureKey
	c   *screen.Canvas
}

type pictureKey struct {
	w, h    int
	focused bool
	pane    uint64 // the pane's own version
	rows    uint64 // its table's
	theme   any    // glyphs come from it
}

// versioned counts a pane's changes; panes embed it.
type versioned struct{ version uint64 }

func (v *versioned) touch()          { v.version++ }
func (v *versioned) current() uint64 { return v.version }

// paintPane is a pane's picture: the last one, when nothing has changed.
func (m *model) paintPane(i, w, h int, focused bool) *screen.Canvas {
	p := m.panes[i]
	key := pictureKey{w: w, h: h, focused: focused, theme: m.theme}
	if v, ok := p.(interface{ current() uint64 }); ok {
		key.pane = v.current()
	}
	if g := p.grid(); g != nil {
		key.rows = g.Version()
	}
	if last := &m.shown[i]; last.c != nil && last.key == key {
		return last.c
	}
	c := screen.New(w, h)
	p.draw(m, c, focused)
	m.shown[i] = picture{key, c}
	return c
}

// rowsFoot says how many rows there are, in which order, and how many are
// marked: those that the filter hides, too.
func rowsFoot(m *model, g grid, noun string) string {
	names, by, desc := g.Sorts()
	shown, all, marked, hidden := g.Counts()
	dot := " " + string(m.theme.Glyphs.Dot) + " "
	s := screen.Plural(all, noun)
	if shown != all {
		s = fmt.Sprintf("%d of %d", shown, all)
	}
	if by > 0 {
		arrow := m.theme.Glyphs.Up
		if desc {
			arrow = m.theme.Glyphs.Down
		}
		s = "sort " + names[by-1] + " " + string(arrow) + dot + s
	}
	if f := g.Filter(); f != "" {
		s = "filter: " + screen.Safe(f) + dot + s
	}
	if marked > 0 {
		s += fmt.Sprintf("%s%d marked", dot, marked)
		if hidden > 0 {
			s += fmt.Sprintf(" (%d hidden)", hidden)
		}
	}
	return s
}

// nextService is the service after one, "" between the last and the first
// where all is a choice.
func (m *model) nextService(now string, all bool) string {
	var names []string
	if all {
		names = append(names, "")
	}
	for i := range m.world.status.Services {
		names = append(names, m.world.status.Services[i].Name)
	}
	if len(names) == 0 {
		return now
	}
	return names[(slices.Index(names, now)+1)%len(names)]
}

// engineNow is the engine's clock as far as we know it, or ours.
func (m *model) engineNow() time.Time {
	if m.world.known() {
		return m.world.now()
	}
	return m.clock()
}

// at writes a moment as a time of day.
func (m *model) at(t time.Time) string { return t.In(m.zone).Format("15:04:05") }
