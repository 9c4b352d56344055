package fleet

import (
	"bytes"
	"cmp"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"github.com/tcpctl/tcpctl/cmd/tcpctl/internal/control"
	"github.com/tcpctl/tcpctl/mesh"
	"github.com/tcpctl/tcpctl/mesh/meshinfo"
	"github.com/tcpctl/tcpctl/proxy/api"
)

// nodeKey is the context key of a request's node, as it was written: a name may have any
// characters, unlike a URL's host.
type nodeKey struct{}

// ServeHTTP passes a request below /v1/peers/NODE on to that node, which may be
// this one.
func (f *Fleet) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	node, rest := nodeOf(r.URL)
	here, err := f.isSelf(node)
	switch {
	case err != nil:
		control.Fail(w, api.AsError(err))
	case here:
		own := r.Clone(r.Context())
		own.URL = rest
		f.own.ServeHTTP(w, own)
	default:
		f.proxy.ServeHTTP(w, r)
	}
}

// nodeOf splits a URL into node and rest.
func nodeOf(u *url.URL) (node string, rest *url.URL) {
	escaped, path, _ := strings.Cut(strings.TrimPrefix(u.EscapedPath(), "/v1/peers/"), "/")
	node, err := url.PathUnescape(escaped)
	rest, parseErr := url.Parse("http://peer/" + path)
	if err != nil || parseErr != nil {
		return "", &url.URL{Scheme: "http", Host: "peer", Path: "/"} // cannot fail: the server has parsed it before
	}
	rest.RawQuery = u.RawQuery
	return node, rest
}

// isSelf reports whether node is the name or the id of this node. A name that a peer also has is
// ambiguous.
func (f *Fleet) isSelf(node string) (bool, error) {
	name, id := f.node.NodeName(), f.node.ID()
	if node == id {
		return true, nil
	}
	if part, ok := strings.CutPrefix(node, name+"#"); ok && part != "" && strings.HasPrefix(id, part) {
		return true, nil
	}
	if node != name {
		return false, nil
	}
	p, err := f.node.Find(node)
	several, ambiguous := errors.AsType[*mesh.AmbiguousError](err)
	switch {
	case ambiguous:
		return false, f.ambiguous(node, several.Peers)
	case err == nil:
		return false, f.ambiguous(node, []meshinfo.Peer{p})
	}
	return true, nil
}

func rewrite(r *httputil.ProxyRequest) {
	node, rest := nodeOf(r.In.URL)
	r.Out = r.Out.WithContext(context.WithValue(r.Out.Context(), nodeKey{}, node))
	r.Out.URL, r.Out.Host = rest, rest.Host
	r.Out.Header.Set(control.PeerHeader, r.In.Header.Get(control.PeerHeader))
}

// ask sends a request to the node in its context. An error is an *api.Error, unless the caller has
// given up: it distinguishes a request that was not sent from one that was, and may have been
// carried out.
func (f *Fleet) ask(r *http.Request) (*http.Response, error) {
	node, _ := r.Context().Value(nodeKey{}).(string)
	p, err := f.node.Find(node)
	if err != nil {
		return nil, f.notAsked(r, node, err)
	}
	body, err := readBody(r)
	if err != nil {
		return nil, api.Wrong("the request's body cannot be read: "+err.Error(), "nothing was done")
	}
	host := hex.EncodeToString([]byte(p.ID))
	for tries := 1; ; tries++ {
		resp, on, sent, err := f.askOn(r, host, body)
		switch {
		case err == nil:
			return resp, nil
		case r.Context().Err() != nil:
			return nil, r.Context().Err()
		case sent && r.Method != http.MethodGet:
			return nil, api.NoAnswer(fmt.Sprintf("the connection to %s is lost: %s", p.Name, plain(err)))
		case !on || sent || tries == maxTries:
			return nil, f.notAsked(r, node, err)
		}
	}
}

// maxTries bounds the attempts if idle streams, kept open for further requests, have ended before
// the request is sent: net/http retries only GET by itself.
const maxTries = 6

// readBody reads an act's body, which is short, as it may be sent more than once.
func readBody(r *http.Request) ([]byte, error) {
	if r.Body == nil || r.Body == http.NoBody {
		return nil, nil
	}
	defer r.Body.Close()
	return io.ReadAll(io.LimitReader(r.Body, 2<<20)) // a peer refuses even half of that
}

