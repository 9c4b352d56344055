package ws_test

import (
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/tcpctl/tcpctl/proxy/proxytest"
	"github.com/tcpctl/tcpctl/ws"
)

// patience is the deadline for whatever must happen; it only catches hangs.
const patience = time.Minute

// A bridge is a Listener that relays each client to a TCP service.
type bridge struct {
	*ws.Listener
	t    *testing.T
	addr string

	mu    sync.Mutex
	conns []*ws.Conn
	wg    sync.WaitGroup
}

// startBridge serves cfg on loopback; serve is the service's side of one client.
func startBridge(t *testing.T, cfg ws.Config, serve func(*net.TCPConn)) *bridge {
	t.Helper()
	l, err := ws.Listen("tcp", "127.0.0.1:0", cfg)
	if err != nil {
		t.Fatal(err)
	}
	backend := proxytest.Serve(t, func(c net.Conn) { serve(c.(*net.TCPConn)) })
	b := &bridge{Listener: l, t: t, addr: l.Addr().String()}
	b.wg.Add(1)
	go func() {
		defer b.wg.Done()
		for {
			p, err := l.Next()
			if err != nil {
				return
			}
			b.wg.Add(1)
			go func() { defer b.wg.Done(); b.relayClient(p, backend) }()
		}
	}()
	t.Cleanup(func() {
		l.Close()
		for _, c := range l.Conns() {
			c.CloseNow()
		}
		b.wg.Wait()
	})
	return b
}

// relayClient is the function bridge of the package comment.
func (b *bridge) relayClient(p *ws.Pending, addr string) {
	d, err := net.Dial("tcp", addr)
	if err != nil {
		p.Refuse(502, 0, "no backend")
		return
	}
	backend := d.(*net.TCPConn)
	defer backend.Close()
	c, err := p.Accept()
	if err != nil {
		return
	}
	b.mu.Lock()
	b.conns = append(b.conns, c)
	b.mu.Unlock()
	done := make(chan struct{})
	go func() {
		defer close(done)
		c.WriteTo(backend)
		backend.CloseWrite()
	}()
	c.ReadFrom(backend)
	c.Close()
	<-done
}

// last returns the server's Conn of the newest client.
func (b *bridge) last() *ws.Conn {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.conns[len(b.conns)-1]
}

func echo(c *net.TCPConn) { io.Copy(c, c) }

// waitFor waits for a condition that another goroutine makes true.
func waitFor(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("timed out waiting for: %s", what)
		}
	}
}

// waitUntilFull waits until c cannot write more, as its peer does not read.
func waitUntilFull(t *testing.T, c *ws.Conn) {
	t.Helper()
	waitFor(t, "a full socket", func() bool {
		n := c.BytesWritten()
		time.Sleep(20 * time.Millisecond)
		return n > 0 && n == c.BytesWritten()
	})
}

// closeOf returns the CloseError of the server's Conn of p.
func (b *bridge) closeOf(p *peer) *ws.CloseError {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, c := range b.conns {
		if c.RemoteAddr().String() == p.LocalAddr().String() {
			return c.CloseError()
		}
	}
	return nil
}
