package tui

import (
	"cmp"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/tcpctl/tcpctl/proxy"
	"github.com/tcpctl/tcpctl/proxy/api"
	"github.com/tcpctl/tcpctl/themes"
	"github.com/tcpctl/tcpctl/tui/internal/screen"
)

// lineEvery is how often all nodes are asked for their common queue while it is shown.
const lineEvery = time.Second

// line is the newest answer of all nodes about one service's queue. version changes with every
// answer.
type line struct {
	service string
	*api.Line
	version uint64
}

// lineOf returns the common queue of a service; nil: each node has its own, or it is not known yet.
func (f *frame) lineOf(service string) *api.Line {
	if f.past != nil || service == "" || f.stats.line.service != service || !f.isOfCluster(service) {
		return nil
	}
	return f.stats.line.Line
}

// isOfCluster reports whether the slots of a service are the cluster's.
func (f *frame) isOfCluster(service string) bool {
	s := f.stats.status.Service(service)
	return s != nil && s.Lock != nil && s.Lock.Scope == proxy.ScopeCluster
}

// nodeLabel returns the name that answers of all nodes use for the node that is shown.
func (f *frame) nodeLabel() string {
	switch {
	case f.away():
		return f.peer
	case f.mesh() != nil:
		return cmp.Or(f.mesh().Label, f.mesh().Node)
	}
	return f.own.status.Node.Name
}

// queueRow is a client that waits, or that has a slot of the cluster.
type queueRow struct {
	api.LineClient
	foreign bool // a client of another node than the one that is shown
}

// foreignMark separates node and client in the id of another node's row, so that no act takes it
// for a session's.
const foreignMark = "\n"

// id returns the session's id for a client of this node: acts use it as target.
func (r queueRow) id() string {
	if !r.foreign {
		return r.ID
	}
	return r.Node + foreignMark + cmp.Or(r.ID, fmt.Sprintf("?%d.%d", r.Token, r.Arrival))
}

// MarshalJSON is what the row is about.
func (r queueRow) MarshalJSON() ([]byte, error) {
	if r.Node == "" {
		return json.Marshal(r.WaiterInfo)
	}
	return json.Marshal(r.LineClient)
}

func waiterRows(list []proxy.WaiterInfo) []queueRow {
	rows := make([]queueRow, len(list))
	for i, w := range list {
		rows[i].WaiterInfo = w
	}
	return rows
}

// lineRows returns the holders, followed by the waiters.
func lineRows(l *api.Line, here string) (rows []queueRow) {
	for _, list := range [][]api.LineClient{l.Holders, l.Waiters} {
		for _, c := range list {
			rows = append(rows, queueRow{c, c.Node != here || c.ID == ""})
		}
	}
	return rows
}

var lineColumns = []screen.Column[queueRow]{
	{Name: "POS", Rises: true, Prio: 1, Width: 5, Right: true, Fixed: true, Value: func(r queueRow) float64 {
		switch {
		case r.Holds():
			return float64(r.Token) - 1<<52 // before all waiters
		case r.Position == 0:
			return 1 << 52
		}
		return float64(r.Position)
	}, Cell: func(r queueRow) (string, themes.Role) {
		if r.Holds() {
			return "slot", themes.OK
		}
		return positionText(&r), themes.TextDim
	}},
	{Name: "NODE", Ends: true, Prio: 1, Width: 8, Grow: 8, Fixed: true, Cell: func(r queueRow) (string, themes.Role) {
		if r.foreign {
			return screen.Safe(r.Node), themes.TextDim
		}
		return screen.Safe(r.Node), themes.Text
	}},
	{Name: "CLIENT", Ends: true, Prio: 1, Width: 18, Grow: 24, Cell: func(r queueRow) (string, themes.Role) {
		if r.ID == "" {
			return clientText(&r), themes.Warn
		}
		return clientText(&r), themes.Text
	}},
	{Name: "WAITED", Prio: 1, Width: 6, Right: true, Value: func(r queueRow) float64 { return r.WaitedSeconds }, Cell: func(r queueRow) (string, themes.Role) {
		if r.Holds() || r.ID == "" {
			return "-", themes.TextDim
		}
		return screen.Clock(screen.Seconds(r.WaitedSeconds)), themes.Text
	}},
	{Name: "REASON", Prio: 2, Width: 22, Cell: func(r queueRow) (string, themes.Role) { return r.why() }},
	{Name: "TOKEN", Prio: 3, Width: 8, Right: true, Value: func(r queueRow) float64 { return float64(r.Token) }, Cell: func(r queueRow) (string, themes.Role) {
		if !r.Holds() {
			return "-", themes.TextDim
		}
		return strconv.FormatUint(r.Token, 10), themes.Text
	}},
	{Name: "ID", Prio: 4, Width: 7, Cell: func(r queueRow) (string, themes.Role) { return screen.Safe(r.ID), themes.TextDim }},
}

