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

// TestEOFWithoutCloseFrame: the program gets all of the client's payload and then an
// error that says how the connection ended, also if it reads slowly.
func TestEOFWithoutCloseFrame(t *testing.T) {
	t.Parallel()
	cert, _ := certificate(t)
	whole := strings.Repeat("0123456789", 30_000)
	for _, tt := range []struct {
		name   string
		behind []byte // the whole message
		more   string // payload in it
		notify bool   // close_notify
		plain  error
		tls    error
	}{
		{"between messages", nil, "", false, ws.ErrNoCloseFrame, ws.ErrTLSTruncated},
		{"between messages, with close_notify", nil, "", true, ws.ErrNoCloseFrame, ws.ErrNoCloseFrame},
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
					t.Parallel()
					cfg := ws.Config{Compression: packed}
					want := tt.plain
					if secure {
						cfg.TLS, want = &tls.Config{Certificates: []tls.Certificate{cert}}, tt.tls
					}
					l := listen(t, cfg)
					dial, lines := connect, []string{}
					if secure {
						dial = connectTLS
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
						message = frame(fin|rsv1|binry, compress(t, whole))
					}
					go func() {
						p.Write(append(message, tt.behind...))
						if secure && tt.notify {
							p.Conn.(*tls.Conn).CloseWrite()
						}
						tcpConn(p.Conn).CloseWrite()
					}()
					var got bytes.Buffer
					_, err = c.(*ws.Conn).WriteTo(writerFunc(func(b []byte) (int, error) {
						time.Sleep(time.Millisecond)
						return got.Write(b)
					}))
					if got.String() != whole+tt.more {
						t.Errorf("%d of %d bytes arrived", got.Len(), len(whole+tt.more))
					}
					var e *ws.CloseError
					if !errors.As(err, &e) || e.Code != ws.AbnormalClosure || e.Err != want || c.(*ws.Conn).CloseError() != e || !errors.Is(err, io.ErrUnexpectedEOF) {
						t.Errorf("ended with %v, want %v", err, want)
					}
				})
			}
		}
	}
}

func tcpConn(c net.Conn) *net.TCPConn {
	if t, ok := c.(*tls.Conn); ok {
		c = t.NetConn()
	}
	return c.(*net.TCPConn)
}

// TestCloseWithoutCloseNotify: a Close frame is an orderly end, with or without
// close_notify.
func TestCloseWithoutCloseNotify(t *testing.T) {
	cert, _ := certificate(t)
	l := listen(t, ws.Config{TLS: &tls.Config{Certificates: []tls.Certificate{cert}}})
	p := connectTLS(t, l.Addr().String(), request("/"))
	c, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer c.(*ws.Conn).CloseNow()
	p.answer()
	p.say(frame(fin|binry, "all"), closeFrame(1000, ""))
	tcpConn(p.Conn).CloseWrite()
	if all, err := io.ReadAll(c); string(all) != "all" || err != nil {
		t.Errorf("%q, %v", all, err)
	}
}

// TestFINAfterOurClose: payload that the client sends after our Close arrives, even if
// the client then ends the connection without an answer.
func TestFINAfterOurClose(t *testing.T) {
	c, p := serveClient(t, ws.Config{})
	c.CloseWrite()
	p.wantFrame(fin|clos, "\x03\xe8")
	p.say(frame(fin|binry, "in flight"))
	p.Conn.(*net.TCPConn).CloseWrite()
	var got strings.Builder
	if _, err := c.WriteTo(&got); got.String() != "in flight" || !errors.Is(err, ws.ErrNoCloseFrame) {
		t.Errorf("%q, %v", got.String(), err)
	}
	if e := c.CloseError(); e.Code != ws.NormalClosure {
		t.Errorf("CloseError is %v", e)
	}
}

// TestInvalidTextUnanswered: if the program writes text that is not UTF-8, the client gets
// Close 1007, and is disconnected if it does not answer. TestIncompleteCodePointTimesOut
// shows it for text that is incomplete for too long.
func TestInvalidTextUnanswered(t *testing.T) {
	c, p := serveClient(t, ws.Config{Encoding: ws.Text, Ping: -1, CloseTimeout: 50 * time.Millisecond})
	c.Write([]byte("ok\xff"))
	go func() { // it ignores our Close and continues to send
		for err := error(nil); err == nil; time.Sleep(time.Millisecond) {
			_, err = p.Write(frame(fin|binry, "x"))
		}
	}()
	_, err := c.WriteTo(io.Discard)
	var e *ws.CloseError
	if !errors.As(err, &e) || e.Code != ws.InvalidPayload || e.ByPeer {
		t.Errorf("reading ended with %v", err)
	}
}

// TestInvalidTextAnswered: 1007 remains the reason, however the client ends.
func TestInvalidTextAnswered(t *testing.T) {
	c, p := serveClient(t, ws.Config{Encoding: ws.Text})
	c.Write([]byte("\xff"))
	first, _, err := p.hear()
	if first != fin|clos || err != nil {
		t.Fatal(first, err)
	}
	p.say(closeFrame(1007, ""))
	_, err = c.WriteTo(io.Discard)
	var e *ws.CloseError
	if !errors.As(err, &e) || e.Code != ws.InvalidPayload || e.ByPeer {
		t.Errorf("reading ended with %v", err)
	}
}
