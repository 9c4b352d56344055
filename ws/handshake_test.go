package ws_test

import (
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/tcpctl/tcpctl/proxy/proxytest"
	"github.com/tcpctl/tcpctl/ws"
)

func TestHandshake(t *testing.T) {
	b := startBridge(t, ws.Config{Path: "/desk", Origins: []string{"https://app.example.com", "*.friends.test"}, Subprotocols: []string{"mqtt", "chat"}}, echo)
	good := request("/desk")
	without := func(name string) string {
		var kept []string
		for _, line := range strings.SplitAfter(good, "\r\n") {
			if !strings.HasPrefix(line, name) {
				kept = append(kept, line)
			}
		}
		return strings.Join(kept, "")
	}
	with := func(lines ...string) string { return request("/desk", lines...) }
	swap := func(old, new string) string {
		if !strings.Contains(good, old) {
			t.Fatalf("no %q in the request", old)
		}
		return strings.Replace(good, old, new, 1)
	}
	tests := []struct {
		name   string
		req    string
		status int
		header string // of the answer, as "Name: value"
	}{
		{"the sample of the RFC", good, 101, "Sec-WebSocket-Accept: " + sampleAccept},
		{"a query", swap("/desk", "/desk?x=1"), 101, ""},
		{"any case", swap("Upgrade: websocket\r\nConnection: Upgrade", "uPgRaDe: WebSocket\r\nconnection: UPGRADE"), 101, ""},
		{"lists", swap("Connection: Upgrade", "Connection: keep-alive, Upgrade"), 101, ""},
		{"a list over lines", swap("Connection: Upgrade", "Connection: keep-alive\r\nConnection: Upgrade"), 101, ""},
		{"another path", swap("/desk", "/desk/"), 404, ""},
		{"POST", swap("GET", "POST"), 405, "Allow: GET"},
		{"HTTP/1.0", swap("HTTP/1.1", "HTTP/1.0"), 400, ""},
		{"no Host", without("Host"), 400, ""},
		{"two Hosts", with("Host: other.test"), 400, ""},
		{"no Upgrade", without("Upgrade"), 426, "Upgrade: websocket"},
		{"another Upgrade", swap("Upgrade: websocket", "Upgrade: h2c"), 426, ""},
		{"no Connection", without("Connection"), 400, ""},
		{"Connection without Upgrade", swap("Connection: Upgrade", "Connection: keep-alive"), 400, ""},
		{"no key", without("Sec-WebSocket-Key"), 400, ""},
		{"an empty key", swap(sampleKey, ""), 400, ""},
		{"a short key", swap(sampleKey, "dGhlIHNhbXBsZQ=="), 400, ""},
		{"a long key", swap(sampleKey, "dGhlIHNhbXBsZSBub25jZSBsb25nZXI="), 400, ""},
		{"a key that is not base64", swap(sampleKey, "!!!!IHNhbXBsZSBub25jZQ=="), 400, ""},
		{"two keys", with("Sec-WebSocket-Key: " + sampleKey), 400, ""},
		{"no version", without("Sec-WebSocket-Version"), 426, "Sec-WebSocket-Version: 13"},
		{"version 8", swap("Version: 13", "Version: 8"), 426, "Sec-WebSocket-Version: 13"},
		{"version 7", swap("Version: 13", "Version: 7"), 426, "Upgrade: websocket"},
		{"version 013", swap("Version: 13", "Version: 013"), 426, ""},
		{"a body", with("Content-Length: 5") + "hello", 400, ""},
		{"a chunked body", with("Transfer-Encoding: chunked") + "0\r\n\r\n", 400, ""},
		{"a line that is no header", with("no colon here"), 400, ""},
		{"a NUL in a header", with("X: a\x00b"), 400, ""},
		{"a space before the colon", with("X : a"), 400, ""},
		{"headers of 15 KiB", with("X: " + strings.Repeat("x", 15<<10)), 101, ""},
		{"headers of 20 KiB", with("X: " + strings.Repeat("x", 20<<10)), 431, ""},
		{"many headers", with(strings.Repeat("X: y\r\n", 5000) + "X: y"), 431, ""},

		{"the same origin", with("Origin: http://example.test"), 101, ""},
		{"the same origin, in capitals", with("Origin: HTTPS://EXAMPLE.TEST"), 101, ""},
		{"the same host, another port", with("Origin: http://example.test:8080"), 403, ""},
		{"a listed origin", with("Origin: https://app.example.com"), 101, ""},
		{"a listed origin, another scheme", with("Origin: http://app.example.com"), 403, ""},
		{"a listed host", with("Origin: http://any.friends.test"), 101, ""},
		{"a host with the same suffix", with("Origin: http://evilfriends.test"), 403, ""},
		{"another origin", with("Origin: https://evil.test"), 403, ""},
		{"a host with the same prefix", with("Origin: http://example.test.evil.test"), 403, ""},
		{"the null origin", with("Origin: null"), 403, ""},
		{"an invalid origin", with("Origin: ://"), 403, ""},
		{"two origins", with("Origin: http://example.test", "Origin: http://example.test"), 403, ""},

		{"no subprotocol", good, 101, "Sec-Websocket-Protocol: "},
		{"binary", with("Sec-WebSocket-Protocol: chat, binary"), 101, "Sec-WebSocket-Protocol: binary"},
		{"the one that we prefer", with("Sec-WebSocket-Protocol: chat, mqtt"), 101, "Sec-WebSocket-Protocol: mqtt"},
		{"over lines", with("Sec-WebSocket-Protocol: unknown", "Sec-WebSocket-Protocol: chat"), 101, "Sec-WebSocket-Protocol: chat"},
		{"unknown ones", with("Sec-WebSocket-Protocol: xmpp, MQTT"), 101, "Sec-Websocket-Protocol: "},
		{"base64, not configured", with("Sec-WebSocket-Protocol: base64"), 101, "Sec-Websocket-Protocol: "},
		{"not a token", with("Sec-WebSocket-Protocol: a b"), 400, ""},
		{"an extension, not configured", with("Sec-WebSocket-Extensions: permessage-deflate"), 101, "Sec-Websocket-Extensions: "},
		{"nonsense as an extension", with("Sec-WebSocket-Extensions: ;;;="), 101, "Sec-Websocket-Extensions: "},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p, resp := exchange(t, b.addr, tt.req)
			if resp.StatusCode != tt.status {
				t.Fatalf("%s, want %d", resp.Status, tt.status)
			}
			if name, value, ok := strings.Cut(tt.header, ": "); ok && resp.Header.Get(name) != value {
				t.Errorf("%s: %q, want %q", name, resp.Header.Get(name), value)
			}
			if tt.status == 101 {
				p.say(frame(fin|binry, "it works"))
				p.wantStream("it works")
			}
		})
	}
}

