package ws_test

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tcpctl/tcpctl/ws"
)

const getFile = "GET /file HTTP/1.1\r\nHost: x\r\n\r\n"

// web is a Listener with files, whose connections come through Handshake.
type web struct {
	*ws.Listener
	t     *testing.T
	ended chan error
	used  atomic.Int32 // connections that turned out to be for files
}

func newWeb(t *testing.T, cfg ws.Config) *web {
	return &web{Listener: listen(t, cfg), t: t, ended: make(chan error, 100)}
}

func (w *web) dial() *peer {
	w.t.Helper()
	client, server := tcpPair(w.t)
	go func() {
		p, err := w.Handshake(server, ws.HandshakeOptions{OnWeb: func() { w.used.Add(1) }})
		if err == nil {
			var c *ws.Conn
			if c, err = p.Accept(); err == nil {
				c.CloseNow()
			}
		}
		w.ended <- err
	}()
	return newPeer(w.t, client)
}

func (p *peer) wantResponse(want int, body string) {
	p.t.Helper()
	resp := p.answer()
	if got, err := io.ReadAll(resp.Body); resp.StatusCode != want || !strings.Contains(string(got), body) || err != nil {
		p.t.Fatalf("%s %q, %v", resp.Status, got, err)
	}
}

// TestRequestThenHandshake: one connection may carry both, as that of a proxy in
// front which keeps its connections alive.
func TestRequestThenHandshake(t *testing.T) {
	w := newWeb(t, ws.Config{Web: hello{}})
	p := w.dial()
	for range 2 {
		p.say([]byte(getFile))
		p.wantResponse(200, "hello")
	}
	if n := w.used.Load(); n != 1 {
		t.Errorf("OnWeb was called %d times", n)
	}
	p.say([]byte(request("/")))
	if resp := p.answer(); resp.StatusCode != 101 {
		t.Error(resp.Status)
	}
	if err := <-w.ended; err != nil {
		t.Error(err)
	}
}

type hello struct{}

func (hello) ServeHTTP(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "hello") }

// TestWebLimit: a connection beyond the limit replaces the one that has been idle for
// longest, and none with a request in progress.
func TestWebLimit(t *testing.T) {
	release, busy := make(chan struct{}), make(chan struct{})
	w := newWeb(t, ws.Config{WebLimit: ws.NewWebLimit(2), HandshakeTimeout: time.Hour, Web: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/slow" {
			busy <- struct{}{}
			<-release
		}
		io.WriteString(w, "hello")
	})})
	var idle []*peer
	for range 5 {
		p := w.dial()
		p.say([]byte(getFile))
		p.wantResponse(200, "hello")
		idle = append(idle, p)
	}
	for n, p := range idle[:3] {
		if _, err := p.r.ReadByte(); err != io.EOF {
			t.Errorf("connection %d: %v", n, err)
		}
		if err := <-w.ended; !errors.Is(err, ws.ErrNoHandshake) {
			t.Error(err)
		}
	}
	for _, p := range idle[3:] { // they are still open
		p.say([]byte(strings.Replace(getFile, "/file", "/slow", 1)))
		<-busy
	}
	p := w.dial()
	p.say([]byte(getFile))
	p.wantResponse(503, "too many connections for web pages")
	close(release)
	for _, p := range idle[3:] {
		p.wantResponse(200, "hello")
	}
}

// TestWebStall: a large file may take as long as it makes progress; a client that reads
// nothing of it is disconnected. The connections are given to Handshake, as by the proxy.
func TestWebStall(t *testing.T) {
	t.Parallel()
	const size = 16 << 20
	stalling := func(t *testing.T, limit time.Duration) *web {
		w := newWeb(t, ws.Config{Web: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Length", fmt.Sprint(size))
			io.CopyN(w, zeros{}, size)
		})})
		ws.SetWebStall(w.Listener, limit)
		return w
	}
	t.Run("slow", func(t *testing.T) {
		t.Parallel()
		const limit = 1500 * time.Millisecond
		w := stalling(t, limit)
		p := w.dial()
		p.Conn.(*net.TCPConn).SetReadBuffer(256 << 10) // which is acknowledged in small steps
		p.say([]byte(getFile))
		resp := p.answer()
		n, buf := 0, make([]byte, 512<<10)
		const rate = 400 << 10 // bytes a second: so little that no Write ends within the limit, also after a time without a processor
		for began := time.Now(); time.Since(began) < limit+limit/8; time.Sleep(5 * time.Millisecond) {
			due := int(time.Since(began).Seconds()*rate) - n
			m, err := io.ReadFull(resp.Body, buf[:min(max(due, 0), len(buf))])
			if n += m; err != nil {
				t.Fatalf("after %d bytes: %v", n, err)
			}
		}
		for {
			m, err := resp.Body.Read(buf)
			if n += m; err == io.EOF {
				break
			} else if err != nil {
				t.Fatalf("after %d bytes: %v", n, err)
			}
		}
		if n != size {
			t.Errorf("%d bytes arrived", n)
		}
		p.Close()
		<-w.ended
	})
	t.Run("stopped", func(t *testing.T) {
		t.Parallel()
		w := stalling(t, 500*time.Millisecond)
		p := w.dial()
		p.say([]byte(getFile))
		p.answer()
		if err := <-w.ended; !errors.Is(err, ws.ErrNoHandshake) {
			t.Error(err)
		}
	})
}
