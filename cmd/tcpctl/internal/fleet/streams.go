package fleet

import (
	"context"
	"net"
	"net/http"
	"sync"

	"github.com/tcpctl/tcpctl/cmd/tcpctl/internal/control"
	"github.com/tcpctl/tcpctl/mesh/meshinfo"
)

// streams is a net.Listener of the streams that peers open.
type streams struct {
	opened chan net.Conn
	closed chan struct{}
	once   sync.Once
}

// fromPeer is a stream with the peer that opened it.
type fromPeer struct {
	net.Conn
	peer meshinfo.Peer
}

// take is the node's OnStream; the HTTP server closes the stream.
func (s *streams) take(p meshinfo.Peer, c net.Conn) {
	select {
	case s.opened <- &fromPeer{c, p}:
	case <-s.closed:
		c.Close()
	}
}

func (s *streams) Accept() (net.Conn, error) {
	select {
	case c := <-s.opened:
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
	if f, ok := c.(*fromPeer); ok {
		return context.WithValue(ctx, peerKey{}, f.peer)
	}
	return ctx
}

// requireTrust refuses a peer that has not proved the secret. The mesh already refuses its streams;
// this is a second check.
func (f *Fleet) requireTrust(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if p, ok := r.Context().Value(peerKey{}).(meshinfo.Peer); !ok || !p.Trusted {
			http.Error(w, "the mesh has no secret", http.StatusForbidden)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// operatorBehind returns the operator that acts through a peer, according to that peer.
func operatorBehind(r *http.Request) string {
	p, _ := r.Context().Value(peerKey{}).(meshinfo.Peer)
	if who := r.Header.Get(control.PeerHeader); who != "" && len(who) < 200 {
		return who
	}
	return "unknown@" + p.Name
}
