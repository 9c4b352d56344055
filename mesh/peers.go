package mesh

import (
	"net/netip"
	"slices"
	"strings"
	"time"
)

// State of a peer.
type State string

// The states. A suspect peer has been silent for Config.Suspect, and is still connected.
const (
	Alive   State = "alive"
	Suspect State = "suspect"
	Down    State = "down"
)

// Cause says how a peer was lost.
type Cause string

// The causes. A peer that was found and never reached is Down without a cause.
const (
	Crash Cause = "crash" // its connection ended without a goodbye: the process died
	Cut   Cause = "cut"   // nothing comes back: the network, or the whole machine
	Hung  Cause = "hung"  // its kernel answers and its process does not
	Left  Cause = "left"  // it said goodbye
)

// Peer is another node, as a value.
type Peer struct {
	ID          string    `json:"id"`
	Name        string    `json:"name"` // the host's, unless it was given another; not unique
	Addr        string    `json:"addr"` // where it listens, as far as we know
	State       State     `json:"state"`
	Cause       Cause     `json:"cause,omitempty"`
	Why         string    `json:"why,omitempty"` // how it was lost, then what came of the last attempt to reach it
	Since       time.Time `json:"since"`         // of the state
	Seen        time.Time `json:"seen,omitzero"` // when something last came from it
	RTTSeconds  float64   `json:"rtt_seconds,omitempty"`
	SkewSeconds float64   `json:"skew_seconds"` // how far its clock is ahead of ours, give or take a round trip
	FoundBy     string    `json:"found_by"`
	Version     string    `json:"version,omitempty"`
	Trusted     bool      `json:"trusted"` // it has proved a secret
	Record      []byte    `json:"-"`       // its own, opaque; not to be changed
}

// peer is what a node knows of another. Its fields are under node.mu.
type peer struct {
	node     *Node
	id       string
	name     string
	version  string
	addrs    []netip.AddrPort // the best first
	wrong    map[netip.AddrPort]time.Time
	foundBy  string
	state    State
	cause    Cause
	why      string
	since    time.Time
	seen     time.Time
	skew     time.Duration
	rtt      time.Duration
	trusted  bool
	record   []byte
	recordNo uint64
	link     *link

	nextDial time.Time // zero: not at all
	dialled  time.Time // when the last attempt began
	retry    backoff
	poke     chan struct{} // keep looks at nextDial again
	gone     chan struct{} // closed when it is forgotten
	settling chan struct{} // held by the connection that is being decided about
}

// addPeer is called with node.mu held. It returns nil when there are too many, or the node is closing.
func (n *Node) addPeer(id, source string) *peer {
	if n.closing || len(n.peers) >= n.cfg.MaxPeers && !(source == sourceIncoming && n.dropNeverSeen()) {
		return nil
	}
	p := &peer{
		node: n, id: id, foundBy: source, state: Down, since: time.Now(),
		retry:    backoff{min: 100 * time.Millisecond, max: strangerWait},
		poke:     make(chan struct{}, 1),
		gone:     make(chan struct{}),
		settling: make(chan struct{}, 1),
	}
	n.peers[id] = p
	n.wg.Add(1)
	go p.keep()
	return p
}

const (
	peerWait     = 1500 * time.Millisecond // the longest wait between two attempts to reach a peer that we have met
	strangerWait = 15 * time.Second        // and one that we have only heard of: anybody may announce anything
)

// dropNeverSeen makes room: who has merely been heard of gives way to who has called.
func (n *Node) dropNeverSeen() bool {
	for _, p := range n.peers {
		if p.link == nil && p.seen.IsZero() && len(p.settling) == 0 {
			n.forget(p)
			return true
		}
	}
	return false
}

// forget is called with node.mu held.
func (n *Node) forget(p *peer) {
	delete(n.peers, p.id)
	close(p.gone)
	n.memoryDirty = true
}

// addAddrs puts what is new in front of what is known.
func (p *peer) addAddrs(addrs []netip.AddrPort) {
	for _, a := range slices.Backward(addrs) {
		p.addrs = slices.DeleteFunc(p.addrs, func(b netip.AddrPort) bool { return a == b })
		p.addrs = slices.Insert(p.addrs, 0, a)
	}
	p.addrs = p.addrs[:min(len(p.addrs), maxAddrs)]
	p.node.memoryDirty = true
}

func (p *peer) value() Peer {
	v := Peer{
		ID: p.id, Name: p.name, State: p.state, Cause: p.cause, Why: p.why, Since: p.since, Seen: p.seen,
		RTTSeconds: p.rtt.Seconds(), SkewSeconds: p.skew.Seconds(), FoundBy: p.foundBy, Version: p.version, Trusted: p.trusted, Record: p.record,
	}
	if len(p.addrs) > 0 {
		v.Addr = p.addrs[0].String()
	}
	if p.link != nil {
		v.Seen = p.link.wire.heardAt()
	}
	return v
}

// Peers returns all that are known, by name and then id: alive, down, and found but not reached yet.
func (n *Node) Peers() []Peer {
	n.mu.Lock()
	defer n.mu.Unlock()
	out := make([]Peer, 0, len(n.peers))
	for _, p := range n.peers {
		out = append(out, p.value())
	}
	slices.SortFunc(out, func(a, b Peer) int {
		if c := strings.Compare(a.Name, b.Name); c != 0 {
			return c
		}
		return strings.Compare(a.ID, b.ID)
	})
	return out
}

// setState is called with node.mu held, and tells those who listen to Events.
func (p *peer) setState(s State, c Cause) {
	if p.state == s && p.cause == c {
		return
	}
	p.state, p.cause, p.since = s, c, time.Now()
	p.node.tell(Event{Kind: string(s), Peer: p.value()})
}

// prune forgets who has been down for long enough. Called with node.mu held.
func (n *Node) prune(now time.Time) {
	for _, p := range n.peers {
		down := now.Sub(p.since)
		if p.link != nil || len(p.settling) > 0 || p.state != Down {
			continue
		}
		if p.cause == Left && down > forgetLeft || n.cfg.Forget > 0 && down > n.cfg.Forget {
			n.forget(p)
		}
	}
}

// replaces forgets the peer that p is the successor of: it is down, and had p's name on p's host. A process that is
// started again without a Config.Key comes with a new id.
func (n *Node) replaces(p *peer, host netip.Addr) {
	for _, old := range n.peers {
		if old != p && old.name == p.name && old.link == nil && old.state == Down && len(old.settling) == 0 &&
			slices.ContainsFunc(old.addrs, func(a netip.AddrPort) bool { return a.Addr() == host }) {
			n.forget(old)
		}
	}
}
