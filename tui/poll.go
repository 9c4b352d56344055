package tui

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"time"

	tea "github.com/charmbracelet/bubbletea"

	"github.com/tcpctl/tcpctl/proxy"
	"github.com/tcpctl/tcpctl/proxy/api"
	"github.com/tcpctl/tcpctl/proxy/text"
	"github.com/tcpctl/tcpctl/tui/internal/screen"
)

// How often the console polls. The engine never pushes: a stalled terminal could then block the
// engine.
const (
	tickUsual    = 250 * time.Millisecond
	tickDraining = 100 * time.Millisecond
	tickBlurred  = time.Second
	tickQuiet    = time.Second // while nothing has moved and no key was pressed for quietAfter
	quietAfter   = 5 * time.Second

	// fetchLimit is the timeout of one query.
	fetchLimit = 5 * time.Second
	// restFactor times the duration of a query is the minimum pause before the next: five thousand
	// waiters are not worth a core.
	restFactor = 10
	// restMost bounds this pause, and restStatus that of the status: it must come before the screen
	// counts as stale, also over a slow line.
	restMost, restStatus = fetchLimit, tickQuiet
	// staleAfter is the age at which the screen counts as stale.
	staleAfter = 2500 * time.Millisecond
	// sessionLimit bounds the list of sessions, here and in transit.
	sessionLimit = 5000
)

// kind is a kind of query. At most one of each kind is in flight.
type kind int

const (
	fetchStatus kind = iota
	fetchEvents
	fetchQueue
	fetchLine
	fetchSessions
	fetchReport
	fetchFleet
	fetchLeader
	fetchPast
	fetchCount
)

type fetch struct {
	busy  bool
	next  time.Time
	about string // the service of the last query
}

type tickMsg time.Time

// fetched is an answer from the engine.
type fetched struct {
	workspace *workspace
	kind      kind
	begun     time.Time
	err       error
	about     string // the service of a queue
	status    *api.Status
	events    proxy.EventPage
	since     uint64
	waiters   []proxy.WaiterInfo
	line      *api.Line
	sessions  []proxy.SessionInfo
	report    proxy.Report
	fleet     []api.Answer[*api.Status]
	past      []api.Series
}

type crashMsg struct{ err error }

// panicked returns a panic as an error, with its stack.
func panicked(value any) error { return fmt.Errorf("tui: panic: %v\n%s", value, debug.Stack()) }

// guard makes a command whose panic ends only the console.
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
	case m.stats.draining():
		every = tickDraining
	case m.quiet():
		every = tickQuiet
	}
	return tea.Batch(m.poll(), tea.Tick(every, func(t time.Time) tea.Msg { return tickMsg(t) }))
}

// quiet reports whether neither the engine nor the operator has done anything lately.
func (m *model) quiet() bool {
	now := m.clock()
	return m.stats.known() && m.staleFor() == 0 && now.Sub(m.stats.moved) > quietAfter && now.Sub(m.pressed) > quietAfter
}

func (m *model) onTick() tea.Cmd {
	now := m.clock()
	if stale := m.staleFor() > 0; stale != m.stale {
		m.stale = stale
		m.changed()
	}
	if d, ok := m.overlay().(*dialog); ok && d.busy {
		m.changed() // its spinner moves
	}
	if second := now.Unix(); m.stale && second != m.second {
		m.second = second
		m.changed()
	}
	cmds := []tea.Cmd{m.tick(), m.keeper.keep()}
	if !m.blurred {
		cmds = append(cmds, m.colours.watch())
	}
	return tea.Batch(cmds...)
}

