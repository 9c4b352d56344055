package connlimit

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// pipes is an in-memory listener, for synctest.
type pipes chan net.Conn

func (p pipes) Accept() (net.Conn, error) {
	c, open := <-p
	if !open {
		return nil, net.ErrClosed
	}
	return c, nil
}
func (p pipes) Close() error   { close(p); return nil }
func (p pipes) Addr() net.Addr { return &net.UnixAddr{Name: "pipe", Net: "unix"} }

type client struct {
	t *testing.T
	net.Conn
	r *bufio.Reader
}

func (c client) send(text string) {
	c.t.Helper()
	if _, err := io.WriteString(c, text); err != nil {
		c.t.Fatal(err)
	}
}

// get requests a path and returns the body.
func (c client) get(path string) string {
	c.t.Helper()
	c.send("GET " + path + " HTTP/1.1\r\nHost: t\r\n\r\n")
	return c.answer()
}

func (c client) answer() string {
	c.t.Helper()
	resp, err := http.ReadResponse(c.r, nil)
	if err != nil {
		c.t.Fatal(err)
	}
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		c.t.Fatal(err)
	}
	return string(text)
}

// closed reports whether the server has closed the connection, after reading what it sent.
func (c client) closed() bool {
	c.SetReadDeadline(time.Now().Add(time.Nanosecond))
	_, err := io.Copy(io.Discard, c.r)
	c.SetReadDeadline(time.Time{})
	return err == nil
}

func serve(t *testing.T, max int, h http.HandlerFunc, test func(dial func() client)) {
	synctest.Test(t, func(t *testing.T) {
		ln := make(pipes)
		srv := &http.Server{Handler: h}
		Bound(srv, max)
		served := make(chan struct{})
		go func() { defer close(served); srv.Serve(ln) }()
		var all []client
		test(func() client {
			ours, theirs := net.Pipe()
			ln <- theirs
			synctest.Wait()
			all = append(all, client{t, ours, bufio.NewReader(ours)})
			return all[len(all)-1]
		})
		for _, c := range all {
			c.Close()
		}
		srv.Close()
		<-served
	})
}

func hello(w http.ResponseWriter, r *http.Request) {
	io.Copy(io.Discard, r.Body)
	io.WriteString(w, "hello")
}

// TestIdleConnectionsMakeRoom: a client with a request is served, however many idle connections
// there are.
func TestIdleConnectionsMakeRoom(t *testing.T) {
	serve(t, 3, hello, func(dial func() client) {
		used := dial()
		if got := used.get("/"); got != "hello" {
			t.Fatal(got)
		}
		var idle []client
		for range 20 {
			idle = append(idle, dial())
		}
		if got := dial().get("/"); got != "hello" {
			t.Error(got)
		}
		if !used.closed() {
			t.Error("the connection that was idle longest is still open")
		}
		open := 0
		for _, c := range idle {
			if !c.closed() {
				open++
			}
		}
		if open != 2 {
			t.Errorf("%d idle ones are open, want 2", open)
		}
	})
}

// TestRequestsKeepTheirConnection: no request is interrupted for a new connection.
func TestRequestsKeepTheirConnection(t *testing.T) {
	let := make(chan struct{})
	serve(t, 2, func(w http.ResponseWriter, r *http.Request) {
		<-let
		io.WriteString(w, "late")
	}, func(dial func() client) {
		let = make(chan struct{})
		a, b := dial(), dial()
		a.send("GET / HTTP/1.1\r\nHost: t\r\n\r\n")
		b.send("GET / HTTP/1.1\r\nHost: t\r\n\r\n")
		synctest.Wait()
		if c := dial(); !c.closed() {
			t.Error("a third one is held")
		}
		close(let)
		for _, c := range []client{a, b} {
			if got := c.answer(); got != "late" {
				t.Error(got)
			}
		}
		if got := dial().get("/"); got != "late" {
			t.Error(got)
		}
	})
}

// TestStandingStill: a header, a body and an answer each have their timeout, but a long poll is not
// ended.
func TestStandingStill(t *testing.T) {
	serve(t, 10, func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		switch r.URL.Path {
		case "/poll":
			select {
			case <-time.After(time.Minute):
				io.WriteString(w, "polled")
			case <-r.Context().Done():
				t.Error("a poll was ended")
			}
		case "/much":
			w.Write(make([]byte, 1<<20))
			if time.Sleep(time.Second); r.Context().Err() == nil {
				t.Error("a reader that does not read is still there")
			}
		}
	}, func(dial func() client) {
		head, body, read := dial(), dial(), dial()
		head.send("GET / HT")
		body.send("POST / HTTP/1.1\r\nHost: t\r\nContent-Length: 100\r\n\r\n{")
		read.send("GET /much HTTP/1.1\r\nHost: t\r\n\r\n")
		poll := dial()
		poll.send("POST /poll HTTP/1.1\r\nHost: t\r\nContent-Length: 2\r\n\r\n{}")
		time.Sleep(headerWait + time.Second)
		if !head.closed() {
			t.Error("a connection with half a header stays open")
		}
		time.Sleep(bodyWait)
		if !body.closed() {
			t.Error("a connection with half a body stays open")
		}
		if got := poll.answer(); got != "polled" {
			t.Error(got)
		}
	})
}

// TestALargeAnswerArrives: however slow its reader is, as long as it reads.
func TestALargeAnswerArrives(t *testing.T) {
	text := strings.Repeat("0123456789abcdef", 1<<12)
	serve(t, 1, func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, text) }, func(dial func() client) {
		c := dial()
		c.r = bufio.NewReaderSize(slow{c.Conn}, 1<<10)
		if got := c.get("/"); got != text {
			t.Errorf("%d bytes of %d", len(got), len(text))
		}
	})
}

// slow reads a little every half second.
type slow struct{ net.Conn }

func (s slow) Read(p []byte) (int, error) {
	time.Sleep(500 * time.Millisecond)
	return s.Conn.Read(p[:min(len(p), 8<<10)])
}
