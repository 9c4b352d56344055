package ws_test

import (
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tcpctl/tcpctl/ws"
)

// TestRefusals: Handshake returns why it was refused, and the client gets it, too,
// in plain TCP and in TLS.
func TestRefusals(t *testing.T) {
	t.Parallel()
	cert, _ := certificate(t)
	l := listen(t, ws.Config{Path: "/desk", MaxHeaderBytes: 4 << 10, Web: http.NotFoundHandler()})
	swap := func(old, new string) string { return strings.Replace(request("/desk"), old, new, 1) }
	onlyLocal := func(host string, _ *http.Request) bool { return host == "localhost" }
	for _, tt := range []struct {
		name, req string
		from      ws.HandshakeOptions
		kind      ws.Refusal
		status    int
		names     string
	}{
		{"another path", request("/other"), ws.HandshakeOptions{}, ws.RefusedPath, 404, ""},
		{"an origin", request("/desk", "Origin: https://evil.test"), ws.HandshakeOptions{}, ws.RefusedOrigin, 403, "https://evil.test"},
		{"a long origin", request("/desk", "Origin: https://"+strings.Repeat("e", 3000)), ws.HandshakeOptions{}, ws.RefusedOrigin, 403, "..."},
		{"an origin with a control sequence", request("/desk", "Origin: \xc2\x9b31m"), ws.HandshakeOptions{}, ws.RefusedOrigin, 403, `\u009b31m`},
		{"a host", request("/desk"), ws.HandshakeOptions{AllowHost: onlyLocal}, ws.RefusedHost, 421, "example.test"},
		{"a method", swap("GET", "PUT"), ws.HandshakeOptions{}, ws.RefusedMethod, 405, ""},
		{"a lost Upgrade", swap("Upgrade: websocket\r\n", ""), ws.HandshakeOptions{}, ws.RefusedUpgrade, 426, ""},
		{"an old version", swap("Version: 13", "Version: 8"), ws.HandshakeOptions{}, ws.RefusedVersion, 426, ""},
		{"no key", swap(sampleKey, "x"), ws.HandshakeOptions{}, ws.RefusedMalformed, 400, ""},
		{"a bad offer", request("/desk", "Sec-WebSocket-Protocol: a b"), ws.HandshakeOptions{}, ws.RefusedSubprotocol, 400, ""},
		{"an unknown encoding", request("/desk?encoding=utf7"), ws.HandshakeOptions{}, ws.RefusedEncoding, 400, "utf7"},
		{"no HTTP", "\x16\x03\x01 hello\r\n\r\n", ws.HandshakeOptions{}, ws.RefusedMalformed, 400, ""},
		{"long headers", request("/desk", "X: "+strings.Repeat("x", 20_000)), ws.HandshakeOptions{}, ws.RefusedMalformed, 431, ""},
		{"frames behind", request("/desk", "Origin: null") + strings.Repeat("x", 100_000), ws.HandshakeOptions{}, ws.RefusedOrigin, 403, "null"},
	} {
		for _, secure := range []bool{false, true} {
			t.Run(tt.name+map[bool]string{true: ", in TLS"}[secure], func(t *testing.T) {
				t.Parallel()
				client, server := tcpPair(t)
				client.SetDeadline(time.Now().Add(patience))
				var from, to net.Conn = client, server
				if secure {
					from = tls.Client(client, &tls.Config{InsecureSkipVerify: true})
					to = tls.Server(server, &tls.Config{Certificates: []tls.Certificate{cert}})
				}
				var wrote sync.WaitGroup
				wrote.Go(func() { io.WriteString(from, tt.req) })
				refused := make(chan error, 1)
				go func() {
					_, err := l.Handshake(to, tt.from)
					refused <- err
				}()
				answer, err := io.ReadAll(from)
				if want := fmt.Sprintf("HTTP/1.1 %d ", tt.status); err != nil || !strings.HasPrefix(string(answer), want) || !strings.Contains(string(answer), tt.names) {
					t.Errorf("answered %q, %v, want %q", answer, err, want)
				}
				client.Close()
				wrote.Wait()
				var bad *ws.RefusedError
				if err := <-refused; !errors.As(err, &bad) || !errors.Is(err, ws.ErrNoHandshake) {
					t.Fatal(err)
				}
				if bad.Kind != tt.kind || bad.Status != tt.status || !strings.Contains(bad.Reason, tt.names) || len(bad.Reason) > 500 {
					t.Errorf("%+v", bad)
				}
			})
		}
	}
}

