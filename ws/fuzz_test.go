package ws

import (
	"bufio"
	"bytes"
	"net/http"
	"testing"
	"unicode/utf8"
)

// parseAll gives a parser n bytes at a time, and returns what it parses.
func parseAll(p parser, in []byte, n int) (payload []byte, controls string, bad *CloseError) {
	in = bytes.Clone(in)
	for len(in) > 0 {
		chunk := in[:min(n, len(in))]
		in = in[len(chunk):]
		for len(chunk) > 0 {
			var found framePart
			if found, chunk, bad = p.next(chunk); bad != nil {
				return payload, controls, bad
			}
			switch found.op {
			case 0:
			case opText, opBinary:
				payload = append(payload, found.data...)
			default:
				if len(found.data) > maxControl || !found.last {
					panic("an impossible control frame")
				}
				controls += string(rune('0'+found.op)) + string(found.data)
			}
		}
	}
	return payload, controls, nil
}

// The parser returns the same however the bytes are split, and never panics.
func FuzzParser(f *testing.F) {
	for _, s := range []string{
		"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58", "\x82\x00", "\x82\xfe\x01\x00\x00\x00\x00\x00", "\x82\xff\x00\x00\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00",
		"\x01\x80\x00\x00\x00\x00\x89\x81\x00\x00\x00\x00x\x80\x81\x00\x00\x00\x00\xff", "\x88\x82\x00\x00\x00\x00\x03\xe8", "\xc1\x80\x00\x00\x00\x00",
	} {
		f.Add([]byte(s), uint8(3), false, false)
		f.Add([]byte(s), uint8(1), true, true)
	}
	f.Fuzz(func(t *testing.T, in []byte, split uint8, client, packed bool) {
		p := parser{client: client, deflate: packed}
		whole, controls, bad := parseAll(p, in, len(in)+1)
		payload, controls2, bad2 := parseAll(p, in, int(split)+1)
		if (bad == nil) != (bad2 == nil) || bad != nil && *bad != *bad2 || controls != controls2 {
			t.Fatalf("%v and %v, %q and %q", bad, bad2, controls, controls2)
		}
		if bad == nil && !bytes.Equal(whole, payload) {
			t.Fatalf("%q and %q", whole, payload)
		}
		if len(whole) > len(in) || bad != nil && !bad.Code.legal() {
			t.Fatal("more payload than input, or a code that must not be sent")
		}
	})
}

// The incremental check agrees with unicode/utf8, and fails as early as possible: a
// prefix is valid if and only if a valid text begins with it.
func FuzzUTF8(f *testing.F) {
	for _, s := range []string{"κόσμε", "\xf4\x8f\xbf\xbf", "\xed\xa0\x80", "\xe0\x80", "a\xf0\x90"} {
		f.Add([]byte(s), uint8(2))
	}
	f.Fuzz(func(t *testing.T, in []byte, split uint8) {
		var u utf8Checker
		ok := true
		for rest := in; len(rest) > 0 && ok; {
			n := min(int(split)+1, len(rest))
			ok, rest = u.valid(rest[:n]), rest[n:]
		}
		if (ok && u.complete()) != utf8.Valid(in) {
			t.Fatalf("%x: ok %v, done %v", in, ok, u.complete())
		}
		if !ok {
			return
		}
		for i := 0; !u.complete() && i < 3; i++ { // it can be completed
			if !u.valid([]byte{u.lo}) {
				t.Fatalf("%x can not be completed", in)
			}
			in = append(in, 0)
		}
		if !u.complete() {
			t.Fatalf("%x wants more than three bytes", in)
		}
	})
}

// No request makes check panic, and each one that passes can be answered.
func FuzzHandshake(f *testing.F) {
	good := "GET / HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
	f.Add([]byte(good + "Origin: http://h\r\nSec-WebSocket-Protocol: a, binary\r\n\r\n"))
	f.Add([]byte(good + "Origin: null\r\nSec-WebSocket-Extensions: permessage-deflate; client_max_window_bits=\"15\", x; y=z\r\n\r\n"))
	f.Add([]byte("GET / HTTP/1.1\r\n\r\n"))
	l, err := NewListener(Config{Compression: true, Origins: []string{"*.example.com", "https://a"}, Subprotocols: []string{"base64"}})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		r, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(in)))
		if err != nil {
			return
		}
		if bad := l.check(r, HandshakeOptions{}); bad != nil {
			if bad.Status < 400 || bad.Reason == "" {
				t.Fatalf("%+v", bad)
			}
			return
		}
		a, extensions := l.negotiate(r)
		if a.deflate != (extensions != "") || a.subprotocol != "" && a.subprotocol != "binary" && a.subprotocol != "base64" {
			t.Fatalf("%+v %q", a, extensions)
		}
	})
}

// Base64 that is decoded in place is the same, however it is split.
func FuzzBase64(f *testing.F) {
	f.Add([]byte("aGVsbG8="), uint8(0))
	f.Add([]byte("aGVsbG8"), uint8(2))
	f.Add([]byte("===="), uint8(1))
	f.Fuzz(func(t *testing.T, in []byte, split uint8) {
		all := func(n int) (out []byte, bad *CloseError) {
			var r base64Decoder
			rest := bytes.Clone(in)
			for {
				part := rest[:min(n, len(rest))]
				rest = rest[len(part):]
				data, bad := r.decode(part, len(rest) == 0)
				if bad != nil {
					return nil, bad
				}
				if out = append(out, data...); len(rest) == 0 {
					return out, nil
				}
			}
		}
		whole, bad := all(len(in) + 1)
		parts, bad2 := all(int(split) + 1)
		if (bad == nil) != (bad2 == nil) || !bytes.Equal(whole, parts) {
			t.Fatalf("%q %v and %q %v", whole, bad, parts, bad2)
		}
	})
}
