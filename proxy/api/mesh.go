package api

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"

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
	here   bool
}

// DoEverywhere carries out one act here and on every peer that this node
// knows, and gives each one's answer. Nothing is applied later: a node that
// cannot be reached now has not done it. All are asked at once: one that hangs
// takes until ctx is done, and nobody waits behind it.
func DoEverywhere(ctx context.Context, self Source, peers func(string) Source, r Request) ([]PeerAnswer, error) {
	return DoOnEach(ctx, self, peers, func(string) *Request { return &r })
}

// DoOnEach is DoEverywhere with a request for each node; one for which there
// is none is left alone.
func DoOnEach(ctx context.Context, self Source, peers func(string) Source, of func(node string) *Request) ([]PeerAnswer, error) {
	st, err := self.Status(ctx)
	if err != nil {
		return nil, err
	}
	all := []PeerAnswer{{Node: st.Node.Name}}
	if st.Mesh != nil {
		for _, p := range st.Mesh.Peers {
			a := PeerAnswer{Node: p.Name}
			if p.State != mesh.Alive {
				a.Error = Refused(strings.TrimSpace("unreachable: "+string(p.State)+" "+string(p.Cause)), "nothing was done there")
			}
			all = append(all, a)
		}
	}
	all[0].here = true
	all = slices.DeleteFunc(all, func(a PeerAnswer) bool { return of(a.Node) == nil })
	var wg sync.WaitGroup
	for i := range all {
		if a := &all[i]; a.Error == nil {
			src := self
			if !a.here {
				src = peers(a.Node)
			}
			wg.Go(func() { a.ask(ctx, src, *of(a.Node)) })
		}
	}
	wg.Wait()
	return all, nil
}

func (a *PeerAnswer) ask(ctx context.Context, src Source, r Request) {
	res, err := src.Do(ctx, r)
	switch {
	case err == nil:
		a.Result = res
	case errors.Is(err, context.DeadlineExceeded):
		a.Error = Refused("no answer in time", "whether it was done there is not known: look at it")
	default:
		a.Error = AsError(err)
	}
}
