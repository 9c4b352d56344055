package ws_test

import (
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/tcpctl/tcpctl/ws"
)

// TestEndsWithoutClose: all that a client has sent comes, and then how it
// ended; also where the one who reads is slow.
func TestEndsWithoutClose(t *testing.T) {
	cert, _ := certificate(t)
	whole := strings.Repeat("0123456789", 30_000)
	for _, tt := range []struct {
		name   string
		behind []byte // the whole message
		more   string // payload in it
		bye    bool   // close_notify
		plain  error
		tls    error
	}{
		{"between messages", nil, "", false, ws.ErrNoClose, ws.ErrTLSTruncated},
		{"between messages, with close_notify", nil, "", true, ws.ErrNoClose, ws.ErrNoClose},
		{"inside a header", frame(fin|binry, "xyz")[:3], "", false, ws.ErrTruncated, ws.ErrTruncated},
		{"inside a frame", frame(fin|binry, "xyz")[:8], "xy", false, ws.ErrTruncated, ws.ErrTruncated},
		{"inside a frame, with close_notify", frame(fin|binry, "xyz")[:8], "xy", true, ws.ErrTruncated, ws.ErrTruncated},
		{"between the fragments of a message", frame(binry, "xyz"), "xyz", false, ws.ErrTruncated, ws.ErrTruncated},
		{"inside a ping", frame(fin|ping, "xyz")[:8], "", false, ws.ErrTruncated, ws.ErrTruncated},
	} {
		for _, packed := range []bool{false, true} {
			for _, secure := range []bool{false, true} {
				name := tt.name + map[bool]string{true: ", wss"}[secure] + map[bool]string{true: ", compressed"}[packed]
				t.Run(name, func(t *testing.T) {
					cfg := ws.Config{Compression: packed}
					want := tt.plain
					if secure {
						cfg.TLS, want = &tls.Config{Certificates: []tls.Certificate{cert}}, tt.tls
					}
					l := listen(t, cfg)
					dial, lines := knock, []string{}
					if secure {
						dial = knockTLS
					}
					if packed {
						lines = append(lines, "Sec-WebSocket-Extensions: permessage-deflate")
					}
					p := dial(t, l.Addr().String(), request("/", lines...))
					c, err := l.Accept()
					if err != nil {
						t.Fatal(err)
					}
					defer c.(*ws.Conn).CloseNow()
					p.answer()
					message := frame(fin|binry, whole)
					if packed {
						message = frame(fin|rsv1|binry, squeeze(t, whole))
					}
					go func() {
						p.Write(append(message, tt.behind...))
						if secure && tt.bye {
							p.Conn.(*tls.Conn).CloseWrite()
						}
						bottom(p.Conn).CloseWrite()
					}()
					var got bytes.Buffer
					_, err = c.(*ws.Conn).WriteTo(writerFunc(func(b []byte) (int, error) {
						time.Sleep(time.Millisecond)
						return got.Write(b)
					}))
					if got.String() != whole+tt.more {
						t.Errorf("%d of %d bytes came", got.Len(), len(whole+tt.more))
					}
					var e *ws.CloseError
					if !errors.As(err, &e) || e.Code != ws.Abnormal || e.Err != want || c.(*ws.Conn).CloseError() != e || !errors.Is(err, io.ErrUnexpectedEOF) {
						t.Errorf("ended with %v, want %v", err, want)
					}
				})
			}
		}
	}
}

func bottom(c net.Conn) *net.TCPConn {
	if t, ok := c.(*tls.Conn); ok {
		c = t.NetConn()
	}
	return c.(*net.TCPConn)
}

// TestCloseBeforeTLSEnds: a Close frame is a good end, whatever TLS says.
func TestCloseBeforeTLSEnds(t *testing.T) {
	cert, _ := certificate(t)
	l := listen(t, ws.Config{TLS: &tls.Config{Certificates: []tls.Certificate{cert}}})
	p := knockTLS(t, l.Addr().String(), request("/"))
	c, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer c.(*ws.Conn).CloseNow()
	p.answer()
	p.say(frame(fin|binry, "all"), closeFrame(1000, ""))
	bottom(p.Conn).CloseWrite()
	if all, err := io.ReadAll(c); string(all) != "all" || err != nil {
		t.Errorf("%q, %v", all, err)
	}
}

// TestEndBehindOurClose: what a client still sends after our Close is whole,
// too, if it ends without an answer.
func TestEndBehindOurClose(t *testing.T) {
	c, p := serveOne(t, ws.Config{})
	c.CloseWrite()
	p.wantFrame(fin|clos, "\x03\xe8")
	p.say(frame(fin|binry, "in flight"))
	p.Conn.(*net.TCPConn).CloseWrite()
	var got strings.Builder
	if _, err := c.WriteTo(&got); got.String() != "in flight" || !errors.Is(err, ws.ErrNoClose) {
		t.Errorf("%q, %v", got.String(), err)
	}
	if e := c.CloseError(); e.Code != ws.Normal {
		t.Errorf("it is known as %v", e)
	}
}

// TestUnsendableText: a client that gets 1007, since what the backend says is
// no text, and does not answer, is given up; whether the text was wrong at once
// or only after a wait for the rest of it.
func TestUnsendableText(t *testing.T) {
	for _, said := range []string{"ok\xff", "ok\xe2\x82"} {
		t.Run(said, func(t *testing.T) {
			t.Parallel()
			c, p := serveOne(t, ws.Config{Encoding: ws.Text, Ping: -1, CloseTimeout: 50 * time.Millisecond})
			c.Write([]byte(said))
			go func() { // it goes on as if nothing had been said
				for err := error(nil); err == nil; time.Sleep(time.Millisecond) {
					_, err = p.Write(frame(fin|binry, "x"))
				}
			}()
			_, err := c.WriteTo(io.Discard)
			var e *ws.CloseError
			if !errors.As(err, &e) || e.Code != ws.InvalidData || e.Peer {
				t.Errorf("reading ended with %v", err)
			}
		})
	}
}

// TestUnsendableTextIsAnswered: it stays the reason, however the client ends.
func TestUnsendableTextIsAnswered(t *testing.T) {
	c, p := serveOne(t, ws.Config{Encoding: ws.Text})
	c.Write([]byte("\xff"))
	first, _, err := p.hear()
	if first != fin|clos || err != nil {
		t.Fatal(first, err)
	}
	p.say(closeFrame(1007, ""))
	_, err = c.WriteTo(io.Discard)
	var e *ws.CloseError
	if !errors.As(err, &e) || e.Code != ws.InvalidData || e.Peer {
		t.Errorf("reading ended with %v", err)
	}
}
