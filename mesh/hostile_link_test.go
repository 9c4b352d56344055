package mesh

import (
	"context"
	"encoding/binary"
	"io"
	"net"
	"strings"
	"testing"
	"time"
)

// TestPeerThatTalksNonsense is a peer that gets in, as anybody may in an open mesh, and then says what it should not.
func TestPeerThatTalksNonsense(t *testing.T) {
	a, err := New(Config{Name: "nonsense", Node: "a", NoMDNS: true})
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	if err := a.Listen(t.Context(), "127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	frame := func(s string) string {
		return string(binary.BigEndian.AppendUint32(nil, uint32(len(s)))) + s
	}
	events := a.Events(t.Context())
	for name, c := range map[string]struct{ says, why string }{
		"4 GiB":        {"\xff\xff\xff\xff", "the limit is"},
		"big record":   {string(binary.BigEndian.AppendUint32(nil, maxRecord)), "the limit is"},
		"nothing":      {frame(""), "an empty message"},
		"short beat":   {frame("hx"), "a heartbeat of 1 bytes"},
		"short record": {frame("r123"), "a message of 3 bytes"},
		"bad peers":    {frame("p{"), "list of peers"},
		"short gone":   {frame("c"), "a message of 0 bytes"},
	} {
		t.Run(name, func(t *testing.T) {
			b, err := New(Config{Name: "nonsense", Node: strings.ReplaceAll(name, " ", "-")})
			if err != nil {
				t.Fatal(err)
			}
			defer b.Close()
			conn, err := net.Dial("tcp", a.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			g, err := b.begin(context.Background(), conn, addrPort(conn.RemoteAddr()), true, b.hello(kindLink))
			if err == nil {
				err = g.decide(nil, func() error { return nil })
			}
			if err == nil {
				err = g.settled()
			}
			if err != nil {
				t.Fatal(err)
			}
			if _, err := io.WriteString(g.tls, frame("?a kind from the future")+c.says); err != nil {
				t.Fatal(err)
			}
			conn.SetReadDeadline(time.Now().Add(20 * time.Second))
			if _, err := io.Copy(io.Discard, g.tls); err != nil && strings.Contains(err.Error(), "timeout") {
				t.Error("it is not cut off")
			}
			for e := range events {
				if e.Kind == string(Down) {
					if p := e.Peer; p.ID != b.ID() || p.Cause != Crash || !strings.Contains(p.Why, c.why) {
						t.Errorf("%+v: want a crash because of %q", p, c.why)
					}
					return
				}
			}
		})
	}
}
