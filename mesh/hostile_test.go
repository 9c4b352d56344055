package mesh_test

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"fmt"
	"io"
	"math/big"
	"net"
	"runtime"
	"testing"
	"time"

	"github.com/tcpctl/tcpctl/mesh"
	"github.com/tcpctl/tcpctl/mesh/meshtest"
)

// undisturbed runs f against the first of two connected nodes, and checks that neither was affected and that a third can join.
// They are on loopback, or in the network if it is not nil.
func undisturbed(t *testing.T, network *meshtest.Network, f func(t *testing.T, dial func() net.Conn)) {
	host := func(name string) mesh.Network {
		if network == nil {
			return nil
		}
		return network.Host(name)
	}
	secret := []string{mesh.NewSecret()}
	const suspect, dead = 20 * time.Second, time.Minute // a busy machine is silent for a second, too
	a := start(t, mesh.Config{Network: host("a"), Name: "hostile", Node: "a", ID: "1", Secrets: secret, HandshakeTimeout: 3 * time.Second, Suspect: suspect, Dead: dead})
	b := start(t, mesh.Config{Network: host("b"), Name: "hostile", Node: "b", ID: "2", Secrets: secret, Join: []string{a.Addr().String()}, Suspect: suspect, Dead: dead})
	a.awaitAlive("b")
	ca, cb := a.conn(), b.conn()
	from := host("hostile")
	f(t, func() net.Conn { return dial(t, from, a.Addr().String()) })
	write(t, ca, "still here")
	read(t, cb, "still here")
	start(t, mesh.Config{Network: host("c"), Name: "hostile", Node: "c", ID: "3", Secrets: secret, Join: []string{a.Addr().String()}})
	a.awaitAlive("c")
	wantEvents(t, a, "b", "alive")
	wantEvents(t, b, "a", "alive")
	if len(a.errors()) > 1 {
		t.Errorf("%d reports: want one at most: %v", len(a.errors()), a.errors())
	}
}

func dial(t *testing.T, host mesh.Network, addr string) (c net.Conn) {
	t.Helper()
	var err error
	if host == nil {
		c, err = net.Dial("tcp", addr)
	} else {
		c, err = host.Dial(t.Context(), addr)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// wantClosed reads until the node has closed the connection.
func wantClosed(t *testing.T, c net.Conn) {
	t.Helper()
	c.SetReadDeadline(time.Now().Add(limit))
	_, err := io.Copy(io.Discard, c)
	if ne, ok := err.(net.Error); ok && ne.Timeout() {
		t.Error("the node does not close the connection")
	}
}

func TestPortScanner(t *testing.T) {
	undisturbed(t, nil, func(t *testing.T, dial func() net.Conn) {
		for range 200 {
			dial().Close()
		}
	})
}

// inNetwork is undisturbed in a bubble, for clients that wait for the limit of the handshake.
func inNetwork(t *testing.T, f func(t *testing.T, dial func() net.Conn)) {
	bubble(t, func(t *testing.T) {
		network := meshtest.New()
		t.Cleanup(network.Close)
		undisturbed(t, network, f)
	})
}

func TestGarbage(t *testing.T) {
	inNetwork(t, func(t *testing.T, dial func() net.Conn) {
		for _, garbage := range []string{"GET / HTTP/1.1\r\nHost: x\r\n\r\n", "\x16\x03\x01\xff\xff\x01", "SSH-2.0-x\r\n", "\x00\x00\x00\x00"} {
			c := dial()
			fmt.Fprint(c, garbage)
			wantClosed(t, c)
		}
	})
}

func TestStallInHandshake(t *testing.T) {
	inNetwork(t, func(t *testing.T, dial func() net.Conn) {
		quiet, partial := dial(), dial()
		fmt.Fprint(partial, "\x16\x03\x01\x01\x00\x01") // the start of a ClientHello
		after := tlsDial(t, dial())                     // completes TLS, and sends no hello
		for _, c := range []net.Conn{quiet, partial, after} {
			wantClosed(t, c)
		}
	})
}

func TestFrameOf4GiB(t *testing.T) {
	undisturbed(t, nil, func(t *testing.T, dial func() net.Conn) {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		c := tlsDial(t, dial())
		c.Write(binary.BigEndian.AppendUint32(nil, 1<<32-1))
		go io.Copy(c, endless{})
		wantClosed(t, c)
		runtime.ReadMemStats(&after)
		if grown := after.TotalAlloc - before.TotalAlloc; grown > 64<<20 {
			t.Errorf("%d MiB were allocated for it", grown>>20)
		}
	})
}

type endless struct{}

func (endless) Read(b []byte) (int, error) { return len(b), nil }

func TestThousandHalfOpen(t *testing.T) {
	undisturbed(t, nil, func(t *testing.T, dial func() net.Conn) {
		for range 1000 {
			dial() // sends nothing and stays open until the end of the test
		}
	})
}

// tlsDial completes TLS as a mesh node would, with a new key.
func tlsDial(t *testing.T, conn net.Conn) *tls.Conn {
	t.Helper()
	pub, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(1)}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, pub, key)
	if err != nil {
		t.Fatal(err)
	}
	c := tls.Client(conn, &tls.Config{
		InsecureSkipVerify: true, NextProtos: []string{"tcpctl-mesh/1"},
		Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}},
	})
	if err := c.Handshake(); err != nil {
		t.Fatal(err)
	}
	return c
}
