package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"path"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tcpctl/tcpctl/cmd/tcpctl/internal/connlimit"
	"github.com/tcpctl/tcpctl/proxy/api"
)

// serveHTTP1 serves the control socket of a version that speaks only HTTP/1, with the minimum number of
// connections.
func serveHTTP1(t *testing.T, h http.HandlerFunc) (at string, end func()) {
	t.Helper()
	at = socketPath(t)
	ln, err := net.Listen("unix", at)
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/v1/peers/", h)
	srv := &http.Server{Handler: mux}
	connlimit.Bound(srv, 32)
	var served sync.WaitGroup
	served.Go(func() { srv.Serve(ln) })
	end = sync.OnceFunc(func() {
		srv.Close()
		served.Wait()
	})
	t.Cleanup(end)
	return at, end
}

// TestPeersThroughAnInstanceOfHTTP1: a new tcpctl asks peers through an instance that has not been upgraded. Each act is sent
// once, unchanged, and its successor is asked over HTTP/2.
func TestPeersThroughAnInstanceOfHTTP1(t *testing.T) {
	const many = 200
	var acts atomic.Int32
	answer := func(w http.ResponseWriter, r *http.Request) {
		var req api.Request
		if r.Method == http.MethodPost {
			if err := json.NewDecoder(r.Body).Decode(&req); err != nil || req.Options.Reason != "why" || path.Base(r.URL.Path) != "drain" {
				t.Errorf("%s %+v, %v", r.URL.Path, req, err)
			}
			acts.Add(1)
			fmt.Fprint(w, `{}`)
			return
		}
		fmt.Fprintf(w, `{"node": {"name": %q, "version": %q}}`, strings.Split(r.URL.Path, "/")[3], r.Proto)
	}
	at, end := serveHTTP1(t, answer)
	c := Dial(at)
	t.Cleanup(c.Close)
	var all sync.WaitGroup
	for i := range many {
		all.Go(func() {
			p := c.Peer(fmt.Sprint("edge-", i))
			if _, err := p.Do(t.Context(), api.Request{Act: "drain", Options: api.Options{Reason: "why"}}); err != nil {
				t.Error(err)
			}
			if st, err := p.Status(t.Context()); err != nil || st.Node.Name != fmt.Sprint("edge-", i) || st.Node.Version != "HTTP/1.1" {
				t.Errorf("%+v, %v", st, err)
			}
		})
	}
	all.Wait()
	if n := acts.Load(); n != many {
		t.Errorf("%d acts, want %d", n, many)
	}

	end()
	second, err := Serve(at, &api.Local{}, Options{Log: slog.New(slog.DiscardHandler), Peers: http.HandlerFunc(answer)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(second.Close)
	if st, err := c.Peer("x").Status(t.Context()); err != nil || st.Node.Version != "HTTP/2.0" {
		t.Errorf("after the upgrade: %+v, %v", st, err)
	}
}

// toNobody returns a client of a socket from which nothing is accepted.
func toNobody(t *testing.T) (net.Listener, *Client) {
	t.Helper()
	at := socketPath(t)
	ln, err := net.Listen("unix", at)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	c := Dial(at)
	t.Cleanup(c.Close)
	return ln, c
}

// TestThePrefaceComesWithTheSettings, before the server has answered: it may wait for them for two seconds alone, in which a
// busy machine has not run the client again.
func TestThePrefaceComesWithTheSettings(t *testing.T) {
	ln, c := toNobody(t)
	var asks sync.WaitGroup
	defer asks.Wait()
	asks.Go(func() { c.Peer("x").Status(t.Context()) }) // it gets no answer
	nc, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	nc.SetDeadline(time.Now().Add(20 * time.Second)) // only a client that waits takes this long
	const preface, settings = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 4
	head := make([]byte, len(preface)+9)
	if _, err := io.ReadFull(nc, head); err != nil || string(head[:len(preface)]) != preface || head[len(preface)+3] != settings {
		t.Errorf("it sent %q, %v", head, err)
	}
}

// TestOthersDoNotWaitForAnAnswerOfHTTP1: a request that waits for events does not delay others.
func TestOthersDoNotWaitForAnAnswerOfHTTP1(t *testing.T) {
	asked, let := make(chan struct{}), make(chan struct{})
	at, _ := serveHTTP1(t, func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/v1/peers/late/") {
			close(asked)
			<-let
		}
		fmt.Fprint(w, `{}`)
	})
	c := Dial(at)
	t.Cleanup(c.Close)
	var waits sync.WaitGroup
	waits.Go(func() {
		if _, err := c.Peer("late").Status(t.Context()); err != nil {
			t.Error(err)
		}
	})
	<-asked
	if _, err := c.Peer("x").Status(t.Context()); err != nil {
		t.Error(err)
	}
	close(let)
	waits.Wait()
}

// TestAPeerThroughAStoppedInstance: the request ends with its context.
func TestAPeerThroughAStoppedInstance(t *testing.T) {
	ln, c := toNobody(t)
	ctx, cancel := context.WithCancel(t.Context())
	var all sync.WaitGroup
	for range 2 {
		all.Go(func() {
			if _, err := c.Peer("x").Status(ctx); !errors.Is(err, context.Canceled) {
				t.Error(err)
			}
		})
	}
	nc, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	cancel()
	all.Wait()
}
