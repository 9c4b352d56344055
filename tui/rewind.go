package tui

import (
	"fmt"
	"slices"
	"time"

	tea "github.com/charmbracelet/bubbletea"

	"github.com/tcpctl/tcpctl/proxy"
	"github.com/tcpctl/tcpctl/proxy/api"
	"github.com/tcpctl/tcpctl/themes"
	"github.com/tcpctl/tcpctl/tui/internal/screen"
)

const (
	// rewindLag is how far behind now the newest moment is that surely is recorded.
	rewindLag = 2 * time.Second
	// playEvery is how long a moment is shown while time is played, ten times as
	// fast as it went.
	playEvery = 500 * time.Millisecond
	playSpeed = 10
	// rewindEvents is how many events the pane has from before the moment.
	rewindEvents = 500
)

// notRecorded stands where a pane would show what no history has.
const notRecorded = "Not recorded."

// rewind is a workspace's place in the past. What the workspace shows is asked for
// once for each moment: nothing is polled, but for the status of now.
type rewind struct {
	history api.History
	live    *workspace // what is shown again afterwards
	at      time.Time  // of the moment that is wanted
	onMark  time.Time  // the mark that it was reached by; zero: none
	moment  *api.Moment
	line    timeline
	asked   time.Time // the moment that is under way; zero: none is
	toMark  bool      // once there is more of the timeline: to the mark before
	playing bool
}

// liveWorkspace is what is shown, or will be once the past is left.
func (m *model) liveWorkspace() *workspace {
	if m.past != nil {
		return m.past.live
	}
	return m.workspace
}

// newest is the newest moment that can be shown.
func (r *rewind) newest() time.Time { return r.live.stats.now().Add(-rewindLag) }

// step is how long the recorded steps are at the moment.
func (r *rewind) step() time.Duration {
	if r.moment == nil || r.moment.StepSeconds <= 0 {
		return time.Second
	}
	return screen.Seconds(r.moment.StepSeconds)
}

// rewindTo shows a moment of the past. Reading it takes its time; until then the
// screen stays as it is.
func (m *model) rewindTo(at time.Time) tea.Cmd {
	live := m.liveWorkspace()
	past, ok := live.source.(api.History)
	if !ok {
		m.message.say(refusal("this engine keeps no history"))
		return nil
	}
	if !live.stats.known() {
		m.message.say(refusal("the engine has not answered yet"))
		return nil
	}
	r := m.past
	if r == nil {
		r = &rewind{history: past, live: live}
	}
	if newest := r.newest(); at.After(newest) {
		at, r.playing = newest, false
	}
	r.at, r.onMark = at, time.Time{}
	return r.ask(live.ctx, 0)
}

// takeMoment shows a moment that was asked for, unless the operator has gone
// elsewhere meanwhile.
func (m *model) takeMoment(a *momentMsg) tea.Cmd {
	r := a.rewind
	r.asked = time.Time{}
	switch {
	case m.past != nil && m.past != r || m.past == nil && (m.workspace != r.live || r.moment != nil):
		return nil // it was left
	case a.err != nil:
		r.playing, r.toMark = false, false
		m.message.say(a.err)
		return nil
	}
	if a.line != nil {
		r.line = *a.line
	}
	if m.past == nil {
		if err := m.openPast(r); err != nil {
			m.message.say(err)
			return nil
		}
	}
	r.moment = a.moment
	m.showMoment(a)
	switch {
	case r.toMark:
		r.toMark = false
		return m.carryOut(stepMark(-1)(&m.frame))
	case !r.at.Equal(a.at):
		return r.ask(r.live.ctx, 0)
	}
	return nil
}

// openPast makes a workspace of the past and shows it, sorted and narrowed as the
// one that it comes from.
func (m *model) openPast(r *rewind) error {
	live := r.live
	w, err := newWorkspace(live.ctx, frame{display: m.display, peer: live.peer, view: live.view, past: r}, live.source, nil)
	if err != nil {
		return err
	}
	w.focus = live.focus
	w.backends.addNow(r)
	for i, p := range live.panes {
		if from, to := p.grid(), w.panes[i].grid(); from != nil && to != nil {
			_, by, desc := from.Sorts()
			to.SetSort(by, desc)
			to.SetFilter(from.Filter())
		}
	}
	w.backends.heat.on, w.backends.heat.by, w.backends.heat.group = live.backends.heat.on, live.backends.heat.by, live.backends.heat.group
	if id := live.backends.table.CurrentID(); id != "" {
		defer w.backends.table.Select(id)
	}
	m.workspace, m.stale = w, false
	m.message.dismiss()
	return nil
}

// showMoment makes a moment what the panes are drawn from.
func (m *model) showMoment(a *momentMsg) {
	w := m.workspace
	s := newStats()
	s.journal.peer = w.peer
	s.take(a.moment.Before, m.clock(), m.clock())
	s.past, s.pastBackends = map[string]*history{}, map[string]*history{}
	s.take(a.moment.Status, m.clock(), m.clock())
	s.takePast(a.graph)
	if a.moment.Report != nil {
		s.report = *a.moment.Report
	}
	w.queue.answer = 0 // they are others now
	s.journal.take(proxy.EventPage{Events: a.events})
	s.version = w.stats.version + 1
	if w.own == w.stats {
		w.own = s
	}
	w.stats = s
	m.refresh()
}

