package tui

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	tea "github.com/charmbracelet/bubbletea"

	"github.com/tcpctl/tcpctl/proxy"
	"github.com/tcpctl/tcpctl/proxy/api"
	"github.com/tcpctl/tcpctl/tui/internal/screen"
)

// How often the console looks. Nothing is ever pushed from the engine: one
// that pushes to a terminal that takes nothing would stand still with it.
const (
	tickUsual    = 250 * time.Millisecond
	tickDraining = 100 * time.Millisecond
	tickBlurred  = time.Second

	// fetchLimit bounds one question to the engine.
	fetchLimit = 5 * time.Second
	// restFactor is how much longer than it took a question rests before it
	// is asked again: five thousand waiters are not worth a core.
	restFactor = 10
	// staleAfter is when what is on the screen is no longer what is.
	staleAfter = 2500 * time.Millisecond
	// sessionLimit bounds the list of sessions, here and on the way.
	sessionLimit = 5000
)

// kind is one question to the engine; each is under way at most once.
type kind int

const (
	fetchStatus kind = iota
	fetchEvents
	fetchQueue
	fetchSessions
	fetchReport
	fetchCount
)

type fetch struct {
	busy bool
	next time.Time
}

type tickMsg time.Time

// fetched is an answer of the engine.
type fetched struct {
	at       *place
	kind     kind
	begun    time.Time
	err      error
	about    string // the service of a queue
	status   *api.Status
	events   proxy.EventPage
	since    uint64
	waiters  []proxy.WaiterInfo
	sessions []proxy.SessionInfo
	report   proxy.Report
}

type crashMsg struct{ err error }

// panicked keeps what a panic said, and where.
func panicked(value any) error { return fmt.Errorf("tui: panic: %v\n%s", value, debug.Stack()) }

// guard runs a command; a panic in it ends the console and nothing else.
func guard(do func() tea.Msg) tea.Cmd {
	return func() (msg tea.Msg) {
		defer func() {
			if r := recover(); r != nil {
				msg = crashMsg{panicked(r)}
			}
		}()
		return do()
	}
}

func (m *model) tick() tea.Cmd {
	every := tickUsual
	switch {
	case m.blurred:
		every = tickBlurred
	case m.world.draining():
		every = tickDraining
	}
	return tea.Batch(m.poll(), tea.Tick(every, func(t time.Time) tea.Msg { return tickMsg(t) }))
}

func (m *model) onTick() tea.Cmd {
	now := m.clock()
	if stale := m.staleFor() > 0; stale != m.stale {
		m.stale = stale
		m.changed()
	}
	if second := now.Unix(); m.stale && second != m.second {
		m.second = second
		m.changed()
	}
	return tea.Batch(m.tick(), m.watchTheme())
}

// staleFor is how old what we show is, 0 as long as it is fresh.
func (m *model) staleFor() time.Duration {
	if !m.world.known() {
		return 0
	}
	if age := m.clock().Sub(m.world.at); age > staleAfter {
		return age
	}
	return 0
}

// poll asks what is due, for what is on the screen.
func (m *model) poll() tea.Cmd {
	var cmds []tea.Cmd
	ask := func(at *place, k kind, question func(context.Context, *fetched)) {
		f := &at.fetches[k]
		if f.busy || m.clock().Before(f.next) {
			return
		}
		f.busy = true
		begun, ctx := m.clock(), at.until
		cmds = append(cmds, guard(func() tea.Msg {
			ctx, cancel := context.WithTimeout(ctx, fetchLimit)
			defer cancel()
			answer := fetched{at: at, kind: k, begun: begun}
			question(ctx, &answer)
			return answer
		}))
	}
	here, source := m.place, m.source
	if m.away() {
		own := m.home.source
		ask(m.home, fetchStatus, func(ctx context.Context, a *fetched) { a.status, a.err = own.Status(ctx) })
	}
	ask(here, fetchStatus, func(ctx context.Context, a *fetched) { a.status, a.err = source.Status(ctx) })
	since := m.world.journal.seen
	ask(here, fetchEvents, func(ctx context.Context, a *fetched) {
		a.since = since
		a.events, a.err = source.Events(ctx, since, false)
	})
	if service := m.queuePane().service(m); service != "" && m.isShown(paneQueue) {
		ask(here, fetchQueue, func(ctx context.Context, a *fetched) {
			a.about = service
			a.waiters, a.err = source.Queue(ctx, service)
		})
	}
	if m.isShown(paneSessions) {
		q := api.SessionQuery{Service: m.view, Ended: true, Limit: sessionLimit}
		ask(here, fetchSessions, func(ctx context.Context, a *fetched) { a.sessions, a.err = source.Sessions(ctx, q) })
	}
	if id := m.planPane().wanted(m); id != "" {
		if plans, ok := source.(api.Planner); ok {
			ask(here, fetchReport, func(ctx context.Context, a *fetched) { a.report, a.err = plans.Report(ctx, id) })
		}
	}
	return tea.Batch(cmds...)
}

func (m *model) onFetched(a fetched) tea.Cmd {
	now := m.clock()
	if a.at == nil {
		a.at = m.place
	}
	f := &a.at.fetches[a.kind]
	f.busy = false
	f.next = now.Add(min(restFactor*now.Sub(a.begun), fetchLimit))
	if a.err != nil {
		f.next = now.Add(tickUsual)
	}
	if a.at != m.place {
		if a.at == m.home && a.kind == fetchStatus && a.err == nil {
			m.onHome(a.status, a.begun, now)
		}
		return nil // it came too late: somewhere else is looked at by now
	}
	if a.err != nil {
		if a.kind == fetchStatus && !m.world.known() && m.message.text == "" && !errors.Is(a.err, context.Canceled) {
			m.say(a.err, "")
		}
		return nil // staleness says the rest, and honestly
	}
	switch a.kind {
	case fetchStatus:
		return m.onStatus(a, now)
	case fetchEvents:
		if a.since == m.world.journal.seen && m.world.journal.take(a.events) {
			m.eventsPane().refresh(m)
			m.changed()
		}
	case fetchQueue:
		m.queuePane().take(m, a.about, a.waiters)
	case fetchReport:
		m.planPane().take(m, a.report)
		m.changed()
	case fetchSessions:
		m.sessionsPane().take(m, a.sessions, now)
	}
	return nil
}

func (m *model) onStatus(a fetched, now time.Time) tea.Cmd {
	away := m.staleFor()
	before := m.world.version
	first := !m.world.known()
	restarted := m.world.take(a.status, a.begun, now)
	if restarted {
		m.restarted()
		m.note(proxy.LevelWarn, "the engine has been started again")
	} else if away > 0 {
		m.note(proxy.LevelGood, fmt.Sprintf("live again after %s", screen.Clock(away)))
	}
	m.sayDrained(a.begun)
	if first || m.world.version != before || away > 0 {
		m.stale = false
		for _, p := range m.panes {
			p.refresh(m)
		}
		m.changed()
	}
	if then := m.then; then != nil {
		m.then = nil
		if m.overlay() == nil && now.Sub(m.came) < staleAfter {
			return then(m)
		}
		m.note(proxy.LevelWarn, screen.Safe(m.peer)+" has answered late: ask again for what was to be done there")
	}
	return nil
}