func TestAnySubprotocol(t *testing.T) {
	for _, tt := range []struct {
		known         []string
		offered, want string
	}{
		{[]string{"*"}, "mqtt", "mqtt"},
		{[]string{"*"}, "mqtt, binary", "mqtt"},
		{[]string{"*"}, "binary, mqtt", "binary"},
		{[]string{"chat", "*"}, "mqtt, chat", "chat"},
		{[]string{"chat", "*"}, "mqtt, xmpp", "mqtt"},
		{[]string{"*"}, "", ""},
	} {
		l := listen(t, ws.Config{Subprotocols: tt.known})
		var lines []string
		if tt.offered != "" {
			lines = append(lines, "Sec-WebSocket-Protocol: "+tt.offered)
		}
		client := connect(t, l.Addr().String(), request("/", lines...))
		c, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		if got := client.answer().Header.Get("Sec-WebSocket-Protocol"); got != tt.want || c.(*ws.Conn).Subprotocol() != tt.want {
			t.Errorf("%q of %q: %q, want %q", tt.known, tt.offered, got, tt.want)
		}
		c.(*ws.Conn).CloseNow()
	}
}

// One deadline covers all headers: bytes that trickle do not extend it.
func TestSlowHeaders(t *testing.T) {
	t.Parallel()
	b := startBridge(t, ws.Config{HandshakeTimeout: 200 * time.Millisecond}, echo)
	c, err := net.Dial("tcp", b.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	cut := make(chan error, 1)
	go func() {
		_, err := io.ReadAll(c)
		cut <- err
	}()
	io.WriteString(c, "GET / HTTP/1.1\r\nHost: x\r\nX: ")
	for sent := 0; ; sent++ {
		select {
		case <-cut:
			return
		case <-time.After(20 * time.Millisecond):
			c.Write([]byte("x"))
		}
		if sent > 500 {
			t.Fatal("the server still waits for the headers")
		}
	}
}

func TestWeb(t *testing.T) {
	files := http.FileServerFS(fstest.MapFS{"index.html": {Data: []byte("<p>hello")}})
	b := startBridge(t, ws.Config{Web: files}, echo)
	_, resp := exchange(t, b.addr, "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
	if body, _ := io.ReadAll(resp.Body); resp.StatusCode != 200 || string(body) != "<p>hello" {
		t.Fatalf("%s %q", resp.Status, body)
	}
	openPeer(t, b.addr)
}

// A program may mount the Listener in an http.Server of its own.
func TestServeHTTP(t *testing.T) {
	l, err := ws.NewListener(ws.Config{Path: "/ws"})
	if err != nil {
		t.Fatal(err)
	}
	ln := proxytest.Listen(t)
	mux := http.NewServeMux()
	mux.Handle("/ws", l)
	srv := &http.Server{Handler: mux}
	go srv.Serve(ln)
	defer srv.Close()
	defer l.Close()
	got := make(chan string, 1)
	go func() {
		c, err := l.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		b, _ := io.ReadAll(c)
		got <- string(b)
	}()
	p, resp := exchange(t, ln.Addr().String(), request("/ws"))
	if resp.StatusCode != 101 {
		t.Fatal(resp.Status)
	}
	p.say(frame(fin|text, "hi"), closeFrame(1000, ""))
	if s := <-got; s != "hi" {
		t.Fatalf("%q", s)
	}
}

func TestBadConfigs(t *testing.T) {
	for _, cfg := range []ws.Config{
		{Path: "desk"}, {Encoding: "utf-8"}, {Encoding: ws.Base64}, {Subprotocols: []string{"a b"}}, {Origins: []string{"[a"}},
	} {
		if _, err := ws.NewListener(cfg); err == nil || !strings.HasPrefix(err.Error(), "ws: ") {
			t.Errorf("%+v: %v", cfg, err)
		}
	}
}