// why says why a client waits, or how long a holder has had its slot, and its node's lease.
func (r *queueRow) why() (string, themes.Role) {
	if !r.Holds() {
		if r.ID == "" {
			return "no answer", themes.Warn
		}
		return reasonText(r.Reason), themes.TextDim
	}
	held := "held " + screen.Clock(screen.Seconds(r.HeldSeconds))
	switch {
	case r.State == api.WaiterGranted:
		held = "granted"
	case r.ID == "":
		held = "held"
		if r.LeaseSeconds == 0 {
			return "held, lease not known", themes.Warn
		}
	}
	if r.LeaseSeconds == 0 {
		return held + ", no lease", themes.Warn
	}
	return held + ", lease " + leaseText(r.LeaseSeconds), themes.Text
}

// positionText formats a waiter's position in the queue.
func positionText(r *queueRow) string {
	if r.Position == 0 {
		return "-"
	}
	return strconv.Itoa(r.Position)
}

// clientText returns a client's address, which only its node knows.
func clientText(r *queueRow) string {
	if r.ID == "" {
		return "not known"
	}
	return screen.Safe(r.Client)
}

// unknownLines lists what is unknown about the queue, leaving room for the clients.
func unknownLines(l *api.Line, h int) (lines []string) {
	if l == nil {
		return nil
	}
	for _, text := range l.Unknown[:min(len(l.Unknown), max(h/6, 1))] {
		lines = append(lines, screen.Safe(text))
	}
	return lines
}

// lineText summarizes the common queue: the first holder, and how many wait.
func lineText(l *api.Line, client bool) string {
	if l == nil {
		return ""
	}
	text := "  no slot in use"
	if len(l.Holders) > 0 {
		r := queueRow{LineClient: l.Holders[0]}
		who := screen.Safe(r.Node)
		if client {
			who += " " + clientText(&r)
		}
		why, _ := r.why()
		text = fmt.Sprintf("  slot of %s %s", who, why)
		if n := len(l.Holders) - 1; n > 0 {
			text += fmt.Sprintf(", +%d", n)
		}
	}
	return fmt.Sprintf("%s  %d waiting", text, len(l.Waiters)+l.Beyond)
}

// kick proposes to kick the marked clients, or the one under the cursor, on their node.
func (p *queuePane) kick(f *frame) intent {
	ids, hidden := p.table.Chosen()
	node, here := "", 0
	var there []string
	for _, id := range ids {
		at, session, foreign := strings.Cut(id, foreignMark)
		switch {
		case !foreign:
			here++
			continue
		case session[0] == '?':
			return refuse(screen.Safe(at) + " does not answer: which client it is, is not known")
		case node != "" && node != at:
			return refuse("the marked clients are those of several nodes: mark those of one")
		}
		node, there = at, append(there, session)
	}
	switch {
	case node == "":
		return proposeChosen(f, &p.table, "kick")
	case here > 0:
		return refuse("the marked clients are those of several nodes: mark those of one")
	case p.table.JustGone(f.clock()):
		return propose{req: api.Request{Act: "kick"}, gone: true}
	}
	w := propose{req: api.Request{Act: "kick", Targets: there}, hidden: hidden}
	if node == cmp.Or(f.own.status.Mesh.Label, f.own.status.Mesh.Node) { // a client of the console's own node, while another node is shown
		return openNode{then: w}
	}
	return openNode{node, w}
}
