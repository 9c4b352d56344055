package mdns

import (
	"context"
	"net"
	"net/netip"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/net/dns/dnsmessage"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestAnswersLegacyResolvers queries as dig does: from an ephemeral port, to which the answer goes (RFC 6762 section 6.7).
func TestAnswersLegacyResolvers(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	defer running.Wait()
	defer cancel()
	running.Go(func() {
		err := Run(ctx, Config{
			Mesh: "dig", ID: "1", Name: "digged", Listen: netip.MustParseAddrPort("127.0.0.1:7460"),
			Found: func(Node) {}, Warn: func(string) {},
		})
		if err != nil {
			t.Error(err)
		}
	})
	c, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	q := dnsmessage.Message{Header: dnsmessage.Header{ID: 4711}, Questions: []dnsmessage.Question{{
		Name: dnsmessage.MustNewName("_tcpctl._tcp.local."), Type: dnsmessage.TypePTR, Class: dnsmessage.ClassINET,
	}}}
	body, err := q.Pack()
	if err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 9000)
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); {
		// Port 5353 of this host: only the newest socket there gets a unicast packet, so send until a node answers.
		if _, err := c.WriteTo(body, &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 5353}); err != nil {
			t.Skipf("no mDNS on loopback here: %v", err)
		}
		c.SetReadDeadline(time.Now().Add(200 * time.Millisecond))
		size, err := c.Read(buf)
		if err != nil {
			continue
		}
		var m dnsmessage.Message
		if err := m.Unpack(buf[:size]); err != nil || m.ID != 4711 || len(m.Questions) != 1 || len(m.Answers) < 4 {
			t.Fatalf("answer %+v, %v", m, err)
		}
		for _, a := range m.Answers {
			if a.Header.TTL > 10 || a.Header.Class != dnsmessage.ClassINET {
				t.Errorf("%v: want a short TTL, and a class without the cache-flush bit", a.Header)
			}
		}
		return
	}
	t.Error("no answer")
}
