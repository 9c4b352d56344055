package tlsrecord

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/tcpctl/tcpctl/proxy/proxytest"
)

// openssl is a running "openssl s_client" that is connected to a Server.
type openssl struct {
	in  io.WriteCloser
	out *bufio.Reader
	cmd *exec.Cmd
}

// startOpenssl connects one, with additional flags.
func startOpenssl(t *testing.T, server *tls.Config, flags ...string) (*conn, Handshake, *openssl) {
	t.Helper()
	path, err := exec.LookPath("openssl")
	if err != nil {
		t.Skip("there is no openssl command")
	}
	l := proxytest.Listen(t)
	defer l.Close()
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	t.Cleanup(cancel)
	o := &openssl{cmd: exec.CommandContext(ctx, path, append([]string{"s_client", "-connect", l.Addr().String(), "-quiet", "-no_ign_eof"}, flags...)...)}
	if o.in, err = o.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	out, err := o.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	o.out = bufio.NewReader(out)
	if err := o.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cancel(); o.cmd.Wait() })
	c, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(timeout))
	h, err := Server(ctx, c, server)
	if err != nil {
		t.Fatal(err)
	}
	return newConn(c, h), h, o
}

// line sends a line each way.
func (o *openssl) line(t *testing.T, c *conn, text string) {
	t.Helper()
	if _, err := fmt.Fprintln(o.in, text); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, len(text)+1)
	if _, err := io.ReadFull(c, got); err != nil || string(got) != text+"\n" {
		t.Fatalf("from openssl %q, %v", got, err)
	}
	if _, err := c.Write(got); err != nil {
		t.Fatal(err)
	}
	if back, err := o.out.ReadString('\n'); err != nil || back != text+"\n" {
		t.Fatalf("at openssl %q, %v", back, err)
	}
}

func TestOpensslWithEachCipherSuite(t *testing.T) {
	for i := range suites {
		name := tls.CipherSuiteName(suites[i].id)
		t.Run(name, func(t *testing.T) {
			server, _ := configs(t)
			c, h, o := startOpenssl(t, server, "-ciphersuites", name)
			if h.Session == nil || h.State.CipherSuite != suites[i].id {
				t.Fatalf("taken over: %v, with %s", h.Session != nil, tls.CipherSuiteName(h.State.CipherSuite))
			}
			o.line(t, c, "hello")
			o.line(t, c, strings.Repeat("long", 10_000))
			o.in.Close()
			if n, err := c.Read(make([]byte, 1)); err != io.EOF {
				t.Errorf("at the end %d, %v", n, err)
			}
		})
	}
}

// TestOpensslUpdatesItsKeys uses the commands K of s_client, which also asks for our
// update, and k, which does not.
func TestOpensslUpdatesItsKeys(t *testing.T) {
	for i := range suites {
		name := tls.CipherSuiteName(suites[i].id)
		t.Run(name, func(t *testing.T) {
			server, _ := configs(t)
			c, h, o := startOpenssl(t, server, "-ciphersuites", name)
			if h.Session == nil {
				t.Fatal("not taken over")
			}
			o.line(t, c, "before")
			for n, command := range []string{"k", "K", "K", "k"} {
				in, out := c.s.in.secret, c.s.out.secret
				fmt.Fprintln(o.in, command) // anything in the same read would be part of the command
				c.awaitKeys(t, in)
				o.line(t, c, fmt.Sprint("after update ", n))
				if asked := c.s.out.secret != out; asked != (command == "K") {
					t.Errorf("update %d, %s: our keys are new: %v", n, command, asked)
				}
			}
		})
	}
}

// awaitKeys reads until the peer's keys have changed.
func (c *conn) awaitKeys(t *testing.T, old [maxSecret]byte) {
	t.Helper()
	for b := make([]byte, 1000); c.s.in.secret == old; {
		n, err := c.Conn.Read(b)
		if c.in = append(c.in, b[:n]...); err == nil {
			_, err = c.open()
		}
		if err != nil || len(c.plain) > 0 {
			t.Fatalf("got %q, %v", c.plain, err)
		}
	}
}

// TestOpensslFollowsOurKeys: we update our keys unasked, and ask for openssl's.
func TestOpensslFollowsOurKeys(t *testing.T) {
	server, _ := configs(t)
	c, _, o := startOpenssl(t, server)
	for n := range byte(6) {
		if _, err := c.Conn.Write(update(c.s, n%2)); err != nil {
			t.Fatal(err)
		}
		o.line(t, c, fmt.Sprint("after update ", n))
	}
	if _, err := c.Conn.Write(c.s.CloseNotify(nil)); err != nil {
		t.Fatal(err)
	}
	if rest, err := io.ReadAll(o.out); len(rest) > 0 || err != nil {
		t.Errorf("openssl has %q, %v", rest, err)
	}
}

// TestCryptoTLSFollowsOurKeys is the same with its client.
func TestCryptoTLSFollowsOurKeys(t *testing.T) {
	server, client := configs(t)
	_, s, c := shaken(t, server, client)
	for n := range byte(6) {
		failed := make(chan error, 1)
		go func() {
			_, err := s.Conn.Write(s.s.Seal(update(s.s, n%2), []byte("data")))
			failed <- err
		}()
		got := make([]byte, 4)
		if _, err := io.ReadFull(c, got); errors.Join(err, <-failed) != nil || string(got) != "data" {
			t.Fatalf("got %q, %v", got, err)
		}
		c.Write([]byte("back"))
		if _, err := io.ReadFull(s, got); err != nil || string(got) != "back" {
			t.Fatalf("got %q, %v", got, err)
		}
	}
}

// TestAClientResumesWithOpenssl: its server sends two tickets after the client's
// Finished.
func TestAClientResumesWithOpenssl(t *testing.T) {
	path, err := exec.LookPath("openssl")
	if err != nil {
		t.Skip("there is no openssl command")
	}
	cert, pool := newCertificate(t, "localhost")
	file := writePEM(t, cert)
	addr := proxytest.FreePort(t)
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, path, "s_server", "-accept", addr, "-cert", file, "-key", file, "-rev", "-quiet")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Wait()
	defer cancel()
	config := &tls.Config{RootCAs: pool, ServerName: "localhost", ClientSessionCache: tls.NewLRUClientSessionCache(1)}
	for i := range 3 {
		var c net.Conn
		for c == nil {
			if c, err = net.Dial("tcp", addr); err != nil && ctx.Err() != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Millisecond)
		}
		c.SetDeadline(time.Now().Add(timeout))
		h, err := Client(ctx, c, config)
		if err != nil {
			t.Fatal(err)
		}
		if h.Session == nil || h.State.DidResume != (i > 0) {
			t.Errorf("connection %d: taken over: %v, resumed: %v", i, h.Session != nil, h.State.DidResume)
		}
		over := newConn(c, h)
		over.Write([]byte("abc\n"))
		got := make([]byte, 4)
		if _, err := io.ReadFull(over, got); err != nil || string(got) != "cba\n" {
			t.Errorf("got %q, %v", got, err)
		}
		over.CloseWrite()
		c.Close()
	}
}
