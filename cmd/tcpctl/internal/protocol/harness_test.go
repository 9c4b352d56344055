package protocol

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/tcpctl/tcpctl/cmd/tcpctl/internal/config"
	"github.com/tcpctl/tcpctl/proxy"
	"github.com/tcpctl/tcpctl/proxy/proxytest"
	"github.com/tcpctl/tcpctl/proxy/relay"
	"github.com/tcpctl/tcpctl/ws"
)

func TestMain(m *testing.M) {
	proxytest.SetUp(24, 4) // in each of four processes
	goleak.VerifyTestMain(m)
}

const (
	relayVariable = "TCPCTL_TEST_RELAY" // the runner of the tests; "": auto
	tlsVariable   = "TCPCTL_TEST_TLS"   // not "": clients speak TLS
)

// TestOverTheOthers runs all tests once more over the stream runner, and over either
// runner with clients that speak TLS.
func TestOverTheOthers(t *testing.T) {
	if os.Getenv(relayVariable) != "" {
		t.Skip("these tests run over it already")
	}
	for _, way := range [][2]string{{"stream", ""}, {"stream", "1"}, {"auto", "1"}} {
		if way[0] == "stream" && !relay.HasLoop {
			continue // same as auto
		}
		var out strings.Builder
		self := exec.Command(os.Args[0], "-test.timeout=10m")
		self.Env = append(os.Environ(), relayVariable+"="+way[0], tlsVariable+"="+way[1])
		self.Stdout, self.Stderr = &out, &out
		if err := self.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := self.Wait(); err != nil {
				t.Errorf("%v %v\n%s", way, err, &out)
			}
		})
	}
	t.Parallel() // they run from now on, and take the place of no other test
}

// patience only catches hangs.
const patience = time.Minute

// testBridge is an engine with one service for WebSocket clients, and a backend that handles each
// as the test says.
type testBridge struct {
	*testing.T
	engine  *proxy.Engine
	config  proxy.ServiceConfig
	spec    config.WS
	svc     *proxy.Service
	addr    string
	tls     *tls.Config // nil: no TLS, or the test does it itself
	backend net.Listener

	dialUnder func(net.Conn) net.Conn // wraps the connection beneath TLS; may be nil

	records chan proxy.Record

	mu    sync.Mutex
	conns []net.Conn
	under map[string]net.Conn // the connections beneath clients' frames, by client address
	wg    sync.WaitGroup
}

// bridge starts a testBridge. change may be nil.
func bridge(t *testing.T, serve func(*net.TCPConn), change func(*proxy.ServiceConfig, *WebSocket)) *testBridge {
	t.Helper()
	return bridgeOf(t, config.NewWS(), serve, change)
}

func bridgeOf(t *testing.T, spec config.WS, serve func(*net.TCPConn), change func(*proxy.ServiceConfig, *WebSocket)) *testBridge {
	t.Helper()
	if spec.HandshakeTimeout == config.NewWS().HandshakeTimeout { // which a test that takes longer on a busy machine is not about
		spec.HandshakeTimeout = patience
	}
	w, err := NewWebSocket(spec, nil)
	if err != nil {
		t.Fatal(err)
	}
	v := &testBridge{T: t, spec: spec, records: make(chan proxy.Record, 100), under: map[string]net.Conn{}}
	v.backend = proxytest.Listen(t)
	v.wg.Add(1)
	go v.accept(serve)
	c := proxy.ServiceConfig{Name: "desk", Listen: []string{proxytest.FreePort(t)}, Protocol: w, Check: proxy.CheckConfig{Type: "none"},
		Relay: os.Getenv(relayVariable), Backends: []proxy.BackendConfig{{Name: "vnc", Addr: v.backend.Addr().String()}}}
	if change != nil {
		change(&c, w)
	}
	v.secure(&c)
	v.config = c
	v.engine, err = proxy.New(proxy.Config{Services: []proxy.ServiceConfig{c}, OnRecord: func(r proxy.Record) { v.records <- r }})
	if err != nil {
		t.Fatal(err)
	}
	if err := v.engine.Start(); err != nil {
		t.Fatal(err)
	}
	v.svc = v.engine.Service("desk")
	v.addr = v.svc.Info().Listen[0]
	t.Cleanup(v.end)
	return v
}

func (v *testBridge) accept(serve func(*net.TCPConn)) {
	defer v.wg.Done()
	for {
		c, err := v.backend.Accept()
		if err != nil {
			return
		}
		v.mu.Lock()
		v.conns = append(v.conns, c)
		v.mu.Unlock()
		v.wg.Add(1)
		go func() {
			defer v.wg.Done()
			defer c.Close()
			serve(c.(*net.TCPConn))
		}()
	}
}

func (v *testBridge) end() {
	v.engine.Close()
	v.backend.Close()
	v.mu.Lock()
	for _, c := range v.conns {
		c.Close()
	}
	v.mu.Unlock()
	v.wg.Wait()
}

