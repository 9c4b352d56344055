package mesh_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/tcpctl/tcpctl/mesh"
	"github.com/tcpctl/tcpctl/mesh/meshinfo"
	"github.com/tcpctl/tcpctl/proxy/proxytest"
)

func TestMain(m *testing.M) {
	if role := os.Getenv("MESH_TEST_NODE"); role != "" {
		runNode(role) // netns_test.go: this binary is one node of a test
		return
	}
	proxytest.SetUp(128, 24) // most of them wait for another bubble (see there)
	goleak.VerifyTestMain(m)
}

// bubbles is held by the test that is in a bubble.
var bubbles sync.Mutex

// bubble runs f in a synctest bubble, beside tests that use no yamux in this process: its timers must not get from one bubble
// into another, or out of it (see meshtest). So a test that uses yamux outside a bubble, as all do whose nodes have a secret,
// must not be parallel.
func bubble(t *testing.T, f func(t *testing.T)) {
	t.Parallel()
	bubbles.Lock()
	defer bubbles.Unlock()
	synctest.Test(t, f)
}

// limit is generous: it only catches hangs.
const limit = time.Minute

// node is a mesh.Node whose events, connections and errors are collected.
type node struct {
	*mesh.Node
	t      testing.TB
	name   string
	events *events
	conns  chan *mesh.Conn
	cancel context.CancelFunc

	mu   sync.Mutex
	errs []error
}

// start runs a node, on loopback unless cfg has a Network. It is closed at the end of the test; in a bubble, the function must
// call stop.
func start(t testing.TB, cfg mesh.Config) *node {
	t.Helper()
	n := &node{t: t, name: cfg.Node, conns: make(chan *mesh.Conn, 64)}
	if cfg.OnConn == nil {
		cfg.OnConn = func(c *mesh.Conn) { n.conns <- c }
	}
	cfg.OnError = func(err error) {
		n.mu.Lock()
		defer n.mu.Unlock()
		n.errs = append(n.errs, err)
	}
	if cfg.Name == "" {
		cfg.Name = t.Name()[:min(len(t.Name()), 64)]
	}
	if cfg.Network == nil {
		cfg.NoMDNS = true
	}
	m, err := mesh.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	n.Node = m
	if err := m.Listen(t.Context(), "127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	n.cancel = cancel
	n.events = collect(m.Events(ctx))
	t.Cleanup(n.stop)
	return n
}

func (n *node) stop() {
	n.cancel()
	n.Close()
}

func (n *node) addr() string { return net.JoinHostPort("127.0.0.1", fmt.Sprint(n.Addr().Port)) }

func (n *node) errors() []error {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.Clone(n.errs)
}

// peer finds a peer by its name.
func (n *node) peer(name string) (meshinfo.Peer, bool) {
	for _, p := range n.Peers() {
		if p.Name == name {
			return p, true
		}
	}
	return meshinfo.Peer{}, false
}

// await waits until ok returns true, and fails the test after limit.
func await(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(limit); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("never: %s", what)
		}
	}
}

func (n *node) awaitAlive(name string) meshinfo.Peer {
	n.t.Helper()
	await(n.t, n.name+" connects to "+name, func() bool {
		p, ok := n.peer(name)
		return ok && p.State == meshinfo.Alive
	})
	p, _ := n.peer(name)
	return p
}

func (n *node) awaitDown(name string) meshinfo.Peer {
	n.t.Helper()
	await(n.t, n.name+" sees "+name+" down", func() bool {
		p, ok := n.peer(name)
		return ok && p.State == meshinfo.Down && p.Cause != ""
	})
	p, _ := n.peer(name)
	return p
}

// conn waits for the next connection from OnConn.
func (n *node) conn() *mesh.Conn {
	n.t.Helper()
	select {
	case c := <-n.conns:
		return c
	case <-time.After(limit):
		n.t.Fatalf("%s: no connection came", n.name)
		return nil
	}
}

// events collects everything from an Events channel.
type events struct {
	mu  sync.Mutex
	all []mesh.Event
}

func collect(ch <-chan mesh.Event) *events {
	e := &events{}
	go e.read(ch)
	return e
}

func (e *events) read(ch <-chan mesh.Event) {
	for ev := range ch {
		e.mu.Lock()
		e.all = append(e.all, ev)
		e.mu.Unlock()
	}
}

// of returns the kinds of one peer's events, without updates.
func (e *events) of(name string) []string {
	e.mu.Lock()
	defer e.mu.Unlock()
	var out []string
	for _, ev := range e.all {
		if ev.Peer.Name == name && ev.Kind != mesh.EventUpdate {
			kind := ev.Kind
			if ev.Peer.Cause != "" {
				kind += " " + string(ev.Peer.Cause)
			}
			out = append(out, kind)
		}
	}
	return out
}

func write(t testing.TB, w io.Writer, text string) {
	t.Helper()
	if _, err := io.WriteString(w, text); err != nil {
		t.Fatalf("write %q: %v", text, err)
	}
}

func read(t testing.TB, r io.Reader, text string) {
	t.Helper()
	buf := make([]byte, len(text))
	if _, err := io.ReadFull(r, buf); err != nil || string(buf) != text {
		t.Fatalf("read %q, %v: want %q", buf, err, text)
	}
}
