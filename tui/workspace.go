package tui

import (
	"cmp"
	"context"
	"fmt"
	"time"

	tea "github.com/charmbracelet/bubbletea"

	"github.com/tcpctl/tcpctl/mesh/meshinfo"
	"github.com/tcpctl/tcpctl/proxy"
	"github.com/tcpctl/tcpctl/proxy/api"
	"github.com/tcpctl/tcpctl/tui/internal/screen"
)

// workspace is the view of one engine: the console's own, or another node's. Each has its own
// panes, so that no cursor, mark or filter meant for one node applies to another.
type workspace struct {
	frame
	source api.Source
	ctx    context.Context // done when the workspace is closed
	cancel context.CancelFunc
	opened time.Time

	keys     *keymap
	panes    []pane // by their constants
	backends *backendsPane
	queue    *queuePane
	sessions *sessionsPane
	events   *eventsPane
	nodes    *peersPane // the same in all workspaces
	focus    int
	shown    [paneCount]picture     // each pane as it was drawn last
	places   [paneCount]screen.Rect // where each is; no height: not on the screen
	calm     [paneCount]calm        // what each needs, damped

	watch   watch // what is wrong
	fetches [fetchCount]fetch
	undos   []undo                  // what undoes the last acts, newest last
	follows map[string]*followedAct // this console's acts, by target, until their end was shown
	then    intent                  // what to do once the node has answered
	warned  meshinfo.State          // the node's state that was last warned about
}

// newWorkspace makes a workspace from a frame with display set and, unless it is the console's own,
// own and peer, too. peers is its Peers pane, nil for a new one.
func newWorkspace(ctx context.Context, f frame, source api.Source, peers pane) (*workspace, error) {
	f.stats = newStats()
	f.stats.journal.peer = f.peer
	f.own = cmp.Or(f.own, f.stats)
	w := &workspace{frame: f, source: source, opened: f.clock(), follows: map[string]*followedAct{}, warned: meshinfo.Alive}
	w.ctx, w.cancel = context.WithCancel(ctx)
	w.panes = newPanes()
	if peers != nil {
		w.panes[panePeers] = peers // one pane for all workspaces
	}
	w.backends, w.queue = w.panes[paneBackends].(*backendsPane), w.panes[paneQueue].(*queuePane)
	w.nodes, _ = w.panes[panePeers].(*peersPane)
	w.sessions, w.events = w.panes[paneSessions].(*sessionsPane), w.panes[paneEvents].(*eventsPane)
	w.queue.cursor = w.backends.moved
	var err error
	w.keys, err = newKeymap(w, w.panes, f.cfg.Keys)
	return w, err
}

func newPanes() []pane {
	return []pane{newBackendsPane(), newQueuePane(), newPeersPane(), newSessionsPane(), newEventsPane(), &planPane{}}
}

// refresh makes all panes read the frame again.
func (w *workspace) refresh() {
	for _, p := range w.panes {
		p.refresh(&w.frame)
	}
	w.watch.update(&w.frame)
}

func (w *workspace) pane() pane { return w.panes[w.focus] }

// grid returns the rows of the focused pane; nil: it has none.
func (w *workspace) grid() grid { return w.pane().grid() }

// isShown reports whether a pane is on the screen in any form.
func (w *workspace) isShown(pane int) bool {
	switch shapeOf(w.width, w.height) {
	case shapeGrid:
		return w.gridPlan().panes[pane].H > 1
	case shapeStack:
		return w.focus == pane || pane == paneQueue && !w.zoom
	}
	return w.focus == pane
}

// restarted forgets what concerned the engine before its restart.
func (w *workspace) restarted() {
	w.stats.journal.restart()
	w.undos = nil
	clear(w.follows)
}

// openNode opens the workspace of another node. Whether it can be reached shows
// when it answers; until then its panes are empty and the header says WAIT.
func (m *model) openNode(node string, then intent) tea.Cmd {
	m.goHome()
	if why := m.unreachable(node); why != "" {
		m.message.say(refusal(screen.Safe(node) + ": " + why))
		return nil
	}
	f := frame{display: m.display, own: m.own, peer: node}
	w, err := newWorkspace(m.ctx, f, m.cfg.Peer(node), m.panes[panePeers])
	if err != nil {
		m.message.say(err)
		return nil
	}
	w.then = then
	for i, p := range m.home.panes {
		if from, to := p.grid(), w.panes[i].grid(); from != nil && to != nil && i != panePeers {
			_, by, desc := from.Sorts()
			to.SetSort(by, desc) // the same order as in the console's own workspace
		}
	}
	m.workspace, m.stale = w, false
	m.message.show(proxy.LevelInfo, "now on "+screen.Safe(node)+": acts are done there; esc returns")
	return m.poll()
}

// goHome closes the workspace of another node, and shows the console's own.
func (m *model) goHome() tea.Cmd {
	m.endRewind()
	if m.workspace == m.home {
		return nil
	}
	m.workspace.cancel()
	m.workspace, m.stale = m.home, false
	m.focus = panePeers
	m.message.dismiss()
	m.refresh()
	return m.poll()
}

// onHome takes the status of the console's own engine while another node is shown, for the states
// of the nodes.
func (m *model) onHome(s *api.Status, begun, now time.Time) {
	if m.home.stats.take(s, begun, now) {
		m.home.restarted()
	}
	if m.past != nil {
		return // the past shows its own nodes
	}
	m.panes[panePeers].refresh(&m.frame)
	m.changed()
	p := m.node(m.peer)
	if p == nil || p.State == m.warned {
		return
	}
	m.warned = p.State
	if p.State != meshinfo.Alive {
		m.message.show(proxy.LevelWarn, fmt.Sprintf("%s is %s%s; esc returns to %s", screen.Safe(p.Name), p.State, causeText(p), m.ownName()))
	}
}
