package main

import (
	"bytes"
	"errors"
	"net"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tcpctl/tcpctl/proxy/proxytest"
)

// needs skips a test if a program is not installed.
func needs(t *testing.T, programs ...string) {
	t.Helper()
	for _, p := range programs {
		if _, err := exec.LookPath(p); err != nil {
			t.Skip(p + " is not installed")
		}
	}
}

// startProgram runs a program until the end of the test, and waits until it listens.
func startProgram(t *testing.T, addr string, argv ...string) {
	t.Helper()
	cmd := exec.Command(argv[0], argv[1:]...)
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Signal(syscall.SIGTERM)
		cmd.Wait()
		if t.Failed() {
			t.Logf("%s:\n%s", argv[0], said.String())
		}
	})
	for began := time.Now(); ; restSince(began) {
		c, err := net.Dial("tcp", addr)
		if err == nil {
			c.Close()
			return
		}
		if time.Since(began) > patience {
			t.Fatalf("%s does not listen on %s", strings.Join(argv, " "), addr)
		}
	}
}

// TestHAProxyOnBothSides: a haproxy in front passes the client's address to tcpctl (PROXY v2),
// which passes it to a haproxy behind, which passes it to the backend in HTTP and requires a PROXY
// header from checks, too.
func TestHAProxyOnBothSides(t *testing.T) {
	t.Parallel()
	needs(t, "haproxy")
	front, behind, backend := proxytest.FreePort(t), proxytest.FreePort(t), proxytest.FreePort(t)
	in := runConfigured(t, `[services.web]
listen = "127.0.0.1:0"
backends = ["`+behind+`"]
accept_proxy = true
trusted_proxies = ["127.0.0.1"]
send_proxy = 2
check.interval = "50ms"
check.type = "http"
`)
	path := t.TempDir() + "/haproxy.cfg"
	write(t, path, `
defaults
  mode tcp
  timeout connect 5s
  timeout client 30s
  timeout server 30s
frontend front
  bind `+front+`
  default_backend tcpctl
backend tcpctl
  server t `+in.addr()+` send-proxy-v2
frontend behind
  mode http
  bind `+behind+` accept-proxy
  http-request return status 200 content-type text/plain lf-string "client %[src]:%[src_port]\n"
frontend alive
  bind `+backend+`
  default_backend tcpctl
`)
	startProgram(t, backend, "haproxy", "-db", "-f", path)
	c, err := dial(front)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	me := c.LocalAddr().String()
	c.says("GET / HTTP/1.0\r\n\r")
	var got bytes.Buffer
	got.ReadFrom(c.r)
	if !strings.Contains(got.String(), "client "+me+"\n") {
		t.Errorf("I am %s, and behind they say:\n%s", me, got.String())
	}
	if out := in.tcpctl("sessions", "--ended"); !strings.Contains(out, me+" ") {
		t.Errorf("I am %s, and tcpctl says:\n%s", me, out)
	}
}

