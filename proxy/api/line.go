package api

import (
	"cmp"
	"context"
	"net/http"
	"slices"
	"sort"
	"strings"
	"time"

	"github.com/tcpctl/tcpctl/proxy"
)

// Line is the queue of a cluster-wide lock: the clients of all nodes, in one order.
type Line struct {
	Service string       `json:"service"`
	Slots   int          `json:"slots"`
	Holders []LineClient `json:"holders"`           // clients with slots, by token
	Waiters []LineClient `json:"waiters"`           // waiting clients, in order; those without a place yet come last
	Beyond  int          `json:"beyond,omitempty"`  // number of waiters beyond the 5000 listed
	Shares  []LineShare  `json:"shares,omitempty"`  // with lock.order = "shares": slots that nodes grant by themselves
	Unknown []string     `json:"unknown,omitempty"` // what is unknown, in sentences
}

// LineShare is the slots of a Line that one process of a node grants by itself.
type LineShare struct {
	Node  string `json:"node"`
	Slots int    `json:"slots"`
	InUse int    `json:"in_use,omitempty"`
	Known bool   `json:"known"` // whether the node answered; otherwise in_use is unknown
}

// LineClient is a client in a Line. If its node did not answer, only the node, the
// position and the token are known.
type LineClient struct {
	Node string `json:"node"`
	proxy.WaiterInfo
	Token       uint64  `json:"token,omitempty"`        // fencing token of a holder
	HeldSeconds float64 `json:"held_seconds,omitempty"` // how long a holder has held its slot
	// LeaseSeconds is the remaining time of the node's lease; at its end, the slots of
	// the node are granted to others. Absent: no lease, or unknown.
	LeaseSeconds float64 `json:"lease_seconds,omitempty"`
}

// Holds reports whether the client has a slot.
func (c *LineClient) Holds() bool { return c.Token > 0 }

// NodeLine is what one process of a node knows of a Line.
type NodeLine struct {
	Process string             `json:"process"`          // name of the process in Places
	Lock    proxy.LockInfo     `json:"lock"`             // lease of the node, and its clients with slots
	Waiters []proxy.WaiterInfo `json:"waiters"`          // waiting clients of the process
	Places  *Places            `json:"places,omitempty"` // absent: the node does not vote
	// Earlier are the processes that an upgrade replaced and that still have clients.
	Earlier []NodeLine `json:"earlier,omitempty"`
}

// Places are the places of all clients, as a voter knows them. It knows clients by the
// numbers that their nodes gave them; see WaiterInfo.Arrival.
type Places struct {
	Entry   uint64      `json:"entry"`   // last log entry of the voter; higher is newer
	Held    []HeldPlace `json:"held"`    // slots in use, by token
	Waiting []PlaceRun  `json:"waiting"` // waiting clients, in order; empty with lock.order = "shares"
	// Shares are the slots that processes of nodes grant by themselves.
	Shares []SharePlace `json:"shares,omitempty"`
}

// SharePlace is the slots that a process of a node grants by itself.
type SharePlace struct {
	Node    string `json:"node"`
	Process string `json:"process"` // process of the node, as in NodeLine
	Slots   int    `json:"slots"`
}

// HeldPlace is a slot in use.
type HeldPlace struct {
	Node         string  `json:"node"`
	Process      string  `json:"process"` // process of the node, as in NodeLine
	Arrival      uint64  `json:"arrival"` // number of the client, as in WaiterInfo
	Token        uint64  `json:"token"`
	LeaseSeconds float64 `json:"lease_seconds,omitempty"` // remaining time of the node's lease, by the leader's clock; absent: this voter is not the leader
}

// PlaceRun is a run of consecutive clients of one node.
type PlaceRun struct {
	Node    string `json:"node"`
	Process string `json:"process"` // process of the node, as in NodeLine
	From    uint64 `json:"from"`    // first arrival
	To      uint64 `json:"to"`      // last arrival, inclusive
}

// has reports whether a node, by its id in the mesh, has a client in it.
func (p *Places) has(id string) bool {
	ofNode := func(process string) bool { return len(process) > 2 && strings.HasPrefix(id, process[:len(process)-2]) }
	return slices.ContainsFunc(p.Held, func(h HeldPlace) bool { return ofNode(h.Process) }) ||
		slices.ContainsFunc(p.Waiting, func(r PlaceRun) bool { return ofNode(r.Process) }) ||
		slices.ContainsFunc(p.Shares, func(s SharePlace) bool { return ofNode(s.Process) })
}

// maxLine is how many waiters a Line lists.
const maxLine = 5000

// lineWait bounds how long a node that does not answer delays a reader.
const lineWait = 2 * time.Second

// Liner is a Source that can return its part of a Line.
type Liner interface {
	NodeLine(ctx context.Context, service string) (*NodeLine, error)
}

