package protocol

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tcpctl/tcpctl/cmd/tcpctl/internal/config"
	"github.com/tcpctl/tcpctl/proxy"
	"github.com/tcpctl/tcpctl/ws"
)

// firstLine sends the first line of each connection to lines.
func firstLine(lines chan<- string) func(*net.TCPConn) {
	return func(c *net.TCPConn) {
		line, _ := bufio.NewReader(c).ReadString('\n')
		lines <- strings.TrimSpace(line)
	}
}

var loopback = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}

func TestSendProxy(t *testing.T) {
	t.Parallel()
	lines := make(chan string, 1)
	v := bridge(t, firstLine(lines), func(c *proxy.ServiceConfig, _ *WebSocket) { c.SendProxy = 1 })
	c := v.dial()
	from, to := c.LocalAddr().(*net.TCPAddr), c.RemoteAddr().(*net.TCPAddr)
	if got, want := <-lines, fmt.Sprintf("PROXY TCP4 127.0.0.1 127.0.0.1 %d %d", from.Port, to.Port); got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

// TestForwardedFor: addresses in X-Forwarded-For are believed if a trusted proxy sent them, up to
// the first that is not itself trusted.
func TestForwardedFor(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		header, want string
		trusted      []netip.Prefix
	}{
		{"6.6.6.6, 10.2.0.9", "10.2.0.9", loopback},
		{"6.6.6.6, 10.2.0.9, 127.0.0.5", "10.2.0.9", loopback},
		{"unknown, 10.2.0.9:1234", "10.2.0.9", loopback},
		{"10.2.0.9, nonsense", "127.0.0.1", loopback},
		{"10.2.0.9", "127.0.0.1", nil},
	} {
		lines := make(chan string, 1)
		v := bridge(t, firstLine(lines), func(c *proxy.ServiceConfig, _ *WebSocket) {
			c.SendProxy, c.TrustedProxies = 1, test.trusted
		})
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		d := ws.Dialer{NetDial: v.netDial, Header: http.Header{"X-Forwarded-For": {test.header}}}
		c, err := d.Dial(ctx, "ws://"+v.addr)
		cancel()
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Fields(<-lines); got[2] != test.want {
			t.Errorf("%q gives %q, want %s", test.header, got, test.want)
		}
		c.CloseNow()
	}
}

// TestForwardedForIsJudged: access rules apply to the forwarded client address.
func TestForwardedForIsJudged(t *testing.T) {
	t.Parallel()
	v := bridge(t, echo, func(c *proxy.ServiceConfig, _ *WebSocket) {
		c.TrustedProxies, c.Deny = loopback, []netip.Prefix{netip.MustParsePrefix("10.2.0.9/32")}
	})
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	d := ws.Dialer{NetDial: v.netDial, Header: http.Header{"X-Forwarded-For": {"10.2.0.9"}}}
	_, err := d.Dial(ctx, "ws://"+v.addr)
	refused(t, err, 503)
	says(t, v.dial(), "from the proxy itself")
}

