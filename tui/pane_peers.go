package tui

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	tea "github.com/charmbracelet/bubbletea"

	"github.com/tcpctl/tcpctl/mesh/meshinfo"
	"github.com/tcpctl/tcpctl/proxy/api"
	"github.com/tcpctl/tcpctl/proxy/text"
	"github.com/tcpctl/tcpctl/themes"
	"github.com/tcpctl/tcpctl/tui/internal/screen"
	"github.com/tcpctl/tcpctl/tui/internal/table"
)

// peersPane shows the nodes of the mesh, the console's own first, as that one knows them: it is the
// same whichever node is shown.
type peersPane struct {
	versioned
	table table.Table[*peerRow]
	fleet fleetTable // the other view
}

func newPeersPane() *peersPane {
	return &peersPane{fleet: newFleetTable(), table: table.Table[*peerRow]{Columns: peerColumns, ID: func(r *peerRow) string {
		if r.peer == nil {
			return "self"
		}
		return r.peer.ID + " " + r.name // names are not unique
	}}}
}

type peerRow struct {
	name, addr, version string
	peer                *api.Peer // nil: the console's own
	up, of, queue       int
	unreadable          bool          // the three above are unknown
	ago                 time.Duration // since it was last heard from
	cluster             peerCluster
}

// MarshalJSON is what the row is about.
func (r *peerRow) MarshalJSON() ([]byte, error) {
	if r.peer == nil {
		return json.Marshal(map[string]string{"name": r.name, "listen": r.addr})
	}
	return json.Marshal(r.peer)
}

func (r *peerRow) state() (string, themes.Role) {
	if r.peer == nil {
		return "+ self", themes.StateUp
	}
	s := peerSign(r.peer)
	if r.peer.Cause != "" {
		s.word = string(r.peer.Cause)
	}
	return s.text(), s.role
}

func peerSign(p *api.Peer) sign {
	switch p.State {
	case meshinfo.Alive:
		return sign{'+', "alive", themes.StateUp}
	case meshinfo.Suspect:
		return sign{'~', "suspect", themes.StateDrain}
	case meshinfo.Refused:
		return sign{'-', "refused", themes.StateIdle} // not a member of the mesh
	}
	if p.Cause == meshinfo.Departed {
		return sign{'o', "down", themes.StateIdle} // it said goodbye
	}
	return sign{'!', "down", themes.StateDown}
}

func causeText(p *api.Peer) string {
	switch {
	case p.Cause != "":
		return " (" + map[meshinfo.Cause]string{meshinfo.Crashed: "crashed: its process died", meshinfo.Unreachable: "unreachable: nothing comes back",
			meshinfo.Unresponsive: "unresponsive: its process does not answer", meshinfo.Departed: "departed: it said goodbye", meshinfo.GaveUp: "it gave this node up"}[p.Cause] + ")"
	case p.Detail != "":
		return " (" + screen.Safe(p.Detail) + ")"
	}
	return ""
}

var peerColumns = []screen.Column[*peerRow]{
	{Name: "NODE", Ends: true, Prio: 1, Width: 10, Grow: 10, Fixed: true, Cell: func(r *peerRow) (string, themes.Role) {
		return screen.Safe(r.name), themes.Text
	}},
	{Name: "ADDRESS", Ends: true, Prio: 3, Width: 15, Grow: 7, Cell: func(r *peerRow) (string, themes.Role) { return screen.Safe(r.addr), themes.TextDim }},
	{Name: "STATE", Prio: 1, Width: 14, Cell: (*peerRow).state},
	screen.Number("RTT", 2, 5, func(r *peerRow) float64 { return r.rtt() }, screen.Latency),
	{Name: "UP", Prio: 2, Width: 5, Right: true, Value: func(r *peerRow) float64 { return float64(r.up) },
		Cell: func(r *peerRow) (string, themes.Role) {
			switch {
			case r.unreadable:
				return "?", themes.Warn
			case r.of == 0:
				return "-", themes.TextDim
			case r.up < r.of:
				return fmt.Sprintf("%d/%d", r.up, r.of), themes.Warn
			}
			return fmt.Sprintf("%d/%d", r.up, r.of), themes.Text
		}},
	{Name: "QUEUE", Prio: 2, Width: 5, Right: true, Value: func(r *peerRow) float64 { return float64(r.queue) },
		Cell: func(r *peerRow) (string, themes.Role) {
			if r.unreadable {
				return "?", themes.Warn
			}
			if r.queue > 0 {
				return screen.Count(float64(r.queue)), themes.Warn
			}
			return "0", themes.Text
		}},
	{Name: "SEEN", Prio: 4, Width: 6, Right: true, Value: func(r *peerRow) float64 { return r.ago.Seconds() },
		Cell: func(r *peerRow) (string, themes.Role) {
			switch {
			case r.peer == nil:
				return "-", themes.TextDim
			case r.peer.Seen.IsZero():
				return "never", themes.TextDim
			case r.ago < 2*time.Second:
				return "now", themes.TextDim
			}
			return screen.Clock(r.ago), themes.Text
		}},
	{Name: "FOUND BY", Prio: 5, Width: 8, Grow: 4, Cell: func(r *peerRow) (string, themes.Role) {
		if r.peer == nil {
			return "-", themes.TextDim
		}
		if r.peer.Via != "" {
			return "hub " + screen.Safe(r.peer.Via), themes.TextDim
		}
		return screen.Safe(r.peer.FoundBy), themes.TextDim
	}},
	{Name: "VERSION", Prio: 6, Width: 8, Grow: 6, Cell: func(r *peerRow) (string, themes.Role) { return screen.Safe(r.version), themes.TextDim }},
}

