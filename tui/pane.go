package tui

import (
	"fmt"
	"time"

	"github.com/tcpctl/tcpctl/proxy/text"
	"github.com/tcpctl/tcpctl/themes"
	"github.com/tcpctl/tcpctl/tui/internal/screen"
)

// The panes: their digits, less one.
const (
	paneBackends = iota
	paneQueue
	panePeers
	paneSessions
	paneEvents
	panePlan
	paneCount
)

// pane is a part of the screen with its own keys. It shows what it read from the frame at its last
// refresh.
type pane interface {
	name() string
	keys() []binding
	refresh(*frame)                      // the stats or the view have changed
	turn(*frame) intent                  // v was pressed: narrow the pane, or show all again
	grid() grid                          // its rows; nil: none
	need(*frame) int                     // lines it would fill; 0: nothing to show
	badge(*frame) string                 // after its name, in the tabs
	title(*frame) string                 // after its name, in its box
	foot(*frame) string                  // at the lower edge of its box
	drawn() uint64                       // changes with what it draws besides its rows
	details(f *frame, id string) details // of the row with this id; no title: no such row
	draw(f *frame, c *screen.Canvas, focused bool)
	// strip draws the most important lines of a pane that is not shown in full, and returns how
	// many it wants.
	strip(f *frame, c *screen.Canvas) int
}

// versioned counts the refreshes of a pane, which embeds it.
type versioned struct{ version uint64 }

func (v *versioned) touch()        { v.version++ }
func (v *versioned) drawn() uint64 { return v.version }

// calm delays the fall of a need: a layout that changed with each waiter would be unreadable.
type calm struct {
	need int
	till time.Time
}

func (c *calm) at(need int, now time.Time) int {
	const span = 10 * time.Second
	if need >= c.need || now.After(c.till) {
		c.need, c.till = need, now.Add(span)
	}
	return c.need
}

// picture is a pane as last drawn, and what it was drawn from.
type picture struct {
	key pictureKey
	c   *screen.Canvas
}

type pictureKey struct {
	w, h    int
	focused bool
	pane    uint64
	rows    uint64
	theme   *themes.Theme // glyphs come from it
}

// paintPane draws a pane, or returns its last picture if nothing has changed.
func (w *workspace) paintPane(i, width, height int, focused bool) *screen.Canvas {
	p := w.panes[i]
	key := pictureKey{w: width, h: height, focused: focused, theme: w.theme, pane: p.drawn()}
	if g := p.grid(); g != nil {
		key.rows = g.Version()
	}
	if last := &w.shown[i]; last.c != nil && last.key == key {
		return last.c
	}
	c := screen.New(width, height)
	p.draw(&w.frame, c, focused)
	w.shown[i] = picture{key, c}
	return c
}

// rowsFoot says how many rows there are, in which order, and how many are marked, including those
// that the filter hides.
func rowsFoot(f *frame, g grid, noun string) string {
	names, by, desc := g.Sorts()
	shown, all, marked, hidden := g.Counts()
	dot := " " + string(f.theme.Glyphs.Dot) + " "
	s := text.Plural(all, noun)
	if shown != all {
		s = fmt.Sprintf("%d of %d", shown, all)
	}
	if from, to := g.Window(); to > 0 && to-from+1 < shown {
		s = fmt.Sprintf("%d-%d of %s", from, to, s)
	}
	if by == 0 && desc {
		s = "as configured" + dot + s
	}
	if by > 0 {
		arrow := f.theme.Glyphs.Up
		if desc {
			arrow = f.theme.Glyphs.Down
		}
		s = "sort " + names[by-1] + " " + string(arrow) + dot + s
	}
	if filter := g.Filter(); filter != "" {
		s = "filter: " + screen.Middle(screen.Safe(filter), max(f.width/3, 8), f.theme.Glyphs.Ellipsis) + dot + s
	}
	if marked > 0 {
		s += fmt.Sprintf("%s%d marked", dot, marked)
		if hidden > 0 {
			s += fmt.Sprintf(" (%d hidden)", hidden)
		}
	}
	return s
}

// drawEmpty says why a pane is empty, and what to do about it.
func drawEmpty(f *frame, c *screen.Canvas, texts ...string) {
	y := 0
	if c.H > 5 {
		y = 1
	}
	if f.past != nil {
		texts = []string{notRecorded, "What is remembered: services, backends, their numbers, waiters, holders, peers, plans and events. 0 is now."}
	} else if !f.stats.known() {
		texts = []string{"Asking the engine."}
	}
	for i, text := range texts {
		role := themes.TextDim
		if i == 0 {
			role = themes.Text
		}
		for _, line := range screen.Wrap(text, c.W-4) {
			c.Text(2, y, line, role)
			y++
		}
	}
}