// TestProxyHeaderAndHandshakeInOne: a handshake in the same segment as the PROXY header is not lost.
func TestProxyHeaderAndHandshakeInOne(t *testing.T) {
	t.Parallel()
	if os.Getenv(tlsVariable) != "" {
		t.Skip("see TestProxyHeaderBeforeTLS")
	}
	lines := make(chan string, 1)
	v := bridge(t, firstLine(lines), func(c *proxy.ServiceConfig, _ *WebSocket) {
		c.AcceptProxy, c.TrustedProxies, c.SendProxy = true, loopback, 1
	})
	c, err := net.Dial("tcp", v.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(patience))
	io.WriteString(c, "PROXY TCP4 10.9.8.7 127.0.0.1 1234 80\r\nGET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
	if line, _ := bufio.NewReader(c).ReadString('\n'); !strings.Contains(line, "101") {
		t.Errorf("answered %q", line)
	}
	if got := <-lines; !strings.HasPrefix(got, "PROXY TCP4 10.9.8.7 ") {
		t.Errorf("the backend got %q", got)
	}
}

func TestWebBesideTheBridge(t *testing.T) {
	t.Parallel()
	spec := config.NewWS()
	spec.Web = t.TempDir()
	if err := os.WriteFile(filepath.Join(spec.Web, "index.html"), []byte("hello"), 0o600); err != nil {
		t.Fatal(err)
	}
	v := bridgeOf(t, spec, echo, nil)
	client := v.httpClient()
	defer client.CloseIdleConnections()
	for range 2 { // on one connection
		resp, err := client.Get("http://" + v.addr + "/")
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		if resp.StatusCode != 200 || string(body) != "hello" {
			t.Errorf("%s: %q", resp.Status, body)
		}
	}
	says(t, v.dial(), "one")
	client.CloseIdleConnections()
	if i := v.svc.Info(); i.Sessions.Failed+i.Sessions.Rejected != 0 {
		t.Errorf("counted %+v", i.Sessions)
	}
}

// TestStopDoesNotWaitForKeepAlive: an idle keep-alive connection ends when the service does.
func TestStopDoesNotWaitForKeepAlive(t *testing.T) {
	t.Parallel()
	spec := config.NewWS()
	spec.Web, spec.HandshakeTimeout = t.TempDir(), time.Hour
	v := bridgeOf(t, spec, echo, nil)
	client := v.httpClient()
	defer client.CloseIdleConnections()
	get := func() {
		t.Helper()
		resp, err := client.Get("http://" + v.addr + "/")
		if err != nil {
			t.Fatal(err)
		}
		io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
	}
	get()
	if _, err := v.svc.StopListening("ana", ""); err != nil {
		t.Fatal(err)
	}
	v.until("it has ended", func(proxy.ServiceInfo) bool { return len(v.engine.Operator().Sessions(false)) == 0 })
	if _, err := v.svc.StartListening("ana", ""); err != nil {
		t.Fatal(err)
	}
	v.addr = v.svc.Info().Listen[0]
	get()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := v.engine.Shutdown(ctx); err != nil {
		t.Error(err)
	}
}

func TestTextWhereAsked(t *testing.T) {
	t.Parallel()
	v := bridge(t, echo, nil)
	c, err := v.try("/?encoding=text")
	if err != nil {
		t.Fatal(err)
	}
	defer c.CloseNow()
	c.SetDeadline(time.Now().Add(patience))
	says(t, c, "grün")
}

// TestSlowHeaders: the deadline is for all headers together.
func TestSlowHeaders(t *testing.T) {
	t.Parallel()
	spec := config.NewWS()
	spec.HandshakeTimeout = 200 * time.Millisecond
	v := bridgeOf(t, spec, echo, nil)
	c, err := v.netDial(t.Context(), "tcp", v.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	text := strings.NewReader("GET / HTTP/1.1\r\nHost: x\r\nX-Slow: " + strings.Repeat("x", 10_000))
	for err == nil {
		_, err = io.CopyN(c, text, 1)
		time.Sleep(5 * time.Millisecond)
	}
	if err == io.EOF {
		t.Error("it was never closed")
	}
	if r := v.record(); r.Reason != proxy.ReasonNoHandshake || r.By != proxy.ByClient {
		t.Errorf("record %+v", r)
	}
}

// TestReload keeps what is unchanged, and replaces the rest.
func TestReload(t *testing.T) {
	t.Parallel()
	v := bridge(t, echo, nil)
	c := v.dial()
	says(t, c, "one")
	apply := func(spec config.WS) []string {
		t.Helper()
		w, err := NewWebSocket(spec, nil)
		if err != nil {
			t.Fatal(err)
		}
		now := v.config
		now.Protocol = w
		changes, err := v.engine.Apply(proxy.Config{Services: []proxy.ServiceConfig{now}})
		if err != nil {
			t.Fatal(err)
		}
		return changes
	}
	spec := v.spec
	if changes := apply(spec); len(changes) != 0 {
		t.Errorf("nothing has changed, but %q", changes)
	}
	spec.Path = "/desk"
	if changes := apply(spec); len(changes) != 1 {
		t.Errorf("changes %q", changes)
	}
	says(t, c, "two")
	_, err := v.try("/")
	refused(t, err, 404)
	d, err := v.try("/desk")
	if err != nil {
		t.Fatal(err)
	}
	d.Close()
}
