package mesh

import (
	"bytes"
	"crypto/ed25519"
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/tcpctl/tcpctl/mesh/internal/plain"
	"github.com/tcpctl/tcpctl/mesh/meshinfo"
)

func FuzzFrame(f *testing.F) {
	f.Add([]byte("\x00\x00\x00\x02hi"))
	f.Add([]byte("\xff\xff\xff\xff"))
	f.Add([]byte("\x00\x00"))
	f.Fuzz(func(t *testing.T, b []byte) {
		body, err := readFrame(bytes.NewReader(b), 64)
		if err != nil {
			return
		}
		var out bytes.Buffer
		if err := writeFrame(&out, body); err != nil || !bytes.HasPrefix(b, out.Bytes()) {
			t.Errorf("%q came back as %q, %v", b, out.Bytes(), err)
		}
	})
}

func FuzzHello(f *testing.F) {
	f.Add([]byte(`{"v":1,"mesh":"m","id":"a","boot":"b","name":"n","kind":"link","port":7460,"addrs":["10.0.0.1:7460"],"time":"2026-01-02T03:04:05Z"}`))
	f.Add([]byte(`{"v":2}`))
	f.Add([]byte(`{"v":1,"mesh":"\u001b[2J"}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		h, err := parseHello(b)
		if err == nil && (!plain.Name(h.Mesh) || !plain.Name(h.Name) || !plain.ID(h.ID) || len(h.Addrs) > maxAddrs) {
			t.Errorf("accepted %+v", h)
		}
	})
}

func FuzzVerdict(f *testing.F) {
	f.Add([]byte(`{"ok":true}`))
	f.Add([]byte(`{"ok":false,"reason":"secret","detail":"x says: no"}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		if v, err := parseVerdict(b); err == nil && strings.ContainsAny(string(v.Reason)+v.Detail, "\x1b\n\r") {
			t.Errorf("accepted %+v", v)
		}
	})
}

func FuzzHeartbeat(f *testing.F) {
	f.Add(heartbeat{Clock: 1, Echo: 2, EchoAge: 3, AnswerNow: true}.encode()[1:])
	f.Add([]byte("short"))
	f.Fuzz(func(t *testing.T, b []byte) {
		got, err := parseHeartbeat(b)
		if err == nil && (got.Clock < 0 || got.Echo < 0 || got.EchoAge < 0) {
			t.Errorf("accepted %+v", got)
		}
	})
}

func FuzzPeers(f *testing.F) {
	f.Add(encodePeers([]peerAddrs{{ID: "1", Name: "a", Addrs: []netip.AddrPort{netip.MustParseAddrPort("10.0.0.1:1")}}})[1:])
	f.Add([]byte(`[{"id":"","name":"x","addrs":[]}]`))
	f.Add([]byte(`[{"id":"1","name":"a","addrs":["[fe80::1%eth0]:1","0.0.0.0:1","1.2.3.4:0"]}]`))
	f.Fuzz(func(t *testing.T, b []byte) {
		peers, err := parsePeers(b)
		if err != nil {
			return
		}
		again, err := parsePeers(encodePeers(peers)[1:])
		if err != nil || len(again) != len(peers) {
			t.Errorf("%q came back as %v, %v", b, again, err)
		}
	})
}

func FuzzCache(f *testing.F) {
	f.Add([]byte(`[{"id":"1","name":"a","addrs":["10.0.0.1:1"],"seen":"2026-01-02T03:04:05Z"}]`))
	f.Add([]byte(`[{"id":"1`))
	f.Fuzz(func(t *testing.T, b []byte) {
		peers, err := parseCache(b)
		for _, p := range peers {
			if err == nil && (!plain.ID(p.ID) || len(p.Addrs) > maxAddrs) {
				t.Errorf("accepted %+v", p)
			}
		}
	})
}

