package api

import (
	"context"

	"github.com/tcpctl/tcpctl/mesh"
	"github.com/tcpctl/tcpctl/proxy"
)

// Mesh is the other nodes, as this one sees them.
type Mesh struct {
	Name    string              `json:"name"`
	Node    string              `json:"node"`
	Listen  string              `json:"listen"`
	Secret  bool                `json:"secret"` // without one, peers see names and states, and cannot act
	Peers   []Peer              `json:"peers"`
	Sources []mesh.SourceStatus `json:"sources,omitempty"`
	Refused []mesh.Refusal      `json:"refused,omitempty"`
}

// Peer is another node, and what it tells of its services.
type Peer struct {
	mesh.Peer
	Services []PeerService `json:"services,omitempty"`
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

// Up is how many backends of the peer are eligible, of how many, and Queue how
// many clients wait there.
func (p *Peer) Up() (up, of, queue int) {
	for _, s := range p.Services {
		up, of, queue = up+s.Up, of+s.Backends, queue+s.Queue
	}
	return up, of, queue
}

// Fleet is a Source that reaches other nodes, too.
type Fleet interface {
	// Peer is another node as a Source. Whether it can be reached shows when
	// it is asked.
	Peer(node string) Planner
}

// PeerAnswer is what one node answered to an act that went to all of them.
type PeerAnswer struct {
	Node   string `json:"node"`
	Result Result `json:"result,omitzero"`
	Error  *Error `json:"error,omitempty"` // refused, or unreachable
}

// DoEverywhere carries out one act here and on every peer that this node
// knows, and gives each one's answer. Nothing is applied later: a node that
// cannot be reached now has not done it.
func DoEverywhere(ctx context.Context, self Source, peers func(string) Source, r Request) ([]PeerAnswer, error) {
	st, err := self.Status(ctx)
	if err != nil {
		return nil, err
	}
	var all []PeerAnswer
	ask := func(node string, src Source) {
		a := PeerAnswer{Node: node}
		if a.Result, err = src.Do(ctx, r); err != nil {
			a.Error = AsError(err)
		}
		all = append(all, a)
	}
	ask(st.Node.Name, self)
	if st.Mesh == nil {
		return all, nil
	}
	for _, p := range st.Mesh.Peers {
		if p.State != mesh.Alive {
			all = append(all, PeerAnswer{Node: p.Name, Error: Refused("unreachable ("+string(p.State)+" "+string(p.Cause)+")", "nothing was done there")})
			continue
		}
		ask(p.Name, peers(p.Name))
	}
	return all, nil
}