// poll sends the queries that are due and whose answers the screen shows.
func (m *model) poll() tea.Cmd {
	p := &poller{now: m.clock(), cmds: []tea.Cmd{m.pollHeat()}}
	source := m.source
	if m.away() {
		p.askStatus(m.home)
	}
	if m.past != nil { // about now, only the status
		p.askStatus(m.past.live)
		return tea.Batch(p.cmds...)
	}
	p.askStatus(m.workspace)
	since := m.stats.journal.seen
	p.ask(m.workspace, fetchEvents, "", func(ctx context.Context, a *fetched) {
		a.since = since
		a.events, a.err = source.Events(ctx, since, false)
	})
	if service := m.queue.pick(&m.frame); service != "" && m.isShown(paneQueue) {
		p.ask(m.workspace, fetchQueue, service, func(ctx context.Context, a *fetched) { a.waiters, a.err = source.Queue(ctx, service) })
	}
	if service := m.queue.pick(&m.frame); m.isShown(paneQueue) && m.isOfCluster(service) && m.cfg.Peer != nil {
		home, peers := m.home.source, m.cfg.Peer
		p.ask(m.workspace, fetchLine, service, func(ctx context.Context, a *fetched) { a.line, a.err = api.LineOf(ctx, home, peers, service) })
	}
	if m.wantsSessions() {
		q := api.SessionQuery{Service: m.view, Ended: true, Limit: sessionLimit}
		p.ask(m.workspace, fetchSessions, "", func(ctx context.Context, a *fetched) { a.sessions, a.err = source.Sessions(ctx, q) })
	}
	if m.isShown(panePeers) && m.nodes.fleet.on && m.mesh() != nil && m.mesh().Secret && m.cfg.Peer != nil {
		home, peers := m.home.source, m.cfg.Peer
		p.ask(m.workspace, fetchFleet, "", func(ctx context.Context, a *fetched) {
			a.fleet, a.err = api.AskAll(ctx, home, peers, func(ctx context.Context, s api.Source) (*api.Status, error) { return s.Status(ctx) })
		})
	}
	if leader := m.leaderAsked(); leader != "" && m.isShown(panePeers) {
		peers := m.cfg.Peer
		p.ask(m.workspace, fetchLeader, leader, func(ctx context.Context, a *fetched) { a.status, a.err = peers(leader).Status(ctx) })
	}
	if id := m.stats.missingReport(); id != "" {
		if plans, ok := source.(api.Planner); ok {
			p.ask(m.workspace, fetchReport, "", func(ctx context.Context, a *fetched) { a.report, a.err = plans.Report(ctx, id) })
		}
	}
	if h, ok := source.(api.Historian); ok && m.stats.known() && !m.stats.pastAsked {
		m.stats.pastAsked = true
		until := m.stats.now()
		q := api.SeriesQuery{Stretch: api.Stretch{Since: until.Add(-historySpan), Until: until}, Backends: true}
		p.ask(m.workspace, fetchPast, "", func(ctx context.Context, a *fetched) { a.past, a.err = h.Series(ctx, q) })
	}
	return tea.Batch(p.cmds...)
}

// poller collects the queries of one tick.
type poller struct {
	now  time.Time
	cmds []tea.Cmd
}

func (p *poller) askStatus(of *workspace) {
	source := of.source
	p.ask(of, fetchStatus, "", func(ctx context.Context, a *fetched) { a.status, a.err = source.Status(ctx) })
}

// ask sends a query of kind k to a workspace's source, unless one is in flight or the next one
// about the same service is not due.
func (p *poller) ask(of *workspace, k kind, about string, question func(context.Context, *fetched)) {
	f := &of.fetches[k]
	if f.busy || p.now.Before(f.next) && about == f.about {
		return
	}
	f.busy, f.about = true, about
	ctx, begun := of.ctx, p.now
	p.cmds = append(p.cmds, guard(func() tea.Msg {
		ctx, cancel := context.WithTimeout(ctx, fetchLimit)
		defer cancel()
		answer := fetched{workspace: of, kind: k, begun: begun, about: about}
		question(ctx, &answer)
		return answer
	}))
}

// wantsSessions reports whether to fetch the sessions: they are on the screen or in details, or one
// of them may be a hog.
func (m *model) wantsSessions() bool {
	if d, ok := m.overlay().(*detailsBox); ok && d.sessions() {
		return true
	}
	return m.isShown(paneSessions) || m.watch.hogs.wanted(m.stats)
}

