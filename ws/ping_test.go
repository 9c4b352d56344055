package ws_test

import (
	"context"
	"errors"
	"io"
	"net"
	"runtime"
	"testing"
	"time"

	"github.com/tcpctl/tcpctl/ws"
)

func TestPing(t *testing.T) {
	server, client := pair(t, ws.Config{Ping: -1}, ws.Dialer{Ping: -1})
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	go io.Copy(io.Discard, server)
	go io.Copy(io.Discard, client)
	if client.RTT() != 0 {
		t.Error("a round trip before the first")
	}
	for range 3 {
		if err := client.Ping(ctx); err != nil {
			t.Fatal(err)
		}
	}
	if client.RTT() <= 0 {
		t.Error("no round trip after the first")
	}
	short, cancel2 := context.WithCancel(ctx)
	cancel2()
	if err := server.Ping(short); err != nil && !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	client.CloseNow()
	if err := client.Ping(ctx); !errors.Is(err, net.ErrClosed) {
		t.Error(err)
	}
}

// A pong to the newest ping answers the earlier ones, too.
func TestNewestPongOnly(t *testing.T) {
	c, p := serveClient(t, ws.Config{Ping: -1})
	go io.Copy(io.Discard, c)
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	done := make(chan error, 2)
	var last []byte
	for range 2 {
		go func() { done <- c.Ping(ctx) }()
		_, payload, err := p.hear()
		if err != nil {
			t.Fatal(err)
		}
		last = payload
	}
	p.say(frame(fin|pong, string(last)))
	for range 2 {
		if err := <-done; err != nil {
			t.Fatal(err)
		}
	}
}

func TestKeepalive(t *testing.T) {
	t.Parallel()
	const beat = 400 * time.Millisecond // long enough for an answer on a busy machine
	server, client := pair(t, ws.Config{Ping: beat}, ws.Dialer{Ping: -1})
	go io.Copy(io.Discard, client)
	go io.Copy(io.Discard, server)
	waitFor(t, "a round trip", func() bool { return server.RTT() > 0 })
}

func TestUnresponsivePeer(t *testing.T) {
	t.Parallel()
	c, _ := serveClient(t, ws.Config{Ping: 50 * time.Millisecond}) // a peer that never answers
	_, err := io.Copy(io.Discard, c)
	var e *ws.CloseError
	if !errors.As(err, &e) || e.Code != ws.AbnormalClosure || e.Err != ws.ErrUnresponsive || c.CloseError() != e {
		t.Fatal(err)
	}
}

// keepalive has some intervals pass for c; a peer that does not answer is dead after three.
func keepalive(c *ws.Conn) {
	for range 5 {
		ws.Keepalive(c)
	}
}

// Any byte shows that the peer is alive, not only a pong.
func TestAnyByteCountsAsAlive(t *testing.T) {
	c, p := serveClient(t, ws.Config{Ping: -1})
	go io.Copy(io.Discard, c)
	for n := range int64(5) {
		p.say(frame(fin|binry, "x"))
		waitFor(t, "the byte", func() bool { return c.BytesRead() == n+1 })
		ws.Keepalive(c)
	}
	if e := c.CloseError(); e != nil {
		t.Fatal(e)
	}
}

// Our own reader may be blocked by a backend that does not read: the peer's pongs
// are unread then, and it is not disconnected.
func TestBusyReaderKeepsThePeer(t *testing.T) {
	server, client := pair(t, ws.Config{Ping: -1}, ws.Dialer{Ping: -1})
	stuck, free := make(chan bool), make(chan bool)
	ended := make(chan error, 1)
	go io.Copy(io.Discard, client) // which answers pings
	go func() {
		_, err := server.WriteTo(writerFunc(func(p []byte) (int, error) { stuck <- true; <-free; return len(p), nil }))
		ended <- err
	}()
	io.WriteString(client, "x")
	<-stuck
	keepalive(server)
	if e := server.CloseError(); e != nil {
		t.Fatal(e)
	}
	close(free)
	go client.Close()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
}

