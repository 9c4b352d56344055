package health

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestTCP(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
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
		r := Check{Addr: ln.Addr().String(), Polite: polite}.Run(context.Background())
		if !r.OK || r.RTT <= 0 || !strings.HasPrefix(r.Detail, "connected in ") {
			t.Errorf("polite %v: %+v", polite, r)
		}
	}
	ln.Close()
	<-ended
	r := Check{Addr: ln.Addr().String()}.Run(context.Background())
	if r.OK || r.Detail != "refused" {
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
	c := Check{Type: HTTP, Addr: srv.Listener.Addr().String(), Path: "/health", Host: "db.internal", Method: "HEAD"}
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

func TestASilentBackendTimesOut(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close() // it accepts in the kernel, and nobody answers
	r := Check{Type: HTTP, Addr: ln.Addr().String(), Timeout: 50 * time.Millisecond}.Run(context.Background())
	if r.OK || r.Detail != "timed out" {
		t.Errorf("%+v", r)
	}
}

func TestJudge(t *testing.T) {
	var j Judge
	// '+' and '-' are results; capital letters are changes that must follow.
	for _, step := range []struct {
		results string
		up      bool
		known   bool
	}{
		{"--", false, false}, // still checking: fall is 3
		{"+", true, true},    // the first good one makes it up
		{"--+--", true, true},
		{"-", false, true},
		{"+-+", false, true},
		{"+", true, true}, // rise is 2
	} {
		for _, r := range step.results {
			j.Add(r == '+')
		}
		if j.Up() != step.up || j.Known() != step.known {
			t.Fatalf("after %q: up %v, known %v", step.results, j.Up(), j.Known())
		}
	}
	j.Demand()
	if j.Add(true) || j.Up() {
		t.Error("one good result was enough after a demand")
	}
	if !j.Add(true) || !j.Up() {
		t.Error("rise good results were not enough")
	}
	j.Reset()
	for range 3 {
		j.Add(false)
	}
	if !j.Known() || j.Up() {
		t.Error("three bad results do not make a new one down")
	}
}