func (m *model) onFetched(a fetched) tea.Cmd {
	now := m.clock()
	a.workspace = cmp.Or(a.workspace, m.workspace)
	f := &a.workspace.fetches[a.kind]
	f.busy = false
	rest := restMost
	if a.kind == fetchStatus {
		rest = restStatus
	}
	f.next = now.Add(min(restFactor*now.Sub(a.begun), rest))
	if a.err != nil {
		f.next = now.Add(tickUsual)
	} else if a.kind == fetchSessions && !a.workspace.isShown(paneSessions) {
		f.next = now.Add(max(f.next.Sub(now), hogEvery))
	}
	if m.past != nil && a.workspace == m.past.live && a.kind == fetchStatus && a.err == nil {
		m.takeNow(a, now)
		return nil
	}
	if a.workspace != m.workspace {
		if a.workspace == m.home && a.kind == fetchStatus && a.err == nil {
			m.onHome(a.status, a.begun, now)
		}
		return nil // too late: another node is shown now
	}
	if a.err != nil {
		if a.kind == fetchStatus && !errors.Is(a.err, context.Canceled) && (m.staleFor() > 0 && !m.silent && !m.away() || !m.stats.known() && m.message.text == "") {
			m.silent = true
			m.message.say(a.err)
		}
		return nil // STALE shows it
	}
	if a.kind == fetchStatus {
		return m.onStatus(a, now)
	}
	f.next = later(f.next, now.Add(seldom[a.kind]))
	takeAnswer(m, &a, now)
	return nil
}

// seldom is the minimum interval of some kinds of queries.
var seldom = map[kind]time.Duration{fetchLine: lineEvery, fetchFleet: fleetEvery, fetchLeader: leaderEvery}

// takeAnswer puts an answer other than the status into the stats, and refreshes the pane that shows
// it.
func takeAnswer(m *model, a *fetched, now time.Time) {
	switch a.kind {
	case fetchEvents:
		if a.since == m.stats.journal.seen && m.stats.journal.take(a.events) {
			m.refreshPane(paneEvents)
		}
	case fetchQueue:
		if m.stats.waiters.take(a.about, a.waiters) {
			m.refreshPane(paneQueue)
		}
	case fetchLine:
		m.stats.line = line{a.about, a.line, m.stats.line.version + 1}
		m.refreshPane(paneQueue)
	case fetchSessions:
		if m.stats.sessions.take(a.sessions, now) {
			m.watch.hogs.take(m.stats.sessions.list, m.stats.now())
			m.refreshPane(paneSessions)
		}
	case fetchFleet:
		m.own.fleet.take(a.fleet, now)
		m.refreshPane(panePeers)
	case fetchLeader:
		m.own.leader = leaderView{a.status.Cluster, now}
		m.refreshPane(panePeers)
	case fetchPast:
		m.stats.takePast(a.past)
		m.refresh()
	case fetchReport:
		if m.stats.report = a.report; m.stats.ran == a.report.ID { // this console saw the plan run
			m.message.show(reportLevel(&a.report), a.report.Sentence())
		}
		m.refreshPane(panePlan)
	}
}

// showRestart says that the engine's process is another one. After an upgrade the old process still
// serves its clients; after a restart they are lost.
func (m *model) showRestart(old int) {
	for _, p := range m.stats.status.Predecessors {
		if p.PID == old {
			m.message.show(proxy.LevelInfo, fmt.Sprintf("the engine was upgraded: process %d still serves %s", old, text.Plural(p.Active+p.Waiting, "client")))
			return
		}
	}
	m.message.show(proxy.LevelWarn, "the engine was restarted")
}

func (m *model) onStatus(a fetched, now time.Time) tea.Cmd {
	away := m.staleFor()
	before := m.stats.version
	first := !m.stats.known()
	m.silent = false
	old := m.stats.status.Node.PID
	restarted := m.stats.take(a.status, a.begun, now)
	if restarted {
		m.workspace.restarted()
		m.showRestart(old)
	} else if away > 0 {
		m.message.show(proxy.LevelGood, fmt.Sprintf("live again after %s", age(away)))
	}
	m.showEnds(a.begun)
	if first && m.view != "" && !slices.Contains(m.stats.serviceNames(), m.view) {
		m.view = "" // the restored one no longer exists
	}
	if first || m.stats.version != before || away > 0 {
		m.stale = false
		m.refresh()
	}
	if then := m.then; then != nil {
		m.then = nil
		if m.overlay() == nil && now.Sub(m.opened) < staleAfter {
			return m.carryOut(then)
		}
		m.message.show(proxy.LevelWarn, screen.Safe(m.peer)+" answered late: repeat the act if it is still wanted")
	}
	return nil
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
