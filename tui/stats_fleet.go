package tui

import (
	"fmt"
	"slices"
	"time"

	"github.com/tcpctl/tcpctl/proxy"
	"github.com/tcpctl/tcpctl/proxy/api"
)

// fleetEvery is how often all nodes are asked while the fleet table is shown: each answer is a
// whole status.
const fleetEvery = 2 * time.Second

// fleet is the newest answer of every node. version changes with every answer.
type fleet struct {
	nodes   []fleetNode
	rows    []*fleetRow
	before  map[string]fleetBytes // for the rates, by row
	version uint64
}

// fleetNode is a node and its answer; with a nil status, why there is none.
type fleetNode struct {
	name, addr string
	here       bool // the console's own node
	status     *api.Status
	why        string
}

// fleetBytes is a row's byte counter at one moment.
type fleetBytes struct {
	at time.Time
	in int64
}

// fleetRow is a service, or one of its backends, on all nodes.
type fleetRow struct {
	id       string // service, or service/backend
	cells    []fleetCell
	up, of   int
	active   int
	queue    int
	rate     float64 // bytes a second
	worst    int     // index of the worst cell; -1: all are up
	worstOn  string  // its node
	draining int     // sessions remaining in drains
}

// fleetCell is the row on one node.
type fleetCell struct {
	sign    sign // zero: the node does not have it
	service *proxy.ServiceInfo
	backend *proxy.BackendInfo
}

var unanswered = sign{mark: 'x', word: "NO ANSWER", role: signError.role}

// take builds the table from new answers.
func (l *fleet) take(answers []api.Answer[*api.Status], at time.Time) {
	l.version++
	l.nodes = l.nodes[:0:0]
	for _, a := range answers {
		n := fleetNode{name: a.Node, addr: a.Addr, here: a.Here(), status: a.Result}
		if a.Error != nil {
			n.status, n.why = nil, a.Error.Text
		}
		l.nodes = append(l.nodes, n)
	}
	l.rows = nil
	index := map[string]*fleetRow{}
	row := func(id string) *fleetRow {
		r := index[id]
		if r == nil {
			r = &fleetRow{id: id, cells: make([]fleetCell, len(l.nodes)), worst: -1}
			index[id] = r
			l.rows = append(l.rows, r)
		}
		return r
	}
	bytes := map[string]int64{}
	for i, n := range l.nodes {
		if n.status == nil {
			continue
		}
		for j := range n.status.Services {
			s := &n.status.Services[j]
			row(s.Name).add(i, fleetCell{serviceSign(s), s, nil})
			bytes[s.Name] += s.BytesIn
			for k := range s.Backends {
				b := &s.Backends[k]
				id := s.Name + "/" + b.Name
				row(id).add(i, fleetCell{backendSign(b), s, b})
				bytes[id] += b.BytesIn
			}
		}
	}
	l.order()
	l.finish(bytes, at)
}

// finish sets each row's worst node, and its bytes a second since the previous answers.
func (l *fleet) finish(bytes map[string]int64, at time.Time) {
	for _, r := range l.rows {
		for i, n := range l.nodes {
			if n.status == nil {
				r.cells[i].sign = unanswered
			}
		}
		if r.worst >= 0 {
			r.worstOn = l.nodes[r.worst].name
		}
		was, known := l.before[r.id]
		if dt := at.Sub(was.at).Seconds(); known && dt > 0 {
			r.rate = max(float64(bytes[r.id]-was.in), 0) / dt
		}
	}
	l.before = map[string]fleetBytes{}
	for id, in := range bytes {
		l.before[id] = fleetBytes{at, in}
	}
}

// order puts each service before its backends, both in the nodes' order: a backend that only a
// later node has is grouped with its service, too.
func (l *fleet) order() {
	first := map[string]int{}
	for i, r := range l.rows {
		service, _ := api.SplitTarget(r.id)
		if _, ok := first[service]; !ok {
			first[service] = i
		}
	}
	slices.SortStableFunc(l.rows, func(a, b *fleetRow) int {
		x, _ := api.SplitTarget(a.id)
		y, _ := api.SplitTarget(b.id)
		return first[x] - first[y]
	})
}

// add counts one cell.
func (r *fleetRow) add(node int, c fleetCell) {
	r.cells[node] = c
	r.of++
	if isWell(c.sign) {
		r.up++
	}
	if c.backend != nil {
		r.active += c.backend.Active
		if c.backend.Drain != nil {
			r.draining += c.backend.Drain.Remaining
		}
	} else {
		r.active += c.service.Sessions.Active
		r.queue += c.service.Queue.Waiting
	}
	if rank := fleetRank(c.sign); rank > 0 && (r.worst < 0 || rank > fleetRank(r.cells[r.worst].sign)) {
		r.worst = node
	}
}

// isWell reports whether a cell's state is good.
func isWell(s sign) bool { return s.mark == '+' || s.mark == 'o' }

// fleetRank returns how bad a cell is, 0 for well.
func fleetRank(s sign) int {
	switch s.mark {
	case '!':
		return 5
	case 'x':
		return 4
	case '?':
		return 3
	case '=':
		return 2
	case '~':
		return 1
	}
	return 0
}

// path concludes from all nodes together whether a backend itself is down, or only one node's path
// to it. "": nothing to say.
func (r *fleetRow) path(node int) string {
	c := r.cells[node]
	if c.backend == nil || c.sign.mark != '!' {
		return ""
	}
	up, down, elsewhere := 0, 0, 0
	for i, o := range r.cells {
		switch {
		case i == node || o.backend == nil:
		case o.backend.Addr != c.backend.Addr:
			elsewhere++
		case o.backend.State == proxy.StateUp:
			up++
		case o.backend.State == proxy.StateDown:
			down++
		}
	}
	switch {
	case up > down:
		return plural(up, "down here, seen up by %d other: this node's path, not the backend", "down here, seen up by %d others: this node's path, not the backend")
	case up > 0:
		return plural(down, "down here and on %d other, seen up by few: look at the network between", "down here and on %d others, seen up by few: look at the network between")
	case down > 0:
		return plural(down, "down here and on %d other, up on none: the backend itself", "down here and on %d others, up on none: the backend itself")
	case elsewhere > 0:
		return "down here; other nodes have another address for it"
	}
	return "down here, and no other node has it"
}

func plural(n int, one, many string) string {
	if n == 1 {
		return fmt.Sprintf(one, n)
	}
	return fmt.Sprintf(many, n)
}

// has reports whether a node has a service or backend.
func (l *fleet) has(id string) bool {
	return slices.ContainsFunc(l.rows, func(r *fleetRow) bool { return r.id == id })
}