// TestTLSIsRefusedAtOnce: a ClientHello has no end of line, for which an HTTP server would wait.
func TestTLSIsRefusedAtOnce(t *testing.T) {
	t.Parallel()
	l := listen(t, ws.Config{HandshakeTimeout: time.Hour})
	client, server := tcpPair(t)
	client.SetDeadline(time.Now().Add(patience))
	refused := make(chan error, 1)
	go func() {
		_, err := l.Handshake(server, ws.HandshakeOptions{})
		refused <- err
	}()
	io.WriteString(client, "\x16\x03\x01\x02\x00\x01\x00\x01")
	if answer, err := io.ReadAll(client); err != nil || !strings.HasPrefix(string(answer), "HTTP/1.1 400 Bad Request\r\n") || !strings.Contains(string(answer), "use ws://") {
		t.Errorf("answered %q, %v", answer, err)
	}
	client.Close()
	if bad, ok := errors.AsType[*ws.RefusedError](<-refused); !ok || bad.Kind != ws.RefusedMalformed || !strings.Contains(bad.Reason, "TLS") {
		t.Errorf("refused with %+v", bad)
	}
}

// Without Handshake, refusals are logged.
func TestRefusalsAreLogged(t *testing.T) {
	var mu sync.Mutex
	var text bytes.Buffer
	logged := func() string { mu.Lock(); defer mu.Unlock(); return text.String() }
	l := listen(t, ws.Config{ErrorLog: log.New(writerFunc(func(p []byte) (int, error) {
		mu.Lock()
		defer mu.Unlock()
		return text.Write(p)
	}), "", 0)})
	exchange(t, l.Addr().String(), request("/x", "Origin: https://evil.test"))
	waitFor(t, "a line in the log", func() bool {
		return strings.Contains(logged(), "https://evil.test") && strings.Contains(logged(), `"/x"`)
	})
}

// TestForwardedHost: the forwarded host counts as the requested one with
// TrustForwarded.
func TestForwardedHost(t *testing.T) {
	t.Parallel()
	l := listen(t, ws.Config{})
	public := func(host string, _ *http.Request) bool { return host == "desk.example.com" }
	for _, tt := range []struct {
		lines  []string
		from   ws.HandshakeOptions
		passes bool
	}{
		{[]string{"X-Forwarded-Host: desk.example.com"}, ws.HandshakeOptions{TrustForwarded: true}, true},
		{[]string{"X-Forwarded-Host: desk.example.com, inner.test"}, ws.HandshakeOptions{TrustForwarded: true}, true},
		{[]string{"Forwarded: for=192.0.2.1;host=desk.example.com;proto=https"}, ws.HandshakeOptions{TrustForwarded: true}, true},
		{[]string{`Forwarded: for="[2001:db8::1]:80";Host="desk.example.com", for=10.0.0.1`}, ws.HandshakeOptions{TrustForwarded: true, AllowHost: public}, true},
		{[]string{"X-Forwarded-Host: DESK.example.com:443"}, ws.HandshakeOptions{TrustForwarded: true, AllowHost: public}, true},
		{[]string{"X-Forwarded-Host: desk.example.com"}, ws.HandshakeOptions{}, false},
		{[]string{"Forwarded: host=desk.example.com"}, ws.HandshakeOptions{}, false},
		{[]string{"X-Forwarded-Host: desk.example.com"}, ws.HandshakeOptions{AllowHost: public}, false},
		{[]string{"X-Forwarded-Host: other.example.com"}, ws.HandshakeOptions{TrustForwarded: true}, false},
		{nil, ws.HandshakeOptions{TrustForwarded: true, AllowHost: public}, false},
	} {
		client, server := tcpPair(t)
		io.WriteString(client, request("/", append(tt.lines, "Origin: https://desk.example.com")...))
		go func() { io.Copy(io.Discard, client); client.Close() }() // Refuse waits for the client
		p, err := l.Handshake(server, tt.from)
		if (err == nil) != tt.passes {
			t.Errorf("%q, %+v: %v", tt.lines, tt.from.TrustForwarded, err)
		}
		client.Close()
		if p != nil {
			p.Close()
		}
	}
}
