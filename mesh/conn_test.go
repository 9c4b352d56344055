package mesh_test

import (
	"context"
	"errors"
	"io"
	"testing"
	"time"

	"github.com/tcpctl/tcpctl/mesh"
	"github.com/tcpctl/tcpctl/mesh/meshinfo"
	"github.com/tcpctl/tcpctl/mesh/meshtest"
)

// pair runs f in a bubble with two connected nodes on two hosts, of which the first has the lower id.
func pair(t *testing.T, cfg mesh.Config, f func(t *testing.T, net *meshtest.Network, hosts [2]*meshtest.Host, a, b *node)) {
	bubble(t, func(t *testing.T) {
		net := meshtest.New()
		defer net.Close()
		hosts := [2]*meshtest.Host{net.Host("a"), net.Host("b")}
		cfgA, cfgB := cfg, cfg
		cfgA.ID, cfgB.ID = "1", "2"
		cfgA.Node, cfgB.Node = "a", "b"
		a := start(t, hosts[0].Config(cfgA))
		defer a.stop()
		b := start(t, hosts[1].Config(cfgB))
		defer b.stop()
		a.awaitAlive("b")
		b.awaitAlive("a")
		f(t, net, hosts, a, b)
	})
}

func TestPairTalks(t *testing.T) {
	pair(t, mesh.Config{}, func(t *testing.T, _ *meshtest.Network, _ [2]*meshtest.Host, a, b *node) {
		ca, cb := a.conn(), b.conn()
		if ca.Peer().Name != "b" || cb.Peer().Name != "a" || ca.Trusted() {
			t.Errorf("peers %q and %q, trusted %v", ca.Peer().Name, cb.Peer().Name, ca.Trusted())
		}
		write(t, ca, "ping")
		read(t, cb, "ping")
		if err := ca.CloseWrite(); err != nil {
			t.Fatal(err)
		}
		if _, err := cb.Read(make([]byte, 1)); err != io.EOF {
			t.Errorf("after CloseWrite the other side reads %v: want io.EOF", err)
		}
		write(t, cb, "still here") // half-close: the other direction still works
		read(t, ca, "still here")
	})
}

func TestClosedConnComesBack(t *testing.T) {
	pair(t, mesh.Config{}, func(t *testing.T, _ *meshtest.Network, _ [2]*meshtest.Host, a, b *node) {
		for round, closer := range []*node{a, b} {
			ca, cb := a.conn(), b.conn()
			if closer == a {
				write(t, ca, "last words")
				ca.Close()
				read(t, cb, "last words")
			} else {
				cb.Close()
			}
			await(t, "the closed connection leaves Conns", func() bool { return len(a.Conns()) == 0 && len(b.Conns()) == 0 })
			await(t, "another comes", func() bool { return len(a.Conns()) == 1 && len(b.Conns()) == 1 })
			if got := a.events.of("b"); len(got) != 1 {
				t.Errorf("round %d: events %v: closing a connection is no event", round, got)
			}
		}
	})
}

func TestShutdownLeaves(t *testing.T) {
	pair(t, mesh.Config{}, func(t *testing.T, _ *meshtest.Network, _ [2]*meshtest.Host, a, b *node) {
		ca, cb := a.conn(), b.conn()
		write(t, ca, "goodbye")
		go func() { // our side's program reads until the peer has ended its side
			io.Copy(io.Discard, ca)
			ca.Close()
		}()
		done := make(chan error, 1)
		began := time.Now()
		go func() { done <- a.Shutdown(context.Background()) }()
		if p := b.awaitDown("a"); p.Cause != meshinfo.Departed {
			t.Errorf("cause %q: want departed", p.Cause)
		}
		t.Logf("the departure is seen after %v", time.Since(began))
		read(t, cb, "goodbye") // data in flight is not lost
		if _, err := cb.Read(make([]byte, 1)); err != io.EOF {
			t.Errorf("then %v: want io.EOF", err)
		}
		cb.Close()
		if err := <-done; err != nil {
			t.Errorf("Shutdown: %v", err)
		}
		time.Sleep(5 * time.Second)
		if got := b.events.of("a"); len(got) != 2 || got[1] != "down departed" {
			t.Errorf("events %v: want alive, down departed", got)
		}
		time.Sleep(2 * time.Minute)
		if _, ok := b.peer("a"); ok {
			t.Error("a peer that has departed is still shown after two minutes")
		}
	})
}

func TestShutdownHasALimit(t *testing.T) {
	pair(t, mesh.Config{}, func(t *testing.T, _ *meshtest.Network, _ [2]*meshtest.Host, a, b *node) {
		ca := a.conn()
		go ca.Read(make([]byte, 1)) // waits in vain: the peer never ends its side
		time.Sleep(time.Second)
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		if err := a.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Shutdown: %v: want the context's", err)
		}
	})
}

func TestCloseSaysGoodbye(t *testing.T) {
	pair(t, mesh.Config{}, func(t *testing.T, _ *meshtest.Network, _ [2]*meshtest.Host, a, b *node) {
		a.Close()
		a.Close()
		if p := b.awaitDown("a"); p.Cause != meshinfo.Departed {
			t.Errorf("cause %q: want departed", p.Cause)
		}
		if err := a.Listen(t.Context(), ""); !errors.Is(err, mesh.ErrClosed) {
			t.Errorf("Listen after Close: %v: want ErrClosed", err)
		}
	})
}

func TestRestartUnderANewIDReplacesTheOldOne(t *testing.T) {
	pair(t, mesh.Config{}, func(t *testing.T, _ *meshtest.Network, hosts [2]*meshtest.Host, a, b *node) {
		hosts[0].Crash()
		b.awaitDown("a")
		a.stop()
		again := start(t, hosts[0].Config(mesh.Config{Name: b.Name(), ID: "3", Node: "a"}))
		defer again.stop()
		b.awaitAlive("a")
		if n := len(b.Peers()); n != 1 {
			t.Errorf("%d peers: want the new one alone: %+v", n, b.Peers())
		}
	})
}

func TestRestartWithTheSameIDComesBack(t *testing.T) {
	pair(t, mesh.Config{}, func(t *testing.T, net *meshtest.Network, hosts [2]*meshtest.Host, a, b *node) {
		// The machine is cut off and restarts before any node has noticed: none may mistake it for a second node.
		net.Cut(hosts[0], hosts[1])
		a.stop()
		net.Heal()
		again := start(t, hosts[0].Config(mesh.Config{Name: b.Name(), ID: "1", Node: "a"}))
		defer again.stop()
		again.awaitAlive("b")
		b.awaitAlive("a")
		for _, err := range append(again.errors(), b.errors()...) {
			t.Errorf("an error was reported: %v", err)
		}
	})
}
