package ws_test

import (
	"bytes"
	"compress/flate"
	"strings"
	"testing"

	"github.com/tcpctl/tcpctl/ws"
)

const noTakeover = "permessage-deflate; server_no_context_takeover; client_no_context_takeover"

func TestDeflateOffers(t *testing.T) {
	b := startBridge(t, ws.Config{Compression: true}, echo)
	for _, tt := range []struct{ offer, answer string }{
		{"", ""},
		{"permessage-deflate", noTakeover},
		{"permessage-deflate; client_max_window_bits", noTakeover}, // Chromium's and Firefox's
		{"permessage-deflate; client_max_window_bits=\"12\"", noTakeover},
		{"permessage-deflate; server_max_window_bits=15", noTakeover + "; server_max_window_bits=15"},
		{"permessage-deflate; server_max_window_bits=10", ""},
		{"permessage-deflate; server_max_window_bits=10, permessage-deflate", noTakeover},
		{"permessage-deflate; server_max_window_bits", ""},
		{"permessage-deflate; client_max_window_bits=7", ""},
		{"permessage-deflate; client_max_window_bits=16", ""},
		{"permessage-deflate; client_max_window_bits=08", ""},
		{"permessage-deflate; server_no_context_takeover=1", ""},
		{"permessage-deflate; unknown", ""},
		{"permessage-deflate; client_max_window_bits; client_max_window_bits", ""},
		{"x-webkit-deflate-frame, permessage-deflate", noTakeover},
		{"permessage-deflate;", ""},
		{"permessage deflate", ""},
	} {
		_, resp := exchange(t, b.addr, request("/", "Sec-WebSocket-Extensions: "+tt.offer))
		if got := resp.Header.Get("Sec-WebSocket-Extensions"); resp.StatusCode != 101 || got != tt.answer {
			t.Errorf("%q: %s %q, want %q", tt.offer, resp.Status, got, tt.answer)
		}
	}
}

func compress(t *testing.T, s string) string {
	t.Helper()
	var b bytes.Buffer
	w, _ := flate.NewWriter(&b, flate.BestCompression)
	w.Write([]byte(s))
	w.Flush()
	return strings.TrimSuffix(b.String(), "\x00\x00\xff\xff")
}

// inflated collects data messages, compressed or not.
func (p *peer) inflated(n int) string {
	p.t.Helper()
	var all []byte
	for len(all) < n {
		first, payload, err := p.hear()
		if err != nil || first&^rsv1 != fin|binry {
			p.t.Fatalf("%#x %q %v", first, payload, err)
		}
		if first&rsv1 != 0 {
			var out bytes.Buffer
			r := flate.NewReader(strings.NewReader(string(payload) + "\x00\x00\xff\xff\x01\x00\x00\xff\xff"))
			if _, err := out.ReadFrom(r); err != nil {
				p.t.Fatal(err)
			}
			payload = out.Bytes()
		}
		all = append(all, payload...)
	}
	return string(all)
}

func TestDeflate(t *testing.T) {
	b := startBridge(t, ws.Config{Compression: true}, echo)
	p := openPeer(t, b.addr, "Sec-WebSocket-Extensions: permessage-deflate")
	want := func(s string) {
		t.Helper()
		if got := p.inflated(len(s)); got != s {
			t.Fatalf("%q, want %q", shorten(got), shorten(s))
		}
	}
	long := strings.Repeat("never the same twice? ", 20_000)
	for _, s := range []string{"", "hello", long} {
		z := compress(t, s)
		p.say(frame(fin|rsv1|binry, z), frame(fin|rsv1|text, z), frame(fin|text, "plain"))
		want(s + s + "plain")
		for _, split := range []int{0, 1, len(z) / 2, len(z)} { // fragments, with a ping between
			p.say(frame(rsv1|text, z[:split]), frame(fin|cont, z[split:]), frame(fin|binry, "."))
			want(s + ".")
		}
	}
	// The samples of RFC 7692, section 7.2.3: one block, two blocks, a stored
	// block, a block marked as the last.
	for _, z := range []string{"\xf2\x48\xcd\xc9\xc9\x07\x00", "\xf2\x48\x05\x00\x00\x00\xff\xff\xca\xc9\xc9\x07\x00",
		"\x00\x05\x00\xfa\xff\x48\x65\x6c\x6c\x6f\x00", "\xf3\x48\xcd\xc9\xc9\x07\x00\x00"} {
		p.say(frame(fin|rsv1|text, z))
		want("Hello")
	}
	// A complete block is passed on before its message is complete.
	var half bytes.Buffer
	w, _ := flate.NewWriter(&half, 6)
	w.Write([]byte("at once"))
	w.Flush()
	p.say(frame(rsv1|binry, half.String()))
	want("at once")
	p.say(frame(fin|ping, "between"))
	p.wantFrame(fin|pong, "between")
	p.say(frame(fin|cont, "\x00"), closeFrame(1000, ""))
	p.wantClose(1000)
}

func TestBadDeflate(t *testing.T) {
	b := startBridge(t, ws.Config{Compression: true, MaxInflated: 100_000}, echo)
	bomb := compress(t, strings.Repeat("\x00", 1_000_000))
	fine := compress(t, strings.Repeat("\x00", 100_000))
	for name, tt := range map[string]struct {
		frames []byte
		code   int
	}{
		"a bomb":                     {frame(fin|rsv1|binry, bomb), 1009},
		"corrupt":                    {frame(fin|rsv1|binry, "\xff\xff\xff\xff"), 1007},
		"cut off":                    {frame(fin|rsv1|binry, compress(t, "hello, hello, hello")[:5]), 1007},
		"text that is not UTF-8":     {frame(fin|rsv1|text, compress(t, "a\xff")), 1007},
		"text that is cut off":       {frame(fin|rsv1|text, compress(t, "a\xe2\x82")), 1007},
		"RSV1 in a continuation":     {append(frame(rsv1|text, ""), frame(fin|rsv1|cont, "")...), 1002},
		"RSV1 in a control frame":    {frame(fin|rsv1|ping, ""), 1002},
		"RSV2":                       {frame(fin|rsv2|text, ""), 1002},
		"Close inside, then nothing": {append(frame(rsv1|binry, fine[:5]), closeFrame(3001, "")...), 3001},
	} {
		p := openPeer(t, b.addr, "Sec-WebSocket-Extensions: permessage-deflate")
		p.say(frame(fin|rsv1|binry, fine), frame(fin|rsv1|binry, fine)) // the limit is for one message
		p.inflated(200_000)
		p.say(tt.frames)
		for { // data may be compressed here
			first, payload, err := p.hear()
			if err != nil {
				t.Errorf("%s: %v", name, err)
				break
			}
			if first == fin|clos {
				if got := int(payload[0])<<8 | int(payload[1]); got != tt.code {
					t.Errorf("%s: Close %d, want %d", name, got, tt.code)
				}
				break
			}
		}
	}
}
