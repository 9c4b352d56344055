package protocol

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"testing"

	"github.com/tcpctl/tcpctl/cmd/tcpctl/internal/config"
	"github.com/tcpctl/tcpctl/proxy"
	"github.com/tcpctl/tcpctl/proxy/proxytest"
	"github.com/tcpctl/tcpctl/ws"
)

// secured wraps a backend's serve function, for the bridge, in TLS.
func secured(serve func(c *tls.Conn)) func(*net.TCPConn) {
	cert, _ := certificate()
	return func(c *net.TCPConn) {
		serve(tls.Server(c, &tls.Config{Certificates: []tls.Certificate{cert}}))
	}
}

func overBackendTLS(c *proxy.ServiceConfig, _ *WebSocket) {
	c.Backends[0].TLS = &proxy.BackendTLS{Insecure: true}
}

// TestBackendSpeaksTLS: bytes in both directions, more than all buffers hold, with an idle time in
// between during which a session has no goroutine.
func TestBackendSpeaksTLS(t *testing.T) {
	t.Parallel()
	v := bridge(t, secured(func(c *tls.Conn) { io.Copy(c, c); c.CloseWrite() }), overBackendTLS)
	c := v.dial()
	says(t, c, "one")
	const size = 251 << 15
	go func() { io.Copy(c, io.LimitReader(pattern{}, size)) }()
	if n, err := io.Copy(&same{}, io.LimitReader(c, size)); n != size || err != nil {
		t.Fatalf("%d came back: %v", n, err)
	}
	says(t, c, "two")
	c.Close()
	if r := v.record(); r.BytesIn != size+8 || r.BytesOut != size+8 || r.Via != "ws" {
		t.Errorf("record %+v", r)
	}
}

// TestBackendOverTLSEnds: the close code tells the client whether the end was clean; also for a
// backend that resets, or with which the handshake fails.
func TestBackendOverTLSEnds(t *testing.T) {
	t.Parallel()
	const size = 3 << 20
	for how, c := range map[string]struct {
		end    func(*tls.Conn)
		code   ws.CloseCode
		reason proxy.Reason
	}{
		"announced": {func(c *tls.Conn) { c.CloseWrite() }, ws.NormalClosure, proxy.ReasonFIN},
		"truncated": {func(c *tls.Conn) { c.NetConn().(*net.TCPConn).CloseWrite() }, ws.InternalError, proxy.ReasonTLSTruncated},
		"alert": {func(c *tls.Conn) { // as from a backend that rejects what it reads
			c.NetConn().Write([]byte{23, 3, 3, 0, 1, 0})
		}, ws.InternalError, proxy.ReasonReset},
	} {
		v := bridge(t, secured(func(conn *tls.Conn) {
			conn.Write(make([]byte, size))
			c.end(conn)
			io.Copy(io.Discard, conn.NetConn())
		}), overBackendTLS)
		client := v.dial()
		if n, err := io.Copy(io.Discard, client); n != size {
			t.Errorf("%s: %d of %d came: %v", how, n, size, err)
		}
		ends(t, client, c.code)
		if r := v.record(); r.By != proxy.ByBackend || r.Reason != c.reason || r.CloseCode != int(c.code) {
			t.Errorf("%s: record %+v", how, r)
		}
	}
}

// TestBackendThatIsAnother: a backend that cannot prove its name looks to the client like one that
// cannot be reached.
func TestBackendThatIsAnother(t *testing.T) {
	t.Parallel()
	v := bridge(t, secured(func(c *tls.Conn) { io.Copy(io.Discard, c) }), func(c *proxy.ServiceConfig, _ *WebSocket) {
		c.Backends[0].TLS = &proxy.BackendTLS{Name: "desk.example.org"} // the certificate is for example.com
		c.NoBackend, c.ConnectTimeout, c.ConnectRetries = proxy.Reject, patience, -1
	})
	_, err := v.try("/")
	refused(t, err, http.StatusBadGateway)
	if r := v.record(); r.By != proxy.ByProxy || r.Phase != proxy.PhaseConnect || r.Reason != proxy.ReasonTLSWrongName && r.Reason != proxy.ReasonTLSUnknownCA {
		t.Errorf("record %+v", r)
	}
}

// TestBySNIOverTLS: two services on one address, each with its own TLS and WebSocket, are selected
// by the name in the ClientHello.
func TestBySNIOverTLS(t *testing.T) {
	t.Parallel()
	var client *tls.Config
	addr := proxytest.FreePort(t)
	named := func(name string) func(*proxy.ServiceConfig, *WebSocket) {
		return func(c *proxy.ServiceConfig, _ *WebSocket) {
			client = overTLS(c)
			c.Name, c.Listen, c.SNI = name, []string{addr}, []string{name + ".example.com"}
		}
	}
	var services []proxy.ServiceConfig
	for _, name := range []string{"a", "b"} {
		w, err := NewWebSocket(config.NewWS(), nil)
		if err != nil {
			t.Fatal(err)
		}
		addr := proxytest.Serve(t, func(c net.Conn) {
			io.WriteString(c, name)
			io.Copy(io.Discard, c)
		})
		c := proxy.ServiceConfig{Protocol: w, Check: proxy.CheckConfig{Type: "none"}, Backends: []proxy.BackendConfig{{Name: "vnc", Addr: addr}}}
		named(name)(&c, w)
		services = append(services, c)
	}
	e, err := proxy.New(proxy.Config{Services: services})
	if err != nil {
		t.Fatal(err)
	}
	if err := e.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { e.Close() })
	for _, name := range []string{"b", "a", "b"} {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		of := client.Clone()
		of.ServerName, of.InsecureSkipVerify = name+".example.com", true
		c, err := (&ws.Dialer{TLS: of}).Dial(ctx, "wss://"+addr)
		cancel()
		if err != nil {
			t.Fatal(err)
		}
		got := make([]byte, 1)
		if _, err := io.ReadFull(c, got); err != nil || string(got) != name {
			t.Errorf("%s: heard %q, %v", name, got, err)
		}
		c.CloseNow()
	}
	if a, b := e.Service("a").Info().Sessions.Total, e.Service("b").Info().Sessions.Total; a != 1 || b != 2 {
		t.Errorf("%d and %d sessions", a, b)
	}
}
