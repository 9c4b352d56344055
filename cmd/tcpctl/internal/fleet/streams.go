package fleet

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"

	"github.com/tcpctl/tcpctl/cmd/tcpctl/internal/control"
	"github.com/tcpctl/tcpctl/mesh"
	"github.com/tcpctl/tcpctl/proxy/api"
)

// streams is a net.Listener of the streams that peers open.
type streams struct {
	come   chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func newStreams() *streams {
	return &streams{come: make(chan net.Conn), closed: make(chan struct{})}
}

// fromPeer is a stream that knows whose it is.
type fromPeer struct {
	net.Conn
	peer mesh.Peer
}

// take is the node's OnStream; the HTTP server closes the stream.
func (s *streams) take(p mesh.Peer, c net.Conn) {
	select {
	case s.come <- fromPeer{c, p}:
	case <-s.closed:
		c.Close()
	}
}

func (s *streams) Accept() (net.Conn, error) {
	select {
	case c := <-s.come:
		return c, nil
	case <-s.closed:
		return nil, net.ErrClosed
	}
}

func (s *streams) Close() error {
	s.once.Do(func() { close(s.closed) })
	return nil
}

func (s *streams) Addr() net.Addr { return meshAddr{} }

type meshAddr struct{}

func (meshAddr) Network() string { return "mesh" }
func (meshAddr) String() string  { return "mesh" }

type peerKey struct{}

func withPeer(ctx context.Context, c net.Conn) context.Context {
	if f, ok := c.(fromPeer); ok {
		return context.WithValue(ctx, peerKey{}, f.peer)
	}
	return ctx
}

// believing refuses whoever has not proved the secret. The mesh lets nobody
// else open streams; this is the second lock on the same door.
func (f *Fleet) believing(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if p, ok := r.Context().Value(peerKey{}).(mesh.Peer); !ok || !p.Trusted {
			http.Error(w, "the mesh has no secret", http.StatusForbidden)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// whoBehind is who acts through a peer, as that peer says it.
func whoBehind(r *http.Request) string {
	p, _ := r.Context().Value(peerKey{}).(mesh.Peer)
	if who := r.Header.Get(control.PeerHeader); who != "" && len(who) < 200 {
		return who
	}
	return "unknown@" + p.Name
}

// ServeHTTP passes a request below /v1/peers/NODE on to that node.
func (f *Fleet) ServeHTTP(w http.ResponseWriter, r *http.Request) { f.proxy.ServeHTTP(w, r) }

// nodeHost carries a node's name to dial, through the transport's pool, which
// knows hosts only.
const nodeHost = ".peer"

func (f *Fleet) rewrite(r *httputil.ProxyRequest) {
	node, rest, _ := strings.Cut(strings.TrimPrefix(r.In.URL.Path, "/v1/peers/"), "/")
	r.Out.URL = &url.URL{Scheme: "http", Host: node + nodeHost, Path: "/" + rest, RawQuery: r.In.URL.RawQuery}
	r.Out.Host = r.Out.URL.Host
	r.Out.Header.Set(control.PeerHeader, r.In.Header.Get(control.PeerHeader))
}

func (f *Fleet) dial(ctx context.Context, _, addr string) (net.Conn, error) {
	host, _, _ := net.SplitHostPort(addr)
	return f.node.OpenStream(ctx, strings.TrimSuffix(host, nodeHost))
}

// unreachable says why a peer did not answer.
func (f *Fleet) unreachable(w http.ResponseWriter, r *http.Request, err error) {
	node := strings.TrimSuffix(r.URL.Host, nodeHost)
	e := api.Unknown(fmt.Sprintf("%s is unreachable: %s", node, strings.TrimPrefix(err.Error(), "mesh: ")), "tcpctl peers shows who is there; nothing was done")
	switch {
	case errors.Is(err, mesh.ErrUntrusted):
		e = api.Refused("nobody may act through a mesh without a secret", "give each node the same secret_file: tcpctl mesh key makes one")
	case errors.Is(err, mesh.ErrNoPeer):
		e = api.Unknown(fmt.Sprintf("%s is unreachable: no such peer is connected", node), "tcpctl peers shows who is there; nothing was done")
	}
	control.Fail(w, e)
}

// peer is another node as a Source, for the console of this one.
func (f *Fleet) peer(node string) api.Planner {
	by := f.source.By
	return control.Over(func(r *http.Request) (*http.Response, error) {
		r.Header.Set(control.PeerHeader, by)
		return f.proxy.Transport.RoundTrip(r)
	}, node+nodeHost)
}