// echo sends back what it reads until the client ends.
func echo(c *net.TCPConn) {
	io.Copy(c, c)
	c.CloseWrite()
}

// secure makes the clients of a service speak TLS, if these tests run over TLS.
func (v *testBridge) secure(c *proxy.ServiceConfig) {
	if os.Getenv(tlsVariable) != "" && c.TLS == nil && c.Protocol != nil {
		v.tls = overTLS(c)
	}
}

// netDial connects as all clients do, whatever the scheme of their URL.
func (v *testBridge) netDial(ctx context.Context, network, addr string) (net.Conn, error) {
	c, err := new(net.Dialer).DialContext(ctx, network, addr)
	if err != nil || v.tls == nil {
		return c, err
	}
	under := c
	if v.dialUnder != nil {
		under = v.dialUnder(c)
	}
	over := tls.Client(under, v.tls)
	if err := over.HandshakeContext(ctx); err != nil {
		c.Close()
		return nil, err
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.under[c.LocalAddr().String()] = over
	return over, nil
}

// beneath returns the connection beneath a client's frames.
func (v *testBridge) beneath(c *ws.Conn) net.Conn {
	v.mu.Lock()
	defer v.mu.Unlock()
	if over := v.under[c.LocalAddr().String()]; over != nil {
		return over
	}
	return c.NetConn()
}

// httpClient returns a client that fetches files.
func (v *testBridge) httpClient() http.Client {
	return http.Client{Timeout: patience, Transport: &http.Transport{DialContext: v.netDial}}
}

// try connects as a client of path.
func (v *testBridge) try(path string) (*ws.Conn, error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	return (&ws.Dialer{HandshakeTimeout: patience, NetDial: v.netDial}).Dial(ctx, "ws://"+v.addr+path)
}

// dial is try that must succeed.
func (v *testBridge) dial() *ws.Conn {
	v.Helper()
	c, err := v.try("/")
	if err != nil {
		v.Fatal(err)
	}
	v.Cleanup(func() { c.CloseNow() })
	c.SetDeadline(time.Now().Add(patience))
	return c
}

// arrive is try in a goroutine, for a client that will wait.
func (v *testBridge) arrive() <-chan arrival {
	ch := make(chan arrival, 1)
	go func() {
		c, err := v.try("/")
		ch <- arrival{c, err}
	}()
	return ch
}

type arrival struct {
	*ws.Conn
	err error
}

// in waits until a handshake is answered, and returns the client.
func (v *testBridge) in(ch <-chan arrival) *ws.Conn {
	v.Helper()
	a := <-ch
	if a.err != nil {
		v.Fatal(a.err)
	}
	v.Cleanup(func() { a.CloseNow() })
	a.SetDeadline(time.Now().Add(patience))
	return a.Conn
}

// refused fails the test unless a handshake was answered with status.
func refused(t *testing.T, err error, status int) {
	t.Helper()
	var refusal *ws.HandshakeError
	if !errors.As(err, &refusal) || refusal.Response.StatusCode != status {
		t.Fatalf("got %v, want %d", err, status)
	}
}

func retryAfter(err error) string {
	var refusal *ws.HandshakeError
	errors.As(err, &refusal)
	return refusal.Response.Header.Get("Retry-After")
}

// says sends a line and expects its echo.
func says(t *testing.T, c *ws.Conn, line string) {
	t.Helper()
	fmt.Fprintln(c, line)
	if got, err := bufio.NewReader(c).ReadString('\n'); got != line+"\n" {
		t.Fatalf("read %q, %v", got, err)
	}
}

// ends reads to the end, which must be a Close frame with code.
func ends(t *testing.T, c *ws.Conn, code ws.CloseCode) {
	t.Helper()
	io.Copy(io.Discard, c)
	c.Close()
	if end := c.CloseError(); end == nil || end.Code != code || !end.ByPeer {
		t.Fatalf("ended with %+v, want %d", end, code)
	}
}

func (v *testBridge) record() proxy.Record {
	v.Helper()
	select {
	case r := <-v.records:
		return r
	case <-time.After(patience):
		v.Fatal("timeout waiting for a record")
		return proxy.Record{}
	}
}

// until waits for a condition on the service.
func (v *testBridge) until(what string, ok func(proxy.ServiceInfo) bool) {
	v.Helper()
	for end := time.Now().Add(patience); !ok(v.svc.Info()); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			v.Fatalf("timeout waiting for: %s; it is %+v", what, v.svc.Info())
		}
	}
}

func (v *testBridge) untilWaiting(n int) {
	v.Helper()
	v.until(fmt.Sprint(n, " waiting"), func(i proxy.ServiceInfo) bool { return i.Queue.Waiting == n })
}

func oneSlot(c *proxy.ServiceConfig, _ *WebSocket) { c.Lock.Slots = 1 }
