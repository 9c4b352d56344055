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
	// rewindLag is the age from which a moment is certainly recorded.
	rewindLag = 2 * time.Second
	// playEvery is how long a moment is shown during playback, which is ten times as fast as real
	// time.
	playEvery = 500 * time.Millisecond
	playSpeed = 10
	// rewindEvents is how many events from before the moment are shown.
	rewindEvents = 500
)

// notRecorded is shown in panes whose data the history does not have.
const notRecorded = "Not recorded."

// rewind is a workspace's position in the past. Each moment is fetched once: nothing is polled but
// the current status.
type rewind struct {
	history api.History
	live    *workspace // shown again afterwards
	at      time.Time  // the requested moment
	onMark  time.Time  // the mark that led to it; zero: none
	moment  *api.Moment
	line    timeline
	asked   time.Time // the moment being fetched; zero: none
	toMark  bool      // go to the previous mark once more of the timeline is there
	playing bool
}

// liveWorkspace returns the workspace that is shown, or will be when the past is left.
func (m *model) liveWorkspace() *workspace {
	if m.past != nil {
		return m.past.live
	}
	return m.workspace
}

// newest returns the newest moment that can be shown.
func (r *rewind) newest() time.Time { return r.live.stats.now().Add(-rewindLag) }

// step returns the length of the recorded steps at the moment.
func (r *rewind) step() time.Duration {
	if r.moment == nil || r.moment.StepSeconds <= 0 {
		return time.Second
	}
	return screen.Seconds(r.moment.StepSeconds)
}

// rewindTo shows a moment of the past. Until it has been read, the screen stays as it is.
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

// takeMoment shows a fetched moment, unless the operator has moved on meanwhile.
func (m *model) takeMoment(a *momentMsg) tea.Cmd {
	r := a.rewind
	r.asked = time.Time{}
	switch {
	case m.past != nil && m.past != r || m.past == nil && (m.workspace != r.live || r.moment != nil):
		return nil // the past was left
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

// openPast makes a workspace of the past and shows it, with the sort order and view of the live
// one.
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

// showMoment makes the panes show a moment.
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
	w.queue.answer = 0 // the waiters have changed
	s.journal.take(proxy.EventPage{Events: a.events})
	s.version = w.stats.version + 1
	if w.own == w.stats {
		w.own = s
	}
	w.stats = s
	m.refresh()
}

// endRewind returns to the present.
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

// goTo shows a moment, perhaps a mark's.
type goTo struct{ at, mark time.Time }

func (g goTo) apply(m *model) tea.Cmd {
	cmd := m.rewindTo(g.at)
	if m.past != nil && !g.mark.IsZero() {
		m.past.onMark = g.mark
	}
	return cmd
}

// stepBy moves by n recorded steps.
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

// stepColumn moves by one column of the timeline.
func stepColumn(n int) func(*frame) intent {
	return func(f *frame) intent {
		if f.past == nil {
			return stepBy(n)(f)
		}
		column := f.past.line.span() / time.Duration(max(f.width-timelineEdges, 1))
		return goTo{at: f.past.at.Add(time.Duration(n) * max(column, f.past.step()))}
	}
}

// stepMark goes to the next mark, or to the previous one.
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
			// The end of its second: states are recorded once a second.
			return goTo{at: ev.Time.Truncate(time.Second).Add(time.Second), mark: ev.Time}
		}
		if n < 0 && r.line.since.After(r.line.oldest) {
			r.toMark = true
			return inConsole(func(*model) tea.Cmd { return r.ask(r.live.ctx, 1) })
		}
		return notice{proxy.LevelInfo, "there is no mark " + map[bool]string{true: "after", false: "before"}[n > 0] + " this moment"}
	}
}

// playMsg shows the next moment during playback.
type playMsg struct{ rewind *rewind }

func (p playMsg) apply(m *model) tea.Cmd {
	r := p.rewind
	if m.past != r || !r.playing {
		return nil
	}
	next := r.play()
	if !r.asked.IsZero() {
		return next // the last moment is still being read
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

// rewindCommand is :rewind, to a time (02:41) or by a duration (26m).
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

// cannotAct says why no act is possible here; "": acts are possible.
func (f *frame) cannotAct() string {
	switch {
	case f.past != nil:
		return "this is the past, acts are off: 0 is now"
	case f.cfg.ReadOnly:
		return "read-only"
	}
	return ""
}

// agoText returns how long ago the moment is, like -00:26:06.
func (r *rewind) agoText() string {
	d := max(r.live.stats.now().Sub(r.at), 0).Round(time.Second)
	text := fmt.Sprintf("-%02d:%02d:%02d", int(d.Hours())%24, int(d.Minutes())%60, int(d.Seconds())%60)
	if days := int(d.Hours()) / 24; days > 0 {
		text = fmt.Sprintf("-%dd %s", days, text[1:])
	}
	return text
}

// takeNow takes the current status while the past is shown, for comparison.
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

// addNow puts the current sessions in the last column, for comparison.
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
