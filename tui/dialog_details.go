package tui

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/charmbracelet/bubbles/viewport"
	tea "github.com/charmbracelet/bubbletea"

	"github.com/tcpctl/tcpctl/themes"
	"github.com/tcpctl/tcpctl/tui/internal/screen"
)

// fact is one line of a row's details.
type fact struct{ name, value string }

// details is all that is known about one row now.
type details struct {
	title string
	facts []fact
	about about
}

// about says which service, backend or session a row is about, and so which events, sessions and graph belong to it.
type about struct{ service, backend, session string }

// has reports whether an event or session of this service, backend or session belongs to a.
func (a about) has(service, backend, session string) bool {
	switch {
	case a.session != "":
		return session == a.session
	case a.backend != "":
		return service == a.service && backend == a.backend
	}
	return a.service != "" && service == a.service
}

// How many events and sessions details list.
const (
	detailsEvents   = 10
	detailsSessions = 5
)

// detailsBox shows the details of one row. It asks the pane again whenever it is drawn; if the row
// has gone, it shows what was known last, and says so.
type detailsBox struct {
	pane   pane // nil: only last is shown
	id     string
	last   details
	gone   bool
	scroll viewport.Model
}

// newDetails makes the box for a row of a pane.
func newDetails(p pane, id string) *detailsBox {
	return &detailsBox{pane: p, id: id, scroll: viewport.New(0, 0)}
}

// factsBox shows fixed facts.
func factsBox(title string, facts []fact) *detailsBox {
	return &detailsBox{last: details{title: title, facts: facts}, scroll: viewport.New(0, 0)}
}

func (d *detailsBox) hint(*frame) string { return "up/down scroll   esc back" }

func (d *detailsBox) key(_ *frame, k tea.KeyMsg) intent {
	switch k.String() {
	case "esc", "enter", "q", "ctrl+c":
		return closeAnd{}
	}
	d.scroll, _ = d.scroll.Update(k)
	return nil
}

// sessions reports whether the sessions are needed even if no pane shows them.
func (d *detailsBox) sessions() bool { return d.last.about != (about{}) }

func (d *detailsBox) look(f *frame) details {
	if d.pane == nil {
		return d.last
	}
	now := d.pane.details(f, d.id)
	if d.gone = now.title == ""; !d.gone {
		d.last = now
	}
	return d.last
}

// detailsLine is one line of the box: a name and its text with a role.
type detailsLine struct {
	name, text string
	role       themes.Role
}

func (d *detailsBox) draw(f *frame, c *screen.Canvas) {
	now := d.look(f)
	w := min(100, c.W)
	lines := d.lines(f, &now, w)
	foot := ""
	if d.gone {
		foot = "gone: this is what was known last"
	}
	box := drawWindow(f, c, w, min(len(lines)+2, c.H-2), strings.TrimSpace(now.title), foot)
	fitScroll(&d.scroll, len(lines), box.H)
	top := d.scroll.YOffset
	for y := range min(box.H, len(lines)-top) {
		l := lines[top+y]
		box.Text(1, y, l.name, themes.TextDim)
		box.Text(12, y, l.text, l.role)
	}
	if top+box.H < len(lines) {
		box.Fill(box.W-1, box.H-1, 1, f.theme.Glyphs.Down, themes.TextDim)
	}
}

// lines returns the facts, the graph, the sessions and the events.
func (d *detailsBox) lines(f *frame, now *details, w int) (lines []detailsLine) {
	const name = 11
	for _, fact := range now.facts {
		parts := screen.Wrap(fact.value, w-name-4)
		if len(parts) == 0 {
			parts = []string{""}
		}
		for i, part := range parts {
			label := fact.name
			if i > 0 {
				label = ""
			}
			lines = append(lines, detailsLine{label, part, themes.Text})
		}
	}
	if now.about == (about{}) {
		return lines
	}
	lines = append(lines, graphLines(f, now.about, w-name-4)...)
	lines = append(lines, sessionLines(f, now.about)...)
	return append(lines, eventLines(f, now.about, w-name-4)...)
}

// graphLines shows the last five minutes of a service or backend in two lines.
func graphLines(f *frame, a about, w int) []detailsLine {
	h := f.stats.past[a.service]
	if a.backend != "" {
		h = f.stats.pastBackends[a.service+"/"+a.backend]
	}
	if h == nil || a.session != "" || w < 30 {
		return nil
	}
	n := min(w-12, 60)
	line := func(name string, counter func(*point) int64, role themes.Role) detailsLine {
		rates := h.rates(n, f.now(), counter)
		return detailsLine{name, screen.SparkText(rates, f.theme.Glyphs.Spark) + " max " + screen.Bytes(most(rates)) + "/s", role}
	}
	return []detailsLine{{}, line("in, 5m", func(p *point) int64 { return p.in }, themes.GraphIn), line("out, 5m", func(p *point) int64 { return p.out }, themes.GraphOut)}
}

// sessionLines lists the busiest sessions, by bytes a second.
func sessionLines(f *frame, a about) (lines []detailsLine) {
	if a.session != "" {
		return nil
	}
	n := 0
	var top []*session
	for _, r := range f.stats.sessions.list {
		if r.Ended != nil || !a.has(r.Service, r.Backend, "") {
			continue
		}
		n++
		top = insertBusiest(top, r)
	}
	for i, r := range top {
		name := ""
		if i == 0 {
			lines = append(lines, detailsLine{})
			name = "sessions"
		}
		lines = append(lines, detailsLine{name, fmt.Sprintf("%-22s %-8s %6s  in %s/s out %s/s", screen.Safe(r.Client), screen.Safe(r.ID),
			screen.Clock(screen.Seconds(r.AgeSeconds)), screen.Bytes(r.in), screen.Bytes(r.out)), themes.Text})
	}
	if n > len(top) {
		lines = append(lines, detailsLine{"", fmt.Sprintf("and %d more: 4", n-len(top)), themes.TextDim})
	}
	return lines
}

// insertBusiest inserts r into the busiest sessions, which are sorted and limited in number.
func insertBusiest(top []*session, r *session) []*session {
	i := len(top)
	for i > 0 && r.in+r.out > top[i-1].in+top[i-1].out {
		i--
	}
	if i == detailsSessions {
		return top
	}
	top = slices.Insert(top, i, r)
	return top[:min(len(top), detailsSessions)]
}

// eventLines lists the newest events about a, newest first.
func eventLines(f *frame, a about, w int) (lines []detailsLine) {
	for _, e := range f.stats.journal.entries {
		if len(lines) > detailsEvents {
			break
		}
		if !a.has(e.Service, e.Backend, e.Session) {
			continue
		}
		name := ""
		if len(lines) == 0 {
			lines = append(lines, detailsLine{})
			name = "events"
		}
		s := eventSign(e)
		when := f.timeOf(e.Time)
		if f.ago(e.Time) > 24*time.Hour {
			when = f.dated(e.Time)
		}
		lines = append(lines, detailsLine{name, screen.Clip(when+" "+string(s.mark)+" "+eventText(e), w, f.theme.Glyphs.Ellipsis), s.role})
	}
	return lines
}
