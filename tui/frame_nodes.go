package tui

import (
	"fmt"
	"strings"

	"github.com/tcpctl/tcpctl/mesh/meshinfo"
	"github.com/tcpctl/tcpctl/proxy/api"
	"github.com/tcpctl/tcpctl/proxy/text"
	"github.com/tcpctl/tcpctl/tui/internal/screen"
)

// noSecret says what a mesh without a secret cannot do.
const noSecret = "without a secret, peers see names and states and cannot act (tcpctl mesh key makes one)"

func (f *frame) mesh() *api.Mesh { return f.own.status.Mesh }

func (f *frame) node(name string) *api.Peer {
	if mesh := f.mesh(); mesh != nil {
		for i := range mesh.Peers {
			if mesh.Peers[i].Called() == name {
				return &mesh.Peers[i]
			}
		}
	}
	return nil
}

// unreachable says why a node cannot be opened or acted on; "" when it can.
func (f *frame) unreachable(name string) string {
	p := f.node(name)
	switch {
	case f.mesh() == nil || f.cfg.Peer == nil:
		return "this node is in no mesh"
	case p == nil:
		return "there is no such node" + text.DidYouMean(name, f.nodeNames())
	case !f.mesh().Secret:
		return noSecret
	case p.Stranger():
		return "it is not a member of this mesh" + causeText(p)
	case p.State == meshinfo.Down:
		return "it is down" + causeText(p)
	case !p.Trusted:
		return "it has not proved the secret"
	}
	return ""
}

// nodeNames lists the other nodes that the mesh knows.
func (f *frame) nodeNames() (names []string) {
	if mesh := f.mesh(); mesh != nil {
		for i := range mesh.Peers {
			if !mesh.Peers[i].Stranger() {
				names = append(names, mesh.Peers[i].Called())
			}
		}
	}
	return names
}

// allNodes names the nodes of an act on every node, the shown one first. It is nil if there are no
// others, or they cannot be asked.
func (f *frame) allNodes() []string {
	if f.mesh() == nil || !f.mesh().Secret || f.cfg.Peer == nil {
		return nil
	}
	names := []string{f.ownName()}
	for _, p := range f.mesh().Members() {
		if names = append(names, screen.Safe(p.Called())); p.Called() == f.peer {
			n := len(names) - 1
			names[0], names[n] = names[n], names[0]
		}
	}
	return names
}

// alsoOn says which other nodes an act would go to, and which it cannot reach.
func (f *frame) alsoOn() (lines []string) {
	if f.mesh() == nil || !f.mesh().Secret {
		return []string{"no other node can be asked: " + noSecret}
	}
	there, gone := []string{f.ownName()}, []string(nil)
	for _, p := range f.mesh().Members() {
		if p.Unreachable(f.now()) == "" {
			there = append(there, screen.Safe(p.Called()))
		} else {
			gone = append(gone, screen.Safe(p.Called()))
		}
	}
	lines = append(lines, fmt.Sprintf("on %s: the effects above are those of %s; each node checks its own and may refuse", strings.Join(there, ", "), f.nodeName()))
	if len(gone) > 0 {
		lines = append(lines, strings.Join(gone, ", ")+": not reachable, nothing is done there")
	}
	return lines
}

// acrossOn has a line for each other node that has one of the targets' services, on which the act
// takes effect, too: what is live and waits there.
func (f *frame) acrossOn(targets []string) (lines []string) {
	if f.mesh() == nil {
		return nil
	}
	service, _ := api.SplitTarget(targets[0])
	there := func(node string, s *api.PeerService) string {
		return fmt.Sprintf("on %s, too: %d live, %d waiting", node, s.Active, s.Queue)
	}
	if own := f.own.status.Service(service); f.away() && own != nil {
		brief := api.Brief(own)
		lines = append(lines, there(f.ownName(), &brief))
	}
	for i := range f.mesh().Peers {
		p := &f.mesh().Peers[i]
		if p.Called() == f.peer || !p.Member() {
			continue
		}
		for _, s := range p.Services {
			if s.Name != service {
				continue
			}
			line := there(screen.Safe(p.Called()), &s)
			if p.Unreachable(f.now()) != "" {
				line = fmt.Sprintf("on %s when it is back: it is %s", screen.Safe(p.Called()), p.State)
			}
			lines = append(lines, line)
		}
	}
	if len(lines) == 0 {
		return []string{"on all nodes that have " + screen.Safe(service) + ": none but this one now"}
	}
	return lines
}

// countNodes returns how many nodes are alive and how many there are, including this one but not
// departed ones.
func (f *frame) countNodes() (alive, all int) {
	if f.mesh() == nil {
		return 0, 0
	}
	alive, all = 1, 1
	for i := range f.mesh().Peers {
		p := &f.mesh().Peers[i]
		if p.Cause == meshinfo.Departed || p.Stranger() {
			continue
		}
		all++
		if p.State == meshinfo.Alive {
			alive++
		}
	}
	return alive, all
}
