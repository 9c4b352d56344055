// Package control is the API of a running instance on its Unix socket: HTTP
// and JSON, made from proxy/api. A Server serves any api.Source, and a Client
// is one, so that what works in-process works from outside.
package control

import (
	"cmp"
	"context"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/tcpctl/tcpctl/cmd/tcpctl/internal/connlimit"
	"github.com/tcpctl/tcpctl/cmd/tcpctl/internal/httpd"
	"github.com/tcpctl/tcpctl/proxy/api"
	"github.com/tcpctl/tcpctl/proxy/relay"
)

const (
	maxBody = 1 << 20
	maxWait = 30 * time.Second // how long an events request may wait
)

// Server serves a Source on a socket.
type Server struct {
	*httpd.Server
	log    *slog.Logger
	node   string
	wg     sync.WaitGroup
	ctx    context.Context
	cancel context.CancelFunc
	path   string
	sock   relay.Sock
	ln     *relay.Listener // used by keepSocket until that has ended
}

// Options are for one Server.
type Options struct {
	Node string // what acts are signed with, behind the user
	// Version is the program's version, for debugging.
	Version string
	Mode    fs.FileMode // of the socket; 0: 0600
	Group   string      // that owns the socket; "": the user's own
	Log     *slog.Logger
	// MaxConns bounds the connections; at least 4.
	MaxConns int
	// Socket listens on the path already, for a process before this one; nil:
	// it is to be opened. It is the server's.
	Socket *os.File
	// Peers, when set, answers what is asked of other nodes, below
	// /v1/peers/NODE; PeerHeader names the user to it.
	Peers http.Handler
}

// PeerHeader is the header in which a node names the user to another, which
// trusts it from a peer that has proved the mesh's secret.
const PeerHeader = "X-Tcpctl-By"

// Open opens the socket at path for source, which is served from Start on. It
// fails when another instance answers there, or when something is in the way
// that is not a socket.
func Open(path string, source api.Source, o Options) (*Server, error) {
	log := o.Log
	ln, err := listen(path, o)
	if err != nil {
		return nil, err
	}
	s := &Server{log: log, node: o.Node, path: path, sock: ln.Sock, ln: ln}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	h := &http.Server{
		Handler:     s.handler(source, o),
		Protocols:   new(http.Protocols),
		ErrorLog:    slog.NewLogLogger(log.Handler(), slog.LevelWarn),
		BaseContext: func(net.Listener) context.Context { return s.ctx },
		ConnContext: func(ctx context.Context, c net.Conn) context.Context {
			return context.WithValue(ctx, whoKey{}, peerName(c))
		},
	}
	h.Protocols.SetHTTP1(true)
	h.Protocols.SetUnencryptedHTTP2(true) // for a Client's requests to peers
	connlimit.Bound(h, max(o.MaxConns, 4))
	s.Server = httpd.New(h, ln, func(err error) { s.log.Warn("control socket: "+err.Error(), "socket", s.Path()) })
	s.wg.Go(s.keepSocket)
	return s, nil
}

// keepEvery is how often the socket's file is looked for. Tests set it.
var keepEvery = time.Second

// keepSocket recreates the socket if its file was removed.
func (s *Server) keepSocket() {
	tick := time.NewTicker(keepEvery)
	defer tick.Stop()
	for {
		select {
		case <-s.ctx.Done():
			return
		case <-tick.C:
		}
		if !s.Serving() || s.ln.HasFile() {
			continue
		}
		ln, err := open(s.path, s.sock)
		if err != nil {
			continue // another process has a socket there, or the folder does not exist
		}
		s.log.Warn("the control socket was removed: made it again", "socket", s.Path())
		s.Move(ln)
		s.ln = ln
	}
}

// Path is where the socket is.
func (s *Server) Path() string { return s.path }

// Release is Close for a socket that another process serves: its file stays.
func (s *Server) Release() {
	s.stopKeeping()
	s.Server.Release()
}

// Close stops serving, gives requests that have begun a moment, and removes the
// socket's file, unless another process has replaced it.
func (s *Server) Close() {
	s.stopKeeping()
	s.Server.Close()
}

func (s *Server) stopKeeping() {
	s.cancel()
	s.wg.Wait()
}

type whoKey struct{}

// who returns the user at the other end, from the kernel's credentials, with this node's name.
func (s *Server) who(r *http.Request) string {
	who, _ := r.Context().Value(whoKey{}).(string)
	who = cmp.Or(who, "unknown")
	return who + "@" + s.node
}

// handler returns the API of this instance, and of its peers.
func (s *Server) handler(source api.Source, o Options) http.Handler {
	mux := http.NewServeMux()
	s.handleDebug(mux, o.Version)
	mux.Handle("/", NewHandler(source, s.who))
	mux.HandleFunc("/v1/peers/{node}/", func(w http.ResponseWriter, r *http.Request) {
		if o.Peers == nil {
			fail(w, api.NoMesh())
			return
		}
		r.Header.Set(PeerHeader, s.who(r))
		o.Peers.ServeHTTP(w, r)
	})
	return mux
}