// NodeLine returns what the engine's node knows of the queue of a cluster-wide
// lock.
func (l *Local) NodeLine(ctx context.Context, service string) (*NodeLine, error) {
	s, err := FindService(l.Engine, service)
	if err != nil {
		return nil, err
	}
	info := s.Info()
	if info.Lock == nil || info.Lock.Scope != proxy.ScopeCluster {
		return nil, Refused(service+" has no lock of the cluster on this node", `lock.scope = "cluster" makes one; tcpctl queue shows the queue of a node`)
	}
	n := &NodeLine{Lock: *info.Lock, Waiters: s.Waiters()}
	if l.Process != nil {
		n.Process = l.Process()
	}
	if l.Places != nil {
		if n.Places, err = l.Places(ctx, service); err != nil {
			return nil, err
		}
	}
	l.eachEarlier(ctx, func(ctx context.Context, p Predecessor) error {
		earlier, ok := p.Source.(Liner)
		if !ok {
			return nil
		}
		one, err := earlier.NodeLine(ctx, service)
		if err == nil {
			n.Earlier = append(n.Earlier, *one)
		}
		return err
	})
	return n, nil
}

// LineOf asks all nodes for what they know of the queue of a service, and merges
// the answers. The places are those of the most recent voter: without a majority
// they do not change, and neither does the queue.
func LineOf(ctx context.Context, self Source, peers func(id string) Source, service string) (*Line, error) {
	answers, err := AskAll(ctx, self, peers, func(ctx context.Context, src Source) (*NodeLine, error) {
		l, ok := src.(Liner)
		if !ok {
			return nil, Refused("it does not report its queue", "")
		}
		ctx, cancel := context.WithTimeout(ctx, lineWait)
		defer cancel()
		return l.NodeLine(ctx, service)
	})
	if err != nil {
		return nil, err
	}
	return newLine(service, answers), nil
}

// newLine combines the answers of the nodes.
func newLine(service string, answers []Answer[*NodeLine]) *Line {
	m := lineMaker{line: &Line{Service: service, Holders: []LineClient{}, Waiters: []LineClient{}}}
	for i := range answers {
		m.add(&answers[i])
	}
	for _, a := range m.silent {
		if m.places == nil || m.places.has(a.ID) {
			m.line.Unknown = append(m.line.Unknown, unknownClients(a.Node, a.Error))
		}
	}
	if m.places == nil {
		m.line.Unknown = append(m.line.Unknown, "no voter answers: the places of waiters are not known")
		m.places = &Places{}
	}
	m.holders()
	m.shares()
	m.waiters()
	return m.line
}

// shares adds the slots that nodes hand out by themselves.
func (m *lineMaker) shares() {
	for _, place := range m.places.Shares {
		s := LineShare{Node: place.Node, Slots: place.Slots}
		if n := m.find(place.Process); n != nil {
			s.Known, s.InUse = true, len(n.lock.Holders)
		}
		m.line.Shares = append(m.line.Shares, s)
	}
}

// lineMaker builds a Line.
type lineMaker struct {
	line   *Line
	places *Places // the newest; nil: none yet
	nodes  []*lineNode
	silent []*Answer[*NodeLine] // without a result
}

// lineNode is a process of a node that has answered, and its clients that were not
// found in the places yet.
type lineNode struct {
	node    string
	process string
	lock    proxy.LockInfo
	waiters []proxy.WaiterInfo // by arrival; the cluster does not know those with 0
	found   []bool
	holders map[uint64]proxy.HolderInfo // by token
}

func (m *lineMaker) add(a *Answer[*NodeLine]) {
	if a.Error != nil || a.Result == nil {
		if a.Error == nil || a.Error.Status != http.StatusNotFound { // not every node needs to have the service
			m.silent = append(m.silent, a)
		}
		return
	}
	for i := range a.Result.Earlier {
		m.addProcess(a.Node, &a.Result.Earlier[i])
	}
	m.addProcess(a.Node, a.Result)
}

// addProcess adds the clients of one process of a node.
func (m *lineMaker) addProcess(node string, r *NodeLine) {
	if r.Places != nil && (m.places == nil || r.Places.Entry > m.places.Entry) {
		m.places = r.Places
	}
	m.line.Slots = max(m.line.Slots, r.Lock.Slots)
	n := &lineNode{node: node, process: r.Process, lock: r.Lock, waiters: r.Waiters, found: make([]bool, len(r.Waiters)), holders: map[uint64]proxy.HolderInfo{}}
	sort.SliceStable(n.waiters, func(i, j int) bool { return n.waiters[i].Arrival < n.waiters[j].Arrival })
	for _, h := range r.Lock.Holders {
		n.holders[h.Token] = h
	}
	m.nodes = append(m.nodes, n)
}

