package clienthello

import (
	"crypto/tls"
	"io"
	"net"
	"strings"
	"testing"
)

// realHello is what crypto/tls sends as a client.
func realHello(t testing.TB, c *tls.Config) []byte {
	near, far := net.Pipe()
	go func() { tls.Client(near, c).Handshake(); near.Close() }()
	defer far.Close()
	header := make([]byte, recordHeader)
	io.ReadFull(far, header)
	body := make([]byte, int(header[3])<<8|int(header[4]))
	if _, err := io.ReadFull(far, body); err != nil {
		t.Fatal(err)
	}
	return append(header, body...)
}

// TestRealHellos of several versions, with and without a name.
func TestRealHellos(t *testing.T) {
	for _, c := range []*tls.Config{{ServerName: "Db.Example.org"}, {InsecureSkipVerify: true}, {ServerName: "db.example.org", MaxVersion: tls.VersionTLS12},
		{ServerName: "db.example.org", NextProtos: []string{"h2", strings.Repeat("x", 255)}}} {
		var r Reader
		hello := realHello(t, c)
		for i := range hello {
			whole, err := r.Add(hello[i : i+1])
			if err != nil || whole != (i == len(hello)-1) {
				t.Fatalf("byte %d of %d: whole %v, %v", i, len(hello), whole, err)
			}
		}
		name, err := r.Name()
		if err != nil || name != strings.ToLower(c.ServerName) || string(r.Bytes()) != string(hello) {
			t.Errorf("name %q, %v, %d of %d bytes", name, err, len(r.Bytes()), len(hello))
		}
	}
}

// hello is a ClientHello with these extensions; nil: with none at all.
func hello(extensions []byte) []byte {
	body := append([]byte{3, 3}, make([]byte, 32)...)
	body = append(body, 0, 0, 2, 0x13, 0x01, 1, 0)
	if extensions != nil {
		body = append(body, byte(len(extensions)>>8), byte(len(extensions)))
		body = append(body, extensions...)
	}
	message := append([]byte{messageHello, 0, byte(len(body) >> 8), byte(len(body))}, body...)
	return append([]byte{recordHandshake, 3, 1, byte(len(message) >> 8), byte(len(message))}, message...)
}

// named is a server_name extension with a name of this type.
func named(kind byte, name string) []byte {
	n := len(name)
	return append([]byte{0, 0, 0, byte(n + 5), 0, byte(n + 3), kind, 0, byte(n)}, name...)
}

// TestNames are the forms that a server_name can have, as in HAProxy's and Envoy's
// tests and as RFC 6066 allows.
func TestNames(t *testing.T) {
	alpn := []byte{0, 16, 0, 5, 0, 3, 2, 'h', '2'}
	grease := []byte{0x0a, 0x0a, 0, 0}
	for what, c := range map[string]struct {
		extensions []byte
		name       string
		bad        bool
	}{
		"none at all":          {nil, "", false},
		"none":                 {[]byte{}, "", false},
		"others only":          {append(alpn, grease...), "", false},
		"a name":               {named(0, "a.org"), "a.org", false},
		"behind others":        {append(append(grease, alpn...), named(0, "a.org")...), "a.org", false},
		"upper case and a dot": {named(0, "A.Org."), "a.org", false},
		"another type":         {named(1, "a.org"), "", false},
		"an empty name":        {named(0, ""), "", true},
		"an empty list":        {[]byte{0, 0, 0, 2, 0, 0}, "", true},
		"an empty extension":   {[]byte{0, 0, 0, 0}, "", true},
		"a list too long":      {[]byte{0, 0, 0, 4, 0, 9, 0, 0}, "", true},
		"a name too long":      {[]byte{0, 0, 0, 6, 0, 4, 0, 0, 9, 'a'}, "", true},
		"a zero byte":          {named(0, "a.org\x00.b.org"), "", true},
		"a space":              {named(0, "a b"), "", true},
		"a broken extension":   {[]byte{0, 16, 0, 9, 1}, "", true},
	} {
		var r Reader
		if whole, err := r.Add(hello(c.extensions)); !whole || err != nil {
			t.Errorf("%s: whole %v, %v", what, whole, err)
			continue
		}
		if name, err := r.Name(); name != c.name || (err != nil) != c.bad {
			t.Errorf("%s: name %q, %v", what, name, err)
		}
	}
}

