package mesh_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"testing"
	"time"

	"github.com/tcpctl/tcpctl/mesh"
	"github.com/tcpctl/tcpctl/mesh/meshinfo"
	"github.com/tcpctl/tcpctl/mesh/meshtest"
)

// updates counts the updates that were received.
func (e *events) updates() (n int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, ev := range e.all {
		if ev.Kind == mesh.EventUpdate {
			n++
		}
	}
	return n
}

func TestRecords(t *testing.T) {
	pair(t, mesh.Config{Record: []byte("first")}, func(t *testing.T, net *meshtest.Network, hosts [2]*meshtest.Host, a, b *node) {
		await(t, "a snapshot on connecting", func() bool { p, _ := b.peer("a"); return string(p.Record) == "first" })
		time.Sleep(5 * time.Second)
		// Of a hundred changes a second for ten seconds, one a second arrives, the newest.
		for _, watched := range []bool{false, true} {
			ctx, cancel := context.WithCancel(t.Context())
			want := 10
			if watched {
				b.Watch(ctx)
				want = 40
				time.Sleep(time.Second)
			}
			before := b.events.updates()
			for i := range 1000 {
				if err := a.SetRecord(fmt.Append(nil, "change ", i)); err != nil {
					t.Fatal(err)
				}
				time.Sleep(10 * time.Millisecond)
			}
			got := b.events.updates() - before
			if got < want-1 || got > want+1 {
				t.Errorf("watched %v: %d updates in ten seconds: want about %d", watched, got, want)
			}
			time.Sleep(2 * time.Second)
			if p, _ := b.peer("a"); string(p.Record) != "change 999" {
				t.Errorf("watched %v: the record is %q: want the newest", watched, p.Record)
			}
			cancel()
			time.Sleep(time.Second)
		}
		before := b.events.updates()
		a.SetRecord([]byte("change 999"))
		time.Sleep(5 * time.Second)
		if b.events.updates() != before {
			t.Error("an unchanged record was sent")
		}
	})
}

func TestRecordSurvivesTheLossOfItsOwner(t *testing.T) {
	pair(t, mesh.Config{}, func(t *testing.T, net *meshtest.Network, hosts [2]*meshtest.Host, a, b *node) {
		a.SetRecord([]byte("before the cut"))
		time.Sleep(3 * time.Second)
		net.Cut(hosts[0], hosts[1])
		a.SetRecord([]byte("during the cut"))
		if p := b.awaitDown("a"); string(p.Record) != "before the cut" {
			t.Errorf("record %q", p.Record)
		}
		net.Heal()
		await(t, "the newest after the cut", func() bool { p, _ := b.peer("a"); return string(p.Record) == "during the cut" })
	})
}

func TestRecordHasALimit(t *testing.T) {
	n, err := mesh.New(mesh.Config{Name: "m", Secrets: []string{mesh.NewSecret()}})
	if err != nil {
		t.Fatal(err)
	}
	if n.SetRecord(make([]byte, 1<<20)) != nil || n.SetRecord(make([]byte, 1<<20+1)) == nil {
		t.Error("want a limit of 1 MiB")
	}
	if _, err := mesh.New(mesh.Config{Name: "m", Record: make([]byte, 64<<10+1)}); err == nil {
		t.Error("want a limit of 64 KiB without a secret")
	}
}

func TestSlowPeerBlocksNobody(t *testing.T) {
	big := bytes.Repeat([]byte("x"), 1<<20)
	pair(t, mesh.Config{Secrets: []string{mesh.NewSecret()}}, func(t *testing.T, net *meshtest.Network, hosts [2]*meshtest.Host, a, b *node) {
		hosts[1].Freeze() // b stops reading
		for i := range 20 {
			big[0] = byte(i)
			if err := a.SetRecord(big); err != nil {
				t.Fatal(err)
			}
			time.Sleep(100 * time.Millisecond)
		}
		hosts[1].Thaw()
		await(t, "the newest", func() bool { p, _ := b.peer("a"); return len(p.Record) > 0 && p.Record[0] == 19 })
	})
}

func TestStreams(t *testing.T) {
	pair(t, mesh.Config{Secrets: []string{mesh.NewSecret()}, OnStream: func(p meshinfo.Peer, c net.Conn) {
		fmt.Fprintf(c, "%s asked", p.Name)
		io.Copy(c, c)
		c.Close()
	}}, func(t *testing.T, _ *meshtest.Network, _ [2]*meshtest.Host, a, b *node) {
		for _, name := range []string{"b", "2"} { // by name and by id
			s, err := a.OpenStream(t.Context(), name)
			if err != nil {
				t.Fatal(err)
			}
			read(t, s, "a asked")
			write(t, s, "an echo")
			read(t, s, "an echo")
			s.Close()
		}
		if _, err := a.OpenStream(t.Context(), "unknown"); !errors.Is(err, mesh.ErrNoPeer) {
			t.Errorf("%v: want ErrNoPeer", err)
		}
		var open []net.Conn
		refused := 0
		for range 80 { // more than 64 at a time are refused, without other effects
			s, err := a.OpenStream(t.Context(), "b")
			if err != nil {
				t.Fatal(err)
			}
			if _, err := io.ReadFull(s, make([]byte, 7)); err != nil {
				refused++
			}
			open = append(open, s)
		}
		if refused < 10 {
			t.Errorf("%d of 80 refused: want those over 64", refused)
		}
		for _, s := range open {
			s.Close()
		}
		wantEvents(t, b, "a", "alive")
	})
}

// TestOpenStreamEndsWithItsContext: a peer that accepts no streams blocks OpenStream no longer than ctx.
func TestOpenStreamEndsWithItsContext(t *testing.T) {
	cfg := mesh.Config{Secrets: []string{mesh.NewSecret()}, Suspect: 30 * time.Second, Dead: time.Minute, OnStream: func(_ meshinfo.Peer, c net.Conn) { c.Close() }}
	pair(t, cfg, func(t *testing.T, net *meshtest.Network, hosts [2]*meshtest.Host, a, b *node) {
		hosts[1].Freeze()
		waited := 0
		for range 80 {
			ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
			began := time.Now()
			s, err := a.OpenStream(ctx, "b")
			switch took := time.Since(began); {
			case err == nil:
				defer s.Close()
			case !errors.Is(err, context.DeadlineExceeded) || took > 100*time.Millisecond:
				t.Errorf("%v after %v", err, took)
			default:
				waited++
			}
			cancel()
		}
		if waited == 0 {
			t.Error("the peer accepted all of them")
		}
		hosts[1].Thaw()
		await(t, "a stream", func() bool {
			s, err := a.OpenStream(t.Context(), "b")
			if err == nil {
				s.Close()
			}
			return err == nil
		})
	})
}

func TestNoStreamsWithoutASecret(t *testing.T) {
	pair(t, mesh.Config{OnStream: func(meshinfo.Peer, net.Conn) { panic("a stream came") }}, func(t *testing.T, _ *meshtest.Network, _ [2]*meshtest.Host, a, b *node) {
		if _, err := a.OpenStream(t.Context(), "b"); !errors.Is(err, mesh.ErrUntrusted) {
			t.Errorf("%v: want ErrUntrusted", err)
		}
	})
}
