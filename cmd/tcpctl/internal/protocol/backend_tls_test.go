package protocol

import (
	"crypto/tls"
	"io"
	"net"
	"net/http/httptest"
	"testing"

	"github.com/tcpctl/tcpctl/proxy"
	"github.com/tcpctl/tcpctl/ws"
)

// secured is a backend that speaks TLS, over what bridge's serve gets.
func secured(serve func(c *tls.Conn)) func(*net.TCPConn) {
	s := httptest.NewTLSServer(nil) // for its certificate only
	s.Close()
	return func(c *net.TCPConn) {
		serve(tls.Server(c, &tls.Config{Certificates: s.TLS.Certificates}))
	}
}

func overBackendTLS(c *proxy.ServiceConfig, _ *WebSocket) {
	c.Backends[0].TLS = &proxy.BackendTLS{Insecure: true}
}

// TestBackendSpeaksTLS: bytes both ways, more than all buffers hold, and an idle
// time in between, in which a session has no goroutine.
func TestBackendSpeaksTLS(t *testing.T) {
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

// TestBackendOverTLSEnds: the client is told whether that was the end, by its close
// code; so of a backend that resets, or that no handshake succeeds with.
func TestBackendOverTLSEnds(t *testing.T) {
	const size = 3 << 20
	for how, c := range map[string]struct {
		end    func(*tls.Conn)
		code   ws.CloseCode
		reason proxy.Reason
	}{
		"announced": {func(c *tls.Conn) { c.CloseWrite() }, ws.NormalClosure, proxy.ReasonFIN},
		"truncated": {func(c *tls.Conn) { c.NetConn().(*net.TCPConn).CloseWrite() }, ws.InternalError, proxy.ReasonTLSTruncated},
		"alert": {func(c *tls.Conn) { // as of one that does not like what it reads
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
