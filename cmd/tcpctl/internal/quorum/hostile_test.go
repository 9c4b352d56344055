package quorum

import (
	"bytes"
	"io"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tcpctl/tcpctl/lock/cluster"
	"github.com/tcpctl/tcpctl/mesh/meshinfo"
)

// TestHostileStreams: whatever a peer sends ends at most its own stream.
func TestHostileStreams(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, a, b, c, _ := form(t)
		defer n.close()
		good := encodeHello(hello{Version: 1, Cluster: a.part.Status().ID, Lease: 3 * time.Second})
		for name, data := range map[string][]byte{
			"garbage":               []byte("GET / HTTP/1.1\r\n\r\n"),
			"a huge frame":          {0xff, 0xff, 0xff, 0xff, frameHello},
			"no hello":              encodeFrame(frameVoter, []byte("x")),
			"a hello that is none":  encodeFrame(frameHello, []byte("{")),
			"a newer hello":         encodeHello(hello{Version: 9}),
			"another cluster":       encodeHello(hello{Version: 1, Cluster: "ffff", Lease: 3 * time.Second}),
			"another lease":         encodeHello(hello{Version: 1, Cluster: a.part.Status().ID, Lease: 4 * time.Second}),
			"a voter's garbage":     append(good, encodeFrame(frameVoter, []byte{1, 2, 3})...),
			"a request's garbage":   append(good, encodeFrame(frameRequest, []byte{1, 2, 3})...),
			"a request of another":  append(good, encodeFrame(frameRequest, cluster.EncodeRequest(cluster.Request{Node: 77}))...),
			"an answer of another":  append(good, encodeFrame(frameAnswer, cluster.EncodeAnswer(cluster.Answer{From: 77}))...),
			"a kind that is not":    append(good, encodeFrame(99, nil)...),
			"half a frame and over": append(good, 0, 0, 1, 0, frameRequest, 1),
		} {
			ours, theirs := net.Pipe()
			done := make(chan struct{})
			go func() {
				a.part.Serve(meshinfo.Peer{ID: meshIDOf("x"), Name: "x", Trusted: true}, theirs)
				close(done)
			}()
			go io.Copy(io.Discard, ours)
			ours.SetDeadline(time.Now().Add(time.Second))
			ours.Write(data)
			if strings.HasPrefix(name, "half") {
				ours.Close()
			}
			select {
			case <-done:
			case <-time.After(20 * time.Second):
				t.Errorf("%s: the stream is still open", name)
			}
			ours.Close()
		}
		a.part.Serve(meshinfo.Peer{ID: meshIDOf("x"), Name: "x"}, failConn{}) // a peer that did not prove the secret
		for _, nd := range []*node{a, b, c} {
			until(t, nd.name+" sees all", nd.sees(true, "a", "b", "c"))
		}
	})
}

// hangs is a stream whose other side hangs: it can be read after Close, as a stream of the mesh.
type hangs struct{ net.Conn }

func (hangs) Close() error { return nil }

// TestAPeerThatHangsDelaysNoStop, although it does not close its side of the stream.
func TestAPeerThatHangsDelaysNoStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t)
		defer n.close()
		a := n.start("a", "a", "b")
		b, err := NodeOf(meshIDOf("b"))
		if err != nil {
			t.Fatal(err)
		}
		ours, theirs := net.Pipe()
		defer ours.Close()
		go a.part.Serve(meshinfo.Peer{ID: meshIDOf("b"), Name: "b", Trusted: true}, hangs{theirs})
		go io.Copy(io.Discard, ours)
		ours.Write(encodeHello(hello{Version: 1, Lease: 3 * time.Second}))
		until(t, "b is linked", func() bool { return a.part.linked(b) })
		began := time.Now()
		a.stop()
		if d := time.Since(began); d > 0 {
			t.Errorf("it took %v", d)
		}
	})
}

type failConn struct{ net.Conn }

func (failConn) Close() error { return nil }

// FuzzFrame: no input crashes the reader, or makes it allocate for bytes that never arrive.
func FuzzFrame(f *testing.F) {
	f.Add(encodeHello(hello{Version: 1, Cluster: "c"}))
	f.Add([]byte{3, 0, 0, 0, frameVoter, 1})
	f.Fuzz(func(t *testing.T, data []byte) {
		r := bytes.NewReader(data)
		if _, err := readHello(r); err != nil {
			return
		}
		for {
			kind, got, err := readFrame(r, meshLimits)
			if err != nil {
				return
			}
			if meshLimits[kind] < len(got) {
				t.Fatalf("%d bytes of kind %d", len(got), kind)
			}
		}
	})
}
