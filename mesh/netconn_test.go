package mesh_test

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/net/nettest"

	"github.com/tcpctl/tcpctl/mesh"
	"github.com/tcpctl/tcpctl/mesh/meshinfo"
	"github.com/tcpctl/tcpctl/mesh/meshtest"
)

// streamPair returns the two ends of streams between two nodes on loopback.
func streamPair(t *testing.T) func() (near, far net.Conn) {
	ends := make(chan net.Conn)
	cfg := mesh.Config{Secrets: []string{mesh.NewSecret()}, OnStream: func(_ meshinfo.Peer, c net.Conn) { ends <- c }}
	cfg.Node = "a"
	a := start(t, cfg)
	cfg.Node, cfg.Join = "b", []string{a.addr()}
	start(t, cfg)
	a.awaitAlive("b")
	return func() (near, far net.Conn) {
		near, err := a.OpenStream(t.Context(), "b")
		if err != nil {
			t.Fatal(err)
		}
		return near, <-ends
	}
}

func TestStreamsAreNetConns(t *testing.T) {
	open := streamPair(t)
	nettest.TestConn(t, func() (near, far net.Conn, stop func(), err error) {
		near, far = open()
		return near, far, func() { near.Close(); far.Close() }, nil
	})
}

// TestStreamsEndTheirCalls: Close and a deadline end a Read and a Write that wait for a peer that does nothing, and both have the
// errors of package net.
func TestStreamsEndTheirCalls(t *testing.T) {
	open := streamPair(t)
	for name, c := range map[string]struct {
		end  func(net.Conn) error
		want error
	}{
		"Close":    {net.Conn.Close, net.ErrClosed},
		"deadline": {func(c net.Conn) error { return c.SetDeadline(time.Unix(1, 0)) }, os.ErrDeadlineExceeded},
	} {
		t.Run(name, func(t *testing.T) {
			near, far := open()
			defer far.Close()
			defer near.Close()
			ended := make(chan error, 2)
			go func() { _, err := near.Read(make([]byte, 1)); ended <- err }()
			go func() { _, err := near.Write(make([]byte, 1<<20)); ended <- err }() // more than the peer's window
			io.ReadFull(far, make([]byte, 100<<10))
			if err := c.end(near); err != nil {
				t.Fatal(err)
			}
			for range 2 {
				select {
				case err := <-ended:
					if !errors.Is(err, c.want) {
						t.Errorf("a call in progress returns %v: want %v", err, c.want)
					}
				case <-time.After(limit):
					t.Fatal("a call in progress does not end")
				}
			}
			if _, err := near.Write([]byte("x")); !errors.Is(err, c.want) {
				t.Errorf("a later Write returns %v: want %v", err, c.want)
			}
		})
	}
}

// TestStreamsThroughHubsEndTheirCalls: so do those, whose TLS is above the stream to the hub.
func TestStreamsThroughHubsEndTheirCalls(t *testing.T) {
	hubbed(t, 6, 4, func(h *hubTest) {
		h.awaitHubbed(h.nodes)
		c, err := h.nodes[4].OpenStream(context.Background(), "leaf5")
		if err != nil {
			t.Fatal(err)
		}
		c.SetReadDeadline(time.Unix(1, 0))
		if _, err := c.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("after the deadline: %v", err)
		}
		c.SetReadDeadline(time.Time{})
		write(t, c, "x")
		read(t, c, "leaf4, trusted true: x")
		ended := make(chan error)
		go func() { _, err := c.Read(make([]byte, 1)); ended <- err }()
		h.hosts[5].Freeze() // the other end does not answer
		synctest.Wait()
		began := time.Now()
		c.Close()
		if err := <-ended; !errors.Is(err, net.ErrClosed) || time.Since(began) > time.Second {
			t.Errorf("a Read returns %v, %s after Close", err, time.Since(began))
		}
	})
}

// TestALostPeerClosesNoStreamOfOurs: net.ErrClosed means that this side has closed the stream.
func TestALostPeerClosesNoStreamOfOurs(t *testing.T) {
	gone := make(chan net.Conn, 1)
	cfg := mesh.Config{Node: "a", Secrets: []string{mesh.NewSecret()}, OnStream: func(_ meshinfo.Peer, c net.Conn) { gone <- c }}
	a := start(t, cfg)
	cfg.Node, cfg.Join = "b", []string{a.addr()}
	b := start(t, cfg)
	a.awaitAlive("b")
	c, err := b.OpenStream(t.Context(), "a")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	<-gone
	a.Close()
	if _, err := c.Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("Read returns %v: want io.EOF", err)
	}
	b.awaitDown("a")
	await(t, "a Write that fails", func() bool { _, err = c.Write([]byte("x")); return err != nil })
	if errors.Is(err, net.ErrClosed) {
		t.Errorf("Write returns %v, although this side has closed nothing", err)
	}
}

func TestConnsInMemoryAreNetConns(t *testing.T) {
	t.Parallel()
	network := meshtest.New()
	defer network.Close()
	a, b := network.Host("a"), network.Host("b")
	nettest.TestConn(t, func() (near, far net.Conn, stop func(), err error) {
		ln, err := b.Listen(t.Context(), ":0")
		if err != nil {
			return nil, nil, nil, err
		}
		defer ln.Close()
		dialed := make(chan net.Conn, 1)
		go func() {
			c, _ := a.Dial(t.Context(), ln.Addr().String())
			dialed <- c
		}()
		if far, err = ln.Accept(); err != nil {
			return nil, nil, nil, err
		}
		near = <-dialed
		return near, far, func() { near.Close(); far.Close() }, nil
	})
}
