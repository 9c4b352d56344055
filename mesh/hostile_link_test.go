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

// TestPeerThatTalksNonsense: a peer connects, as any may in an open mesh, and then sends invalid messages.
func TestPeerThatTalksNonsense(t *testing.T) {
	errs := make(chan error, 16)
	a, err := New(Config{Name: "nonsense", Node: "a", NoMDNS: true, OnError: func(err error) { errs <- err }})
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
			g, err := b.startHandshake(context.Background(), conn, addrPort(conn.RemoteAddr()), true, b.hello(kindLink))
			if err == nil {
				err = g.exchangeVerdicts(nil, func() error { return nil })
			}
			if err == nil {
				err = g.finish()
			}
			if err != nil {
				t.Fatal(err)
			}
			if _, err := io.WriteString(g.tls, frame("?a kind from the future")+c.says); err != nil {
				t.Fatal(err)
			}
			conn.SetReadDeadline(time.Now().Add(20 * time.Second))
			said, err := io.ReadAll(g.tls)
			if ne, ok := err.(net.Error); ok && ne.Timeout() {
				t.Error("the node does not close the connection")
			}
			if last := string(msgGaveUp) + "mesh: "; !strings.Contains(string(said), last) || !strings.Contains(string(said), c.why) {
				t.Errorf("its last message is %q: want the reason", said[max(0, len(said)-maxGaveUp):])
			}
			for {
				select {
				case err := <-errs:
					if !strings.Contains(err.Error(), c.why) || !strings.Contains(err.Error(), b.cfg.Node) {
						t.Errorf("%v: want the link ended because of %q", err, c.why)
					}
					return
				case e := <-events:
					t.Errorf("event %s of a peer that never had a connection", e.Kind)
				case <-time.After(20 * time.Second):
					t.Fatal("it is not reported")
				}
			}
		})
	}
}
