package tui

import (
	"context"
	"slices"
	"time"

	tea "github.com/charmbracelet/bubbletea"

	"github.com/tcpctl/tcpctl/proxy"
	"github.com/tcpctl/tcpctl/proxy/api"
	"github.com/tcpctl/tcpctl/themes"
	"github.com/tcpctl/tcpctl/tui/internal/screen"
)

const (
	// heatStep is the time that one cell of a strip covers.
	heatStep = 10 * time.Second
	// heatCells is the maximum length of a strip: an hour.
	heatCells = 360
	// heatEvery is how often strips and talkers are fetched while they are shown.
	heatEvery = 10 * time.Second
)

// heat is the other view of the Backends pane: a strip of latency for each backend, and who talks
// most. Both come from the history.
type heat struct {
	on     bool
	by     string // what talkers are sorted by
	group  string // what counts as one talker
	cells  int    // how many fitted when it was last drawn
	about  heatAsked
	next   time.Time
	busy   bool
	end    time.Time
	series []api.Series
	top    *api.Top
	err    string
}

// heatAsked is the last query: a different one is sent at once.
type heatAsked struct {
	view, by, group string
	cells           int
	moment          time.Time // in the past; zero: now
}

var (
	heatBy    = []string{"bytes", "sessions", "waiting"}
	heatGroup = []string{"client", "net", "service"}
)

func nextOf(list []string, now string) string {
	return list[(slices.Index(list, now)+1)%len(list)]
}

// heatMsg is the history's answer.
type heatMsg struct {
	pane   *backendsPane
	about  heatAsked
	end    time.Time
	series []api.Series
	top    *api.Top
	err    error
}

func (a heatMsg) apply(m *model) tea.Cmd {
	h := &a.pane.heat
	h.busy, h.next, h.err = false, m.clock().Add(heatEvery), ""
	if a.err != nil {
		h.err = errorText(a.err)
	} else {
		h.end, h.series, h.top = a.end, a.series, a.top
	}
	a.pane.touch()
	m.changed()
	return nil
}

// pollHeat fetches the strips and the talkers while they are on the screen.
func (w *workspace) pollHeat() tea.Cmd {
	h := &w.backends.heat
	if !h.on || h.busy || !w.stats.known() || !w.isShown(paneBackends) {
		return nil
	}
	about := heatAsked{view: w.view, by: h.by, group: h.group, cells: min(max(h.cells, 30), heatCells)}
	if w.past != nil {
		about.moment = w.now()
	}
	if about == h.about && (w.past != nil || w.clock().Before(h.next)) {
		return nil
	}
	past, ok := w.source.(api.History)
	if !ok {
		h.err = "this engine keeps no history"
		return nil
	}
	h.busy, h.about = true, about
	ctx, pane, end := w.ctx, w.backends, w.now()
	return guard(func() tea.Msg {
		ctx, cancel := context.WithTimeout(ctx, fetchLimit)
		defer cancel()
		a := heatMsg{pane: pane, about: about, end: end}
		stretch := api.Stretch{Since: end.Add(-heatStep * time.Duration(about.cells)), Until: end, Service: about.view}
		// A point per second: a cell shows the worst of its ten.
		q := api.SeriesQuery{Stretch: stretch, Backends: true, Points: about.cells * int(heatStep/time.Second)}
		if a.series, a.err = past.Series(ctx, q); a.err == nil {
			stretch.Since = end.Add(-historySpan)
			a.top, a.err = past.Top(ctx, api.TopQuery{Stretch: stretch, By: about.by, Group: about.group, Limit: 10})
		}
		return a
	})
}

// heatCell is the worst state within ten seconds.
type heatCell struct {
	known   bool
	state   string
	latency float64
}

// heatOf divides a series into n cells that end at end, aligned to multiples of heatStep.
func heatOf(s *api.Series, end time.Time, n int) []heatCell {
	cells := make([]heatCell, n)
	first := rasterEnd(end, heatStep).Add(-heatStep * time.Duration(n))
	for i := range s.Points {
		p := &s.Points[i]
		from := int(p.At.Sub(first) / heatStep)
		to := from + max(int(screen.Seconds(s.StepSeconds)/heatStep), 1)
		if p.At.Before(first) {
			from = 0
		}
		for x := max(from, 0); x < min(to, n); x++ {
			c := &cells[x]
			worse := slices.Index(api.BackendStateWords, p.State) > slices.Index(api.BackendStateWords, c.state)
			if !c.known || worse {
				c.state = p.State
			}
			c.known, c.latency = true, max(c.latency, p.LatencySeconds)
		}
	}
	return cells
}

// heatLimits are the upper bounds of the digits, in seconds: 0 is less than a millisecond, 9 half a
// second or more.
var heatLimits = []float64{0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5}

// sign returns how a cell is drawn: the sign of its state, or a digit.
func (c *heatCell) sign() (rune, themes.Role) {
	switch {
	case !c.known:
		return ' ', themes.TextDim
	case c.state == proxy.StateDown:
		return '!', themes.StateDown
	case c.state == proxy.StateEjected:
		return 'x', themes.StateError
	case c.state == proxy.AdminDrain:
		return '~', themes.StateDrain
	case c.state == proxy.AdminMaint:
		return '=', themes.StateMaint
	case c.state == proxy.StateChecking:
		return '?', themes.StateCheck
	}
	digit := 0
	for digit < len(heatLimits) && c.latency >= heatLimits[digit] {
		digit++
	}
	role := themes.GaugeLow
	switch {
	case digit >= 7:
		role = themes.GaugeHigh
	case digit >= 4:
		role = themes.GaugeMid
	}
	return rune('0' + digit), role
}

func (p *backendsPane) turnHeat(*frame) intent {
	return p.heatWith(func(h *heat) { h.on = !h.on })
}

// heatWith changes what the view shows, and fetches it.
func (p *backendsPane) heatWith(change func(*heat)) intent {
	return inConsole(func(m *model) tea.Cmd {
		change(&p.heat)
		p.touch()
		return m.poll()
	})
}

func (p *backendsPane) noHeat(*frame) string {
	if !p.heat.on {
		return "H shows who talks"
	}
	return ""
}
