package tui

import (
	"context"
	"fmt"
	"time"

	tea "github.com/charmbracelet/bubbletea"

	"github.com/tcpctl/tcpctl/mesh"
	"github.com/tcpctl/tcpctl/proxy"
	"github.com/tcpctl/tcpctl/proxy/api"
	"github.com/tcpctl/tcpctl/tui/internal/screen"
)

// place is an engine that is looked at: the console's own, or that of another
// node. Each has panes of its own, so no cursor, mark or filter that was meant
// for one is there when the next key goes to another.
type place struct {
	peer   string // the node's name; "" is the console's own engine
	source api.Source
	until  context.Context
	leave  context.CancelFunc
	came   time.Time

	world *world
	keys  *keymap
	panes []pane
	shown [paneCount]picture // each pane as it was drawn last
	view  string             // the service that is looked at, "" all
	undos []undo             // what takes the last acts back, the newest last

	fetches [fetchCount]fetch
	drains  map[string]time.Time // what we drain, and since when, until it is said to be over
	then    func(*model) tea.Cmd // what to do when it has answered first
	warned  mesh.State           // the state of the node that was last told of
}

func (m *model) newPlace(peer string, source api.Source) (*place, error) {
	p := &place{peer: peer, source: source, came: m.clock(), world: newWorld(), panes: newPanes(), drains: map[string]time.Time{}, warned: mesh.Alive}
	p.world.journal.peer = peer
	p.until, p.leave = context.WithCancel(m.ctx)
	for i := range p.panes {
		if i == panePeers && m.home != nil {
			p.panes[i] = m.home.panes[i] // the nodes are the same from everywhere
			continue
		}
		p.panes[i].bind(m)
	}
	var err error
	p.keys, err = newKeymap(p.panes, m.cfg.Keys)
	return p, err
}

// visit looks at another node. Whether it can be reached shows when it
// answers; until then its panes are empty and the header says WAIT.
func (m *model) visit(node string, then func(*model) tea.Cmd) tea.Cmd {
	m.goHome()
	if why := m.unreachable(node); why != "" {
		m.say(refusal(screen.Safe(node)+": "+why), "")
		return nil
	}
	p, err := m.newPlace(node, m.cfg.Peer(node))
	if err != nil {
		m.say(err, "")
		return nil
	}
	p.then = then
	m.place, m.focus, m.stale = p, paneBackends, false
	m.show(proxy.LevelInfo, "now on "+screen.Safe(node)+": acts are done there; esc comes back")
	return m.poll()
}

// goHome looks at the console's own engine again.
func (m *model) goHome() tea.Cmd {
	if m.place == m.home {
		return nil
	}
	m.place.leave()
	m.place, m.focus, m.stale = m.home, panePeers, false
	m.dismiss()
	for _, p := range m.panes {
		p.refresh(m)
	}
	return m.poll()
}

// away reports whether another node is looked at.
func (m *model) away() bool { return m.place != m.home }

func (m *model) mesh() *api.Mesh { return m.home.world.status.Mesh }

// node finds a peer by its name.
func (m *model) node(name string) *api.Peer {
	if mesh := m.mesh(); mesh != nil {
		for i := range mesh.Peers {
			if mesh.Peers[i].Called() == name {
				return &mesh.Peers[i]
			}
		}
	}
	return nil
}

// noSecret is what a mesh without a secret is good for.
const noSecret = "without a secret, peers see names and states and cannot act (tcpctl mesh key makes one)"

// unreachable says why a node cannot be looked at or acted on; "" when it can.
func (m *model) unreachable(name string) string {
	p := m.node(name)
	switch {
	case m.mesh() == nil || m.cfg.Peer == nil:
		return "this node is in no mesh"
	case p == nil:
		return "there is no such node" + nearest(name, m.nodeNames())
	case !m.mesh().Secret:
		return noSecret
	case p.Stranger():
		return "it is no member of this mesh" + causeText(p)
	case p.State == mesh.Down:
		return "it is down" + causeText(p)
	case !p.Trusted:
		return "it has not proved the secret"
	}
	return ""
}

func (m *model) nodeNames() (names []string) {
	if mesh := m.mesh(); mesh != nil {
		for i := range mesh.Peers {
			if !mesh.Peers[i].Stranger() {
				names = append(names, mesh.Peers[i].Called())
			}
		}
	}
	return names
}

// homeName is the name of the console's own node, or what we were told.
func (m *model) homeName() string {
	if w := m.home.world; w.known() && w.status.Node.Name != "" {
		return screen.Safe(w.status.Node.Name)
	}
	return screen.Safe(m.cfg.Instance)
}

// placeName is the name of the node that is looked at.
func (m *model) placeName() string {
	if m.away() {
		return screen.Safe(m.peer)
	}
	return m.homeName()
}

// onHome takes the status of the console's own engine while another is looked
// at: it is where the nodes' states come from.
func (m *model) onHome(s *api.Status, begun, now time.Time) {
	if m.home.world.take(s, begun, now) {
		m.home.restarted()
	}
	m.panes[panePeers].refresh(m)
	m.changed()
	p := m.node(m.peer)
	if p == nil || p.State == m.warned {
		return
	}
	m.warned = p.State
	if p.State != mesh.Alive {
		m.note(proxy.LevelWarn, fmt.Sprintf("%s is %s%s; esc goes back to %s", screen.Safe(p.Name), p.State, causeText(p), m.homeName()))
	}
}

// restarted forgets what was about the engine that is no more.
func (p *place) restarted() {
	p.world.journal.restart()
	p.undos = nil
}
