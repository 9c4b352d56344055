package proxy_test

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/pires/go-proxyproto"

	"github.com/tcpctl/tcpctl/proxy"
)

var loopback = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}

// header is a PROXY header for a client at 10.1.2.3:4567.
func header(t *testing.T, version byte) string {
	h := proxyproto.HeaderProxyFromAddrs(version, &net.TCPAddr{IP: net.IPv4(10, 1, 2, 3), Port: 4567}, &net.TCPAddr{IP: net.IPv4(10, 9, 9, 9), Port: 80})
	b, err := h.Format()
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestPROXYHeadersIn(t *testing.T) { onEach(t, testPROXYHeadersIn) }

func testPROXYHeadersIn(t *testing.T) {
	v := start(t, proxy.ServiceConfig{AcceptProxy: true, TrustedProxies: loopback}, newServer(t, "a"))
	for version := byte(1); version <= 2; version++ {
		c := v.dial("")
		text := header(t, version) + "hello\n"
		for i := range text { // a byte at a time
			io.WriteString(c, text[i:i+1])
		}
		c.hears("a hello")
		c.Close()
		if r := v.record(); r.Client != "10.1.2.3:4567" || r.BytesIn != int64(len("hello\n")) {
			t.Errorf("version %d: %+v", version, r)
		}
	}
	for _, bad := range []string{"GET / HTTP/1.0\r\n\r\n", "PROXY TCP4 1.2.3.4\r\n", "PROXY " + strings.Repeat("x", 200), header(t, 2)[:12] + "\xff\xff\xff\xff" + strings.Repeat("x", 5000)} {
		c := v.dial("")
		io.WriteString(c, bad)
		c.isReset()
		if r := v.record(); !strings.HasPrefix(r.Cause(), "bad PROXY header: ") || r.Served {
			t.Errorf("%.20q: %+v", bad, r)
		}
	}
	if i := v.svc.Info(); i.Sessions.Rejected != 4 || i.Sessions.Failed != 0 {
		t.Errorf("%+v", i.Sessions)
	}
}

func TestPROXYHeadersAreBelievedOfTheTrustedOnly(t *testing.T) {
	onEach(t, testPROXYHeadersAreBelievedOfTheTrustedOnly)
}

func testPROXYHeadersAreBelievedOfTheTrustedOnly(t *testing.T) {
	v := start(t, proxy.ServiceConfig{AcceptProxy: true, TrustedProxies: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}}, newServer(t, "a"))
	c, err := net.Dial("tcp", v.addr())
	if err == nil {
		(&client{TB: t, Conn: c, r: nil}).Close()
	}
	if r := v.record(); r.Reason != proxy.ReasonUntrustedProxy || r.By != proxy.ByProxy {
		t.Errorf("%+v", r)
	}
}

func TestPROXYHeadersOut(t *testing.T) { onEach(t, testPROXYHeadersOut) }

func testPROXYHeadersOut(t *testing.T) {
	for version := 1; version <= 2; version++ {
		s := newServer(t, "a")
		v := start(t, proxy.ServiceConfig{SendProxy: version}, s)
		c := v.dial("hello")
		local := c.LocalAddr().String()
		if version == 1 {
			got := c.hear()
			if port := local[strings.LastIndex(local, ":")+1:]; !strings.HasPrefix(got, "a PROXY TCP4 127.0.0.1 127.0.0.1 "+port) {
				t.Errorf("version 1: %q", got)
			}
			c.hears("hello")
		} else if got := c.hear(); !strings.Contains(got, "hello") && got != "a" {
			// The header contains a line end.
			t.Errorf("version 2: %q", got)
		}
		c.Close()
		if r := v.record(); r.BytesIn != int64(len("hello\n")) {
			t.Errorf("the header is counted as the client's: %+v", r)
		}
	}
}

func TestAllowDenyAndAddressLimits(t *testing.T) { onEach(t, testAllowDenyAndAddressLimits) }

func testAllowDenyAndAddressLimits(t *testing.T) {
	v := start(t, proxy.ServiceConfig{AcceptProxy: true, TrustedProxies: loopback,
		Allow: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}, Deny: []netip.Prefix{netip.MustParsePrefix("10.1.0.0/16")},
		MaxSessionsPerIP: 1}, newServer(t, "a"))
	from := func(addr string) *client {
		c := v.dial("")
		fmt.Fprintf(c, "PROXY TCP4 %s 127.0.0.1 1000 80\r\nhello\n", addr)
		return c
	}
	from("10.1.2.3").isReset()
	from("192.168.0.1").isReset()
	first := from("10.2.0.1")
	first.hears("a hello")
	from("10.2.0.1").isReset()
	from("10.2.0.2").hears("a hello")
	first.Close()
	v.until("its session has ended", func(i proxy.ServiceInfo) bool { return i.Sessions.Active == 1 })
	from("10.2.0.1").hears("a hello")
}

