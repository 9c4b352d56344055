package mesh

import (
	"cmp"
	"crypto/ed25519"
	"fmt"
	"net"
	"os"
	"slices"
	"time"

	"github.com/tcpctl/tcpctl/mesh/internal/plain"
	"github.com/tcpctl/tcpctl/mesh/meshinfo"
)

// Config describes a node and the peers that it looks for. Only Name is needed. New copies it.
type Config struct {
	// Name of the mesh: nodes with the same name connect. Up to 64 bytes, printable.
	Name string

	// Node is the name of this node for people. It need not be unique. Empty: the host's name.
	Node string

	// Version of the program, shown to peers. May be empty.
	Version string

	// ID is unique to this node, up to 64 printable bytes without spaces. Of two nodes the one with the higher id dials.
	// Empty: made from Key. Two nodes with one id do not connect, and both report ErrSameID.
	ID string

	// Key is the node's identity. Empty: a new one, so that the node is another peer after a restart.
	Key ed25519.PrivateKey

	// Secrets admit nodes to the mesh (see NewSecret). A peer must prove one of them; to rotate a secret, add the new one on
	// all nodes and then remove the old one. At most eight, each of at least 16 bytes. Empty: an open mesh, in which no peer
	// is trusted and streams are refused.
	Secrets []string

	// Join are addresses that are dialled until a node answers, without a time limit: "host:port" (every address of the host is
	// tried), or "host" alone, which looks up the SRV record _tcpctl._tcp.host.
	Join []string

	// NoMDNS switches multicast DNS off. It is also off if Network is set.
	NoMDNS bool

	// CacheFile keeps the addresses of peers across restarts. Empty: they are kept in memory only.
	CacheFile string

	// Sources find peers, in addition to the package's own sources.
	Sources []Source

	// Hubs are the names of the hubs, in any order, the same on all nodes. In a mesh of more than FullUpTo nodes, each node links
	// to the hubs only, gets to know the others from them, and reaches them through them (OpenStream). A node that reaches no hub
	// links to all again. Empty: every node always links to every other. Hubs need Secrets, and an empty ID. SetHubs changes them.
	Hubs []string

	// FullUpTo is the most nodes that all link to each other; with more, they link to Hubs only (50). The hubs' value applies. A
	// lower value saves links and costs a hop: a full mesh of n nodes has n(n-1)/2 links, one with h hubs about h*n.
	FullUpTo int

	// Network makes the node's connections. Nil: the system's TCP. Package meshtest has one in memory.
	Network Network

	// OnConn is called with the connection to each peer, in a goroutine of its own, and again after each reconnect. The program
	// owns the connection; Close of the node also closes it. Nil: use Conns.
	OnConn func(*Conn)

	// OnStream is called with each stream that a trusted peer opened with OpenStream, in a goroutine of its own. The program
	// owns the stream. Nil: streams are refused.
	OnStream func(meshinfo.Peer, net.Conn)

	// OnError is called with errors that no call can return: a refused peer (*RefusedError), two nodes with one id (ErrSameID),
	// a Join address without a node (*JoinError), a listener without file descriptors; each error at most once in ten minutes,
	// and at most 20 errors a minute. It must not block, nor call Close or Shutdown, which wait for it. Nil: errors are dropped.
	OnError func(error)

	// Record is the argument of the first SetRecord. Nil: there is none.
	Record []byte

	// Heartbeat is the silence after which a node sends a heartbeat (250 ms). A lower value costs messages, in a mesh of n nodes
	// n(n-1) per Heartbeat; Suspect and Dead should be several times as long.
	Heartbeat time.Duration

	// Suspect and Dead are the silence after which a peer is suspect (1 s) and down (3 s). Lower values detect an unreachable
	// peer sooner, and mistake a busy machine for a dead one sooner. If this node's own timers are late, both grow by as much.
	Suspect, Dead time.Duration

	// Forget is how long a peer that is down is dialled and shown (24 h); a departed one is shown for a minute. Negative: no
	// limit.
	Forget time.Duration

	// HandshakeTimeout bounds each handshake, from the TCP connection to the verdict (5 s).
	HandshakeTimeout time.Duration

	// MaxPeers is the most peers that the node keeps at a time (256, with Hubs 2048).
	MaxPeers int

	// MaxUnproven is the most sockets at a time for nodes that have not proved a secret yet (256). Three in four are for incoming
	// handshakes, of which the oldest is closed when another arrives; the others are for dialling addresses at which no node was
	// ever reached. A lower value saves file descriptors; a mesh of n nodes that start together needs about n.
	MaxUnproven int
}

// Limits on what a peer may send. Anything longer is refused before memory is allocated for it.
const (
	maxHello          = 8 << 10  // of a node that is not authenticated yet
	maxRecord         = 1 << 20  // a trusted peer's record, and our own
	maxOpenRecord     = 64 << 10 // a record in an open mesh
	maxControl        = maxRecord + 64
	maxOpenControl    = maxOpenRecord + 64
	maxHubRecord      = 64 << 10 // a record that hubs pass on
	maxAddrs          = 16       // of one peer
	maxSecrets        = 8
	minSecret         = 16
	maxNeverConnected = 64  // peers that were found but have never been connected
	maxHandshakes     = 4   // concurrent handshakes started by this node: on a busy machine a few that finish are better than many that time out
	maxStreams        = 64  // open streams from one peer
	maxRelayed        = 256 // streams that one linked node opens, or receives, through a hub
	maxCarried        = 512 // streams that a hub carries in all, each with up to 512 KiB in yamux's windows
	forgetDeparted    = time.Minute
	dialTimeout       = 2 * time.Second
	connLinger        = 30 * time.Second // how long the program may go on reading the connection of a lost peer
	lowerWaits        = time.Second      // how long the node with the lower id waits for the other to dial
	defaultHeartbeat  = 250 * time.Millisecond
	minHeartbeat      = time.Millisecond
	maxDead           = 24 * time.Hour // sums of durations stay far from overflow
)

