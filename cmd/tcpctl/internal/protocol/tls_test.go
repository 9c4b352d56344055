package protocol

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"testing"
	"time"

	"github.com/tcpctl/tcpctl/cmd/tcpctl/internal/config"
	"github.com/tcpctl/tcpctl/proxy"
	"github.com/tcpctl/tcpctl/proxy/relay"
	"github.com/tcpctl/tcpctl/ws"
)

// overTLS gives a service a certificate, and returns its clients' configuration.
func overTLS(c *proxy.ServiceConfig) (client *tls.Config) {
	cert, roots := certificate()
	c.TLS = &tls.Config{Certificates: []tls.Certificate{cert}}
	return &tls.Config{RootCAs: roots, ServerName: "example.com", NextProtos: []string{"http/1.1"}}
}

// TestOverTLS also waits in the queue, where a client's end must be noticed through TLS.
func TestOverTLS(t *testing.T) {
	t.Parallel()
	var client *tls.Config
	v := bridge(t, echo, func(c *proxy.ServiceConfig, w *WebSocket) {
		client = overTLS(c)
		c.Lock.Slots = 1
		w.holdAfter = 50 * time.Millisecond
	})
	dial := func() (*ws.Conn, error) {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		return (&ws.Dialer{TLS: client}).Dial(ctx, "wss://"+v.addr)
	}
	first, err := dial()
	if err != nil {
		t.Fatal(err)
	}
	defer first.CloseNow()
	says(t, first, "one")
	if s := v.engine.Operator().Sessions(false); len(s) != 1 || s[0].Via != "ws" {
		t.Errorf("sessions %+v", s)
	}
	second, err := dial() // answered while it waits
	if err != nil {
		t.Fatal(err)
	}
	defer second.CloseNow()
	v.untilWaiting(1)
	first.Close()
	says(t, second, "two")
	v.engine.Operator().Kick("ana", "", v.engine.Operator().Sessions(false)[0].ID)
	ends(t, second, ws.PolicyViolation)
}

// TestProxyHeaderBeforeTLS: TLS bytes in the same segment as the PROXY header are not lost.
func TestProxyHeaderBeforeTLS(t *testing.T) {
	t.Parallel()
	var client *tls.Config
	v := bridge(t, echo, func(c *proxy.ServiceConfig, _ *WebSocket) {
		client = overTLS(c)
		c.AcceptProxy, c.TrustedProxies = true, loopback
	})
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	d := ws.Dialer{TLS: client, NetDial: func(ctx context.Context, network, addr string) (net.Conn, error) {
		c, err := (&net.Dialer{}).DialContext(ctx, network, addr)
		return &headed{Conn: c, head: "PROXY TCP4 10.9.8.7 127.0.0.1 1234 443\r\n"}, err
	}}
	c, err := d.Dial(ctx, "wss://"+v.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.CloseNow()
	says(t, c, "one")
	if s := v.engine.Operator().Sessions(false); s[0].Client != "10.9.8.7:1234" {
		t.Errorf("sessions %+v", s)
	}
}

// headed sends a head together with the first Write.
type headed struct {
	net.Conn
	head string
}

func (h *headed) Write(p []byte) (int, error) {
	n, err := io.WriteString(h.Conn, h.head+string(p))
	n = max(n-len(h.head), 0)
	h.head = ""
	return n, err
}

// TestWhichRunnerCarriesTLS: a loop carries TLS 1.3 sessions whose bytes it does not convert; for
// others, what was read already is handed to the stream runner.
func TestWhichRunnerCarriesTLS(t *testing.T) {
	loop := map[bool]string{true: "loop", false: "stream"}[relay.HasLoop]
	for name, c := range map[string]struct {
		version uint16
		spec    func(*config.WS)
		lines   []string
		want    string
	}{
		"1.3":         {tls.VersionTLS13, nil, nil, loop},
		"1.2":         {tls.VersionTLS12, nil, nil, "stream"},
		"compression": {tls.VersionTLS13, func(s *config.WS) { s.Compression = true }, []string{"Sec-WebSocket-Extensions: permessage-deflate"}, "stream"},
		"base64":      {tls.VersionTLS13, func(s *config.WS) { s.Subprotocols = []string{"base64"} }, []string{"Sec-WebSocket-Protocol: base64"}, "stream"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			spec := config.NewWS()
			if c.spec != nil {
				c.spec(&spec)
			}
			var client *tls.Config
			v := bridgeOf(t, spec, echo, func(s *proxy.ServiceConfig, _ *WebSocket) {
				client = overTLS(s)
				s.Relay = "auto"
			})
			client.MaxVersion = c.version
			v.tls = client
			conn := v.connect()
			text := frame(0x81, []byte("aGVsbG8g")) // "hello " in base64
			io.WriteString(conn, opening("localhost", "/", c.lines...)+string(text))
			if resp := conn.answer(); resp.StatusCode != 101 {
				t.Fatal(resp.Status)
			}
			conn.hears()
			conn.Write(text)
			conn.hears()
			if s := v.engine.Operator().Sessions(false); len(s) != 1 || s[0].Runner != c.want || s[0].Via != "ws" {
				t.Errorf("sessions %+v", s)
			}
			conn.Write(frame(0x88, []byte{3, 0xe8}))
			if rest, err := io.ReadAll(conn.r); len(rest) != 4 || err != nil {
				t.Errorf("behind its close frame % x, %v", rest, err)
			}
			if r := v.record(); r.Reason != proxy.ReasonFIN || r.CloseCode != 1000 || r.TLSVersion != tls.VersionName(c.version) {
				t.Errorf("record %+v", r)
			}
		})
	}
}