// clusterColumns are the columns of nodes in a cluster. The others keep their indexes, which a
// saved sort order uses.
var clusterColumns = func() []screen.Column[*peerRow] {
	all := slices.Clone(peerColumns)
	for i, prio := range []int{1, 5, 1, 3, 3, 3, 6, 7, 4} { // VERSION before ADDRESS, which names often imply
		all[i].Prio = prio
	}
	return append(all,
		screen.Column[*peerRow]{Name: "VOTER", Prio: 2, Width: 5, Cell: func(r *peerRow) (string, themes.Role) { return r.cluster.vote, r.cluster.voteRole }},
		screen.Column[*peerRow]{Name: "LEASE", Prio: 2, Width: 5, Right: true, Cell: func(r *peerRow) (string, themes.Role) { return r.cluster.lease, r.cluster.leaseRole }},
		screen.Column[*peerRow]{Name: "LAG", Prio: 3, Width: 4, Right: true, Cell: func(r *peerRow) (string, themes.Role) { return r.cluster.lag, r.cluster.lagRole }})
}()

func (r *peerRow) rtt() float64 {
	if r.peer == nil || r.peer.State == meshinfo.Down {
		return 0
	}
	return r.peer.RTTSeconds
}

func (p *peersPane) name() string { return "Peers" }

// turn switches between the fleet table, which takes the whole screen, and the list of nodes.
func (p *peersPane) turn(*frame) intent {
	return inConsole(func(m *model) tea.Cmd {
		p.fleet.on = !p.fleet.on
		m.zoom = p.fleet.on
		m.refreshPane(panePeers)
		return m.poll()
	})
}

func (p *peersPane) grid() grid {
	if p.fleet.on {
		if len(p.fleet.Rows()) == 0 {
			return nil
		}
		return &p.fleet
	}
	if len(p.table.Rows()) == 0 {
		return nil
	}
	return &p.table
}

func (p *peersPane) refresh(f *frame) {
	p.touch()
	p.fleet.Set(f.own.fleet.rows, f.clock())
	known := f.mesh()
	if known == nil {
		p.table.Set(nil, f.clock())
		return
	}
	columns := peerColumns
	if f.own.status.Cluster != nil {
		columns = clusterColumns
	}
	if len(columns) != len(p.table.Columns) {
		_, by, desc := p.table.Sorts()
		p.table.Columns = columns
		p.table.SetSort(by, desc)
	}
	n := totalsOf(f.own.status)
	rows := []*peerRow{{name: cmp.Or(known.Label, known.Node), addr: known.Listen, version: f.own.status.Node.Version, up: n.up, of: n.backends, queue: n.waiting, cluster: f.clusterOf("")}}
	for i := range known.Peers {
		one := &known.Peers[i]
		r := &peerRow{name: one.Called(), addr: one.Addr, version: one.Version, peer: one, ago: f.own.now().Sub(one.Seen), cluster: f.clusterOf(one.ID)}
		r.up, r.of, r.queue = one.Up()
		r.unreadable = one.Unreadable != ""
		rows = append(rows, r)
	}
	p.table.Set(rows, f.clock())
}

func (p *peersPane) badge(f *frame) string {
	alive, all := f.countNodes()
	switch {
	case all == 0:
		return ""
	case alive < all:
		return fmt.Sprintf("%d/%d!", alive, all)
	}
	return strconv.Itoa(all)
}

func (p *peersPane) title(f *frame) string {
	if f.mesh() == nil {
		return "no mesh"
	}
	if p.fleet.on {
		return "fleet " + screen.Safe(f.mesh().Name)
	}
	title := "mesh " + screen.Safe(f.mesh().Name)
	if c := f.own.status.Cluster; c != nil && c.Leader != "" {
		title += "  " + screen.Safe(c.Leader) + " leads"
	}
	return title
}

func (p *peersPane) foot(f *frame) string {
	if f.mesh() == nil {
		return ""
	}
	if p.fleet.on {
		return rowsFoot(f, &p.fleet, "row")
	}
	text := rowsFoot(f, &p.table, "node")
	if !f.mesh().Secret {
		text += " " + string(f.theme.Glyphs.Dot) + " no secret"
	}
	return text
}

