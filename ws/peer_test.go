package ws_test

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// The opcodes and bits of a frame, independent of those of the package.
const (
	cont, text, binry = 0, 1, 2
	clos, ping, pong  = 8, 9, 10
	fin               = 0x80
	rsv1, rsv2, rsv3  = 0x40, 0x20, 0x10
	sampleKey         = "dGhlIHNhbXBsZSBub25jZQ==" // of RFC 6455, with its answer
	sampleAccept      = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
)

// A peer is a client that can send anything, valid or not.
type peer struct {
	t *testing.T
	net.Conn
	r *bufio.Reader
}

func request(path string, lines ...string) string {
	return "GET " + path + " HTTP/1.1\r\nHost: example.test\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
		"Sec-WebSocket-Key: " + sampleKey + "\r\nSec-WebSocket-Version: 13\r\n" + strings.Join(append(lines, ""), "\r\n") + "\r\n"
}

// connect dials addr and sends req.
func connect(t *testing.T, addr, req string) *peer {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	p := newPeer(t, c)
	p.say([]byte(req))
	return p
}

func newPeer(t *testing.T, c net.Conn) *peer {
	c.SetDeadline(time.Now().Add(patience))
	return &peer{t: t, Conn: c, r: bufio.NewReader(c)}
}

// connectTLS is connect with TLS, without checking the certificate.
func connectTLS(t *testing.T, addr, req string) *peer {
	t.Helper()
	under := connect(t, addr, "")
	c := tls.Client(under.Conn, &tls.Config{InsecureSkipVerify: true})
	p := &peer{t: t, Conn: c, r: bufio.NewReader(c)}
	p.say([]byte(req))
	return p
}

// answer reads the response to the handshake.
func (p *peer) answer() *http.Response {
	p.t.Helper()
	resp, err := http.ReadResponse(p.r, nil)
	if err != nil {
		p.t.Fatalf("no response: %v", err)
	}
	return resp
}

// exchange is connect, and the response.
func exchange(t *testing.T, addr, req string) (*peer, *http.Response) {
	t.Helper()
	p := connect(t, addr, req)
	return p, p.answer()
}

// openPeer is exchange with a valid handshake, which must succeed.
func openPeer(t *testing.T, addr string, lines ...string) *peer {
	t.Helper()
	p, resp := exchange(t, addr, request("/", lines...))
	if resp.StatusCode != 101 {
		t.Fatalf("handshake: %s", resp.Status)
	}
	return p
}

// frame builds a masked frame with the shortest form of its length.
func frame(first byte, payload string) []byte {
	n := len(payload)
	switch {
	case n < 126:
		return rawFrame(first, 0x80|byte(n), nil, payload)
	case n < 1<<16:
		return rawFrame(first, 0x80|126, binary.BigEndian.AppendUint16(nil, uint16(n)), payload)
	}
	return rawFrame(first, 0x80|127, binary.BigEndian.AppendUint64(nil, uint64(n)), payload)
}

var mask = [4]byte{0x37, 0xfa, 0x21, 0x3d}

// rawFrame lets the second byte and the length be anything.
func rawFrame(first, second byte, length []byte, payload string) []byte {
	b := append([]byte{first, second}, length...)
	if second&0x80 == 0 {
		return append(b, payload...)
	}
	b = append(b, mask[:]...)
	for i := range len(payload) {
		b = append(b, payload[i]^mask[i%4])
	}
	return b
}

func closeFrame(code int, reason string) []byte {
	return frame(fin|clos, string(binary.BigEndian.AppendUint16(nil, uint16(code)))+reason)
}

func (p *peer) say(parts ...[]byte) {
	p.t.Helper()
	if _, err := p.Write(bytes.Join(parts, nil)); err != nil {
		p.t.Fatalf("say: %v", err)
	}
}

// hear reads a frame and checks that a server may send it.
func (p *peer) hear() (first byte, payload []byte, err error) {
	p.t.Helper()
	var h [2]byte
	if _, err := io.ReadFull(p.r, h[:]); err != nil {
		return 0, nil, err
	}
	if h[1]&0x80 != 0 {
		p.t.Fatal("a masked frame from the server")
	}
	n := uint64(h[1])
	ext := map[uint64]int{126: 2, 127: 8}[n]
	if ext > 0 {
		var b [8]byte
		io.ReadFull(p.r, b[8-ext:])
		if n = binary.BigEndian.Uint64(b[:]); ext == 2 && n < 126 || ext == 8 && n < 1<<16 {
			p.t.Fatalf("length %d in %d bytes", n, ext)
		}
	}
	if n > 64<<10 {
		p.t.Fatalf("a frame of %d bytes", n)
	}
	payload = make([]byte, n)
	_, err = io.ReadFull(p.r, payload)
	return h[0], payload, err
}

// stream collects n bytes of data messages and fails on anything else.
func (p *peer) stream(n int) string {
	p.t.Helper()
	var all []byte
	for len(all) < n {
		first, payload, err := p.hear()
		if err != nil {
			p.t.Fatalf("after %d of %d bytes: %v", len(all), n, err)
		}
		if first != fin|binry && first != fin|text {
			p.t.Fatalf("after %d of %d bytes: frame %#x %q", len(all), n, first, payload)
		}
		all = append(all, payload...)
	}
	return string(all)
}

func (p *peer) wantStream(want string) {
	p.t.Helper()
	if got := p.stream(len(want)); got != want {
		p.t.Fatalf("got %q, want %q", shorten(got), shorten(want))
	}
}

func (p *peer) wantFrame(first byte, want string) {
	p.t.Helper()
	got, payload, err := p.hear()
	if err != nil || got != first || string(payload) != want {
		p.t.Fatalf("got %#x %q %v, want %#x %q", got, shorten(string(payload)), err, first, shorten(want))
	}
}

// wantClose skips data, expects a Close frame with that code (0: an empty
// one), answers it, and expects the end of the connection with nothing after it.
func (p *peer) wantClose(code int) {
	p.t.Helper()
	if err := p.readClose(code); err != nil {
		p.t.Fatal(err)
	}
}

func (p *peer) readClose(code int) error {
	p.t.Helper()
	for {
		first, payload, err := p.hear()
		switch {
		case err != nil:
			return fmt.Errorf("instead of Close %d: %w", code, err)
		case first == fin|binry || first == fin|text:
			continue
		case first != fin|clos:
			return fmt.Errorf("instead of Close %d: frame %#x %q", code, first, payload)
		}
		got := 0
		if len(payload) >= 2 {
			got = int(binary.BigEndian.Uint16(payload))
		}
		if got != code || len(payload) == 1 {
			return fmt.Errorf("Close with %d (%q), want %d", got, payload, code)
		}
		break
	}
	if code == 0 {
		code = 1000
	}
	p.Write(closeFrame(code, "")) // the answer, if the server was first
	rest, err := io.ReadAll(p.r)
	if err != nil || len(rest) > 0 {
		return fmt.Errorf("after Close %d: %d bytes, %v", code, len(rest), err)
	}
	return nil
}

func shorten(s string) string {
	if len(s) > 80 {
		return fmt.Sprintf("%s… (%d bytes)", s[:80], len(s))
	}
	return s
}
