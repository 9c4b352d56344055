package ws

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net"
	"net/http"
	"testing"
	"time"
)

// A script is a net.Conn that returns its bytes in reads of a given size, and discards
// what is written.
type script struct {
	lines []byte
	split int
}

func (s *script) Read(p []byte) (int, error) {
	n := copy(p[:min(len(p), s.split)], s.lines)
	s.lines = s.lines[n:]
	if n == 0 {
		return 0, io.EOF
	}
	return n, nil
}

func (s *script) Write(p []byte) (int, error)      { return len(p), nil }
func (s *script) Close() error                     { return nil }
func (s *script) LocalAddr() net.Addr              { return noAddr{} }
func (s *script) RemoteAddr() net.Addr             { return noAddr{} }
func (s *script) SetDeadline(time.Time) error      { return nil }
func (s *script) SetReadDeadline(time.Time) error  { return nil }
func (s *script) SetWriteDeadline(time.Time) error { return nil }

// A whole Conn, with all options negotiated: Read and WriteTo return the same bytes
// and the same end.
func FuzzConn(f *testing.F) {
	for _, s := range []string{
		"\x81\x80\x00\x00\x00\x00\x88\x82\x00\x00\x00\x00\x03\xe8",
		"\xc1\x87\x00\x00\x00\x00\xf2\x48\xcd\xc9\xc9\x07\x00\x89\x80\x00\x00\x00\x00\x82\x81\x00\x00\x00\x00x",
		"\x41\x83\x00\x00\x00\x00\xf2\x48\xcd\x80\x84\x00\x00\x00\x00\xc9\xc9\x07\x00",
		"\x81\x84\x00\x00\x00\x00aGk=\x01\x82\x00\x00\x00\x00aG\x80\x81\x00\x00\x00\x00k",
	} {
		for mode := range uint8(8) {
			f.Add([]byte(s), uint8(2), mode)
		}
	}
	f.Fuzz(func(t *testing.T, in []byte, split, mode uint8) {
		agreed := negotiated{encoding: Binary, deflate: mode&1 != 0}
		if mode&2 != 0 {
			agreed.encoding = Base64
		}
		set := &settings{closeTimeout: time.Second, maxInflated: 1 << 20}
		hear := func(split int, read func(*Conn) ([]byte, error)) ([]byte, CloseCode) {
			c := newConn(&script{in, split}, nil, mode&4 != 0, agreed, set)
			defer c.CloseNow()
			out, err := read(c)
			var e *CloseError
			switch {
			case err == nil:
				e = c.CloseError() // the peer's
			case !errors.As(err, &e) || e.Code != AbnormalClosure && !e.Code.legal():
				t.Fatal(err)
			}
			return out, e.Code
		}
		byRead, code := hear(len(in)+1, func(c *Conn) ([]byte, error) { return io.ReadAll(c) })
		byCopy, code2 := hear(int(split)+1, func(c *Conn) ([]byte, error) {
			var out bytes.Buffer
			_, err := c.WriteTo(&out)
			return out.Bytes(), err
		})
		if code != code2 {
			t.Fatalf("it ends with %d or %d", code, code2)
		}
		// After a violation one of them may have returned more of the payload before it.
		if n := min(len(byRead), len(byCopy)); !bytes.Equal(byRead[:n], byCopy[:n]) ||
			len(byRead) != len(byCopy) && (code == NoStatus || code == NormalClosure) {
			t.Fatalf("%q and %q", byRead, byCopy)
		}
	})
}

// No response of a server makes the Dialer panic.
func FuzzResponse(f *testing.F) {
	const key = "dGhlIHNhbXBsZSBub25jZQ=="
	good := "HTTP/1.1 101 X\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"
	f.Add([]byte(good + "\r\n"))
	f.Add([]byte(good + "Sec-WebSocket-Protocol: chat\r\nSec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover\r\n\r\n"))
	f.Add([]byte("HTTP/1.1 503 Busy\r\n\r\n"))
	d := &Dialer{Subprotocols: []string{"chat"}, Compression: true}
	f.Fuzz(func(t *testing.T, in []byte) {
		resp, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(in)), nil)
		if err != nil {
			return
		}
		if a, reason := d.checkResponse(resp, key); reason == "" && (resp.StatusCode != 101 || a.subprotocol != "" && a.subprotocol != "chat") {
			t.Fatalf("%+v for %q", a, in)
		}
	})
}