func TestTLSFromClients(t *testing.T) { onEach(t, testTLSFromClients) }

func testTLSFromClients(t *testing.T) {
	v := start(t, proxy.ServiceConfig{TLS: &tls.Config{Certificates: []tls.Certificate{certificate(t)}}}, newServer(t, "a"))
	c, err := tls.Dial("tcp", v.addr(), &tls.Config{InsecureSkipVerify: true})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	fmt.Fprintln(c, "hello")
	c.CloseWrite()
	c.SetReadDeadline(time.Now().Add(patience))
	if all, err := io.ReadAll(c); err != nil || string(all) != "a hello\n" {
		t.Errorf("got %q, %v", all, err)
	}
	if r := v.record(); r.Via != "tls" || r.BytesIn != 6 {
		t.Errorf("%+v", r)
	}
	plain := v.dial("not TLS")
	plain.isReset()
	if r := v.record(); !strings.HasPrefix(r.Cause(), "TLS handshake failed: ") {
		t.Errorf("%+v", r)
	}
}

func certificate(t *testing.T) tls.Certificate {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), DNSNames: []string{"localhost"}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

func TestARateLimitSlowsBothWays(t *testing.T) { onEach(t, testARateLimitSlowsBothWays) }

func testARateLimitSlowsBothWays(t *testing.T) {
	v := start(t, proxy.ServiceConfig{RateLimit: 256 << 10}, newServer(t, "a"))
	c := v.dial("hello")
	c.hears("a hello")
	began := time.Now()
	go io.Copy(c, io.LimitReader(zeros{}, 192<<10))
	if _, err := io.CopyN(io.Discard, c.r, 192<<10); err != nil {
		t.Fatal(err)
	}
	// The first quarter passes at once, the rest takes half a second.
	if took := time.Since(began); took < 250*time.Millisecond {
		t.Errorf("192 KiB at 256 KiB/s took only %s", took)
	}
}

type zeros struct{}

func (zeros) Read(b []byte) (int, error) { clear(b); return len(b), nil }

// TestRule04BytesThatTheOpeningHasRead count as sent: a client that ends its side after
// its first data, which came with its PROXY header or with the end of its TLS
// handshake, keeps its place and is served.
func TestRule04BytesThatTheOpeningHasRead(t *testing.T) {
	onEach(t, testRule04BytesThatTheOpeningHasRead)
}

func testRule04BytesThatTheOpeningHasRead(t *testing.T) {
	opening := map[string]struct {
		config proxy.ServiceConfig
		open   func(c net.Conn, words string) (r io.Reader, closeWrite func() error)
	}{
		"PROXY header": {
			proxy.ServiceConfig{AcceptProxy: true, TrustedProxies: loopback},
			func(c net.Conn, words string) (io.Reader, func() error) {
				io.WriteString(c, "PROXY TCP4 10.1.2.3 10.0.0.1 4711 80\r\n"+words)
				return c, c.(*net.TCPConn).CloseWrite
			},
		},
		"TLS": {
			proxy.ServiceConfig{TLS: &tls.Config{Certificates: []tls.Certificate{certificate(t)}}},
			func(c net.Conn, words string) (io.Reader, func() error) {
				behind := &oneFlight{Conn: c}
				s := tls.Client(behind, &tls.Config{InsecureSkipVerify: true})
				if err := s.Handshake(); err != nil {
					t.Fatal(err)
				}
				io.WriteString(s, words)
				behind.flush()
				return s, c.(*net.TCPConn).CloseWrite
			},
		},
	}
	for name, o := range opening {
		t.Run(name, func(t *testing.T) {
			v := start(t, o.config, newServer(t, "a"))
			v.untilUp()
			v.must(v.svc.Pause(proxy.PauseOptions{By: "ana", Max: time.Minute}))
			c, err := net.Dial("tcp", v.addr())
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			r, closeWrite := o.open(c, "words\n")
			v.untilWaiting(1)
			closeWrite()
			v.eventually("it is verified", func() bool { return v.svc.Waiters()[0].State == proxy.WaiterVerifying })
			v.must(v.svc.Resume(proxy.ResumeOptions{By: "ana"}))
			heard, err := bufio.NewReader(r).ReadString('\n')
			if heard != "a words\n" {
				t.Errorf("got %q, %v", heard, err)
			}
		})
	}
}

