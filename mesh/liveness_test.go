package mesh_test

import (
	"slices"
	"testing"
	"time"

	"github.com/tcpctl/tcpctl/mesh"
	"github.com/tcpctl/tcpctl/mesh/meshinfo"
	"github.com/tcpctl/tcpctl/mesh/meshtest"
)

func wantEvents(t *testing.T, n *node, peer string, want ...string) {
	t.Helper()
	if got := n.events.of(peer); !slices.Equal(got, want) {
		t.Errorf("%s saw of %s: %q, want %q", n.name, peer, got, want)
	}
}

func TestIdleStaysAlive(t *testing.T) {
	pair(t, mesh.Config{}, func(t *testing.T, _ *meshtest.Network, _ [2]*meshtest.Host, a, b *node) {
		time.Sleep(10 * time.Minute)
		wantEvents(t, a, "b", "alive")
		wantEvents(t, b, "a", "alive")
		if p, _ := a.peer("b"); time.Since(p.Seen) > time.Second {
			t.Errorf("last seen %v ago", time.Since(p.Seen))
		}
	})
}

func TestRTTIsMeasured(t *testing.T) {
	pair(t, mesh.Config{}, func(t *testing.T, net *meshtest.Network, _ [2]*meshtest.Host, a, b *node) {
		net.SetDelay(30 * time.Millisecond)
		time.Sleep(2 * time.Second)
		for _, p := range []meshinfo.Peer{a.awaitAlive("b"), b.awaitAlive("a")} {
			if p.RTTSeconds != 0.06 { // the bubble's clock is exact
				t.Errorf("%s: round trip %v s, want 0.06", p.Name, p.RTTSeconds)
			}
		}
	})
}

func TestCutIsSeenAndHeals(t *testing.T) {
	t.Parallel()
	for _, d := range []time.Duration{4 * time.Second, time.Minute, time.Hour} {
		t.Run(d.String(), func(t *testing.T) {
			pair(t, mesh.Config{Secrets: []string{mesh.NewSecret()}}, func(t *testing.T, net *meshtest.Network, hosts [2]*meshtest.Host, a, b *node) {
				ca := a.conn()
				cut := time.Now()
				net.Cut(hosts[0], hosts[1])
				if p := a.awaitDown("b"); p.Cause != meshinfo.Unreachable {
					t.Errorf("cause %q: want unreachable", p.Cause)
				}
				t.Logf("down after %v", time.Since(cut))
				if _, err := ca.Read(make([]byte, 1)); err == nil {
					t.Error("the program's connection outlives the partition")
				}
				time.Sleep(d - time.Since(cut))
				net.Heal()
				healed := time.Now()
				a.awaitAlive("b")
				b.awaitAlive("a")
				t.Logf("connected %v after a cut of %v", time.Since(healed), d)
				wantEvents(t, a, "b", "alive", "suspect", "down unreachable", "alive")
				wantEvents(t, b, "a", "alive", "suspect", "down unreachable", "alive")
				b.conn()
				again, other := b.conn(), a.conn()
				write(t, again, "hello again")
				read(t, other, "hello again")
			})
		})
	}
}

func TestShortCutIsOnlySuspect(t *testing.T) {
	pair(t, mesh.Config{}, func(t *testing.T, net *meshtest.Network, hosts [2]*meshtest.Host, a, b *node) {
		ca, cb := a.conn(), b.conn()
		net.Cut(hosts[0], hosts[1])
		write(t, ca, "sent into the cut")
		time.Sleep(2 * time.Second)
		net.Heal()
		read(t, cb, "sent into the cut")
		time.Sleep(5 * time.Second)
		wantEvents(t, a, "b", "alive", "suspect", "alive")
	})
}

func TestHungIsNotCut(t *testing.T) {
	pair(t, mesh.Config{}, func(t *testing.T, net *meshtest.Network, hosts [2]*meshtest.Host, a, b *node) {
		hosts[1].Freeze()
		if p := a.awaitDown("b"); p.Cause != meshinfo.Unresponsive {
			t.Errorf("cause %q: want unresponsive", p.Cause)
		}
		time.Sleep(10 * time.Second)
		hosts[1].Thaw()
		a.awaitAlive("b")
		b.awaitAlive("a")
	})
}

func TestCrashIsSeenAtOnce(t *testing.T) {
	pair(t, mesh.Config{}, func(t *testing.T, net *meshtest.Network, hosts [2]*meshtest.Host, a, b *node) {
		ca, cb := a.conn(), b.conn()
		write(t, cb, "its last message")
		began := time.Now()
		hosts[1].Crash()
		// Only the events show it: the node still runs, and is back at once.
		await(t, "a sees the crash", func() bool { return slices.Contains(a.events.of("b"), "down crashed") })
		t.Logf("seen after %v", time.Since(began))
		time.Sleep(time.Second)
		read(t, ca, "its last message") // data already received is not lost
	})
}

func TestLossAndDelayAreNoDeath(t *testing.T) {
	pair(t, mesh.Config{}, func(t *testing.T, net *meshtest.Network, _ [2]*meshtest.Host, a, b *node) {
		net.SetDelay(150 * time.Millisecond)
		net.SetLoss(0.1)
		time.Sleep(10 * time.Minute)
		for _, kind := range a.events.of("b") {
			if kind != "alive" && kind != "suspect" {
				t.Errorf("event %q", kind)
			}
		}
	})
}

func TestDownPeerIsForgotten(t *testing.T) {
	pair(t, mesh.Config{Forget: time.Hour}, func(t *testing.T, net *meshtest.Network, hosts [2]*meshtest.Host, a, b *node) {
		hosts[1].Crash()
		b.stop()
		a.awaitDown("b")
		time.Sleep(59 * time.Minute)
		if _, ok := a.peer("b"); !ok {
			t.Error("forgotten too early")
		}
		time.Sleep(2 * time.Minute)
		if _, ok := a.peer("b"); ok {
			t.Error("not forgotten after an hour")
		}
	})
}

func TestPartitionOfSixHeals(t *testing.T) {
	bubble(t, func(t *testing.T) {
		net := meshtest.New()
		defer net.Close()
		var hosts []*meshtest.Host
		var nodes []*node
		for _, name := range []string{"a", "b", "c", "d", "e", "f"} {
			h := net.Host(name)
			n := start(t, h.Config(mesh.Config{Node: name}))
			defer n.stop()
			hosts, nodes = append(hosts, h), append(nodes, n)
		}
		full := func() bool { return !slices.ContainsFunc(nodes, func(n *node) bool { return len(n.Conns()) != 5 }) }
		await(t, "a full mesh", full)
		net.Partition(hosts[:2], hosts[2:])
		await(t, "two meshes", func() bool { return len(nodes[0].Conns()) == 1 && len(nodes[5].Conns()) == 3 })
		time.Sleep(time.Minute)
		net.Heal()
		healed := time.Now()
		await(t, "a full mesh again", full)
		t.Logf("healed in %v", time.Since(healed))
	})
}
