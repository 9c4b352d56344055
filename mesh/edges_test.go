package mesh_test

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/tcpctl/tcpctl/mesh"
	"github.com/tcpctl/tcpctl/mesh/meshinfo"
	"github.com/tcpctl/tcpctl/mesh/meshtest"
)

// TestAliveComesWithTheConnection: when a program gets "alive", the connection to the peer is ready for use.
func TestAliveComesWithTheConnection(t *testing.T) {
	bubble(t, func(t *testing.T) {
		net := meshtest.New()
		defer net.Close()
		net.SetDelay(100 * time.Millisecond)
		a := start(t, net.Host("a").Config(mesh.Config{Node: "a", ID: "1"}))
		defer a.stop()
		events := a.Events(t.Context())
		b := start(t, net.Host("b").Config(mesh.Config{Node: "b", ID: "2"}))
		defer b.stop()
		for e := range events {
			if e.Kind != string(meshinfo.Alive) {
				continue
			}
			if conns := a.Conns(); len(conns) != 1 || conns[0].Peer().State != meshinfo.Alive {
				t.Errorf("b is alive, and the connections are %d", len(conns))
			}
			return
		}
	})
}

// rumours is a source that invents nodes.
type rumours struct{ from, to int }

func (rumours) Name() string { return "rumours" }

func (r rumours) Run(ctx context.Context, _ mesh.Self, rep mesh.Reporter) error {
	for {
		for i := r.from; i < r.to; i++ {
			rep.Found(mesh.Sighting{ID: fmt.Sprint("rumour-", i), Name: fmt.Sprint("aa-", i),
				Addrs: []netip.AddrPort{netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 99, byte(i >> 8), byte(i)}), 7460)}})
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(time.Second):
		}
	}
}

// TestRumoursAreBounded: invented nodes are listed last, are few, and keep no real node out.
func TestRumoursAreBounded(t *testing.T) {
	bubble(t, func(t *testing.T) {
		net := meshtest.New()
		defer net.Close()
		var nodes []*node
		for i := range 4 {
			c := mesh.Config{Node: fmt.Sprint("node-", i), MaxPeers: 70, Sources: []mesh.Source{rumours{0, 400}}}
			n := start(t, net.Host(c.Node).Config(c))
			defer n.stop()
			nodes = append(nodes, n)
		}
		for _, n := range nodes {
			await(t, n.name+" sees the others", func() bool { return len(n.Conns()) == 3 })
			await(t, "invented nodes are dialled", func() bool { return n.Peers()[len(n.Peers())-1].State == meshinfo.Refused })
			all := n.Peers()
			met := 0
			for i, p := range all {
				if p.State == meshinfo.Alive {
					met++
				}
				if (p.State == meshinfo.Refused) != (i >= 3) {
					t.Errorf("%d: %s is %s: want the real ones first", i, p.Name, p.State)
				}
			}
			if met != 3 || len(all) > 3+64 {
				t.Errorf("%s: %d alive of %d: want 3, and 64 more at most", n.name, met, len(all))
			}
		}
	})
}

// liar announces false addresses of a real node.
type liar struct{ id string }

func (liar) Name() string { return "liar" }

func (l liar) Run(ctx context.Context, _ mesh.Self, rep mesh.Reporter) error {
	for i := 0; ctx.Err() == nil; i++ {
		rep.Found(mesh.Sighting{ID: l.id, Addrs: []netip.AddrPort{netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 99, 0, byte(i%250 + 1)}), 1)}})
		select {
		case <-ctx.Done():
		case <-time.After(20 * time.Millisecond):
		}
	}
	return nil
}

// TestFalseAddressesDoNotDisplaceRealOnes: addresses of a peer from other sources come after those it has sent itself.
func TestFalseAddressesDoNotDisplaceRealOnes(t *testing.T) {
	pair(t, mesh.Config{Sources: []mesh.Source{liar{"2"}}}, func(t *testing.T, net *meshtest.Network, hosts [2]*meshtest.Host, a, b *node) {
		time.Sleep(10 * time.Second)
		p, _ := a.peer("b")
		if want := fmt.Sprintf("%s:%d", b.Addr().Addrs[0], b.Addr().Port); p.Addr != want {
			t.Errorf("b is at %s after the false announcements: want %s", p.Addr, want)
		}
		for range 3 {
			seen := len(a.events.of("b"))
			hosts[1].Crash()
			await(t, "a sees the crash", func() bool { return len(a.events.of("b")) > seen })
			a.awaitAlive("b")
		}
	})
}

// TestFind: nodes with the same name are distinguished by id and address.
func TestFind(t *testing.T) {
	bubble(t, func(t *testing.T) {
		net := meshtest.New()
		defer net.Close()
		hub := start(t, net.Host("hub").Config(mesh.Config{Node: "hub", ID: "hub"}))
		defer hub.stop()
		for id, name := range map[string]string{"id-one": "localhost", "id-two": "localhost", "id-3": "[x] #7", "id-4": "köln"} {
			n := start(t, net.Host(id).Config(mesh.Config{Node: name, ID: id}))
			defer n.stop()
		}
		await(t, "all are connected", func() bool { return len(hub.Conns()) == 4 })
		for spec, want := range map[string]string{"id-one": "id-one", "localhost#id-t": "id-two", "köln": "id-4", "[x] #7": "id-3", "[x] #7#id": "id-3"} {
			if p, err := hub.Find(spec); err != nil || p.ID != want {
				t.Errorf("%s: %s, %v: want %s", spec, p.ID, err, want)
			}
		}
		for _, p := range hub.Peers() {
			if found, err := hub.Find(p.Addr); err != nil || found.ID != p.ID {
				t.Errorf("%s: %s, %v: want %s", p.Addr, found.ID, err, p.ID)
			}
		}
		var both *mesh.AmbiguousError
		if _, err := hub.Find("localhost"); !errors.As(err, &both) || len(both.Peers) != 2 {
			t.Errorf("localhost: %v: want both", err)
		}
		for _, spec := range []string{"", "#", "localhost#x", "unknown", "hub"} {
			if p, err := hub.Find(spec); !errors.Is(err, mesh.ErrNoPeer) && !errors.As(err, &both) {
				t.Errorf("%q: %+v, %v: want ErrNoPeer", spec, p, err)
			}
		}
	})
}

// TestUnansweredJoinIsReportedOnce, and again only after a node has answered.
func TestUnansweredJoinIsReportedOnce(t *testing.T) {
	bubble(t, func(t *testing.T) {
		net := meshtest.New()
		defer net.Close()
		a := start(t, net.Host("a").Config(mesh.Config{Node: "a", Join: []string{"10.99.0.1:7460"}}))
		defer a.stop()
		time.Sleep(time.Hour)
		var reported *mesh.JoinError
		if errs := a.errors(); len(errs) != 1 || !errors.As(errs[0], &reported) || reported.Addr != "10.99.0.1:7460" || !strings.Contains(reported.Error(), "no node has answered") {
			t.Errorf("%v: want one JoinError", errs)
		}
	})
}
