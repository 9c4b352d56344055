package ws_test

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/tcpctl/tcpctl/proxy/proxytest"
	"github.com/tcpctl/tcpctl/ws"
)

func listen(t *testing.T, cfg ws.Config) *ws.Listener {
	t.Helper()
	l, err := ws.Listen("tcp", "127.0.0.1:0", cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

func TestPendingWaits(t *testing.T) {
	l := listen(t, ws.Config{Subprotocols: []string{"chat"}})
	client := connect(t, l.Addr().String(), request("/q?encoding=text&x=1", "Sec-WebSocket-Protocol: other, chat", "X-Forwarded-For: 192.0.2.1")+string(frame(fin|binry, "early")))
	p, err := l.Next()
	if err != nil {
		t.Fatal(err)
	}
	if p.RemoteAddr().String() != client.LocalAddr().String() || p.Encoding() != ws.Text || p.Subprotocol != "chat" ||
		strings.Join(p.Subprotocols(), " ") != "other chat" || p.Request.Header.Get("X-Forwarded-For") != "192.0.2.1" ||
		p.Request.Context().Err() != nil || p.Request.URL.Query().Get("x") != "1" {
		t.Fatalf("%+v", p)
	}
	if _, ok := p.NetConn().(*net.TCPConn); !ok {
		t.Fatalf("NetConn is a %T", p.NetConn())
	}
	p.Subprotocol, p.Header = "other", map[string][]string{"X-Served-By": {"b1"}}
	c, err := p.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer c.CloseNow()
	answer := make([]byte, 4096)
	n, _ := client.Read(answer)
	for _, want := range []string{"HTTP/1.1 101 ", "\r\nSec-WebSocket-Protocol: other\r\n", "\r\nX-Served-By: b1\r\n", "\r\nSec-WebSocket-Accept: " + sampleAccept + "\r\n"} {
		if !strings.Contains(string(answer[:n]), want) {
			t.Errorf("no %q in %q", want, answer[:n])
		}
	}
	buf := make([]byte, len("early"))
	if _, err := io.ReadFull(c, buf); string(buf) != "early" || err != nil {
		t.Errorf("%q %v", buf, err)
	}
	if _, err := p.Accept(); !errors.Is(err, ws.ErrAnswered) {
		t.Error(err)
	}
	if err := p.Refuse(503, 0, ""); !errors.Is(err, ws.ErrAnswered) {
		t.Error(err)
	}
}

func TestRefuse(t *testing.T) {
	l := listen(t, ws.Config{})
	go func() {
		p, err := l.Next()
		if err == nil {
			p.Refuse(503, 1500*time.Millisecond, "the queue is full")
		}
	}()
	// Unread bytes must not cause a reset that destroys the response.
	p, resp := exchange(t, l.Addr().String(), request("/")+strings.Repeat("x", 30_000))
	body, err := io.ReadAll(resp.Body)
	if resp.StatusCode != 503 || resp.Header.Get("Retry-After") != "2" || string(body) != "the queue is full\n" || err != nil {
		t.Fatalf("%s %v %q %v", resp.Status, resp.Header, body, err)
	}
	if _, err := p.r.ReadByte(); err != io.EOF {
		t.Fatalf("and then %v", err)
	}
}

// A mistake of the program does not make an invalid response.
func TestInvalidAnswers(t *testing.T) {
	l := listen(t, ws.Config{})
	tests := map[string]struct {
		answer func(*ws.Pending) error
		want   string // the beginning of the response
		not    string // part of it
	}{
		"status 0":    {func(p *ws.Pending) error { return p.Refuse(0, 0, "x") }, "HTTP/1.1 500 ", ""},
		"status 101":  {func(p *ws.Pending) error { return p.Refuse(101, 0, "x") }, "HTTP/1.1 500 ", ""},
		"status 204":  {func(p *ws.Pending) error { return p.Refuse(204, 0, "x") }, "HTTP/1.1 500 ", ""},
		"status 1000": {func(p *ws.Pending) error { return p.Refuse(1000, 0, "x") }, "HTTP/1.1 500 ", ""},
		"a subprotocol that was not offered": {func(p *ws.Pending) error {
			p.Subprotocol = "chat\r\nX: y"
			if c, err := p.Accept(); err == nil {
				c.CloseNow()
				return errors.New("accepted")
			}
			if _, err := p.Accept(); !errors.Is(err, ws.ErrAnswered) {
				return err
			}
			return nil
		}, "HTTP/1.1 500 ", "X: y"},
		"headers of the handshake": {func(p *ws.Pending) error {
			p.Header = http.Header{"Upgrade": {"x"}, "Content-Length": {"5"}, "Sec-Websocket-Protocol": {"x"}, "X-Ours": {"yes"}}
			c, err := p.Accept()
			if err == nil {
				c.CloseNow()
			}
			return err
		}, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: " + sampleAccept + "\r\nX-Ours: yes\r\n\r\n", "5"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			client := connect(t, l.Addr().String(), request("/"))
			p, err := l.Next()
			if err != nil {
				t.Fatal(err)
			}
			answered := make(chan error, 1)
			go func() { answered <- tt.answer(p) }()
			b, _ := io.ReadAll(client)
			client.Close()
			if err := <-answered; err != nil {
				t.Error(err)
			}
			if !strings.HasPrefix(string(b), tt.want) || tt.not != "" && strings.Contains(strings.TrimPrefix(string(b), tt.want), tt.not) {
				t.Errorf("the client got %q", b)
			}
		})
	}
}

// A handshake that Next does not return in time is answered.
func TestHandshakeThatIsNotAccepted(t *testing.T) {
	t.Parallel()
	l := listen(t, ws.Config{HandshakeTimeout: time.Second}) // in which a busy machine has read the request
	if _, resp := exchange(t, l.Addr().String(), request("/")); resp.StatusCode != 503 {
		t.Fatal(resp.Status)
	}
	l2 := listen(t, ws.Config{HandshakeTimeout: -1})
	client := connect(t, l2.Addr().String(), request("/"))
	time.AfterFunc(50*time.Millisecond, func() { l2.Close() })
	if answer, _ := io.ReadAll(client); len(answer) > 0 && !strings.HasPrefix(string(answer), "HTTP/1.1 503 ") {
		t.Fatalf("%q", answer)
	}
}

func TestShutdown(t *testing.T) {
	l := listen(t, ws.Config{})
	addr := l.Addr().String()
	p := connect(t, addr, request("/"))
	if _, err := l.Accept(); err != nil {
		t.Fatal(err)
	}
	p.answer()
	waiting := connect(t, addr, request("/"))
	if _, err := l.Next(); err != nil {
		t.Fatal(err)
	}
	go func() {
		p.hear() // Close 1001
		p.Write(closeFrame(1001, ""))
		p.Conn.Close()
	}()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	answer := make(chan string)
	go func() { b, _ := io.ReadAll(waiting); waiting.Close(); answer <- string(b) }()
	if err := l.Shutdown(ctx); err != nil {
		t.Fatal(err)
	}
	if a := <-answer; !strings.HasPrefix(a, "HTTP/1.1 503 ") {
		t.Errorf("%q", a)
	}
	if len(l.Conns()) != 0 {
		t.Error("connections remain")
	}
	if _, err := l.Accept(); !errors.Is(err, net.ErrClosed) {
		t.Error(err)
	}
}

// A client that arrives or is accepted after Shutdown has read the sets is ended, too.
func TestShutdownEndsLateClients(t *testing.T) {
	t.Parallel()
	l, err := ws.NewListener(ws.Config{HandshakeTimeout: patience, CloseTimeout: 50 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	client, server := tcpPair(t)
	io.WriteString(client, request("/"))
	answering, goOn := make(chan struct{}), make(chan struct{})
	p, err := l.Handshake(&slowConn{Conn: server, writing: answering, goOn: goOn}, ws.HandshakeOptions{})
	if err != nil {
		t.Fatal(err)
	}
	accepted, ended := make(chan error, 1), make(chan error, 1)
	go func() { _, err := p.Accept(); accepted <- err }()
	<-answering
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	go func() { ended <- l.Shutdown(ctx) }()
	waitFor(t, "Shutdown to wait for it", func() bool { return ws.WaitsForUntracked(l) })
	close(goOn)
	if err := <-accepted; !errors.Is(err, net.ErrClosed) {
		t.Errorf("accepted: %v", err)
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if b, err := io.ReadAll(client); err != nil || !strings.HasPrefix(string(b), "HTTP/1.1 101 ") || !strings.HasSuffix(string(b), "\x88\x02\x03\xe9") {
		t.Errorf("the client got %q, %v", b, err)
	}
}

// slowConn waits for goOn before it writes.
type slowConn struct {
	net.Conn
	writing, goOn chan struct{}
}

func (c *slowConn) Write(b []byte) (int, error) {
	select {
	case c.writing <- struct{}{}:
		<-c.goOn
	case <-c.goOn:
	}
	return c.Conn.Write(b)
}

func TestShutdownContext(t *testing.T) {
	t.Parallel()
	l := listen(t, ws.Config{CloseTimeout: patience})
	addr := l.Addr().String()
	connect(t, addr, request("/"))
	c, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	if err := l.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatal(err)
	}
	if _, err := c.Read(make([]byte, 1)); err == nil {
		t.Fatal("it is still open")
	}
}

// Handshake is for a program that accepts connections itself.
func TestListenerHandshake(t *testing.T) {
	cert, pool := certificate(t)
	for _, secure := range []bool{false, true} {
		l, err := ws.NewListener(ws.Config{HandshakeTimeout: patience})
		if err != nil {
			t.Fatal(err)
		}
		ln := proxytest.Listen(t)
		scheme := "ws"
		if secure {
			ln, scheme = tls.NewListener(ln, &tls.Config{Certificates: []tls.Certificate{cert}}), "wss"
		}
		got := make(chan string, 1)
		go func() {
			defer close(got)
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			p, err := l.Handshake(conn, ws.HandshakeOptions{})
			if err != nil {
				got <- err.Error()
				return
			}
			if _, ok := p.NetConn().(*net.TCPConn); !ok || (p.Request.TLS != nil) != secure {
				t.Errorf("NetConn is a %T, TLS %v", p.NetConn(), p.Request.TLS)
			}
			c, err := p.Accept()
			if err != nil {
				got <- err.Error()
				return
			}
			b, _ := io.ReadAll(c)
			got <- string(b)
			c.Close()
		}()
		d := ws.Dialer{TLS: &tls.Config{RootCAs: pool}}
		c, err := d.Dial(context.Background(), scheme+"://"+ln.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		io.WriteString(c, "hello")
		if err := c.Close(); err != nil {
			t.Error(err)
		}
		if s := <-got; s != "hello" {
			t.Errorf("%q", s)
		}

		// A handshake that is refused, and a client that goes away.
		for _, req := range []string{request("/", "Origin: http://evil.test"), "GET /"} {
			client, server := tcpPair(t)
			io.WriteString(client, req)
			client.CloseWrite()
			_, err := l.Handshake(server, ws.HandshakeOptions{})
			if refused := errors.As(err, new(*ws.RefusedError)); !errors.Is(err, ws.ErrNoHandshake) || refused != strings.Contains(req, "evil") {
				t.Errorf("%q: %v", req, err)
			}
		}
		l.Close()
		ln.Close()
		_, server := tcpPair(t)
		if _, err := l.Handshake(server, ws.HandshakeOptions{}); !errors.Is(err, net.ErrClosed) {
			t.Error(err)
		}
	}
}

func tcpPair(t testing.TB) (a, b *net.TCPConn) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	x, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	y, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { x.Close(); y.Close() })
	return x.(*net.TCPConn), y.(*net.TCPConn)
}
