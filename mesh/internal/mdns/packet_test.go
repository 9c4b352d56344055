package mdns

import (
	"net/netip"
	"reflect"
	"testing"

	"github.com/tcpctl/tcpctl/mesh/internal/plain"
)

func testService() service {
	return newService(Config{Mesh: "the mesh", ID: "0123456789abcdef0123", Name: "edge.one", Listen: netip.MustParseAddrPort("0.0.0.0:7460")})
}

func FuzzPacket(f *testing.F) {
	addrs := []netip.Addr{netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("fd00::1")}
	for _, goodbye := range []bool{false, true} {
		b, err := testService().response(addrs, goodbye, nil)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	q, err := query([]string{testService().instance}, true)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(q)
	f.Fuzz(func(t *testing.T, b []byte) {
		p, _ := parsePacket(b)
		for _, n := range p.announcements {
			if !n.goodbye && (!plain.ID(n.id) || !plain.Name(n.mesh) || len(n.addrs) == 0 || len(n.addrs) > maxAddrs) {
				t.Errorf("found %+v", n)
			}
		}
	})
}

func TestPacketRoundTrip(t *testing.T) {
	addrs := []netip.Addr{netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("fd00::1")}
	s := testService()
	b, err := s.response(addrs, false, nil)
	if err != nil {
		t.Fatal(err)
	}
	p, err := parsePacket(b)
	if err != nil || len(p.announcements) != 1 {
		t.Fatalf("%+v, %v", p, err)
	}
	want := announcement{instance: s.instance, host: s.host, mesh: "the mesh", id: "0123456789abcdef0123", name: "edge.one", port: 7460, addrs: addrs}
	if !reflect.DeepEqual(p.announcements[0], want) {
		t.Errorf("got %+v, want %+v", p.announcements[0], want)
	}
}
