// Package fleet is control through the mesh: every node publishes a summary of its services, and
// the HTTP API of a node's control socket is served to its peers over streams of the mesh. There is
// no second protocol.
package fleet

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httputil"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tcpctl/tcpctl/cmd/tcpctl/internal/config"
	"github.com/tcpctl/tcpctl/cmd/tcpctl/internal/connlimit"
	"github.com/tcpctl/tcpctl/cmd/tcpctl/internal/control"
	"github.com/tcpctl/tcpctl/cmd/tcpctl/internal/fileerror"
	"github.com/tcpctl/tcpctl/cmd/tcpctl/internal/quorum"
	"github.com/tcpctl/tcpctl/cmd/tcpctl/internal/statedir"
	"github.com/tcpctl/tcpctl/mesh"
	"github.com/tcpctl/tcpctl/proxy"
	"github.com/tcpctl/tcpctl/proxy/api"
)

// Config says which mesh to join, and for whom.
type Config struct {
	Mesh    mesh.Config // Name, Node, Secrets, Join, …; the callbacks are the fleet's
	Listen  string
	Version string
	Log     *slog.Logger
	// Keep gives the folder for the node's key, so that it is the same node
	// after a restart. nil: it is a new one each time, unless Mesh has a key.
	Keep func() (string, error)
	// Cluster is the cluster to take part in; nil: none. The node's key is in its
	// folder then.
	Cluster *Cluster
}

// TakeKey gives the node the key that is kept for it, and locks that: call
// release when the node is closed. A key that cannot be kept is a warning.
func (c *Config) TakeKey() (release func()) {
	id := c.identity()
	return id.release
}

func (c *Config) identity() *identity {
	id := &identity{key: c.Mesh.Key}
	if c.Cluster != nil {
		kept, err := takeIdentity(c.Cluster.Dir, c.Mesh.Name, "node", "", c.Mesh.Key, c.Log)
		if err == nil {
			c.Mesh.Key = kept.key
			return kept
		}
		c.Log.Error("cluster: the node's key cannot be kept, and it is a new node after a restart: " + err.Error())
		return id
	}
	if c.Keep == nil {
		return id
	}
	dir, err := c.Keep()
	if err == nil {
		var kept *identity
		if kept, err = takeIdentity(dir, c.Mesh.Name, c.Mesh.Node, c.Listen, c.Mesh.Key, c.Log); err == nil {
			id = kept
		}
	}
	if err != nil {
		c.Log.Warn("mesh: the node's key cannot be kept, and it is a new node after a restart: " + err.Error())
	}
	c.Mesh.Key = id.key
	return id
}

// HostName is the default name of a node: that of the host, or "localhost".
func HostName() string {
	if name, err := os.Hostname(); err == nil {
		return name
	}
	return "localhost"
}

// FromFile makes a Config of the table [mesh].
func FromFile(m *config.Mesh) (Config, error) {
	c := Config{Listen: m.Listen, Log: slog.Default(), Keep: func() (string, error) { return statedir.Make("mesh") }, Mesh: mesh.Config{Name: m.Name, Node: m.Node, Join: m.Join, NoMDNS: !m.MDNS, Hubs: m.Hubs, FullUpTo: m.FullUpTo}}
	if c.Mesh.Node == "" {
		c.Mesh.Node = HostName()
	}
	if m.SecretFile != "" {
		text, err := fileerror.Read(m.SecretFile, 1<<20)
		if err != nil {
			return c, err
		}
		if c.Mesh.Secrets, err = mesh.ParseSecrets(text); err != nil {
			return c, &fileerror.Error{File: m.SecretFile, Text: strings.TrimPrefix(err.Error(), "mesh: "), Hint: "tcpctl mesh key makes one", Err: err}
		}
	}
	return c, nil
}

// Fleet is this node's part in the mesh.
type Fleet struct {
	name   string // the mesh's name
	node   *mesh.Node
	key    ed25519.PrivateKey
	source *api.Local
	log    *slog.Logger
	listen string
	ctx    context.Context
	cancel context.CancelFunc
	wg     sync.WaitGroup

	server    *http.Server // for requests from peers
	streams   *streams
	proxy     *httputil.ReverseProxy // for requests to peers
	transport *http.Transport        // and its transport
	own       http.Handler           // for requests to this node by its own name
	identity  *identity
	secrets   []string // in force
	noted     noted
	checks    checks                      // checks that nodes of a cluster make for each other
	listens   bool                        // only used by Join
	hubs      bool                        // the file names hubs; otherwise the cluster's voters are
	joins     *Cluster                    // nil: no cluster
	cluster   atomic.Pointer[quorum.Part] // nil: none, or not joined yet
	carrier   *quorum.Carrier             // carries the member's messages; nil: not yet
}

// HasOtherSecrets reports whether the file with the secrets has others than those in force, which stay until the next start.
func (f *Fleet) HasOtherSecrets(m *config.Mesh) bool {
	if f == nil {
		return false
	}
	c, err := FromFile(m)
	return err == nil && !slices.Equal(c.Mesh.Secrets, f.secrets)
}

// Start is New and Join.
func Start(ctx context.Context, c Config, source *api.Local) (*Fleet, error) {
	f, err := New(c, source)
	if err == nil {
		if err = f.Join(ctx); err != nil {
			f.Close()
		}
	}
	return f, err
}