// The same with an upload that fills all buffers in between, so that the client cannot
// even send its pongs: it still completes.
func TestBlockedUpload(t *testing.T) {
	t.Parallel()
	const size = 40 << 20
	server, client := pair(t, ws.Config{Ping: -1}, ws.Dialer{Ping: -1})
	go io.Copy(io.Discard, client) // which answers pings, after its payload
	sent := make(chan error, 1)
	go func() {
		_, err := io.Copy(client, io.LimitReader(zeros{}, size))
		client.CloseWrite()
		sent <- err
	}()
	var got int64
	_, err := server.WriteTo(writerFunc(func(p []byte) (int, error) {
		if got == 0 {
			waitUntilFull(t, client)
			keepalive(server)
		}
		got += int64(len(p))
		return len(p), nil
	}))
	if sendErr := <-sent; got != size || err != nil || sendErr != nil {
		t.Fatalf("%d of %d bytes arrived: %v, %v", got, size, err, sendErr)
	}
}

// Unread bytes in the socket show that the peer is alive, too.
func TestUnreadBytesCountAsAlive(t *testing.T) {
	c, p := serveClient(t, ws.Config{Ping: -1})
	p.say(frame(fin|binry, "x"))
	waitFor(t, "bytes in the socket", func() bool { unread, _ := ws.HasArrived(c); return unread })
	keepalive(c)
	if e := c.CloseError(); e != nil {
		t.Fatal(e)
	}
	buf := make([]byte, 8)
	if n, err := c.Read(buf); string(buf[:n]) != "x" || err != nil {
		t.Fatal(n, err)
	}
	read := make(chan error, 1)
	go func() { _, err := c.Read(buf); read <- err }() // and then it sends nothing
	waitForDeath(t, c)
	if err := <-read; !errors.Is(err, ws.ErrUnresponsive) {
		t.Fatal(err)
	}
}

func waitForDeath(t *testing.T, c *ws.Conn) {
	t.Helper()
	waitFor(t, "its death", func() bool { ws.Keepalive(c); return c.CloseError() != nil })
}

// No pong is expected after the peer's FIN, whether it has been read or is behind
// unread bytes.
func TestNoPingsAfterFIN(t *testing.T) {
	c, p := serveClient(t, ws.Config{Ping: -1})
	p.say(frame(fin|binry, "x"))
	p.Conn.(*net.TCPConn).CloseWrite()
	waitFor(t, "the FIN", func() bool { _, peerFIN := ws.HasArrived(c); return peerFIN })
	keepalive(c)
	if all, err := io.ReadAll(c); string(all) != "x" || !errors.Is(err, ws.ErrNoCloseFrame) {
		t.Fatalf("%q, %v", all, err)
	}
	keepalive(c)
	if _, err := io.WriteString(c, "still here"); err != nil {
		t.Fatal(err)
	}
	for heard := ""; heard == ""; {
		first, payload, err := p.hear()
		if err != nil {
			t.Fatal(err)
		}
		if first == fin|ping && runtime.GOOS == "linux" { // where the kernel can be asked for the FIN
			t.Error("a ping")
		}
		if first == fin|binry {
			heard = string(payload)
		}
	}
}

// A peer that reads nothing of what is sent is unresponsive; one that reads slowly
// is not.
func TestPeerThatDoesNotRead(t *testing.T) {
	c, p := serveClient(t, ws.Config{Ping: -1})
	go io.Copy(io.Discard, c)
	stopped := make(chan struct{})
	go func() { defer close(stopped); c.ReadFrom(zeros{}) }()
	waitUntilFull(t, c)
	buf := make([]byte, 1<<20)
	for range 5 { // one frame, or a little more, in each interval
		for before := c.BytesWritten(); c.BytesWritten() == before; {
			if _, err := p.r.Read(buf); err != nil {
				t.Fatal(err)
			}
		}
		ws.Keepalive(c)
	}
	if e := c.CloseError(); e != nil {
		t.Errorf("it reads slowly, and is given up: %v", e)
	}
	waitForDeath(t, c)
	c.CloseNow()
	<-stopped
}
