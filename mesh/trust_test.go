package mesh_test

import (
	"errors"
	"testing"
	"time"

	"github.com/tcpctl/tcpctl/mesh"
	"github.com/tcpctl/tcpctl/mesh/meshinfo"
	"github.com/tcpctl/tcpctl/mesh/meshtest"
)

func TestSecrets(t *testing.T) {
	t.Parallel()
	one, two := mesh.NewSecret(), mesh.NewSecret()
	for _, c := range []struct {
		name    string
		a, b    []string
		connect bool
	}{
		{"the same", []string{one}, []string{one}, true},
		{"the new beside the old", []string{two, one}, []string{one}, true},
		{"both have both", []string{two, one}, []string{one, two}, true},
		{"none", nil, nil, true},
		{"another", []string{one}, []string{two}, false},
		{"none against one", nil, []string{two}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				net := meshtest.New()
				defer net.Close()
				a := start(t, net.Host("a").Config(mesh.Config{Name: "m", Secrets: c.a}))
				defer a.stop()
				b := start(t, net.Host("b").Config(mesh.Config{Name: "m", Secrets: c.b}))
				defer b.stop()
				if c.connect {
					p := a.awaitAlive("b")
					b.awaitAlive("a")
					if want := c.a != nil; p.Trusted != want {
						t.Errorf("trusted %v: want %v", p.Trusted, want)
					}
					return
				}
				time.Sleep(time.Minute)
				for _, n := range []*node{a, b} {
					wantRefusal(t, n, meshinfo.ReasonSecret)
					if len(n.Conns()) != 0 {
						t.Errorf("%s has a connection", n.name)
					}
				}
			})
		})
	}
}

// wantRefusal expects one report, however many attempts there were, and that the attempts are counted.
func wantRefusal(t *testing.T, n *node, reason meshinfo.Reason) {
	t.Helper()
	reports := 0
	for _, err := range n.errors() {
		if r, ok := errors.AsType[*mesh.RefusedError](err); ok && r.Reason == reason {
			reports++
		} else {
			t.Errorf("%s: another error: %v", n.name, err)
		}
	}
	refused := n.Status().Refused
	if reports != 1 || len(refused) != 1 || refused[0].Count < 2 {
		t.Errorf("%s: reported %d times, history %+v: want one report of several attempts", n.name, reports, refused)
	}
}

func TestWrongSecretDisturbsNobody(t *testing.T) {
	secret := mesh.NewSecret()
	pair(t, mesh.Config{Name: "m", Secrets: []string{secret}}, func(t *testing.T, net *meshtest.Network, _ [2]*meshtest.Host, a, b *node) {
		wrong := start(t, net.Host("wrong").Config(mesh.Config{Name: "m", Secrets: []string{mesh.NewSecret()}}))
		defer wrong.stop()
		none := start(t, net.Host("none").Config(mesh.Config{Name: "m"}))
		defer none.stop()
		time.Sleep(time.Minute)
		wantEvents(t, a, "b", "alive")
		wantEvents(t, b, "a", "alive")
	})
}

func TestTwoNodesWithOneIDSaySo(t *testing.T) {
	bubble(t, func(t *testing.T) {
		net := meshtest.New()
		defer net.Close()
		// Two nodes with one id do not dial each other when found: the join address makes them.
		a := start(t, net.Host("a").Config(mesh.Config{ID: "same"}))
		defer a.stop()
		b := start(t, net.Host("b").Config(mesh.Config{ID: "same", Join: []string{"10.77.0.1:7000"}}))
		defer b.stop()
		await(t, "both report it", func() bool { return len(a.errors()) > 0 && len(b.errors()) > 0 })
		if !errors.Is(a.errors()[0], mesh.ErrSameID) || !errors.Is(b.errors()[0], mesh.ErrSameID) {
			t.Errorf("%v and %v: want ErrSameID", a.errors(), b.errors())
		}
	})
}

func TestThirdNodeWithATakenIDSaysSo(t *testing.T) {
	pair(t, mesh.Config{}, func(t *testing.T, net *meshtest.Network, _ [2]*meshtest.Host, a, b *node) {
		c := start(t, net.Host("c").Config(mesh.Config{Name: a.Name(), ID: "1"})) // a's
		defer c.stop()
		await(t, "b and c report it", func() bool { return len(b.errors()) > 0 && len(c.errors()) > 0 })
		if !errors.Is(b.errors()[0], mesh.ErrSameID) || !errors.Is(c.errors()[0], mesh.ErrSameID) {
			t.Errorf("%v and %v: want ErrSameID", b.errors(), c.errors())
		}
		time.Sleep(time.Minute)
		wantEvents(t, a, "b", "alive")
		wantEvents(t, b, "a", "alive")
	})
}

func TestNodeThatFindsItselfIgnoresItself(t *testing.T) {
	bubble(t, func(t *testing.T) {
		net := meshtest.New()
		defer net.Close()
		a := start(t, net.Host("a").Config(mesh.Config{Join: []string{"10.77.0.1:7000"}}))
		defer a.stop()
		time.Sleep(time.Minute)
		if len(a.Peers()) != 0 || len(a.errors()) != 0 {
			t.Errorf("peers %v, errors %v: want none", a.Peers(), a.errors())
		}
		for _, s := range a.Sources() {
			if s.Warning != "" {
				t.Errorf("source %s warns: %s", s.Name, s.Warning)
			}
		}
	})
}

func TestOtherMeshIsRefused(t *testing.T) {
	bubble(t, func(t *testing.T) {
		net := meshtest.New()
		defer net.Close()
		a := start(t, net.Host("a").Config(mesh.Config{Name: "one"}))
		defer a.stop()
		b := start(t, net.Host("b").Config(mesh.Config{Name: "two", Join: []string{"10.77.0.1:7000"}}))
		defer b.stop()
		time.Sleep(time.Minute)
		wantRefusal(t, a, meshinfo.ReasonMesh)
		wantRefusal(t, b, meshinfo.ReasonMesh)
	})
}

func TestFullMeshRefusesMore(t *testing.T) {
	bubble(t, func(t *testing.T) {
		net := meshtest.New()
		defer net.Close()
		hub := start(t, net.Host("hub").Config(mesh.Config{ID: "hub", MaxPeers: 2}))
		defer hub.stop()
		for _, name := range []string{"a", "b", "c"} {
			n := start(t, net.Host(name).Config(mesh.Config{ID: name}))
			defer n.stop()
			time.Sleep(5 * time.Second)
		}
		time.Sleep(time.Minute)
		if n := len(hub.Conns()); n != 2 {
			t.Errorf("%d connections: want 2", n)
		}
	})
}