// New makes an engine's part in a mesh. The source's Mesh and Peers are set,
// so make it before others use the source. Close it.
func New(c Config, source *api.Local) (*Fleet, error) {
	f := &Fleet{name: c.Mesh.Name, source: source, log: c.Log, listen: c.Listen, secrets: c.Mesh.Secrets, noted: noted{}, joins: c.Cluster,
		streams: &streams{opened: make(chan net.Conn), closed: make(chan struct{})}}
	f.ctx, f.cancel = context.WithCancel(context.Background())
	f.identity = c.identity()
	if c.Mesh.Key == nil {
		var err error
		if _, c.Mesh.Key, err = ed25519.GenerateKey(rand.Reader); err != nil {
			return nil, fmt.Errorf("mesh: new key: %w", err)
		}
	}
	f.key = c.Mesh.Key
	mc := c.Mesh
	limitUnproven(&mc, proxy.NewDescriptors(0).Mesh)
	f.hubs = len(mc.Hubs) > 0
	if c.Cluster != nil && !f.hubs {
		mc.Hubs = c.Cluster.Voters
	}
	mc.Version = c.Version
	mc.OnStream, mc.OnError = f.streams.take, f.noteError
	if c.Cluster != nil {
		mc.OnStream = f.takeStream
		source.Cluster, source.ClusterDo, source.Process, source.Places = f.clusterStatus, f.clusterDo, f.process, f.places
	}
	node, err := mesh.New(mc)
	if err != nil {
		f.cancel()
		f.identity.release()
		return nil, err
	}
	f.node = node
	f.transport = &http.Transport{DialContext: f.dial, MaxIdleConnsPerHost: 4, IdleConnTimeout: 30 * time.Second}
	f.proxy = &httputil.ReverseProxy{
		Rewrite:       rewrite,
		Transport:     control.RoundTrip(f.ask),
		FlushInterval: -1,
		ErrorHandler:  func(w http.ResponseWriter, _ *http.Request, err error) { control.Fail(w, api.AsError(err)) },
		ErrorLog:      slog.NewLogLogger(slog.DiscardHandler, slog.LevelDebug), // each error goes to the client
	}
	f.own = control.NewHandler(source, func(r *http.Request) string { return r.Header.Get(control.PeerHeader) })
	f.server = &http.Server{Handler: f.requireTrust(control.NewHandler(source, operatorBehind)), ConnContext: withPeer,
		BaseContext: func(net.Listener) context.Context { return f.ctx },
		ErrorLog:    slog.NewLogLogger(c.Log.Handler(), slog.LevelWarn)}
	connlimit.Bound(f.server, maxStreams)
	source.Mesh, source.Peers = f.status, f.peer
	return f, nil
}

// limitUnproven limits the descriptors of peers that have not proved a secret: half for connections
// in the handshake and, in an open mesh, where no peer can prove one, two for each peer.
func limitUnproven(c *mesh.Config, descriptors int) {
	c.MaxUnproven = max(descriptors/2, 8)
	if len(c.Secrets) == 0 {
		c.MaxPeers = max(descriptors/4, 4)
	}
}

// Join listens, and is found by the others from then on. After an error it may be called
// again: what a process before this one has still is free in a moment.
func (f *Fleet) Join(ctx context.Context) error {
	if !f.listens {
		if err := f.node.Listen(ctx, f.listen); err != nil {
			return proxy.ListenHint(f.listen, err)
		}
		f.listens = true
		if locked, err := f.identity.lock(); !locked { // the predecessor should have released it
			f.log.Warn("mesh: another process has the node's key, too", "file", f.identity.path, "error", err)
		}
	}
	if err := f.joinCluster(f.joins); err != nil {
		return err
	}
	f.wg.Add(3)
	go f.serve()
	go f.publish()
	go f.follow()
	return nil
}

// Close leaves the mesh. Peers see that this node has departed.
func (f *Fleet) Close() {
	if part := f.cluster.Load(); part != nil {
		part.Close() // while the mesh can still carry its last messages
		if f.carrier != nil {
			f.carrier.SetPart(nil) // the successor has it next
		}
	}
	f.cancel()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	f.node.Shutdown(ctx)
	f.streams.Close()
	f.server.Close()
	f.transport.CloseIdleConnections()
	f.wg.Wait()
	f.identity.release()
}

// Key is the node's identity. A process that takes its place needs it.
func (f *Fleet) Key() ed25519.PrivateKey { return f.key }

// maxStreams bounds the concurrent requests of all peers together.
const maxStreams = 512

// Addr is where the node listens.
func (f *Fleet) Addr() mesh.Addr { return f.node.Addr() }

func (f *Fleet) serve() {
	defer f.wg.Done()
	f.server.Serve(f.streams) // until Close
}

// noteError makes an event, and so a line of the log, from an error that has no caller to return
// to.
func (f *Fleet) noteError(err error) {
	text := "mesh: " + strings.TrimPrefix(err.Error(), "mesh: ")
	if errors.Is(err, mesh.ErrSameID) && f.identity.path != "" {
		text += fmt.Sprintf("; was this machine copied? On one of the two, remove %s and start again", f.identity.path)
	}
	f.source.Engine.Operator().Note(proxy.Event{Kind: proxy.EventPeer, Level: proxy.LevelWarn, Text: text})
}

// status returns the mesh's part of the status.
func (f *Fleet) status() *api.Mesh {
	s := f.node.Status()
	m := &api.Mesh{Name: s.Name, Node: s.Node, ID: s.ID, Listen: s.Listen.String(), Secret: s.Secret, Sources: s.Sources, Refused: s.Refused, Hubs: s.Hubs, HubMode: s.HubMode,
		Peers: []api.Peer{}}
	for _, p := range s.Peers {
		r, err := parseRecord(p.Record)
		one := api.Peer{Peer: p, Services: r.Services}
		if err != nil {
			one.Unreadable = err.Error()
		}
		m.Peers = append(m.Peers, one)
	}
	m.SetLabels()
	return m
}
