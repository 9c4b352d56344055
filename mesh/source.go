package mesh

import (
	"context"
	"net/netip"
	"slices"
	"time"

	"github.com/tcpctl/tcpctl/mesh/internal/mdns"
	"github.com/tcpctl/tcpctl/mesh/internal/plain"
	"github.com/tcpctl/tcpctl/mesh/meshinfo"
)

// Source finds nodes. Several run side by side; the first to find a peer is named in Peer.FoundBy.
type Source interface {
	// Name is what meshinfo.Peer.FoundBy shows, such as "mdns".
	Name() string

	// Run announces this node, if the source can, and reports other nodes, until ctx ends. An error is a warning in the
	// status, and Run is called again after a while: a source never stops a node.
	Run(ctx context.Context, self Self, r Reporter) error
}

// Self is what a source may announce about this node.
type Self struct {
	Mesh, ID, Name string
	Listen         netip.AddrPort // the address may be unspecified: all interfaces
}

// Reporter gets the results of a Source. Its methods do not block.
type Reporter interface {
	Found(Sighting)
	Warn(string) // why no node can be found now; "" clears the warning
}

// Sighting is a node that may be at Addrs. ID and Name may be empty; without an ID the addresses are dialled once.
type Sighting struct {
	ID, Name string
	Addrs    []netip.AddrPort
}

// The names of the package's own sources, as in Peer.FoundBy.
const (
	sourceMDNS     = "mdns"
	sourceJoin     = "join"
	sourceDNS      = "dns"      // a join address that is a name
	sourcePeer     = "peer"     // a peer is connected to it
	sourceCache    = "memory"   // it is in Config.CacheFile
	sourceIncoming = "incoming" // it has dialled this node before a source found it
)

// MDNS returns the source that needs no configuration: multicast DNS service
// discovery (RFC 6762 and 6763), on every interface that is up, including those
// that come up later. `avahi-browse -r _tcpctl._tcp` shows the same nodes.
func MDNS() Source { return multicast{} }

type multicast struct{}

func (multicast) Name() string { return sourceMDNS }

func (multicast) Run(ctx context.Context, self Self, r Reporter) error {
	return mdns.Run(ctx, mdns.Config{
		Mesh: self.Mesh, ID: self.ID, Name: self.Name, Listen: self.Listen, Warn: r.Warn,
		Found: func(n mdns.Node) { r.Found(Sighting{ID: n.ID, Name: n.Name, Addrs: n.Addrs}) },
	})
}

// runningSource is the Reporter of one source.
type runningSource struct {
	node    *Node
	name    string
	addr    string // see meshinfo.Source
	warning string // under node.mu
}

func (w *runningSource) Found(s Sighting) { w.node.found(s, w.name) }

func (w *runningSource) Warn(text string) {
	w.node.mu.Lock()
	defer w.node.mu.Unlock()
	w.warning = text
}

// Sources returns the state of each source. A source that cannot find peers has a
// warning, such as multicast DNS in a container network.
func (n *Node) Sources() []meshinfo.Source {
	n.mu.Lock()
	defer n.mu.Unlock()
	out := make([]meshinfo.Source, 0, len(n.sources))
	for _, w := range n.sources {
		s := meshinfo.Source{Name: w.name, Addr: w.addr, Warning: w.warning}
		for _, p := range n.peers {
			if p.foundBy == w.name {
				s.Found++
			}
		}
		out = append(out, s)
	}
	return out
}

func (n *Node) addSource(name, addr string) *runningSource {
	n.mu.Lock()
	defer n.mu.Unlock()
	w := &runningSource{node: n, name: name, addr: addr}
	n.sources = append(n.sources, w)
	return w
}

func (n *Node) runSource(s Source, w *runningSource) {
	wait := backoff{min: 500 * time.Millisecond, max: 30 * time.Second}
	for n.ctx.Err() == nil {
		err := s.Run(n.ctx, n.self(), w)
		if err != nil && n.ctx.Err() == nil {
			w.Warn(err.Error())
		}
		wait.sleep(n.ctx)
	}
}

func (n *Node) self() Self {
	return Self{Mesh: n.cfg.Name, ID: n.id.id, Name: n.cfg.Node, Listen: n.listen}
}

// found handles a sighting from any source. It is not trusted: it only says where to dial.
func (n *Node) found(s Sighting, source string) {
	s.Addrs = slices.DeleteFunc(slices.Clone(s.Addrs[:min(len(s.Addrs), maxAddrs)]), func(a netip.AddrPort) bool {
		return checkAddr(a) != nil || n.onlyLoopback() && !a.Addr().IsLoopback()
	})
	if len(s.Addrs) == 0 {
		return
	}
	if s.ID == "" {
		n.dialUnknown(s.Addrs, source)
		return
	}
	if s.ID == n.id.id || !plain.ID(s.ID) || s.Name != "" && !plain.Name(s.Name) {
		return
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	p := n.peers[s.ID]
	if p == nil {
		if p = n.addPeer(s.ID, source); p == nil {
			return
		}
	}
	if p.name == "" {
		p.name = s.Name
		p.wakeUp() // it may be a hub, which is dialled even if others are not
	}
	p.addAddrs(s.Addrs, false)
	p.foundAgain(source)
}

// onlyLoopback reports whether this node listens on loopback only. It then dials only there, except for join addresses,
// which are configured.
func (n *Node) onlyLoopback() bool { return n.listen.Addr().IsLoopback() }
