package ws_test

import (
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/tcpctl/tcpctl/ws"
)

func legalCode(code int) bool {
	switch {
	case code >= 1000 && code <= 1003, code >= 1007 && code <= 1014, code >= 3000 && code <= 4999:
		return true
	}
	return false
}

func TestEveryCloseCode(t *testing.T) {
	t.Parallel()
	b := startBridge(t, ws.Config{}, echo)
	codes := []int{0, 1, 500, 998, 999, 1016, 1099, 1100, 1999, 2000, 2998, 2999, 3000, 3001, 3999, 4000, 4500, 4999, 5000, 5001, 32768, 65535}
	for code := 1000; code <= 1015; code++ {
		codes = append(codes, code)
	}
	for _, code := range codes {
		for _, reason := range []string{"", "bye", strings.Repeat("é", 61) + "x"} {
			p := openPeer(t, b.addr)
			p.say(closeFrame(code, reason))
			want := code
			if !legalCode(code) {
				want = 1002
			}
			if err := p.readClose(want); err != nil {
				t.Errorf("code %d, reason %q: %v", code, reason, err)
			}
			e := b.closeOf(p)
			if legalCode(code) && (int(e.Code) != code || e.Reason != reason || !e.ByPeer) {
				t.Errorf("code %d, reason %q: CloseError is %+v", code, reason, e)
			}
		}
	}
}

func TestEmptyClose(t *testing.T) {
	b := startBridge(t, ws.Config{}, echo)
	p := openPeer(t, b.addr)
	p.say(frame(fin|clos, ""))
	p.wantClose(0)
	if e := b.closeOf(p); e.Code != ws.NoStatus || !e.ByPeer {
		t.Errorf("CloseError is %+v", e)
	}
}

func TestCloseReasonIsText(t *testing.T) {
	b := startBridge(t, ws.Config{}, echo)
	for _, reason := range []string{"\xff", "ok\xc0\xaf", "κ\xce", "\xed\xa0\x80"} {
		p := openPeer(t, b.addr)
		p.say(closeFrame(1000, reason))
		p.wantClose(1007)
	}
}

// Bytes after a Close frame are ignored.
func TestNothingAfterClose(t *testing.T) {
	b := startBridge(t, ws.Config{}, echo)
	for _, more := range [][]byte{frame(fin|ping, "x"), frame(fin|text, "x"), closeFrame(1001, ""), []byte("garbage"), make([]byte, 200<<10)} {
		p := openPeer(t, b.addr)
		p.say(frame(fin|binry, "before"), closeFrame(1000, ""), more)
		p.wantStream("before")
		p.wantClose(1000)
	}
}

// A Close inside a fragmented message ends it.
func TestCloseBetweenFragments(t *testing.T) {
	b := startBridge(t, ws.Config{}, echo)
	p := openPeer(t, b.addr)
	p.say(frame(text, "half"), closeFrame(3000, ""), frame(fin|cont, "other"))
	p.wantStream("half")
	p.wantClose(3000)
}

// All payload before a Close reaches the backend, and then the end of the stream.
func TestCloseAfterPayload(t *testing.T) {
	const n = 500_000
	got := make(chan string, 1)
	start := make(chan struct{})
	b := startBridge(t, ws.Config{}, func(c *net.TCPConn) {
		<-start
		all, _ := io.ReadAll(c)
		got <- string(all)
	})
	p := openPeer(t, b.addr)
	payload := strings.Repeat("0123456789", n/10)
	p.say(frame(fin|binry, payload), closeFrame(1000, ""))
	close(start)
	if all := <-got; all != payload {
		t.Fatalf("%d of %d bytes arrived", len(all), n)
	}
	p.wantClose(1000)
}

// The peer is answered even if the program never closes.
func TestCloseIsEchoedWithoutTheProgram(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	b := startBridge(t, ws.Config{}, func(c *net.TCPConn) { <-release })
	defer close(release)
	p := openPeer(t, b.addr)
	p.say(closeFrame(4321, ""))
	p.wantFrame(fin|clos, "\x10\xe1")
	if rest, err := io.ReadAll(p.r); err != nil || len(rest) > 0 {
		t.Fatalf("after Close: %q, %v", rest, err)
	}
	if _, err := b.last().Write([]byte("late")); !errors.Is(err, net.ErrClosed) {
		t.Fatalf("a write after Close: %v", err)
	}
}

func TestBackendEnds(t *testing.T) {
	b := startBridge(t, ws.Config{}, func(c *net.TCPConn) { io.WriteString(c, "last words") })
	p := openPeer(t, b.addr)
	p.wantStream("last words")
	p.wantFrame(fin|clos, "\x03\xe8")
	// Until the client answers, what it sends still reaches the backend.
	p.say(frame(fin|binry, "in flight"), closeFrame(1000, ""))
	if rest, err := io.ReadAll(p.r); err != nil || len(rest) > 0 {
		t.Fatalf("after the exchange: %q, %v", rest, err)
	}
	if e := b.closeOf(p); e.Code != ws.NormalClosure || e.ByPeer {
		t.Errorf("CloseError is %+v", e)
	}
}

// serveClient returns a server's Conn and its client.
func serveClient(t *testing.T, cfg ws.Config) (*ws.Conn, *peer) {
	t.Helper()
	l, err := ws.Listen("tcp", "127.0.0.1:0", cfg)
	if err != nil {
		t.Fatal(err)
	}
	p := connect(t, l.Addr().String(), request("/"))
	c, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.(*ws.Conn).CloseNow(); l.Close() })
	if resp := p.answer(); resp.StatusCode != 101 {
		t.Fatal(resp.Status)
	}
	return c.(*ws.Conn), p
}