// check fills in defaults, and copies the slices, which the program could change later.
func (c Config) check() (Config, error) {
	c.Key, c.Secrets, c.Join, c.Sources, c.Hubs = slices.Clone(c.Key), slices.Clone(c.Secrets), slices.Clone(c.Join), slices.Clone(c.Sources), slices.Clone(c.Hubs)
	if !plain.Name(c.Name) {
		return c, fmt.Errorf("mesh: the mesh's name %.80q: want 1 to %d printable bytes", c.Name, plain.MaxName)
	}
	if c.Node == "" {
		host, err := os.Hostname()
		if err != nil {
			return c, fmt.Errorf("mesh: no Config.Node, and the host has no name: %w", err)
		}
		c.Node = host[:min(len(host), plain.MaxName)]
	}
	if !plain.Name(c.Node) {
		return c, fmt.Errorf("mesh: the node's name %.80q: want 1 to %d printable bytes", c.Node, plain.MaxName)
	}
	if c.Version != "" && !plain.Name(c.Version) {
		return c, fmt.Errorf("mesh: version %.80q: want up to %d printable bytes", c.Version, plain.MaxName)
	}
	if c.ID != "" && !plain.ID(c.ID) {
		return c, fmt.Errorf("mesh: id %.80q: want up to %d printable bytes without spaces", c.ID, plain.MaxName)
	}
	if c.Key != nil && len(c.Key) != ed25519.PrivateKeySize {
		return c, fmt.Errorf("mesh: Config.Key has %d bytes, an ed25519 private key has %d", len(c.Key), ed25519.PrivateKeySize)
	}
	if err := checkSecrets(c.Secrets); err != nil {
		return c, err
	}
	if err := c.checkHubs(c.Hubs); err != nil {
		return c, err
	}
	if len(c.Record) > c.recordLimit() {
		return c, errRecordSize(len(c.Record), c.recordLimit())
	}
	for _, j := range c.Join {
		if _, _, err := splitJoin(j); err != nil {
			return c, err
		}
	}
	for i, s := range c.Sources {
		if s == nil {
			return c, fmt.Errorf("mesh: source %d of Config.Sources is nil", i+1)
		}
	}
	return c.checkLimits()
}

// checkLimits fills in the durations and limits that are zero, and checks them.
func (c Config) checkLimits() (Config, error) {
	c.Heartbeat = cmp.Or(c.Heartbeat, defaultHeartbeat)
	c.Suspect = cmp.Or(c.Suspect, time.Second)
	c.Dead = cmp.Or(c.Dead, 3*time.Second)
	c.Forget = cmp.Or(c.Forget, 24*time.Hour)
	c.HandshakeTimeout = cmp.Or(c.HandshakeTimeout, 5*time.Second)
	if c.MaxPeers == 0 && len(c.Hubs) > 0 {
		c.MaxPeers = 2048
	}
	c.MaxPeers = cmp.Or(c.MaxPeers, 256)
	c.FullUpTo = cmp.Or(c.FullUpTo, 50)
	c.MaxUnproven = cmp.Or(c.MaxUnproven, 256)
	switch {
	case c.Heartbeat < minHeartbeat || c.Suspect <= c.Heartbeat || c.Dead <= c.Suspect:
		return c, fmt.Errorf("mesh: Heartbeat is %v, Suspect %v and Dead %v: want %v <= Heartbeat < Suspect < Dead", c.Heartbeat, c.Suspect, c.Dead, minHeartbeat)
	case c.Dead > maxDead:
		return c, fmt.Errorf("mesh: Dead is %v: want %v at most", c.Dead, maxDead)
	case c.HandshakeTimeout < 0:
		return c, fmt.Errorf("mesh: HandshakeTimeout is %v: it cannot be less than 0", c.HandshakeTimeout)
	case c.MaxPeers < 0:
		return c, fmt.Errorf("mesh: MaxPeers is %d: it cannot be less than 0", c.MaxPeers)
	case c.FullUpTo < 0:
		return c, fmt.Errorf("mesh: FullUpTo is %d: it cannot be less than 0", c.FullUpTo)
	case c.MaxUnproven < 8:
		return c, fmt.Errorf("mesh: MaxUnproven is %d: want 8 or more", c.MaxUnproven)
	}
	return c, nil
}

// recordLimit is smaller in an open mesh, since any node may join it and each peer's record is kept, and with hubs, since there
// are many nodes.
func (c Config) recordLimit() int {
	switch {
	case len(c.Secrets) == 0:
		return maxOpenRecord
	case len(c.Hubs) > 0:
		return maxHubRecord
	}
	return maxRecord
}