// askOn sends a request over one stream. on reports whether it had a stream, sent whether any of the request was written to it.
func (f *Fleet) askOn(r *http.Request, host string, body []byte) (resp *http.Response, on, sent bool, err error) {
	var over *counted
	before := int64(0)
	trace := &httptrace.ClientTrace{GotConn: func(i httptrace.GotConnInfo) {
		over = i.Conn.(*counted)
		before = over.wrote.Load()
	}}
	out := r.Clone(httptrace.WithClientTrace(r.Context(), trace))
	out.URL.Host, out.Host = host, host
	out.Body, out.ContentLength = http.NoBody, int64(len(body))
	if len(body) > 0 {
		out.Body = io.NopCloser(bytes.NewReader(body))
	}
	resp, err = f.transport.RoundTrip(out)
	return resp, over != nil, over != nil && over.wrote.Load() > before, err
}

// counted is a stream that counts what was written to it.
type counted struct {
	net.Conn
	wrote atomic.Int64
}

func (c *counted) Write(b []byte) (int, error) {
	n, err := c.Conn.Write(b)
	c.wrote.Add(int64(n))
	return n, err
}

func plain(err error) string       { return plainText(err.Error()) }
func plainText(text string) string { return strings.TrimPrefix(text, "mesh: ") }

// dial opens a stream to the node with the address's host as id.
func (f *Fleet) dial(ctx context.Context, _, addr string) (net.Conn, error) {
	host, _, _ := net.SplitHostPort(addr)
	id, err := hex.DecodeString(host)
	if err != nil {
		return nil, err
	}
	s, err := f.node.OpenStream(ctx, string(id))
	if err != nil {
		return nil, err
	}
	return &counted{Conn: s}, nil
}

// notAsked says why a node was not asked.
func (f *Fleet) notAsked(r *http.Request, node string, err error) *api.Error {
	hint := "tcpctl peers lists the nodes"
	if r.Method != http.MethodGet {
		hint += "; nothing was done"
	}
	if errors.Is(err, mesh.ErrUntrusted) {
		return api.NoSecret()
	}
	if several, ok := errors.AsType[*mesh.AmbiguousError](err); ok {
		return f.ambiguous(node, several.Peers)
	}
	m, why := f.status(), " is unreachable: "+plain(err)
	if errors.Is(err, mesh.ErrNoPeer) {
		why = " is unreachable: no such peer is connected"
	}
	called := node
	for i := range m.Peers {
		p := &m.Peers[i]
		if p.ID == node {
			called = p.Called() // an act on all nodes uses ids
		}
		gone := p.Unreachable(time.Now())
		switch {
		case !errors.Is(err, mesh.ErrNoPeer) || gone == "" || p.Name != node && p.ID != node && p.Label != node:
			continue
		case p.Stranger():
			why = " is no member of this mesh: " + cmp.Or(plainText(p.Detail), "it has not been reached yet")
		default:
			why = " is " + gone
		}
		break
	}
	return api.Unreachable(called+why, hint)
}

// ambiguous says how to name each of several nodes with one name.
func (f *Fleet) ambiguous(name string, peers []meshinfo.Peer) *api.Error {
	var all []string
	if f.node.NodeName() == name {
		all = append(all, fmt.Sprintf("%s (this node)", api.Label(name, f.node.ID())))
	}
	for _, p := range peers {
		all = append(all, fmt.Sprintf("%s (%s)", api.Label(p.Name, p.ID), p.Addr))
	}
	return api.Wrong(fmt.Sprintf("several nodes have the name %q", name), "say which: --peer "+strings.Join(all, ", or --peer "))
}

// peer returns another node as a Source, for the console of this one.
func (f *Fleet) peer(node string) api.Planner { return f.PeerFor(node, f.source.By) }

// PeerFor is another node as a Source, in the name of an operator who is not this
// process's own.
func (f *Fleet) PeerFor(node, by string) api.Planner {
	return control.Over(func(r *http.Request) (*http.Response, error) {
		r = r.WithContext(context.WithValue(r.Context(), nodeKey{}, node))
		r.Header.Set(control.PeerHeader, by)
		return f.ask(r)
	}, "peer")
}