// TestHeadersThatAreNone: a bad PROXY header ends its client, with a record that says so, and no
// other client.
func TestHeadersThatAreNone(t *testing.T) {
	t.Parallel()
	b := startBackend(t, "a")
	in := runConfigured(t, `[services.trusting]
listen = "127.0.0.1:0"
backends = ["`+b.addr+`"]
accept_proxy = true
trusted_proxies = ["127.0.0.1"]
[services.wary]
listen = "127.0.0.1:0"
backends = ["`+b.addr+`"]
accept_proxy = true
trusted_proxies = ["10.9.9.9"]
`)
	trusting, wary := in.status().Services[0].Listen[0], in.status().Services[1].Listen[0]
	good, err := dial(trusting)
	if err != nil {
		t.Fatal(err)
	}
	defer good.Close()
	good.says("PROXY TCP4 192.0.2.7 192.0.2.8 1234 5678\r")
	good.says("hello")
	if err := good.hears("a: hello"); err != nil {
		t.Fatal(err)
	}
	slow, err := dial(trusting)
	if err != nil {
		t.Fatal(err)
	}
	defer slow.Close()
	slow.Write([]byte("PROXY TC")) // and no more: it may take its time, and must not delay others
	v2 := "\r\n\r\n\x00\r\nQUIT\n"
	for _, bad := range []struct{ what, addr, bytes, why string }{
		{"no header", trusting, "GET / HTTP/1.1\r\n\r\n", `bad PROXY header: it begins with "GET`},
		{"oversized v1", trusting, "PROXY TCP4 " + strings.Repeat("1", 200) + "\r\n", "bad PROXY header"},
		{"oversized v2", trusting, v2 + "\x21\x11\xff\xff", "bad PROXY header: a header of 65551 bytes is too long"},
		{"nonsense v2", trusting, v2 + "\x91\x11\x00\x00", "bad PROXY header"},
		{"cut v1", trusting, "PROXY TCP4 192.0.2.7", "bad PROXY header: the client ended before it was complete"},
		{"cut v2", trusting, v2 + "\x21\x11\x00\x0c\x01", "bad PROXY header: the client ended before it was complete"},
		{"forged", wary, "PROXY TCP4 10.0.0.1 192.0.2.8 1234 5678\r\nhello\n", "not a trusted proxy"},
	} {
		me := "" // "": unknown, as the client was reset too early; any record counts
		c, err := dial(bad.addr)
		switch {
		case errors.Is(err, syscall.ECONNRESET): // reset before our write
		case err != nil:
			t.Fatal(err)
		default:
			me = c.LocalAddr().String() + " "
			c.Write([]byte(bad.bytes))
			if strings.HasPrefix(bad.what, "cut") {
				c.CloseWrite()
			}
			if how, err := c.sees(); how != "reset" {
				t.Errorf("%s: the client sees %q, %v", bad.what, how, err)
			}
			c.Close()
		}
		out := ""
		for began := time.Now(); !strings.Contains(lineOf(out, me), bad.why) && (me != "" || !strings.Contains(out, bad.why)); restSince(began) {
			if time.Since(began) > patience {
				t.Fatalf("%s: no record of %s says %q:\n%s", bad.what, me, bad.why, out)
			}
			out = in.tcpctl("sessions", "--ended")
		}
	}
	good.says("still here?")
	if err := good.hears("a: still here?"); err != nil {
		t.Error(err)
	}
	if out := in.tcpctl("sessions", "trusting", "--client", "192.0.2.0/24"); strings.Count(out, "\n") != 2 {
		t.Errorf("sessions:\n%s", out)
	}
}

// TestASlowHeader: a client has ten seconds to complete its PROXY header. It delays no other
// client, and its record says why it ended.
func TestASlowHeader(t *testing.T) {
	t.Parallel() // mostly waiting
	b := startBackend(t, "a")
	in := runConfigured(t, `[services.db]
listen = "127.0.0.1:0"
backends = ["`+b.addr+`"]
accept_proxy = true
trusted_proxies = ["127.0.0.1"]
max_sessions = 1
`)
	slow, err := dial(in.addr())
	if err != nil {
		t.Fatal(err)
	}
	defer slow.Close()
	slow.Write([]byte("PROXY TC"))
	good, err := dial(in.addr())
	if err != nil {
		t.Fatal(err)
	}
	defer good.Close()
	good.says("PROXY TCP4 192.0.2.7 192.0.2.8 1234 5678\r")
	good.says("hello")
	if err := good.hears("a: hello"); err != nil { // in the only slot
		t.Error(err)
	}
	if how, err := slow.sees(); how != "reset" {
		t.Errorf("it sees %q, %v", how, err)
	}
	out := ""
	for began := time.Now(); !strings.Contains(out, "bad PROXY header"); restSince(began) {
		if time.Since(began) > patience {
			t.Fatalf("no record of it:\n%s", out)
		}
		out = in.tcpctl("sessions", "--ended")
	}
	if line := lineOf(out, slow.LocalAddr().String()+" "); !strings.Contains(line, "ended by proxy: bad PROXY header: it was incomplete after 10s") {
		t.Errorf("its record: %s", line)
	}
	good.says("still here?")
	if err := good.hears("a: still here?"); err != nil {
		t.Error(err)
	}
}

// lineOf returns the line that contains word.
func lineOf(text, word string) string {
	for line := range strings.Lines(text) {
		if strings.Contains(line, word) {
			return line
		}
	}
	return ""
}
