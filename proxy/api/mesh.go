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

// Mesh is the mesh with its other nodes, as this node sees them.
type Mesh struct {
	Name    string             `json:"name"`
	Node    string             `json:"node"`
	ID      string             `json:"id"`
	Label   string             `json:"label"` // name of this node for --peer; see Peer
	Listen  string             `json:"listen"`
	Secret  bool               `json:"secret"` // whether the mesh has a secret; without one, peers see names and states but cannot act
	Peers   []Peer             `json:"peers"`  // other nodes; those that were never connected come last
	Sources []meshinfo.Source  `json:"sources,omitempty"`
	Refused []meshinfo.Refusal `json:"refused,omitempty"`
	Hubs    []string           `json:"hubs,omitempty"`     // nodes that the others link to in a mesh too large to link all nodes
	HubMode bool               `json:"hub_mode,omitempty"` // the mesh is too large to link all nodes: they link to hubs only
}

// Peer is another node, with the services that it reports.
type Peer struct {
	meshinfo.Peer
	// Label is the name of the node for --peer: its name, or, if another node has the
	// same name, "name#" and the beginning of its id.
	Label    string        `json:"label,omitempty"`
	Services []PeerService `json:"services,omitempty"`
	// Unreadable is why its record cannot be read, because another version of tcpctl
	// wrote it. Its services are then unknown.
	Unreadable string `json:"unreadable,omitempty"`
}

// PeerService is a summary of one service of a peer.
type PeerService struct {
	Name     string `json:"name"`
	State    string `json:"state"`
	Up       int    `json:"up"` // eligible backends
	Backends int    `json:"backends"`
	Active   int    `json:"active"`
	Queue    int    `json:"queue"`
}

// Brief returns the summary of a service.
func Brief(s *proxy.ServiceInfo) PeerService {
	b := PeerService{Name: s.Name, State: s.State, Backends: len(s.Backends), Active: s.Sessions.Active, Queue: s.Queue.Waiting}
	for _, one := range s.Backends {
		if one.Eligible {
			b.Up++
		}
	}
	return b
}

// UnknownHubs returns the hubs that are not nodes of the mesh, as far as this
// node knows.
func (m *Mesh) UnknownHubs() (names []string) {
	for _, hub := range m.Hubs {
		if hub != m.Node && !slices.ContainsFunc(m.Peers, func(p Peer) bool { return p.Name == hub && p.Trusted }) {
			names = append(names, hub)
		}
	}
	return names
}

// HubHint is the hint for an unknown hub.
const HubHint = "start it, or write its name as tcpctl peers has it: mesh.hubs, or cluster.voters, has to be the same on all nodes"

// Called returns the peer's label, or its name if it has none.
func (p *Peer) Called() string { return cmp.Or(p.Label, p.Name) }

// Member reports whether the peer has proved the secret and has not departed. An
// act for all nodes goes to members only.
func (p *Peer) Member() bool { return p.Trusted && p.Cause != meshinfo.Departed }

// Stranger reports whether the peer was never connected: it was refused, or is
// known from another node only.
func (p *Peer) Stranger() bool { return p.State == meshinfo.Refused }

// Up returns how many backends of the peer are eligible, how many backends there
// are, and how many clients wait. They are unknown if the peer's record is
// Unreadable.
func (p *Peer) Up() (up, of, queue int) {
	for _, s := range p.Services {
		up, of, queue = up+s.Up, of+s.Backends, queue+s.Queue
	}
	return up, of, queue
}

// Unreachable returns why the peer cannot be reached now, and when it was last
// seen; "" if it can be reached.
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

// SetLabels gives this node and each peer a unique Label. Strangers may claim any
// name without changing the labels of others.
func (m *Mesh) SetLabels() {
	count := map[string]int{"all": 2} // "all" means every node for --peer
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

// Label returns the label of one of several nodes with the same name.
func Label(name, id string) string { return name + "#" + id[:min(len(id), 8)] }

// oneAddr returns an address of this node, if possible one that means something to
// others.
func (m *Mesh) oneAddr() string {
	all := strings.Split(m.Listen, ", ")
	for _, a := range all {
		if ap, err := netip.ParseAddrPort(a); err == nil && !ap.Addr().IsLoopback() && !ap.Addr().IsLinkLocalUnicast() {
			return a
		}
	}
	return all[0]
}

// Members returns the peers that an act for all nodes goes to.
func (m *Mesh) Members() []Peer {
	return slices.DeleteFunc(slices.Clone(m.Peers), func(p Peer) bool { return !p.Member() })
}
