// Package fleet is control through the mesh: every node tells the others in
// short how its services are, and the very HTTP that a node's control socket
// serves goes to its peers over streams of the mesh. There is no second
// protocol.
package fleet

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httputil"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/tcpctl/tcpctl/cmd/tcpctl/internal/config"
	"github.com/tcpctl/tcpctl/cmd/tcpctl/internal/control"
	"github.com/tcpctl/tcpctl/mesh"
	"github.com/tcpctl/tcpctl/proxy/api"
)

// Config says which mesh to join, and for whom.
type Config struct {
	Mesh    mesh.Config // Name, Node, Secrets, Join, …; the callbacks are the fleet's
	Listen  string
	Version string
	Log     *slog.Logger
}

// FromFile makes a Config of the table [mesh].
func FromFile(m *config.Mesh, node string) (Config, error) {
	c := Config{Listen: m.Listen, Mesh: mesh.Config{Name: m.Name, Node: m.Node, Join: m.Join, NoMDNS: !m.MDNS}}
	if c.Mesh.Node == "" {
		c.Mesh.Node = node
	}
	if m.SecretFile != "" {
		text, err := os.ReadFile(m.SecretFile)
		if err != nil {
			return c, fmt.Errorf("mesh: %w", err)
		}
		if c.Mesh.Secrets, err = mesh.ParseSecrets(text); err != nil {
			return c, fmt.Errorf("mesh: %s: %w", m.SecretFile, err)
		}
	}
	return c, nil
}

// Fleet is this node's part in the mesh.
type Fleet struct {
	node   *mesh.Node
	source *api.Local
	log    *slog.Logger
	listen string
	ctx    context.Context
	cancel context.CancelFunc
	wg     sync.WaitGroup

	server  *http.Server // what peers ask of us
	streams *streams
	proxy   *httputil.ReverseProxy // what is asked of peers
	heard   heard
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
	f := &Fleet{source: source, log: c.Log, listen: c.Listen, streams: newStreams(), heard: heard{}}
	f.ctx, f.cancel = context.WithCancel(context.Background())
	mc := c.Mesh
	mc.Version = c.Version
	mc.OnStream, mc.OnError = f.streams.take, f.trouble
	node, err := mesh.New(mc)
	if err != nil {
		f.cancel()
		return nil, err
	}
	f.node = node
	f.proxy = &httputil.ReverseProxy{
		Rewrite:       f.rewrite,
		Transport:     &http.Transport{DialContext: f.dial, MaxIdleConnsPerHost: 4, IdleConnTimeout: 30 * time.Second},
		FlushInterval: -1,
		ErrorHandler:  f.unreachable,
		ErrorLog:      slog.NewLogLogger(slog.DiscardHandler, slog.LevelDebug), // each is told to who asked
	}
	f.server = &http.Server{Handler: f.believing(control.NewHandler(source, whoBehind)), ConnContext: withPeer,
		ReadHeaderTimeout: 5 * time.Second, MaxHeaderBytes: 16 << 10, BaseContext: func(net.Listener) context.Context { return f.ctx },
		ErrorLog: slog.NewLogLogger(c.Log.Handler(), slog.LevelWarn)}
	source.Mesh, source.Peers = f.status, f.peer
	return f, nil
}

// Join listens, and is found by the others from then on.
func (f *Fleet) Join(ctx context.Context) error {
	if err := f.node.Listen(ctx, f.listen); err != nil {
		return err
	}
	f.wg.Add(3)
	go f.serve()
	go f.tell()
	go f.follow()
	return nil
}

// Close leaves the mesh: peers see that we left.
func (f *Fleet) Close() {
	f.cancel()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	f.node.Shutdown(ctx)
	f.streams.Close()
	f.server.Close()
	f.proxy.Transport.(*http.Transport).CloseIdleConnections()
	f.wg.Wait()
}

// Addr is where the node listens.
func (f *Fleet) Addr() mesh.Addr { return f.node.Addr() }

func (f *Fleet) serve() {
	defer f.wg.Done()
	f.server.Serve(f.streams) // until Close
}

func (f *Fleet) trouble(err error) { f.log.Warn("mesh: " + strings.TrimPrefix(err.Error(), "mesh: ")) }

// status is the mesh as the status shows it.
func (f *Fleet) status() *api.Mesh {
	s := f.node.Status()
	m := &api.Mesh{Name: s.Name, Node: s.Node, Listen: s.Listen.String(), Secret: s.Secret, Sources: s.Sources, Refused: s.Refused,
		Peers: []api.Peer{}}
	for _, p := range s.Peers {
		m.Peers = append(m.Peers, api.Peer{Peer: p, Services: read(p.Record).Services})
	}
	return m
}