// endRewind shows now again.
func (m *model) endRewind() tea.Cmd {
	r := m.past
	if r == nil {
		return nil
	}
	r.playing = false
	m.workspace.cancel()
	r.live.focus, r.live.view = m.focus, m.view
	m.workspace, m.stale = r.live, false
	m.message.dismiss()
	m.refresh()
	return m.poll()
}

// goTo shows a moment, which may be that of a mark.
type goTo struct{ at, mark time.Time }

func (g goTo) apply(m *model) tea.Cmd {
	cmd := m.rewindTo(g.at)
	if m.past != nil && !g.mark.IsZero() {
		m.past.onMark = g.mark
	}
	return cmd
}

// stepBy goes so many recorded steps on, or back.
func stepBy(n int) func(*frame) intent {
	return func(f *frame) intent {
		switch {
		case f.past != nil:
			return goTo{at: f.past.at.Add(time.Duration(n) * f.past.step())}
		case n > 0:
			return refuse("this is now: [ goes back")
		}
		return goTo{at: f.stats.now().Add(-rewindLag)}
	}
}

// stepColumn goes one column of the timeline on, or back.
func stepColumn(n int) func(*frame) intent {
	return func(f *frame) intent {
		if f.past == nil {
			return stepBy(n)(f)
		}
		column := f.past.line.span() / time.Duration(max(f.width-timelineEdges, 1))
		return goTo{at: f.past.at.Add(time.Duration(n) * max(column, f.past.step()))}
	}
}

// stepMark goes to the next mark, or to the one before.
func stepMark(n int) func(*frame) intent {
	return func(f *frame) intent {
		r := f.past
		if r == nil {
			return stepBy(n)(f)
		}
		from := r.at
		if !r.onMark.IsZero() {
			from = r.onMark
		}
		if ev := r.line.mark(from, n); ev != nil {
			// The second that it was in: the states are taken once a second.
			return goTo{at: ev.Time.Truncate(time.Second).Add(time.Second), mark: ev.Time}
		}
		if n < 0 && r.line.since.After(r.line.oldest) {
			r.toMark = true
			return inConsole(func(*model) tea.Cmd { return r.ask(r.live.ctx, 1) })
		}
		return notice{proxy.LevelInfo, "there is no mark " + map[bool]string{true: "after", false: "before"}[n > 0] + " this moment"}
	}
}

// playMsg shows the next moment while time is played.
type playMsg struct{ rewind *rewind }

func (p playMsg) apply(m *model) tea.Cmd {
	r := p.rewind
	if m.past != r || !r.playing {
		return nil
	}
	next := r.play()
	if !r.asked.IsZero() {
		return next // the disk is slower than the clock
	}
	return tea.Batch(next, m.rewindTo(r.at.Add(max(playEvery*playSpeed, r.step()))))
}

func (r *rewind) play() tea.Cmd {
	return tea.Tick(playEvery, func(time.Time) tea.Msg { return playMsg{r} })
}

func (r *rewind) togglePlay() tea.Cmd {
	r.playing = !r.playing
	if r.playing {
		return r.play()
	}
	return nil
}

// rewindCommand is :rewind 02:41, or "26m" ago.
func (w *workspace) rewindCommand(text string) intent {
	return inConsole(func(m *model) tea.Cmd {
		now := m.liveWorkspace().now().In(m.zone)
		if text == "" {
			return m.carryOut(stepBy(-1)(&m.frame))
		}
		at, err := api.ParseTime(text, now)
		if err != nil {
			m.message.say(err)
			return nil
		}
		return m.rewindTo(at)
	})
}

// cannotAct is why no act is done here at all; "" where it may be.
func (f *frame) cannotAct() string {
	switch {
	case f.past != nil:
		return "this is the past, acts are off: 0 is now"
	case f.cfg.ReadOnly:
		return "read-only"
	}
	return ""
}

// agoText is how long before now the moment is, like -00:26:06.
func (r *rewind) agoText() string {
	d := max(r.live.stats.now().Sub(r.at), 0).Round(time.Second)
	text := fmt.Sprintf("-%02d:%02d:%02d", int(d.Hours())%24, int(d.Minutes())%60, int(d.Seconds())%60)
	if days := int(d.Hours()) / 24; days > 0 {
		text = fmt.Sprintf("-%dd %s", days, text[1:])
	}
	return text
}

// takeNow takes the status of now while the past is shown: it stands beside what was.
func (m *model) takeNow(a fetched, now time.Time) {
	live := a.workspace
	before := live.stats.version
	if live.stats.take(a.status, a.begun, now) {
		live.restarted()
	}
	if live.stats.version != before {
		m.refreshPane(paneBackends)
	}
}

// addNow puts the sessions of now in the last column, to compare.
func (p *backendsPane) addNow(r *rewind) {
	now := func(row *backendRow) (n int, ok bool) {
		st := r.live.stats.status
		if s := st.Service(row.target); s != nil && row.backend == nil {
			return s.Sessions.Active, true
		}
		if b := st.Backend(row.target); b != nil && row.backend != nil {
			return b.Active, true
		}
		return 0, false
	}
	column := screen.Column[*backendRow]{Name: "NOW", Prio: 1, Width: 4, Right: true,
		Value: func(row *backendRow) float64 { n, _ := now(row); return float64(n) },
		Cell: func(row *backendRow) (string, themes.Role) {
			n, ok := now(row)
			if !ok {
				return "gone", themes.TextDim
			}
			return screen.Count(float64(n)), themes.TextDim
		}}
	p.table.Columns = append(slices.Clone(p.table.Columns), column)
}