// TestVersions: the versions in the record and in the message do not matter, from TLS
// 1.0 on.
func TestVersions(t *testing.T) {
	for _, record := range []byte{0, 1, 2, 3, 4} {
		for _, message := range []byte{0, 1, 2, 3, 4} {
			b := hello(named(0, "a.org"))
			b[2], b[10] = record, message
			var r Reader
			whole, err := r.Add(b)
			if name, bad := r.Name(); !whole || err != nil || name != "a.org" || bad != nil {
				t.Errorf("version 3.%d in 3.%d: %v, %v, %q, %v", message, record, whole, err, name, bad)
			}
		}
	}
}

// TestLimits: a message without an end is refused before it is kept.
func TestLimits(t *testing.T) {
	var r Reader
	_, err := r.Add([]byte{recordHandshake, 3, 1, 0x40, 0, messageHello, 0, 0xfe, 0})
	for n := 0; err == nil && n < 2*MaxSize; n += 1 {
		_, err = r.Add([]byte{0})
		if n%(maxRecord) == maxRecord-5 {
			_, err = r.Add([]byte{recordHandshake, 3, 1, 0x40, 0})
		}
	}
	if err == nil || len(r.Bytes()) > MaxSize+recordHeader {
		t.Errorf("%v after %d bytes", err, len(r.Bytes()))
	}
}

// FuzzReader: however the bytes are split, the result is the same, nothing is lost, and
// crypto/tls sees the same name if it accepts the hello.
func FuzzReader(f *testing.F) {
	f.Add(hello(named(0, "a.org")), uint8(1))
	f.Add(realHello(f, &tls.Config{ServerName: "db.example.org"}), uint8(7))
	f.Add([]byte("GET / HTTP/1.1\r\n\r\n"), uint8(3))
	f.Add([]byte{22, 3, 1, 0, 1, 1, 22, 3, 1, 0, 3, 0, 0, 0}, uint8(2))
	f.Fuzz(func(t *testing.T, b []byte, piece uint8) {
		var once, pieces Reader
		whole, err := once.Add(b)
		name, bad := "", error(nil)
		if whole {
			name, bad = once.Name()
		}
		if string(once.Bytes()) != string(b) {
			t.Fatalf("%d of %d bytes are kept", len(once.Bytes()), len(b))
		}
		var whole2 bool
		var err2 error
		for rest := b; len(rest) > 0 && !whole2 && err2 == nil; {
			n := min(len(rest), int(piece)+1)
			whole2, err2 = pieces.Add(rest[:n])
			rest = rest[n:]
		}
		if len(b) > 0 && (whole2 != whole || (err2 != nil) != (err != nil)) {
			t.Fatalf("at once %v, %v; in pieces %v, %v", whole, err, whole2, err2)
		}
		if !whole {
			return
		}
		if again, bad2 := pieces.Name(); again != name || (bad2 != nil) != (bad != nil) {
			t.Fatalf("at once %q, %v; in pieces %q, %v", name, bad, again, bad2)
		}
		if asked, taken := standard(b); taken && asked != "" && (bad != nil || strings.ToLower(strings.TrimSuffix(asked, ".")) != name) {
			t.Fatalf("crypto/tls reads %q, we %q, %v", asked, name, bad)
		}
	})
}

// standard is the name as crypto/tls reads it, if it accepts the hello.
func standard(b []byte) (name string, taken bool) {
	tls.Server(&given{b: b}, &tls.Config{GetConfigForClient: func(h *tls.ClientHelloInfo) (*tls.Config, error) {
		name, taken = h.ServerName, true
		return nil, io.EOF
	}}).Handshake()
	return name, taken
}

// given is a connection that reads some bytes and writes none.
type given struct {
	net.Conn
	b []byte
}

func (g *given) Close() error                { return nil }
func (g *given) Write(p []byte) (int, error) { return len(p), nil }

func (g *given) Read(p []byte) (int, error) {
	if len(g.b) == 0 {
		return 0, io.EOF
	}
	n := copy(p, g.b)
	g.b = g.b[n:]
	return n, nil
}
