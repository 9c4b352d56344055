package health

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/tcpctl/tcpctl/proxy/proxytest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience is the timeout of checks that must not meet it.
const patience = time.Minute

func TestTCP(t *testing.T) {
	ln := proxytest.Listen(t)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			io.Copy(io.Discard, c)
			c.Close()
		}
	}()
	for _, polite := range []bool{false, true} {
		r := Check{Addr: ln.Addr().String(), Polite: polite, Timeout: patience}.Run(context.Background())
		if !r.OK || r.RTT <= 0 || !strings.HasPrefix(r.Detail, "connected in ") {
			t.Errorf("polite %v: %+v", polite, r)
		}
	}
	ln.Close()
	<-ended
	r := Check{Addr: ln.Addr().String(), Timeout: patience}.Run(context.Background())
	if r.OK || r.Detail != "connection refused" {
		t.Errorf("closed port: %+v", r)
	}
}

func TestHTTP(t *testing.T) {
	status := http.StatusOK
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/health" || r.Host != "db.internal" || r.Method != "HEAD" {
			status = http.StatusBadRequest
		}
		w.WriteHeader(status)
	}))
	defer srv.Close()
	c := Check{Type: HTTP, Addr: srv.Listener.Addr().String(), Path: "/health", Host: "db.internal", Method: "HEAD", Timeout: patience}
	if r := c.Run(context.Background()); !r.OK || r.Detail != "http 200" {
		t.Errorf("%+v", r)
	}
	status = http.StatusServiceUnavailable
	if r := c.Run(context.Background()); r.OK || r.Detail != "http 503, wants 200" {
		t.Errorf("%+v", r)
	}
	c.Expect = http.StatusServiceUnavailable
	if r := c.Run(context.Background()); !r.OK {
		t.Errorf("expected 503: %+v", r)
	}
}

func TestHTTPS(t *testing.T) {
	srv := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.TLS.ServerName != "db.internal" {
			w.WriteHeader(http.StatusMisdirectedRequest)
		}
	}))
	defer srv.Close()
	c := Check{Type: HTTP, TLS: true, Addr: srv.Listener.Addr().String(), Host: "db.internal:443", Timeout: patience}
	if r := c.Run(context.Background()); !r.OK || r.Detail != "http 200" {
		t.Errorf("%+v", r)
	}
	c.TLS = false
	if r := c.Run(context.Background()); r.OK {
		t.Errorf("http to https: %+v", r)
	}
}

func TestTalk(t *testing.T) {
	for _, c := range []struct {
		greets, send, answers string
		want                  string
		ok                    bool
		detail                string
	}{
		{send: "PING\r\n", answers: "+PONG\r\n", want: "+PONG", ok: true, detail: `said "+PONG"`},
		{greets: "220 mail\r\n", want: "220 ", ok: true, detail: `said "220 "`},
		{send: "PING\r\n", answers: "-LOADING\r\n", want: "+PONG", detail: `said "-LOADING\r\n", wants "+PONG"`},
		{send: "PING\r\n", want: "+PONG", detail: "closed without an answer"},
		{greets: strings.Repeat("x", maxAnswer), want: "+PONG", detail: `said "` + strings.Repeat("x", 32) + `"..., wants "+PONG"`},
	} {
		ln := proxytest.Listen(t)
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			defer conn.Close()
			io.WriteString(conn, c.greets)
			if c.send != "" {
				io.ReadFull(conn, make([]byte, len(c.send)))
			}
			for i := range len(c.answers) { // in pieces
				io.WriteString(conn, c.answers[i:i+1])
			}
		}()
		r := Check{Type: Talk, Addr: ln.Addr().String(), Send: c.send, Want: c.want, Timeout: patience}.Run(context.Background())
		if r.OK != c.ok || r.Detail != c.detail {
			t.Errorf("%+v: %+v", c, r)
		}
		<-ended
		ln.Close()
	}
}

func TestASilentBackendTimesOut(t *testing.T) {
	ln := proxytest.Listen(t) // the kernel accepts, but nothing answers
	r := Check{Type: HTTP, Addr: ln.Addr().String(), Timeout: 50 * time.Millisecond}.Run(context.Background())
	if r.OK || r.Detail != "timed out" {
		t.Errorf("%+v", r)
	}
}

func TestTracker(t *testing.T) {
	var tr Tracker
	// '+' and '-' are results; capital letters are changes that must follow.
	for _, step := range []struct {
		results string
		up      bool
		known   bool
	}{
		{"--", false, false}, // still checking: fall is 3
		{"+", true, true},    // the first success makes it up
		{"--+--", true, true},
		{"-", false, true},
		{"+-+", false, true},
		{"+", true, true}, // rise is 2
	} {
		for _, r := range step.results {
			tr.Add(r == '+')
		}
		if tr.Up() != step.up || tr.Known() != step.known {
			t.Fatalf("after %q: up %v, known %v", step.results, tr.Up(), tr.Known())
		}
	}
	tr.Demand()
	if tr.Add(true) || tr.Up() {
		t.Error("one success was enough after a demand")
	}
	if !tr.Add(true) || !tr.Up() {
		t.Error("rise successes were not enough")
	}
	tr.Reset()
	for range 3 {
		tr.Add(false)
	}
	if !tr.Known() || tr.Up() {
		t.Error("three failures did not make a new backend down")
	}
}