// oneFlight keeps all writes after the first, until flush sends them at once.
type oneFlight struct {
	net.Conn
	begun, flushed bool
	kept           []byte
}

func (f *oneFlight) Write(p []byte) (int, error) {
	if !f.begun || f.flushed {
		f.begun = true
		return f.Conn.Write(p)
	}
	f.kept = append(f.kept, p...)
	return len(p), nil
}

func (f *oneFlight) flush() {
	f.flushed = true
	f.Conn.Write(f.kept)
}

// TestARecordHasItsListenerAndTLS: the address that the client has connected to, and
// the name that it has asked for.
func TestARecordHasItsListenerAndTLS(t *testing.T) { onEach(t, testARecordHasItsListenerAndTLS) }

func testARecordHasItsListenerAndTLS(t *testing.T) {
	v := start(t, proxy.ServiceConfig{TLS: &tls.Config{Certificates: []tls.Certificate{certificate(t)}}}, newServer(t, "a"))
	v.untilUp()
	c, err := tls.Dial("tcp", v.addr(), &tls.Config{InsecureSkipVerify: true, ServerName: "db.example.com"})
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprintln(c, "hello")
	bufio.NewReader(c).ReadString('\n')
	c.Close()
	if r := v.record(); r.Listener != v.addr() || r.TLSVersion != "TLS 1.3" || r.TLSName != "db.example.com" {
		t.Errorf("%+v", r)
	}
	eachRelay(t, func(t *testing.T, relay string) {
		v := start(t, proxy.ServiceConfig{Relay: relay}, newServer(t, "a"))
		v.untilUp()
		for want, ends := range map[proxy.Reason]func(c *client){
			proxy.ReasonFIN:    func(c *client) { c.leaves() },
			proxy.ReasonReset:  func(c *client) { c.reset() },
			proxy.ReasonKicked: func(*client) { v.Kick("ana", "", v.Sessions(false)[0].ID) },
		} {
			c := v.dial("hello")
			c.hears("a hello")
			ends(c)
			if r := v.record(); r.Reason != want || r.Listener != v.addr() || r.TLSVersion != "" {
				t.Errorf("%+v", r)
			}
		}
		v.unlisted.Store(true)
		c := v.dial("nobody asks")
		c.hears("a nobody asks")
		c.leaves()
		if r := v.record(); r.Listener != "" {
			t.Errorf("%+v", r)
		}
	})
}

// TestARecordOfTheOpeningHasItsListener, however the opening ends.
func TestARecordOfTheOpeningHasItsListener(t *testing.T) {
	onEach(t, testARecordOfTheOpeningHasItsListener)
}

func testARecordOfTheOpeningHasItsListener(t *testing.T) {
	secure := proxy.ServiceConfig{TLS: &tls.Config{Certificates: []tls.Certificate{certificate(t)}}}
	header := proxy.ServiceConfig{AcceptProxy: true, TrustedProxies: loopback}
	kick := func(v *visit, _ *net.TCPConn) { v.Kick("ana", "", v.Sessions(false)[0].ID) }
	for name, o := range map[string]struct {
		config proxy.ServiceConfig
		end    func(v *visit, c *net.TCPConn)
	}{
		"no TLS":           {secure, func(_ *visit, c *net.TCPConn) { io.WriteString(c, "GET / HTTP/1.1\r\n\r\n") }},
		"reset in TLS":     {secure, func(_ *visit, c *net.TCPConn) { c.SetLinger(0); c.Close() }},
		"end in TLS":       {secure, func(_ *visit, c *net.TCPConn) { c.CloseWrite() }},
		"kicked in TLS":    {secure, kick},
		"no PROXY header":  {header, func(_ *visit, c *net.TCPConn) { io.WriteString(c, "hello\n") }},
		"kicked before it": {header, kick},
	} {
		t.Run(name, func(t *testing.T) {
			v := start(t, o.config, newServer(t, "a"))
			v.untilUp()
			c := v.dialRaw()
			v.eventually("it has connected", func() bool { return len(v.Sessions(false)) == 1 })
			o.end(v, c)
			if r := v.record(); r.Listener != v.addr() || r.Phase != proxy.PhaseQueue {
				t.Errorf("record %+v", r)
			}
		})
	}
}
