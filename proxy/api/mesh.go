package api

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/tcpctl/tcpctl/mesh/meshinfo"
	"github.com/tcpctl/tcpctl/proxy"
)

// Mesh is the other nodes, as this one sees them.
type Mesh struct {
	Name    string             `json:"name"`
	Node    string             `json:"node"`
	ID      string             `json:"id"`
	Label   string             `json:"label"` // what --peer takes for this node: see Peer
	Listen  string             `json:"listen"`
	Secret  bool               `json:"secret"` // without one, peers see names and states, and cannot act
	Peers   []Peer             `json:"peers"`  // those that were never connected come last
	Sources []meshinfo.Source  `json:"sources,omitempty"`
	Refused []meshinfo.Refusal `json:"refused,omitempty"`
	Hubs    []string           `json:"hubs,omitempty"`     // the nodes that others link to where there are too many to link all
	HubMode bool               `json:"hub_mode,omitempty"` // there are too many: each node links to the hubs only
}

// Peer is another node, and its own account of its services.
type Peer struct {
	meshinfo.Peer
	// Label is what --peer takes for it: its name, or, where another node has
	// the same, "name#" and the beginning of its id.
	Label    string        `json:"label,omitempty"`
	Services []PeerService `json:"services,omitempty"`
	// Unreadable says why its record cannot be read: it is of another version
	// of this program. Nothing is known of its services then.
	Unreadable string `json:"unreadable,omitempty"`
}

// PeerService is one service of a peer, in short.
type PeerService struct {
	Name     string `json:"name"`
	State    string `json:"state"`
	Up       int    `json:"up"` // backends that are eligible
	Backends int    `json:"backends"`
	Active   int    `json:"active"`
	Queue    int    `json:"queue"`
}

// Brief is a service in short.
func Brief(s *proxy.ServiceInfo) PeerService {
	b := PeerService{Name: s.Name, State: s.State, Backends: len(s.Backends), Active: s.Sessions.Active, Queue: s.Queue.Waiting}
	for _, one := range s.Backends {
		if one.Eligible {
			b.Up++
		}
	}
	return b
}

// UnknownHubs are those that are no node of the mesh, as far as this one knows.
func (m *Mesh) UnknownHubs() (names []string) {
	for _, hub := range m.Hubs {
		if hub != m.Node && !slices.ContainsFunc(m.Peers, func(p Peer) bool { return p.Name == hub && p.Trusted }) {
			names = append(names, hub)
		}
	}
	return names
}

// HubHint is what to try for one of them.
const HubHint = "start it, or write its name as tcpctl peers has it: mesh.hubs, or cluster.voters, has to be the same on all nodes"

// Called is the peer's label, or its name where it has none.
func (p *Peer) Called() string { return cmp.Or(p.Label, p.Name) }

// Member says whether the peer is one of ours: it has proved the secret, and
// has not departed. An act for all goes to members only.
func (p *Peer) Member() bool { return p.Trusted && p.Cause != meshinfo.Departed }

// Stranger says whether the peer was never connected: it was refused, or known
// from another node only.
func (p *Peer) Stranger() bool { return p.State == meshinfo.Refused }

// Up is how many backends of the peer are eligible, of how many, and Queue how
// many clients wait there. They are not known when its record is Unreadable.
func (p *Peer) Up() (up, of, queue int) {
	for _, s := range p.Services {
		up, of, queue = up+s.Up, of+s.Backends, queue+s.Queue
	}
	return up, of, queue
}

// Unreachable says why a peer cannot be asked now, and when it was seen
// last; "" when it can be.
func (p *Peer) Unreachable(now time.Time) string {
	if p.State == meshinfo.Alive || p.State == meshinfo.Suspect {
		return ""
	}
	text := "unreachable: " + string(p.State)
	if p.Cause != "" {
		text += " (" + string(p.Cause) + ")"
	}
	if !p.Seen.IsZero() {
		text += fmt.Sprintf(", last seen %s ago", max(0, now.Sub(p.Seen)).Round(time.Second))
	}
	return text
}

// SetLabels gives this node and each peer its unique Label. Strangers may claim
// any name, and change no other's label.
func (m *Mesh) SetLabels() {
	count := map[string]int{"all": 2} // which --peer takes for every node
	count[m.Node]++
	for i := range m.Peers {
		if !m.Peers[i].Stranger() {
			count[m.Peers[i].Name]++
		}
	}
	label := func(name, id string) string {
		if count[name] < 2 {
			return name
		}
		return Label(name, id)
	}
	m.Label = label(m.Node, m.ID)
	for i := range m.Peers {
		m.Peers[i].Label = label(m.Peers[i].Name, m.Peers[i].ID)
	}
}

// Label is what --peer takes for one of several nodes of a name.
func Label(name, id string) string { return name + "#" + id[:min(len(id), 8)] }

// oneAddr is one of the addresses of this node: one that means something to
// others, if there is one.
func (m *Mesh) oneAddr() string {
	all := strings.Split(m.Listen, ", ")
	for _, a := range all {
		if ap, err := netip.ParseAddrPort(a); err == nil && !ap.Addr().IsLoopback() && !ap.Addr().IsLinkLocalUnicast() {
			return a
		}
	}
	return all[0]
}

// Members are the peers that an act for all goes to.
func (m *Mesh) Members() []Peer {
	return slices.DeleteFunc(slices.Clone(m.Peers), func(p Peer) bool { return !p.Member() })
}

// Fleet is a Source that reaches other nodes, too.
type Fleet interface {
	// Peer is another node as a Source: its id, or what --peer takes. Whether
	// it can be reached shows when it is asked.
	Peer(node string) Planner
}