// missing says, in paragraphs, why there is nothing to list.
func (p *peersPane) missing(f *frame) []string {
	switch past := f.past; {
	case past != nil && p.fleet.on:
		return []string{notRecorded + " v lists the nodes."}
	case f.mesh() == nil && past != nil && (past.moment == nil || past.moment.Missing != ""):
		return []string{notRecorded}
	case f.mesh() == nil && past != nil:
		return []string{"This node was in no mesh."}
	case f.mesh() == nil:
		return []string{"This node is in no mesh.",
			"Nodes with the same mesh name find each other: give each configuration a table [mesh] with the same name and secret_file. " +
				"Their states are then listed here, and enter opens one."}
	case p.fleet.on && len(p.fleet.Rows()) == 0:
		return []string{fleetHint(f)}
	}
	return nil
}

func (p *peersPane) draw(f *frame, c *screen.Canvas, focused bool) {
	y := 0
	say := func(text string, role themes.Role) {
		for _, line := range screen.Wrap(text, c.W-3) {
			c.Text(2, y, line, role)
			y++
		}
	}
	if missing := p.missing(f); missing != nil {
		for _, text := range missing {
			say(text, themes.TextDim)
			y++
		}
		return
	}
	if p.fleet.on {
		drawFleet(f, &p.fleet, c, focused)
		return
	}
	p.table.Draw(c, table.Look[*peerRow]{Focused: focused, Names: true, Ellipsis: f.theme.Glyphs.Ellipsis})
	y = p.table.Len() + 2
	if f.past != nil && f.past.moment != nil && f.past.moment.PeersBeyond > 0 {
		say(fmt.Sprintf("and %d more nodes, which are not recorded", f.past.moment.PeersBeyond), themes.TextDim)
	}
	if !f.mesh().Secret {
		say(strings.ToUpper(noSecret[:1])+noSecret[1:]+".", themes.Warn)
		y++
	}
	if r, ok := p.table.Current(); ok && r.peer != nil {
		for _, fact := range peerFacts(f, r)[:2] {
			if fact.value != "" {
				say(fact.value, themes.TextDim)
			}
		}
	}
	for _, hub := range f.mesh().UnknownHubs() {
		say("hub "+screen.Safe(hub)+" is not known: "+api.HubHint, themes.Warn)
	}
	for _, s := range f.mesh().Sources {
		if s.Warning != "" {
			say(screen.Safe(s.Name)+": "+screen.Safe(s.Warning), themes.Warn)
		}
	}
}

func (p *peersPane) strip(f *frame, c *screen.Canvas) int {
	c.Text(2, 0, p.title(f), themes.TextDim)
	return 1
}

// need counts the nodes and the lines about the one under the cursor.
func (p *peersPane) need(f *frame) int {
	if f.mesh() == nil || len(f.mesh().Peers) == 0 && f.mesh().Secret {
		return 0
	}
	return len(p.table.Rows()) + 3
}

func (p *peersPane) details(f *frame, id string) details {
	i := slices.IndexFunc(p.table.Rows(), func(r *peerRow) bool { return p.table.ID(r) == id })
	if i < 0 {
		return details{}
	}
	r := p.table.Rows()[i]
	facts := []fact{{"state", "this node"}, {"listens", screen.Safe(r.addr)}, {"version", screen.Safe(r.version)}}
	if r.peer != nil {
		facts = peerFacts(f, r)
	} else {
		facts = append(facts, f.clusterFacts("")...)
	}
	return details{title: "node " + screen.Safe(r.name), facts: facts}
}

// peerFacts returns the details of a node: its services and its state come first.
func peerFacts(f *frame, r *peerRow) []fact {
	p := r.peer
	var services []string
	for _, s := range p.Services {
		text := fmt.Sprintf("%s %d/%d up, %s", screen.Safe(s.Name), s.Up, s.Backends, text.Plural(s.Active, "session"))
		if s.Queue > 0 {
			text += fmt.Sprintf(", %d waiting", s.Queue)
		}
		if s.State != "open" {
			text += ", " + screen.Safe(s.State)
		}
		services = append(services, text)
	}
	text := screen.Safe(r.name) + ": " + strings.Join(services, "; ")
	switch {
	case p.Unreadable != "":
		text = screen.Safe(r.name) + ": " + screen.Safe(p.Unreadable)
	case len(services) == 0:
		text = screen.Safe(r.name) + ": no services announced"
	}
	how := ""
	if p.State != meshinfo.Alive {
		how = screen.Safe(r.name) + " is " + string(p.State) + causeText(p) + " since " + f.timeOf(p.Since)
	} else if p.Via != "" {
		how = "reached through " + screen.Safe(p.Via)
	} else if skew := p.SkewSeconds; skew > 1 || skew < -1 {
		how = fmt.Sprintf("its clock is %+.1fs off", skew)
	}
	facts := []fact{{"services", text}, {"", how}, {"state", string(p.State) + causeText(p) + ", since " + f.timeOf(p.Since)},
		{"address", screen.Safe(p.Addr)}, {"through", screen.Safe(p.Via)}, {"found by", screen.Safe(p.FoundBy)}, {"version", screen.Safe(p.Version)}, {"round trip", screen.Latency(r.rtt())}}
	facts = append(facts, f.clusterFacts(p.ID)...)
	if why := f.unreachable(r.name); why != "" {
		facts = append(facts, fact{"acts", why})
	}
	return facts
}
