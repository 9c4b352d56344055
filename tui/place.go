package tui

import (
	"context"
	"fmt"
	"time"

	tea "github.com/charmbracelet/bubbletea"

	"github.com/tcpctl/tcpctl/mesh/meshinfo"
	"github.com/tcpctl/tcpctl/proxy"
	"github.com/tcpctl/tcpctl/proxy/api"
	"github.com/tcpctl/tcpctl/tui/internal/screen"
)

// place is an engine that is looked at: the console's own, or another node's.
// Each has panes of its own, so that no cursor, mark or filter that was meant for
// one is there when the next key goes to another.
type place struct {
	frame
	source api.Source
	ctx    context.Context // over when the place is left
	leave  context.CancelFunc
	came   time.Time

	keys     *keymap
	panes    []pane
	backends *backendsPane
	queue    *queuePane
	sessions *sessionsPane
	events   *eventsPane
	focus    int
	shown    [paneCount]picture // each pane as it was drawn last

	fetches [fetchCount]fetch
	undos   []undo               // what undoes the last acts, the newest last
	drains  map[string]time.Time // what was drained here, and when, until its end has been said
	then    intent               // what to do once it has answered
	warned  meshinfo.State       // of the node, as it was said last
}

// newPlace makes a place whose frame has look and own already: own is nil for
// the console's own engine. peers is its pane of nodes, or nil for a new one.
func newPlace(ctx context.Context, f frame, source api.Source, peers pane) (*place, error) {
	f.stats = newStats()
	f.stats.journal.peer = f.peer
	if f.own == nil {
		f.own = f.stats
	}
	at := &place{frame: f, source: source, came: f.clock(), drains: map[string]time.Time{}, warned: meshinfo.Alive}
	at.ctx, at.leave = context.WithCancel(ctx)
	at.panes = newPanes()
	if peers != nil {
		at.panes[panePeers] = peers // the nodes are the same from everywhere
	}
	at.backends, at.queue = at.panes[paneBackends].(*backendsPane), at.panes[paneQueue].(*queuePane)
	at.sessions, at.events = at.panes[paneSessions].(*sessionsPane), at.panes[paneEvents].(*eventsPane)
	var err error
	at.keys, err = newKeymap(at, at.panes, f.cfg.Keys)
	return at, err
}

func newPanes() []pane {
	return []pane{newBackendsPane(), newQueuePane(), newPeersPane(), newSessionsPane(), newEventsPane(), &planPane{}}
}

func (at *place) pane() pane { return at.panes[at.focus] }

// grid is the rows of the pane that has the keys, nil when it has none.
func (at *place) grid() grid { return at.pane().grid() }

// isShown reports whether a pane is on the screen, in whatever form.
func (at *place) isShown(pane int) bool {
	switch shapeOf(at.w, at.h) {
	case shapeGrid:
		return planGrid(at.w, at.h, at.focus, at.zoom, at.planIsFresh()).panes[pane].H > 0
	case shapeStack:
		return at.focus == pane || pane == paneQueue && !at.zoom
	}
	return at.focus == pane
}

// restarted forgets what was about the engine before it was restarted.
func (at *place) restarted() {
	at.stats.journal.restart()
	at.undos = nil
}

// takeDrained forgets the drains that have ended, and names those that left the
// backend empty: it is what the operator waits for. A status that was asked for
// before a drain says nothing of it.
func (at *place) takeDrained(asked time.Time) (empty []string) {
	for target, since := range at.drains {
		b := at.stats.status.Backend(target)
		if !asked.After(since) || b != nil && b.Drain != nil && b.Drain.Remaining > 0 {
			continue
		}
		delete(at.drains, target)
		if b != nil && b.Active == 0 && (b.Admin == proxy.AdminDrain || b.Admin == proxy.AdminMaint) {
			empty = append(empty, target)
		}
	}
	return empty
}

// visit looks at another node. Whether it can be reached shows when it answers;
// until then its panes are empty and the header says WAIT.
func (m *model) visit(node string, then intent) tea.Cmd {
	m.goHome()
	if why := m.unreachable(node); why != "" {
		m.say(refusal(screen.Safe(node)+": "+why), "")
		return nil
	}
	f := frame{look: m.look, own: m.own, peer: node}
	at, err := newPlace(m.ctx, f, m.cfg.Peer(node), m.panes[panePeers])
	if err != nil {
		m.say(err, "")
		return nil
	}
	at.then = then
	m.place, m.stale = at, false
	m.show(proxy.LevelInfo, "now on "+screen.Safe(node)+": acts are done there; esc comes back")
	return m.poll()
}

// goHome looks at the console's own engine again.
func (m *model) goHome() tea.Cmd {
	if m.place == m.home {
		return nil
	}
	m.place.leave()
	m.place, m.stale = m.home, false
	m.focus = panePeers
	m.dismiss()
	m.refresh()
	return m.poll()
}

// onHome takes the status of the console's own engine while another is looked
// at: it knows the states of the nodes.
func (m *model) onHome(s *api.Status, begun, now time.Time) {
	if m.own.take(s, begun, now) {
		m.home.restarted()
	}
	m.panes[panePeers].refresh(&m.frame)
	m.changed()
	p := m.node(m.peer)
	if p == nil || p.State == m.warned {
		return
	}
	m.warned = p.State
	if p.State != meshinfo.Alive {
		m.note(proxy.LevelWarn, fmt.Sprintf("%s is %s%s; esc goes back to %s", screen.Safe(p.Name), p.State, causeText(p), m.ownName()))
	}
}