// unknownClients says that the clients of a node are unknown, and why.
func unknownClients(node string, e *Error) string {
	const its = ": its clients are not known"
	switch {
	case e == nil || e.Status == StatusNoAnswer:
		return node + " does not answer" + its
	case e.Status == StatusUnreachable:
		return node + " is " + strings.TrimPrefix(e.Text, node+" is ") + its
	}
	return node + its + ": " + e.Text
}

// find returns a process, or nil if its node has not answered.
func (m *lineMaker) find(process string) *lineNode {
	for _, n := range m.nodes {
		if n.process == process {
			return n
		}
	}
	return nil
}

// holders adds the slots in use, and sessions with a token that is missing in the
// places: they have just got it, or kept it without a lease.
func (m *lineMaker) holders() {
	add := func(n *lineNode, h *proxy.HolderInfo) {
		m.line.Holders = append(m.line.Holders, LineClient{Node: n.node, Token: h.Token, HeldSeconds: h.HeldSeconds, LeaseSeconds: n.lock.LeaseSeconds,
			WaiterInfo: proxy.WaiterInfo{ID: h.ID, Client: h.Client, State: WaiterHolds}})
	}
	for _, held := range m.places.Held {
		n := m.find(held.Process)
		if n == nil {
			m.line.Holders = append(m.line.Holders, LineClient{Node: held.Node, Token: held.Token, LeaseSeconds: held.LeaseSeconds,
				WaiterInfo: proxy.WaiterInfo{State: WaiterHolds, Arrival: held.Arrival}})
			continue
		}
		if h, ok := n.holders[held.Token]; ok {
			add(n, &h)
			delete(n.holders, held.Token)
			continue
		}
		var w proxy.WaiterInfo // granted just now, or dialling; zero: it has gone
		for _, w = range n.take(held.Arrival, held.Arrival) {
		}
		w.State, w.Position, w.Reason, w.Arrival = WaiterGranted, 0, "", held.Arrival
		m.line.Holders = append(m.line.Holders, LineClient{Node: n.node, WaiterInfo: w, Token: held.Token, LeaseSeconds: n.lock.LeaseSeconds})
	}
	for _, n := range m.nodes {
		for _, h := range n.holders {
			add(n, &h)
		}
	}
	all := m.line.Holders
	sort.Slice(all, func(i, j int) bool { return all[i].Token < all[j].Token })
}

// States of a LineClient that has a slot.
const (
	WaiterHolds   = "holds"
	WaiterGranted = "granted" // a slot, and no session has begun yet
)

// waiters adds the places in their order, and after them the waiters without one.
func (m *lineMaker) waiters() {
	position := 0
	add := func(c LineClient) {
		if len(m.line.Waiters) < maxLine {
			m.line.Waiters = append(m.line.Waiters, c)
		} else {
			m.line.Beyond++
		}
	}
	for _, run := range m.places.Waiting {
		n := m.find(run.Process)
		if n == nil {
			first := position + 1
			position += int(run.To - run.From + 1)
			for at := first; at <= min(position, maxLine); at++ {
				add(LineClient{Node: run.Node, WaiterInfo: proxy.WaiterInfo{Position: at, State: proxy.WaiterWaiting, Arrival: run.From + uint64(at-first)}})
			}
			m.line.Beyond += max(position-max(first-1, maxLine), 0)
			continue
		}
		for _, w := range n.take(run.From, run.To) { // a place without a waiter on its node is gone
			position++
			w.Position = position
			if w.State == proxy.WaiterNext && position > 1 {
				w.State = proxy.WaiterWaiting // for its node's own reason
			}
			add(LineClient{Node: n.node, WaiterInfo: w, LeaseSeconds: n.lock.LeaseSeconds})
		}
	}
	var rest []LineClient
	for _, n := range m.nodes {
		for i, w := range n.waiters {
			if w.Position = 0; !n.found[i] {
				rest = append(rest, LineClient{Node: n.node, WaiterInfo: w, LeaseSeconds: n.lock.LeaseSeconds})
			}
		}
	}
	sort.SliceStable(rest, func(i, j int) bool { return rest[i].WaitedSeconds > rest[j].WaitedSeconds })
	for _, c := range rest {
		if len(m.line.Shares) > 0 { // nodes keep this order within about 250 ms
			position++
			if c.Position = position; c.State == proxy.WaiterNext && position > 1 {
				c.State = proxy.WaiterWaiting // for its node's own reason
			}
		}
		add(c)
	}
}

// take returns the waiters with these arrivals, and marks them as found.
func (n *lineNode) take(from, to uint64) (all []proxy.WaiterInfo) {
	i, _ := slices.BinarySearchFunc(n.waiters, max(from, 1), func(w proxy.WaiterInfo, a uint64) int { return cmp.Compare(w.Arrival, a) })
	for ; i < len(n.waiters) && n.waiters[i].Arrival <= to; i++ {
		n.found[i] = true
		all = append(all, n.waiters[i])
	}
	return all
}