func TestCloseWith(t *testing.T) {
	c, p := serveClient(t, ws.Config{})
	go func() {
		p.hear()
		p.Write(closeFrame(1008, ""))
		p.Conn.Close()
	}()
	if err := c.CloseWith(ws.PolicyViolation, "kicked"); err != nil {
		t.Fatal(err)
	}
	if e := c.CloseError(); *e != (ws.CloseError{Code: ws.PolicyViolation, Reason: "kicked"}) {
		t.Fatalf("%+v", e)
	}
	if err := c.Close(); !errors.Is(err, net.ErrClosed) {
		t.Fatalf("a second Close: %v", err)
	}
	if _, err := c.Read(make([]byte, 1)); err == nil {
		t.Fatal("a Read after Close")
	}
	if _, err := c.Write([]byte("x")); !errors.Is(err, net.ErrClosed) {
		t.Fatalf("a Write after Close: %v", err)
	}
}

func TestCloseWithRefusesBadCodes(t *testing.T) {
	c, _ := serveClient(t, ws.Config{})
	for _, code := range []ws.CloseCode{0, 999, 1004, 1006, 1015, 1016, 2999, 5000} {
		if err := c.CloseWith(code, ""); err == nil || errors.Is(err, net.ErrClosed) {
			t.Errorf("code %d: %v", code, err)
		}
	}
	if err := c.CloseWith(ws.NormalClosure, "\xff"); err == nil {
		t.Error("a reason that is not UTF-8 was accepted")
	}
	if c.CloseError() != nil {
		t.Error("a refused CloseWith closed the connection")
	}
}

func TestLongReasonIsTruncated(t *testing.T) {
	c, p := serveClient(t, ws.Config{CloseTimeout: 50 * time.Millisecond})
	go c.CloseWith(ws.PolicyViolation, strings.Repeat("é", 100))
	p.wantFrame(fin|clos, "\x03\xf0"+strings.Repeat("é", 61))
}

func TestCloseWriteWith(t *testing.T) {
	c, p := serveClient(t, ws.Config{CloseTimeout: 50 * time.Millisecond})
	if err := c.CloseWriteWith(ws.AbnormalClosure, ""); err == nil {
		t.Error("a code was sent that must not be sent")
	}
	if err := c.CloseWriteWith(ws.NoStatus, ""); err != nil {
		t.Errorf("an empty Close frame: %v", err)
	}
	p.wantFrame(fin|clos, "")
	c.Close()
	if err := c.CloseWriteWith(ws.NormalClosure, ""); !errors.Is(err, net.ErrClosed) {
		t.Errorf("after Close: %v, want net.ErrClosed", err)
	}
}

// Close returns even if the peer does not answer, or reads nothing.
func TestCloseIsBounded(t *testing.T) {
	t.Parallel()
	t.Run("no answer", func(t *testing.T) {
		c, _ := serveClient(t, ws.Config{CloseTimeout: 50 * time.Millisecond})
		if err := c.Close(); err == nil {
			t.Error("Close returned no error")
		}
	})
	t.Run("without waiting for the answer", func(t *testing.T) {
		c, p := serveClient(t, ws.Config{CloseTimeout: -1})
		if err := c.CloseWith(4000, "bye"); err != nil {
			t.Error(err)
		}
		p.wantFrame(fin|clos, "\x0f\xa0bye")
	})
	t.Run("no answer to CloseWrite", func(t *testing.T) {
		c, p := serveClient(t, ws.Config{CloseTimeout: 50 * time.Millisecond})
		c.CloseWrite()
		p.wantFrame(fin|clos, "\x03\xe8")
		if _, err := c.WriteTo(io.Discard); !errors.Is(err, net.ErrClosed) {
			t.Errorf("reading ended with %v", err)
		}
		if rest, err := io.ReadAll(p.r); err != nil || len(rest) > 0 {
			t.Errorf("after Close: %q, %v", rest, err)
		}
	})
	t.Run("blocked writer", func(t *testing.T) {
		c, _ := serveClient(t, ws.Config{CloseTimeout: 50 * time.Millisecond})
		wrote := make(chan error, 1)
		go func() {
			for {
				if _, err := c.Write(make([]byte, 1<<20)); err != nil {
					wrote <- err
					return
				}
			}
		}()
		waitUntilFull(t, c)
		c.CloseWith(ws.GoingAway, "")
		if err := <-wrote; err == nil {
			t.Error("the write returned no error")
		}
	})
}

// A client's Close is noticed although the client does not read.
func TestCloseFromAClientThatDoesNotRead(t *testing.T) {
	t.Parallel()
	b := startBridge(t, ws.Config{}, func(c *net.TCPConn) {
		go io.Copy(c, zeros{})
		io.Copy(io.Discard, c)
	})
	p := openPeer(t, b.addr)
	waitFor(t, "the session", func() bool { return len(b.Conns()) == 1 })
	c := b.Conns()[0]
	waitUntilFull(t, c)
	for range 10_000 {
		p.say(frame(fin|ping, "flood"))
	}
	p.say(closeFrame(1001, "gone"))
	waitFor(t, "the Close", func() bool { e := c.CloseError(); return e != nil && e.ByPeer && e.Code == ws.GoingAway })
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { return len(p), nil }

// A connection that ends inside a frame is not an orderly end.
func TestLostConnection(t *testing.T) {
	c, p := serveClient(t, ws.Config{})
	p.say(frame(fin|binry, "whole")[:8])
	buf := make([]byte, 10)
	if n, err := c.Read(buf); n != 2 || err != nil {
		t.Fatal(n, err)
	}
	p.Conn.Close()
	_, err := c.Read(buf)
	var e *ws.CloseError
	if !errors.As(err, &e) || e.Code != ws.AbnormalClosure || errors.Is(err, io.EOF) {
		t.Fatalf("%v", err)
	}
}
