package mesh

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/tcpctl/tcpctl/mesh/meshinfo"
)

// ErrClosed is returned by Listen after Shutdown or Close.
var ErrClosed = errors.New("mesh: the node is closed")

// Node is one member of a mesh. Its methods may be called from any goroutine.
type Node struct {
	cfg        Config
	id         identity
	network    Network
	started    time.Time
	pending    pendingCallers
	listen     netip.AddrPort
	ln         net.Listener
	handshakes chan struct{} // semaphore: handshakes that this node starts
	carried    chan struct{} // semaphore: streams that this node carries as a hub

	// The same for nodes that were never connected, and for dials to their addresses.
	unverifiedHandshakes, unverifiedDials chan struct{}

	ctx         context.Context // finding, dialling, listening: until Shutdown
	stopFinding context.CancelFunc
	lifetime    context.Context // everything: until Close
	endLifetime context.CancelFunc
	wg          sync.WaitGroup

	listening sync.Mutex // held by Listen; taken before mu

	mu           sync.Mutex
	closing      bool // no new peers, links or connections
	closed       bool
	peers        map[string]*peer
	links        map[string]*link // by token
	lingering    map[*Conn]struct{}
	sources      []*runningSource
	subscribers  []*subscriber
	record       []byte
	recordNo     uint64
	watchers     int
	unknownDials int
	cacheDirty   bool

	signed ownRecord
	hubs   hubs
	feedNo uint64 // counts changes that feeds report: see feedChanged

	refusals     map[string]*meshinfo.Refusal
	reported     map[string]time.Time
	reports      int // since complaintsSince
	reportsSince time.Time
}

// New returns a node, or an error if cfg is invalid. The node does nothing before
// Listen.
func New(cfg Config) (*Node, error) {
	cfg, err := cfg.check()
	if err != nil {
		return nil, err
	}
	id, err := newIdentity(cfg.ID, cfg.Key)
	if err != nil {
		return nil, err
	}
	n := &Node{
		cfg: cfg, id: id, network: cfg.Network, started: time.Now(),
		peers: map[string]*peer{}, links: map[string]*link{}, lingering: map[*Conn]struct{}{},
		handshakes:      make(chan struct{}, maxHandshakes),
		unverifiedDials: make(chan struct{}, cfg.MaxUnproven/4), unverifiedHandshakes: make(chan struct{}, maxHandshakes),
		pending: pendingCallers{limit: cfg.MaxUnproven * 3 / 4},
		carried: make(chan struct{}, maxCarried), hubs: hubs{names: slices.Clone(cfg.Hubs), first: len(cfg.Hubs) > 0, ready: make(chan struct{})},
		signed:   ownRecord{version: uint64(time.Now().UnixMicro())},
		refusals: map[string]*meshinfo.Refusal{}, reported: map[string]time.Time{},
	}
	if n.network == nil {
		n.network = system{}
	}
	n.ctx, n.stopFinding = context.WithCancel(context.Background())
	n.lifetime, n.endLifetime = context.WithCancel(context.Background())
	if cfg.Record != nil {
		err = n.SetRecord(cfg.Record)
	}
	return n, err
}

// ID returns the node's id.
func (n *Node) ID() string { return n.id.id }

// NodeName returns the node's name for people: Config.Node, or the host's name.
func (n *Node) NodeName() string { return n.cfg.Node }

// Name returns the name of the mesh.
func (n *Node) Name() string { return n.cfg.Name }

// Listen opens the node's port and starts to find peers, and to be found. ctx bounds only the look-up of a host name in addr.
//
// addr is "host:port" or part of it: "" is any port on all addresses, IPv4 and IPv6, as are "0.0.0.0:0" and "[::]:0"; "7460" is
// that port on all; "localhost", "127.0.0.1" or "::1" is this machine alone; "10.0.0.7" is one address. A node listens once.
func (n *Node) Listen(ctx context.Context, addr string) error {
	addr, err := listenAddr(addr)
	if err != nil {
		return err
	}
	if err := n.takePort(ctx, addr); err != nil {
		return err
	}
	n.startSources()
	return nil
}

// takePort listens. A DNS lookup may take long: it runs without node.mu, and Close ends it.
func (n *Node) takePort(ctx context.Context, addr string) error {
	n.listening.Lock()
	defer n.listening.Unlock()
	n.mu.Lock()
	closing, listens := n.closing, n.ln != nil
	n.mu.Unlock()
	if closing {
		return ErrClosed
	}
	if listens {
		return errors.New("mesh: the node listens already")
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(n.ctx, cancel)()
	ln, err := n.network.Listen(ctx, addr)
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.closing {
		if err == nil {
			ln.Close()
		}
		return ErrClosed
	}
	if err != nil {
		return fmt.Errorf("mesh: listen: %w", err)
	}
	n.ln, n.listen = ln, addrPort(ln.Addr())
	n.wg.Add(3) // the third is Listen itself, until startSources has returned
	go n.accept(ln)
	go n.watchLinks()
	return nil
}

// startSources starts all sources of peers.
func (n *Node) startSources() {
	defer n.wg.Done()
	sources := n.cfg.Sources
	if n.cfg.Network == nil && !n.cfg.NoMDNS {
		sources = append([]Source{MDNS()}, sources...)
	}
	for _, s := range sources {
		w := n.addSource(s.Name(), "")
		n.wg.Go(func() { n.runSource(s, w) })
	}
	for _, join := range n.cfg.Join {
		name := sourceJoin
		host, _, _ := splitJoin(join)
		if _, err := netip.ParseAddr(host); err != nil {
			name = sourceDNS
		}
		w := n.addSource(name, join)
		n.wg.Go(func() { n.keepJoined(join, w) })
	}
	if n.cfg.CacheFile != "" {
		w := n.addSource(sourceCache, n.cfg.CacheFile)
		n.loadCache(w)
		n.wg.Go(func() { n.saveCache(w) })
	}
}

// Addr returns where the node listens: every address of every interface if it
// listens on all. It is zero before Listen.
func (n *Node) Addr() Addr {
	n.mu.Lock()
	listen := n.listen
	n.mu.Unlock()
	if !listen.IsValid() {
		return Addr{}
	}
	return Addr{Port: listen.Port(), Addrs: reachable(listen)}
}

// Status describes a node and its mesh at one moment.
type Status struct {
	Name    string             `json:"name"`
	ID      string             `json:"id"`
	Node    string             `json:"node"`
	Listen  Addr               `json:"listen"`
	Secret  bool               `json:"secret"` // whether the mesh has a secret; without one, no peer is trusted
	Peers   []meshinfo.Peer    `json:"peers"`
	Sources []meshinfo.Source  `json:"sources"`
	Refused []meshinfo.Refusal `json:"refused,omitempty"`
	Hubs    []string           `json:"hubs,omitempty"`     // Config.Hubs
	HubMode bool               `json:"hub_mode,omitempty"` // whether nodes link to hubs only, because there are more than Config.FullUpTo
}

// Status returns the state of the node now.
func (n *Node) Status() Status {
	s := Status{
		Name: n.cfg.Name, ID: n.id.id, Node: n.cfg.Node, Secret: len(n.cfg.Secrets) > 0,
		Listen: n.Addr(), Peers: n.Peers(), Sources: n.Sources(),
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	s.Hubs, s.HubMode = slices.Clone(n.hubs.names), n.hubs.on
	for _, r := range n.refusals {
		s.Refused = append(s.Refused, *r)
	}
	return s
}
