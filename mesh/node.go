package mesh

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/tcpctl/tcpctl/mesh/meshinfo"
)

// ErrClosed is returned by a node after Shutdown or Close.
var ErrClosed = errors.New("mesh: the node is closed")

// Node is one member of a mesh.
type Node struct {
	cfg     Config
	id      identity
	network Network
	born    time.Time
	door    door
	listen  netip.AddrPort
	ln      net.Listener
	greets  chan struct{} // a place for each handshake that we begin

	// The same for nodes that we know from somebody's word alone, and a place for each of their addresses that is dialled.
	hearsayGreets, hearsay chan struct{}

	ctx   context.Context // finding, dialling, listening: until Shutdown
	leave context.CancelFunc
	end   context.Context // everything: until Close
	stop  context.CancelFunc
	wg    sync.WaitGroup

	mu          sync.Mutex
	closing     bool // no new peers, links or connections
	closed      bool
	peers       map[string]*peer
	links       map[string]*link // by token
	lingering   map[*Conn]struct{}
	sources     []*watched
	subscribers []*subscriber
	record      []byte
	recordNo    uint64
	watchers    int
	strangers   int
	memoryDirty bool

	refusals        map[string]*meshinfo.Refusal
	complained      map[string]time.Time
	complaints      int // since complaintsSince
	complaintsSince time.Time
}

// New makes a node. It does nothing before Listen.
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
		cfg: cfg, id: id, network: cfg.Network, born: time.Now(),
		peers: map[string]*peer{}, links: map[string]*link{}, lingering: map[*Conn]struct{}{},
		greets:  make(chan struct{}, maxGreets),
		hearsay: make(chan struct{}, cfg.MaxUnproven/4), hearsayGreets: make(chan struct{}, maxGreets),
		door:     door{most: cfg.MaxUnproven * 3 / 4},
		refusals: map[string]*meshinfo.Refusal{}, complained: map[string]time.Time{},
	}
	if n.network == nil {
		n.network = system{}
	}
	n.ctx, n.leave = context.WithCancel(context.Background())
	n.end, n.stop = context.WithCancel(context.Background())
	if cfg.Record != nil {
		err = n.SetRecord(cfg.Record)
	}
	return n, err
}

// ID is the node's id.
func (n *Node) ID() string { return n.id.id }

// NodeName is what people call the node: Config.Node, or the host's name.
func (n *Node) NodeName() string { return n.cfg.Node }

// Name is the mesh's name.
func (n *Node) Name() string { return n.cfg.Name }

// Listen takes a port and begins to find peers, and to be found. When it returns, the node is there; ctx bounds only the
// look-up of a host name in addr.
//
// addr is "host:port" or part of it: "" is any port on all addresses, IPv4 and IPv6, as are "0.0.0.0:0" and "[::]:0"; "7460" is that port on
// all; "localhost", "127.0.0.1" or "::1" is this machine alone; "10.0.0.7" one address. A node listens once.
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

func (n *Node) takePort(ctx context.Context, addr string) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.closing {
		return ErrClosed
	}
	if n.ln != nil {
		return errors.New("mesh: the node listens already")
	}
	ln, err := n.network.Listen(ctx, addr)
	if err != nil {
		return fmt.Errorf("mesh: listen: %w", err)
	}
	n.ln, n.listen = ln, addrPort(ln.Addr())
	n.wg.Add(3) // the third is Listen itself, which is not done with starting
	go n.accept(ln)
	go n.pulse()
	return nil
}

// startSources sets everything that finds peers going.
func (n *Node) startSources() {
	defer n.wg.Done()
	sources := n.cfg.Sources
	if n.cfg.Network == nil && !n.cfg.NoMDNS {
		sources = append([]Source{MDNS()}, sources...)
	}
	for _, s := range sources {
		w := n.watch(s.Name(), "")
		n.wg.Add(1)
		go n.runSource(s, w)
	}
	for _, join := range n.cfg.Join {
		name := sourceJoin
		if host, _, _ := splitJoin(join); !isIP(host) {
			name = sourceDNS
		}
		w := n.watch(name, join)
		n.wg.Add(1)
		go n.seek(join, w)
	}
	if n.cfg.CacheFile != "" {
		w := n.watch(sourceMemory, n.cfg.CacheFile)
		n.recall(w)
		n.wg.Add(1)
		go n.remember(w)
	}
}

func isIP(host string) bool {
	_, err := netip.ParseAddr(host)
	return err == nil
}

// Addr is where the node listens: every address of every interface, where it listens on all. Zero before Listen.
func (n *Node) Addr() Addr {
	n.mu.Lock()
	listen := n.listen
	n.mu.Unlock()
	if !listen.IsValid() {
		return Addr{}
	}
	return Addr{Port: listen.Port(), Addrs: reachable(listen)}
}

// Status is all that a status shows of the mesh.
type Status struct {
	Name    string             `json:"name"`
	ID      string             `json:"id"`
	Node    string             `json:"node"`
	Listen  Addr               `json:"listen"`
	Secret  bool               `json:"secret"` // without one, nobody is trusted
	Peers   []meshinfo.Peer    `json:"peers"`
	Sources []meshinfo.Source  `json:"sources"`
	Refused []meshinfo.Refusal `json:"refused,omitempty"`
}

// Status returns it.
func (n *Node) Status() Status {
	s := Status{
		Name: n.cfg.Name, ID: n.id.id, Node: n.cfg.Node, Secret: len(n.cfg.Secrets) > 0,
		Listen: n.Addr(), Peers: n.Peers(), Sources: n.Sources(),
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, r := range n.refusals {
		s.Refused = append(s.Refused, *r)
	}
	return s
}
