package proxy_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tcpctl/tcpctl/proxy"
)

// clockwork runs a test in a synctest bubble, with pipes instead of sockets: 30 s pass
// exactly and at once.
func clockwork(t *testing.T, c proxy.ServiceConfig, test func(t *testing.T, w *works)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := &works{T: t, began: time.Now(), clients: make(chan net.Conn), closed: make(chan struct{})}
		c.Name, c.Relay, c.Check.Type = "db", "stream", "none"
		c.Listeners, c.Dial = []net.Listener{w}, w.dialBackend
		c.Backends = append(c.Backends, proxy.BackendConfig{Name: "a", Addr: "a:1"})
		e, err := proxy.New(proxy.Config{Services: []proxy.ServiceConfig{c}, OnRecord: w.record})
		if err != nil {
			t.Fatal(err)
		}
		if err := e.Start(); err != nil {
			t.Fatal(err)
		}
		w.Engine, w.svc = e, e.Service("db")
		test(t, w)
		e.Close()
		synctest.Wait()
		for _, c := range w.conns {
			c.Close()
		}
	})
}

// works is a listener, a backend that echoes, and what a test has seen of both.
type works struct {
	*testing.T
	*proxy.Engine
	svc     *proxy.Service
	began   time.Time
	clients chan net.Conn
	closed  chan struct{}
	once    sync.Once
	conns   []net.Conn

	mu      sync.Mutex
	dead    bool // dials are refused
	dials   []time.Duration
	records []proxy.Record
}

func (w *works) Accept() (net.Conn, error) {
	select {
	case c := <-w.clients:
		return c, nil
	case <-w.closed:
		return nil, net.ErrClosed
	}
}

func (w *works) Close() error   { w.once.Do(func() { close(w.closed) }); return nil }
func (w *works) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 1} }

func (w *works) dialBackend(context.Context, string, string) (net.Conn, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.dials = append(w.dials, time.Since(w.began))
	if w.dead {
		return nil, fmt.Errorf("dead")
	}
	ours, theirs := net.Pipe()
	go func() {
		defer theirs.Close()
		io.Copy(theirs, theirs)
	}()
	return ours, nil
}

func (w *works) kill(dead bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.dead = dead
}

func (w *works) record(r proxy.Record) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.records = append(w.records, r)
}

// come connects a client from the address, and returns when it and the engine have done
// everything that is possible now.
func (w *works) come(ip string) net.Conn {
	ours, theirs := net.Pipe()
	w.conns = append(w.conns, ours)
	w.clients <- named{theirs, &net.TCPAddr{IP: net.ParseIP(ip), Port: 1 + len(w.conns)}}
	synctest.Wait()
	return ours
}

// named is a pipe with an address.
type named struct {
	net.Conn
	addr net.Addr
}

func (n named) RemoteAddr() net.Addr { return n.addr }

// hears sends a line and reads the echo.
func (w *works) hears(c net.Conn, line string) {
	w.Helper()
	fmt.Fprintln(c, line)
	if got, err := bufio.NewReader(c).ReadString('\n'); err != nil || got != line+"\n" {
		w.Fatalf("got %q, %v", got, err)
	}
}

// after lets time pass, and waits until everything that is then due is done.
func (w *works) after(d time.Duration) proxy.ServiceInfo {
	time.Sleep(d)
	synctest.Wait()
	return w.svc.Info()
}

// last returns when the newest record came, since the start, and the record.
func (w *works) last() (time.Duration, proxy.Record) {
	w.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.records) == 0 {
		w.Fatal("no record")
	}
	r := w.records[len(w.records)-1]
	return r.Ended.Sub(w.began), r
}

func (w *works) ended() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.records)
}

// endsAt fails the test unless the newest session ended at that time and for that reason.
func (w *works) endsAt(at time.Duration, why proxy.Reason) {
	w.Helper()
	if got, r := w.last(); got < at || got > at+time.Second || r.Reason != why {
		w.Errorf("it ended after %s, %q; want %s, %q", got, r.Reason, at, why)
	}
}

// said are the events of a kind.
func (w *works) said(kind string) (all []proxy.Event) {
	page, _ := w.Operator().Events(0)
	for _, ev := range page.Events {
		if ev.Kind == kind {
			all = append(all, ev)
		}
	}
	return all
}

func (w *works) act(text string, err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
	synctest.Wait()
}
