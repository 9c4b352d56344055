package proxy

import (
	"bytes"
	"io"
	"net"
	"testing"
	"time"

	"github.com/tcpctl/tcpctl/proxy/relay"
)

// said is a connection that sends some bytes and ends.
type said struct {
	net.Conn
	io.Reader
}

func (s said) Read(b []byte) (int, error)      { return s.Reader.Read(b) }
func (s said) SetReadDeadline(time.Time) error { return nil }

// FuzzHeader reads any bytes as a PROXY header, split and at once: the result is the
// same, and no byte after the header is lost.
func FuzzHeader(f *testing.F) {
	f.Add([]byte("PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\nhello"))
	f.Add([]byte("PROXY UNKNOWN\r\n"))
	f.Add([]byte(headerV2 + "\x21\x11\x00\x0c\x0a\x01\x02\x03\x7f\x00\x00\x01\x11\xd7\x00\x50hello"))
	f.Add([]byte(headerV2 + "\x20\x00\x00\x00"))
	f.Add([]byte(headerV2 + "\x21\x00\x00\x0b\x03\x00\x01x\x03\x00\x04abcdhello"))
	f.Add([]byte(headerV2 + "\x21\x11\x00\x1d\x0a\x01\x02\x03\x7f\x00\x00\x01\x11\xd7\x00\x50\x20\x00\x08\x01\x00\x00\x00\x00\x21\x00\x00\x04\x00\x00\x03\x00\x04hello"))
	f.Fuzz(func(t *testing.T, b []byte) {
		whole := readHeader(said{Reader: bytes.NewReader(b)})
		pieces := readHeader(said{Reader: &oneByOne{b}})
		if (whole.Err == nil) != (pieces.Err == nil) || whole.Kind != relay.HandshakeDone {
			t.Fatalf("at once %v, in pieces %v", whole.Err, pieces.Err)
		}
		if whole.Err != nil {
			return
		}
		g := whole.Arg.(handshakeResult)
		if !bytes.HasSuffix(b, g.early) {
			t.Fatalf("%q is not what followed the header", g.early)
		}
		if p := pieces.Arg.(handshakeResult); p.from != g.from {
			t.Fatalf("at once from %v, in pieces %v", g.from, p.from)
		}
	})
}

type oneByOne struct{ b []byte }

func (r *oneByOne) Read(b []byte) (int, error) {
	if len(r.b) == 0 {
		return 0, io.EOF
	}
	n := copy(b[:1], r.b)
	r.b = r.b[n:]
	return n, nil
}
