package ws_test

import (
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/tcpctl/tcpctl/ws"
)

// A backend's text, however it is split, arrives in text frames that are each valid.
func TestTextToTheClient(t *testing.T) {
	const all = "aκόσμε €𝄞 z"
	next := make(chan string)
	b := startBridge(t, ws.Config{Encoding: ws.Text}, func(c *net.TCPConn) {
		for s := range next {
			io.WriteString(c, s)
		}
	})
	p := openPeer(t, b.addr)
	got := ""
	hear := func() {
		first, payload, err := p.hear()
		if err != nil || first != fin|text || !utf8.Valid(payload) {
			t.Fatalf("%#x %q %v", first, payload, err)
		}
		got += string(payload)
	}
	for i := range len(all) {
		next <- all[i : i+1]
		if utf8.ValidString(all[:i+1]) {
			for got != all[:i+1] {
				hear()
			}
		}
	}
	close(next)
	p.wantClose(1000)
}

func TestEncodingInTheURL(t *testing.T) {
	b := startBridge(t, ws.Config{}, echo)
	p, _ := exchange(t, b.addr, request("/?encoding=text"))
	p.say(frame(fin|binry, "x"))
	p.wantFrame(fin|text, "x")
	b = startBridge(t, ws.Config{Encoding: ws.Text}, echo)
	p, _ = exchange(t, b.addr, request("/?encoding=binary"))
	p.say(frame(fin|text, "x"))
	p.wantFrame(fin|binry, "x")
	for _, unknown := range []string{"latin1", "base64", "TEXT"} {
		_, resp := exchange(t, b.addr, request("/?encoding="+unknown))
		if body, _ := io.ReadAll(resp.Body); resp.StatusCode != 400 || !strings.Contains(string(body), unknown) {
			t.Errorf("%s: %s %q", unknown, resp.Status, body)
		}
	}
}

func TestInvalidTextToTheClient(t *testing.T) {
	for _, tt := range []struct{ sent, replaced string }{
		{"ok\xff", "ok\ufffd"},
		{"a\xe2\x82z", "a\ufffd\ufffdz"},
		{"\xed\xa0\x80", "\ufffd\ufffd\ufffd"},
		{"end\xe2\x82", "end\ufffd\ufffd"}, // cut off by the end of the stream
		{strings.Repeat("\xff", 100_000), strings.Repeat("\ufffd", 100_000)},
	} {
		backend := func(c *net.TCPConn) { io.WriteString(c, tt.sent) }
		p := openPeer(t, startBridge(t, ws.Config{Encoding: ws.Text}, backend).addr)
		p.wantClose(1007)
		p = openPeer(t, startBridge(t, ws.Config{Encoding: ws.Text, ReplaceInvalid: true}, backend).addr)
		got := ""
		for len(got) < len(tt.replaced) {
			first, payload, err := p.hear()
			if err != nil || first != fin|text || !utf8.Valid(payload) {
				t.Fatalf("%#x %q %v", first, shorten(string(payload)), err)
			}
			got += string(payload)
		}
		if got != tt.replaced {
			t.Errorf("%q became %q", shorten(tt.sent), shorten(got))
		}
		p.wantClose(1000)
	}
}

func TestBase64Clients(t *testing.T) {
	b := startBridge(t, ws.Config{Subprotocols: []string{"base64"}}, echo)
	enc := base64.StdEncoding.EncodeToString
	for n := range 10 {
		payload := "0123456789"[:n]
		s := enc([]byte(payload))
		for split := range len(s) + 1 {
			p := openPeer(t, b.addr, "Sec-WebSocket-Protocol: base64")
			p.say(frame(text, s[:split]), frame(fin|cont, s[split:]))
			p.say(frame(fin|text, strings.TrimRight(s, "=")))     // padding is optional
			p.say(frame(fin|binry, payload), frame(fin|text, "")) // binary is what it is
			got, want := "", payload+payload+payload
			for len(got) < len(want) {
				first, text64, err := p.hear()
				data, err2 := base64.StdEncoding.DecodeString(string(text64))
				if first != fin|text || err != nil || err2 != nil {
					t.Fatalf("%#x %q %v %v", first, text64, err, err2)
				}
				got += string(data)
			}
			if got != want {
				t.Fatalf("%q, want %q", got, want)
			}
			p.Close()
		}
	}
	for _, bad := range []string{"a", "ab=c", "ab===", "=", "ab-_", "abcd\n", "abcde", "abc=="} {
		p := openPeer(t, b.addr, "Sec-WebSocket-Protocol: base64")
		p.say(frame(fin|text, bad))
		if err := p.readClose(1007); err != nil {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

func TestLargeStreamInEveryEncoding(t *testing.T) {
	t.Parallel()
	for _, cfg := range []ws.Config{{}, {Encoding: ws.Text}, {Encoding: ws.Text, ReplaceInvalid: true}, {Subprotocols: []string{"base64"}}} {
		t.Run(fmt.Sprint(cfg.Encoding, cfg.ReplaceInvalid, cfg.Subprotocols), func(t *testing.T) {
			b := startBridge(t, cfg, echo)
			p := openPeer(t, b.addr, "Sec-WebSocket-Protocol: "+strings.Join(append(cfg.Subprotocols, "x"), ","))
			payload := strings.Repeat("0123456789€", 100_000)
			sent := payload
			if cfg.Subprotocols != nil {
				sent = base64.StdEncoding.EncodeToString([]byte(payload))
			}
			go p.Write(frame(fin|text, sent))
			got := 0
			for got < len(payload) {
				_, data, err := p.hear()
				if err != nil {
					t.Fatal(err)
				}
				if cfg.Subprotocols != nil {
					if data, err = base64.StdEncoding.DecodeString(string(data)); err != nil {
						t.Fatal(err)
					}
				}
				if !strings.HasPrefix(payload[got:], string(data)) {
					t.Fatalf("at %d: %q", got, shorten(string(data)))
				}
				got += len(data)
			}
		})
	}
}