func FuzzSecrets(f *testing.F) {
	f.Add([]byte("# the new one\n" + NewSecret() + "\n\n" + NewSecret() + "\r\n"))
	f.Add([]byte("short"))
	f.Fuzz(func(t *testing.T, b []byte) {
		secrets, err := ParseSecrets(b)
		if err == nil && (len(secrets) == 0 || len(secrets) > maxSecrets || checkSecrets(secrets) != nil) {
			t.Errorf("accepted %q", secrets)
		}
	})
}

func FuzzListenAddr(f *testing.F) {
	for _, a := range []string{"", "7460", ":7460", "localhost", "::1", "[::1]:7460", "10.0.0.1:http"} {
		f.Add(a)
	}
	f.Fuzz(func(t *testing.T, a string) {
		if out, err := listenAddr(a); err == nil && !strings.Contains(out, ":") {
			t.Errorf("%q became %q", a, out)
		}
	})
}

func FuzzJoinAddr(f *testing.F) {
	for _, a := range []string{"10.0.0.1:7460", "[::1]:7460", "office.example.com", "host:0", ":1", "::1"} {
		f.Add(a)
	}
	f.Fuzz(func(t *testing.T, a string) {
		if host, _, err := splitJoin(a); err == nil && host == "" {
			t.Errorf("%q has no host", a)
		}
	})
}

func TestBackoffGrowsToItsLimit(t *testing.T) {
	b := backoff{min: 100 * time.Millisecond, max: 1500 * time.Millisecond}
	for i := range 100 {
		d := b.next()
		if d < 70*time.Millisecond || d > 1500*time.Millisecond || i > 5 && d < time.Second {
			t.Errorf("attempt %d waits %v", i, d)
		}
	}
}

func FuzzSigned(f *testing.F) {
	key := ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize)) // the same in each of the fuzzer's processes
	good, err := signRecord(key, "m", 7, description{Name: "n", Addrs: []netip.AddrPort{netip.MustParseAddrPort("10.0.0.1:1")}}, []byte("record"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add(good[:signedHead])
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := parseSigned(b)
		if err != nil {
			return
		}
		if !plain.Name(s.about.Name) || len(s.about.Addrs) > maxAddrs || len(s.record) > maxHubRecord || !plain.ID(s.id) {
			t.Errorf("accepted %+v", s)
		}
		if s.verify("m") == nil && !bytes.Equal(b, good) {
			t.Error("a signature is valid for other bytes")
		}
	})
}

func FuzzFeed(f *testing.F) {
	e := feedEntry{id: strings.Repeat("ab", idBytes), state: meshinfo.Down, cause: meshinfo.Crashed, rtt: time.Millisecond,
		addr: netip.MustParseAddrPort("10.0.0.1:1"), signed: []byte("signed")}
	f.Add(e.appendTo(nil))
	f.Add((&feedEntry{id: e.id, state: meshinfo.Alive}).appendTo(e.appendTo(nil)))
	f.Fuzz(func(t *testing.T, b []byte) {
		entries, err := parseFeed(b)
		if err != nil {
			return
		}
		var again []byte
		for _, e := range entries {
			again = e.appendTo(again)
		}
		if back, err := parseFeed(again); err != nil || !reflect.DeepEqual(back, entries) {
			t.Errorf("%q came back as %v, %v", b, back, err)
		}
	})
}

func FuzzRelayRequest(f *testing.F) {
	f.Add(relayRequest{strings.Repeat("01", idBytes), 1}.encode())
	f.Add([]byte{relayFull})
	f.Fuzz(func(t *testing.T, b []byte) {
		if r, err := parseRelayRequest(b); err == nil && (r.hubs > maxHubsOnWay || !bytes.Equal(r.encode(), b)) {
			t.Errorf("accepted %+v", r)
		}
		if err := parseRelayAnswer(b); err == nil && (len(b) != 1 || b[0] != relayOK) {
			t.Errorf("%q is an answer", b)
		}
	})
}
