package proxy_test

import (
	"bufio"
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/tcpctl/tcpctl/proxy"
	"github.com/tcpctl/tcpctl/proxy/health"
	"github.com/tcpctl/tcpctl/proxy/proxytest"
)

// authority signs certificates, and has its own certificate in a file.
type authority struct {
	testing.TB
	dir  string
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(t testing.TB, name string) *authority {
	t.Helper()
	a := &authority{TB: t, dir: t.TempDir()}
	a.key, _ = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, NotBefore: time.Now().Add(-48 * time.Hour),
		NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &a.key.PublicKey, a.key)
	if err != nil {
		t.Fatal(err)
	}
	a.cert, _ = x509.ParseCertificate(der)
	a.write("ca.pem", "CERTIFICATE", der)
	return a
}

func (a *authority) file(name string) string { return filepath.Join(a.dir, name) }

func (a *authority) write(name, kind string, der []byte) {
	if err := os.WriteFile(a.file(name), pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		a.Fatal(err)
	}
}

// sign returns a certificate for names, which may be addresses, that is valid from
// begins until ends from now.
func (a *authority) sign(begins, ends time.Duration, names ...string) tls.Certificate {
	a.Helper()
	key, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	template := &x509.Certificate{SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: "leaf"},
		NotBefore: time.Now().Add(begins), NotAfter: time.Now().Add(ends), ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}}
	for _, name := range names {
		if ip := net.ParseIP(name); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, name)
		}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, &key.PublicKey, a.key)
	if err != nil {
		a.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

func (a *authority) pool() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(a.cert)
	return pool
}

// spoken is the TLS configuration for a backend with a certificate of the authority.
func (a *authority) spoken(name string) *proxy.BackendTLS {
	return &proxy.BackendTLS{Name: name, CA: a.file("ca.pem")}
}

// serverOver is a backend that speaks TLS.
func serverOver(t testing.TB, name string, c *tls.Config) *server {
	t.Helper()
	ln := proxytest.Listen(t)
	return serveOn(t, name, tls.NewListener(ln, c))
}

// TestRule51SpeaksTLS: the certificate is verified by the configured CA and for the
// configured name, and the backend gets ours.
func TestRule51SpeaksTLS(t *testing.T) { onEach(t, testRule51SpeaksTLS) }

func testRule51SpeaksTLS(t *testing.T) {
	a := newAuthority(t, "ours")
	ours := a.sign(0, time.Hour, "client")
	a.write("client.pem", "CERTIFICATE", ours.Certificate[0])
	der, _ := x509.MarshalPKCS8PrivateKey(ours.PrivateKey)
	a.write("client.key", "PRIVATE KEY", der)
	named := &tls.Config{Certificates: []tls.Certificate{a.sign(0, time.Hour, "db.example.org", "127.0.0.1")}}
	asks := named.Clone()
	asks.ClientAuth, asks.ClientCAs = tls.RequireAndVerifyClientCert, a.pool()
	identified := a.spoken("db.example.org")
	identified.Cert, identified.Key = a.file("client.pem"), a.file("client.key")
	for what, c := range map[string]struct {
		server *tls.Config
		tls    *proxy.BackendTLS
		shows  string
	}{
		"by name":       {named, a.spoken("db.example.org"), "verified"},
		"by address":    {named, a.spoken(""), "verified"},
		"not verified":  {named, &proxy.BackendTLS{Insecure: true, Name: "other"}, "unverified"},
		"by both sides": {asks, identified, "verified"},
	} {
		for _, check := range []string{"tcp", "none"} {
			s := serverOver(t, "a", c.server)
			b := s.backend()
			b.TLS = c.tls
			v := start(t, proxy.ServiceConfig{Backends: []proxy.BackendConfig{b}, Check: proxy.CheckConfig{Type: check}})
			v.untilUp()
			v.dial("hello").hears("a hello")
			if i := v.backend("a"); i.TLS != c.shows || i.Failed > 0 {
				t.Errorf("%s: %+v", what, i)
			}
			v.Close()
		}
	}
}

// faulty are backends with which no handshake succeeds.
func faulty(t testing.TB, a *authority) map[string]struct {
	addr   string
	reason proxy.Reason
	text   string
} {
	over := func(c *tls.Config) string { return serverOver(t, "a", c).addr() }
	by := func(c tls.Certificate) string { return over(&tls.Config{Certificates: []tls.Certificate{c}}) }
	name := "db.example.org"
	asks := &tls.Config{Certificates: []tls.Certificate{a.sign(0, time.Hour, name)}, ClientAuth: tls.RequireAnyClientCert, MaxVersion: tls.VersionTLS12}
	return map[string]struct {
		addr   string
		reason proxy.Reason
		text   string
	}{
		"another CA":         {by(newAuthority(t, "theirs").sign(0, time.Hour, name)), proxy.ReasonTLSUnknownCA, `unknown CA ("theirs")`},
		"self-signed":        {by(certificate(t.(*testing.T))), proxy.ReasonTLSWrongName, "is for localhost, not for db.example.org"},
		"another name":       {by(a.sign(0, time.Hour, "web.example.org", "10.0.0.1")), proxy.ReasonTLSWrongName, "is for web.example.org, 10.0.0.1, not for db.example.org"},
		"a deeper name":      {by(a.sign(0, time.Hour, "*.org")), proxy.ReasonTLSWrongName, "is for *.org"},
		"expired":            {by(a.sign(-time.Hour, -time.Minute, name)), proxy.ReasonTLSExpired, "expired on"},
		"not valid yet":      {by(a.sign(time.Hour, 2*time.Hour, name)), proxy.ReasonTLSExpired, "is not valid before"},
		"asks for ours":      {over(asks), proxy.ReasonTLSAlert, "it refuses"},
		"no certificate":     {over(&tls.Config{GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return nil, errors.New("none") }}), proxy.ReasonTLSAlert, "it refuses"},
		"answers as SMTP":    {proxytest.Serve(t, func(c net.Conn) { io.WriteString(c, "220 mail ready\r\n"); io.Copy(io.Discard, c) }), proxy.ReasonNotTLS, "speaks no TLS"},
		"answers as HTTP":    {proxytest.Serve(t, func(c net.Conn) { bufio.NewReader(c).ReadByte(); io.WriteString(c, "HTTP/1.1 400 Bad Request\r\n\r\n") }), proxy.ReasonNotTLS, "speaks no TLS"},
		"closes":             {proxytest.Serve(t, func(c net.Conn) { bufio.NewReader(c).ReadByte() }), proxy.ReasonTLS, "in the handshake"},
		"resets":             {proxytest.Serve(t, func(c net.Conn) { bufio.NewReader(c).ReadByte(); c.(*net.TCPConn).SetLinger(0) }), proxy.ReasonTLS, "in the handshake"},
		"says nothing":       {proxytest.Serve(t, func(c net.Conn) { io.Copy(io.Discard, c) }), proxy.ReasonTLSTimeout, "handshake timed out"},
		"says half a record": {proxytest.Serve(t, func(c net.Conn) { c.Write([]byte{22, 3, 3, 0, 90, 2}); io.Copy(io.Discard, c) }), proxy.ReasonTLSTimeout, "handshake timed out"},
	}
}

// TestRule51Reasons: each fault of TLS has a word in the check's result and in the
// record, and counts against the backend.
func TestRule51Reasons(t *testing.T) { onEach(t, testRule51Reasons) }

func testRule51Reasons(t *testing.T) {
	a := newAuthority(t, "ours")
	for what, c := range faulty(t, a) {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			b := proxy.BackendConfig{Name: "a", Addr: c.addr, TLS: a.spoken("db.example.org")}
			limit := patience
			if c.reason == proxy.ReasonTLSTimeout {
				limit = time.Second
			}
			v := start(t, proxy.ServiceConfig{Backends: []proxy.BackendConfig{b}, Check: proxy.CheckConfig{Timeout: limit, Fall: 1}})
			// A busy machine may take the limit to connect.
			began := func(detail string) bool { return limit == patience || strings.Contains(detail, "handshake") }
			v.untilBackend("a", "down", func(b proxy.BackendInfo) bool { return b.State == proxy.StateDown && began(b.Check.Detail) })
			if i := v.backend("a"); i.Check.Reason != c.reason || !strings.Contains(i.Check.Detail, c.text) {
				t.Errorf("the check says %q: %s, want %q: %s", i.Check.Reason, i.Check.Detail, c.reason, c.text)
			}
			var err error
			v.eventually("it is probed", func() bool {
				_, err = v.svc.Backend("a").Probe()
				return err == nil || began(err.Error())
			})
			if err == nil || !strings.Contains(err.Error(), c.text) {
				t.Errorf("the probe says %v", err)
			}
			v.Close()

			v = start(t, proxy.ServiceConfig{Backends: []proxy.BackendConfig{b}, Check: proxy.CheckConfig{Type: "none"}, NoBackend: proxy.Reject,
				ConnectTimeout: limit, ConnectRetries: -1})
			var r proxy.Record
			v.eventually("it is dialled", func() bool {
				v.dial("hello").isReset()
				r = v.record()
				return began(r.Detail)
			})
			if r.By != proxy.ByProxy || r.Phase != proxy.PhaseConnect || r.Reason != c.reason || !strings.Contains(r.Detail, c.text) || r.Served {
				t.Errorf("record %+v, want %q: %s", r, c.reason, c.text)
			}
			if i := v.backend("a"); i.Failed == 0 || i.Total != 0 || i.Check == nil || i.Check.Reason != c.reason {
				t.Errorf("backend %+v", i)
			}
		})
	}
}

// TestRule51FailedHandshakesAreRetried elsewhere, and no client fails.
func TestRule51FailedHandshakesAreRetried(t *testing.T) {
	onEach(t, testRule51FailedHandshakesAreRetried)
}

func testRule51FailedHandshakesAreRetried(t *testing.T) {
	a := newAuthority(t, "ours")
	good := serverOver(t, "good", &tls.Config{Certificates: []tls.Certificate{a.sign(0, time.Hour, "db.example.org")}})
	list := []proxy.BackendConfig{good.backend()}
	for what, c := range faulty(t, a) {
		list = append(list, proxy.BackendConfig{Name: strings.ReplaceAll(what, " ", "-"), Addr: c.addr})
	}
	for i := range list {
		list[i].TLS = a.spoken("db.example.org")
	}
	v := start(t, proxy.ServiceConfig{Backends: list, Balance: "roundrobin", Check: proxy.CheckConfig{Type: "none"},
		ConnectTimeout: time.Second, ConnectRetries: len(list)})
	for i := range 4 {
		v.dial(fmt.Sprint(i)).hears(fmt.Sprint("good ", i))
	}
	for i := v.svc.Info(); i.Sessions.Failed+i.Sessions.Cut+i.Sessions.Rejected > 0; {
		t.Fatalf("counted %+v", i.Sessions)
	}
}

// TestRule51HeaderBeforeTLS: the PROXY header of a session and of checks is sent in the
// clear, and its time limit ends with the dial.
func TestRule51HeaderBeforeTLS(t *testing.T) { onEach(t, testRule51HeaderBeforeTLS) }

func testRule51HeaderBeforeTLS(t *testing.T) {
	a := newAuthority(t, "ours")
	config := &tls.Config{Certificates: []tls.Certificate{a.sign(0, time.Hour, "db.example.org")}}
	headers := make(chan string, 100)
	addr := proxytest.Serve(t, func(c net.Conn) {
		line := make([]byte, 0, 107)
		for !bytes.HasSuffix(line, []byte("\n")) {
			var b [1]byte
			if _, err := c.Read(b[:]); err != nil {
				return
			}
			line = append(line, b[0])
		}
		over := tls.Server(c, config)
		r := bufio.NewReader(over)
		said, _ := r.ReadString('\n')
		headers <- string(line) + said
		io.WriteString(over, "heard "+said)
		io.Copy(over, r)
		over.Close()
	})
	const limit = 500 * time.Millisecond
	v := start(t, proxy.ServiceConfig{SendProxy: 1, ConnectTimeout: limit, Backends: []proxy.BackendConfig{{Name: "a", Addr: addr, TLS: a.spoken("db.example.org")}}})
	v.untilUp()
	if h := <-headers; h != "PROXY UNKNOWN\r\n" {
		t.Errorf("a check said %q", h)
	}
	c := v.dial("hello")
	c.hears("heard hello")
	want := fmt.Sprintf("PROXY TCP4 127.0.0.1 127.0.0.1 %d ", c.LocalAddr().(*net.TCPAddr).Port)
	for h := range headers {
		if strings.HasPrefix(h, want) && strings.HasSuffix(h, "hello\n") {
			break
		}
	}
	<-time.After(limit)
	c.says("still here")
	c.hears("still here")
}

// TestRule51ChecksSpeakTLS: each type of check that connects, at the backend's own
// port; a port only for checks uses TLS as the check says.
func TestRule51ChecksSpeakTLS(t *testing.T) {
	t.Parallel()
	a := newAuthority(t, "ours")
	config := &tls.Config{Certificates: []tls.Certificate{a.sign(0, time.Hour, "db.example.org")}}
	web := func(over bool) string {
		ln := proxytest.Listen(t)
		addr := ln.Addr().String()
		if over {
			ln = tls.NewListener(ln, config)
		}
		s := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(204) }), ErrorLog: log.New(io.Discard, "", 0)}
		done := make(chan struct{})
		go func() { s.Serve(ln); close(done) }()
		t.Cleanup(func() { s.Close(); <-done })
		return addr
	}
	plain := web(false)
	portOf := func(addr string) (n int) {
		_, port, _ := net.SplitHostPort(addr)
		fmt.Sscan(port, &n)
		return n
	}
	atPort := portOf(plain)
	http204 := proxy.CheckConfig{Type: health.HTTP, Expect: 204}
	talk := proxy.CheckConfig{Type: health.Talk, Send: "PING\n", Want: "a PING"}
	for what, c := range map[string]struct {
		addr  string
		check proxy.CheckConfig
		port  int
	}{
		"http":                {web(true), http204, 0},
		"http twice":          {web(true), proxy.CheckConfig{Type: health.HTTP, Expect: 204, TLS: true}, 0},
		"send-expect":         {serverOver(t, "a", config).addr(), talk, 0},
		"passive":             {web(true), proxy.CheckConfig{Type: health.Passive}, 0},
		"another port":        {web(true), http204, atPort},
		"and over TLS":        {web(true), proxy.CheckConfig{Type: health.HTTP, Expect: 204, TLS: true}, portOf(web(true))},
		"tcp at another port": {web(true), proxy.CheckConfig{Type: health.TCP, Port: atPort}, 0},
	} {
		v := start(t, proxy.ServiceConfig{Check: c.check, Backends: []proxy.BackendConfig{{Name: "a", Addr: c.addr, CheckPort: c.port, TLS: a.spoken("db.example.org")}}})
		v.untilUp()
		if text, err := v.svc.Backend("a").Probe(); err != nil {
			t.Errorf("%s: %s, %v", what, text, err)
		}
		v.Close()
	}
}

// TestRule51EndsPassOn: an end is announced on the other side, a truncated one is not,
// and a reset stays a reset; for clients with and without TLS.
func TestRule51EndsPassOn(t *testing.T) { onEach(t, testRule51EndsPassOn) }

func testRule51EndsPassOn(t *testing.T) {
	a := newAuthority(t, "ours")
	config := &tls.Config{Certificates: []tls.Certificate{a.sign(0, time.Hour, "db.example.org")}}
	want := much()
	for how, end := range map[string]func(*tls.Conn){
		"announced": func(c *tls.Conn) { c.CloseWrite(); c.NetConn().(*net.TCPConn).CloseWrite() },
		"truncated": func(c *tls.Conn) { c.NetConn().(*net.TCPConn).CloseWrite() },
		"reset":     func(c *tls.Conn) { c.NetConn().(*net.TCPConn).SetLinger(0); c.NetConn().Close() },
	} {
		for _, clientTLS := range []bool{false, true} {
			t.Run(fmt.Sprint(how, clientTLS), func(t *testing.T) {
				t.Parallel()
				said := make(chan error, 1)
				addr := proxytest.Serve(t, func(c net.Conn) {
					over := tls.Server(c, config)
					if how != "reset" {
						over.Write(want)
						end(over)
						_, err := io.Copy(io.Discard, over) // the other half continues
						said <- err
						return
					}
					over.Write(want[:10])
					io.ReadFull(over, make([]byte, 10)) // the client has read them
					end(over)
					said <- nil
				})
				cfg := proxy.ServiceConfig{Check: proxy.CheckConfig{Type: "none"}, Backends: []proxy.BackendConfig{{Name: "a", Addr: addr, TLS: a.spoken("db.example.org")}}}
				if clientTLS {
					cfg.TLS = &tls.Config{Certificates: []tls.Certificate{certificate(t)}}
				}
				v := start(t, cfg)
				over, conn := v.dialTLS()
				var c net.Conn = over
				if !clientTLS {
					c = conn
				}
				reason := proxy.ReasonFIN
				if how == "reset" {
					got := make([]byte, 10)
					io.ReadFull(c, got)
					c.Write(got)
					if _, err := io.ReadAll(c); !errors.Is(err, syscall.ECONNRESET) {
						t.Errorf("the client sees %v", err)
					}
					reason = proxy.ReasonReset
				} else {
					got, err := io.ReadAll(c)
					if err != nil || !bytes.Equal(got, want) {
						t.Errorf("%d of %d bytes arrived: %v", len(got), len(want), err)
					}
					if cut := clientTLS && over.NetConn().(interface{ Ended() bool }).Ended(); cut != (clientTLS && how == "truncated") {
						t.Errorf("a truncated end is passed on as such: %v", cut)
					}
					c.Write(want) // there may still be an answer
					c.(interface{ CloseWrite() error }).CloseWrite()
					if how == "truncated" {
						reason = proxy.ReasonTLSTruncated
					}
				}
				if err := <-said; err != nil {
					t.Errorf("the backend sees %v instead of an end", err)
				}
				if r := v.record(); r.By != proxy.ByBackend || r.Reason != reason {
					t.Errorf("record %+v, want %s by the backend", r, reason)
				}
			})
		}
	}
}

// TestRule51AlertsAfterTheHandshake: in TLS 1.3 a client learns only afterwards that
// its certificate is refused.
func TestRule51AlertsAfterTheHandshake(t *testing.T) { onEach(t, testRule51AlertsAfterTheHandshake) }

func testRule51AlertsAfterTheHandshake(t *testing.T) {
	a := newAuthority(t, "ours")
	s := serverOver(t, "a", &tls.Config{Certificates: []tls.Certificate{a.sign(0, time.Hour, "db.example.org")}, ClientAuth: tls.RequireAnyClientCert})
	b := s.backend()
	b.TLS = a.spoken("db.example.org")
	v := start(t, proxy.ServiceConfig{Check: proxy.CheckConfig{Type: "none"}, Backends: []proxy.BackendConfig{b}})
	v.dial("").isReset()
	if r := v.record(); r.By != proxy.ByBackend || r.Reason != proxy.ReasonTLSAlert || !strings.Contains(r.Detail, "certificate required") {
		t.Errorf("record %+v", r)
	}
}

// TestRule51HandshakesEnd when their session is kicked or the engine stops.
func TestRule51HandshakesEnd(t *testing.T) { onEach(t, testRule51HandshakesEnd) }

func testRule51HandshakesEnd(t *testing.T) {
	a := newAuthority(t, "ours")
	b := proxy.BackendConfig{Name: "a", TLS: a.spoken("db.example.org"), Addr: proxytest.Serve(t, func(c net.Conn) { io.Copy(io.Discard, c) })}
	v := start(t, proxy.ServiceConfig{Backends: []proxy.BackendConfig{b}, Check: proxy.CheckConfig{Type: "none"}, ConnectTimeout: time.Hour})
	connecting := func() { v.until("one is connecting", func(i proxy.ServiceInfo) bool { return i.Sessions.Active == 1 }) }
	kicked := v.dial("kicked")
	connecting()
	v.Kick("ana", "", v.Sessions(false)[0].ID)
	kicked.isReset()
	if r := v.record(); r.Reason != proxy.ReasonKicked || r.Phase != proxy.PhaseConnect {
		t.Errorf("record %+v", r)
	}
	v.untilIdle()
	if i := v.backend("a"); i.Failed > 0 {
		t.Errorf("it counts against the backend: %+v", i)
	}
	v.dial("last")
	connecting()
	v.Close()
}

// TestRule51ChecksLeaveNothing: a check over TLS ends with a reset, so that no port
// stays in TIME_WAIT on either side.
func TestRule51ChecksLeaveNothing(t *testing.T) {
	t.Parallel()
	a := newAuthority(t, "ours")
	config := &tls.Config{Certificates: []tls.Certificate{a.sign(0, time.Hour, "db.example.org")}}
	seen := make(chan error, 100)
	addr := proxytest.Serve(t, func(c net.Conn) {
		over := tls.Server(c, config)
		_, err := io.Copy(io.Discard, over)
		seen <- err
	})
	v := start(t, proxy.ServiceConfig{Backends: []proxy.BackendConfig{{Name: "a", Addr: addr, TLS: a.spoken("db.example.org")}}})
	v.untilUp()
	if err := <-seen; !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("the backend sees %v", err)
	}
}

// TestRule51OurCertificate: an expired one is refused by the backend, and its
// replacement in the same files is not.
func TestRule51OurCertificate(t *testing.T) { onEach(t, testRule51OurCertificate) }

func testRule51OurCertificate(t *testing.T) {
	a := newAuthority(t, "ours")
	put := func(c tls.Certificate) {
		a.write("client.pem", "CERTIFICATE", c.Certificate[0])
		der, _ := x509.MarshalPKCS8PrivateKey(c.PrivateKey)
		a.write("client.key", "PRIVATE KEY", der)
	}
	put(a.sign(-2*time.Hour, -time.Hour, "client"))
	s := serverOver(t, "a", &tls.Config{Certificates: []tls.Certificate{a.sign(0, time.Hour, "db.example.org")}, MaxVersion: tls.VersionTLS12,
		ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: a.pool()})
	b := s.backend()
	b.TLS = a.spoken("db.example.org")
	b.TLS.Cert, b.TLS.Key = a.file("client.pem"), a.file("client.key")
	v := start(t, proxy.ServiceConfig{Backends: []proxy.BackendConfig{b}, Check: proxy.CheckConfig{Interval: 50 * time.Millisecond, Fall: 1}})
	v.untilHealth("a", proxy.StateDown)
	if i := v.backend("a"); i.Check.Reason != proxy.ReasonTLSAlert {
		t.Errorf("the check says %+v", i.Check)
	}
	put(a.sign(0, time.Hour, "client"))
	v.untilUp()
	v.dial("hello").hears("a hello")
}

// TestRule51FilesAreReadAgain: a replaced CA applies from the next dial; one that
// cannot be read changes nothing, even at a reload.
func TestRule51FilesAreReadAgain(t *testing.T) { onEach(t, testRule51FilesAreReadAgain) }

func testRule51FilesAreReadAgain(t *testing.T) {
	a, other := newAuthority(t, "ours"), newAuthority(t, "next")
	var mu sync.Mutex
	now := a.sign(0, time.Hour, "db.example.org")
	s := serverOver(t, "a", &tls.Config{GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
		mu.Lock()
		defer mu.Unlock()
		c := now // which a handshake reads later on
		return &c, nil
	}})
	b := s.backend()
	b.TLS = a.spoken("db.example.org")
	cfg := proxy.ServiceConfig{Name: "db", Listen: []string{"127.0.0.1:0"}, Backends: []proxy.BackendConfig{b}, Check: proxy.CheckConfig{Interval: 50 * time.Millisecond}}
	v := start(t, cfg)
	v.untilUp()
	live := v.dial("one")
	live.hears("a one")

	mu.Lock()
	now = other.sign(0, time.Hour, "db.example.org")
	mu.Unlock()
	v.untilHealth("a", proxy.StateDown)
	next, _ := os.ReadFile(other.file("ca.pem"))
	os.WriteFile(a.file("ca.pem"), append(next, '\n'), 0o600)
	v.untilUp()
	v.dial("two").hears("a two")
	os.WriteFile(a.file("ca.pem"), []byte("half a fi"), 0o600)
	time.Sleep(1100 * time.Millisecond) // the file is checked once a second
	v.dial("three").hears("a three")

	_, err := v.Apply(proxy.Config{Services: []proxy.ServiceConfig{cfg}})
	if err == nil || !strings.Contains(err.Error(), "has no certificate in PEM") {
		t.Errorf("a reload accepted it: %v", err)
	}
	v.dial("four").hears("a four")
	live.says("five")
	live.hears("five")
}

// TestRule51ReloadsSwitchTLS: new sessions use what is configured now, and live ones
// continue unchanged.
func TestRule51ReloadsSwitchTLS(t *testing.T) { onEach(t, testRule51ReloadsSwitchTLS) }

func testRule51ReloadsSwitchTLS(t *testing.T) {
	a := newAuthority(t, "ours")
	config := &tls.Config{Certificates: []tls.Certificate{a.sign(0, time.Hour, "db.example.org")}}
	var mu sync.Mutex
	over := false
	ln := proxytest.Listen(t)
	s := serveOn(t, "a", either{ln, config, func() bool { mu.Lock(); defer mu.Unlock(); return over }})
	cfg := proxy.ServiceConfig{Name: "db", Listen: []string{"127.0.0.1:0"}, Backends: []proxy.BackendConfig{s.backend()}, Check: proxy.CheckConfig{Type: "none"}}
	v := start(t, cfg)
	var live []*client
	for i := range 4 {
		mu.Lock()
		over = i%2 == 1
		mu.Unlock()
		cfg.Backends[0].TLS = nil
		if over {
			cfg.Backends[0].TLS = a.spoken("db.example.org")
		}
		v.apply(cfg)
		c := v.dial(fmt.Sprint(i))
		c.hears(fmt.Sprint("a ", i))
		live = append(live, c)
	}
	for i, c := range live {
		c.says(fmt.Sprint("still ", i))
		c.hears(fmt.Sprint("still ", i))
	}
}

// TestRule51WaitersOfBefore: a client that has waited on an event loop since before TLS
// was configured for its backend is connected over TLS, whether it uses TLS itself or
// not, with everything that it had sent.
func TestRule51WaitersOfBefore(t *testing.T) {
	eachRelay(t, func(t *testing.T, relay string) {
		t.Run("plain", func(t *testing.T) { waitersOfBefore(t, relay, nil) })
		t.Run("TLS", func(t *testing.T) {
			waitersOfBefore(t, relay, &tls.Config{Certificates: []tls.Certificate{certificate(t)}})
		})
	})
}

func waitersOfBefore(t *testing.T, relay string, config *tls.Config) {
	{
		a := newAuthority(t, "ours")
		s := serverOver(t, "a", &tls.Config{Certificates: []tls.Certificate{a.sign(0, time.Hour, "db.example.org")}})
		cfg := proxy.ServiceConfig{Name: "db", Relay: relay, TLS: config, Listen: []string{"127.0.0.1:0"}, Backends: []proxy.BackendConfig{s.backend()}, Check: proxy.CheckConfig{Type: "none"}}
		v := start(t, cfg)
		v.must(v.svc.Pause(proxy.PauseOptions{By: "ana", Max: time.Minute}))
		come := func(text string) *client {
			if config == nil {
				return v.dial(text)
			}
			_, raw := v.dialTLS()
			behind := &oneFlight{Conn: raw}
			conn := tls.Client(behind, &tls.Config{InsecureSkipVerify: true})
			fmt.Fprintln(conn, text) // read together with the end of the handshake
			behind.flush()
			return &client{TB: t, Conn: conn, r: bufio.NewReader(conn)}
		}
		c := come("hello")
		v.untilWaiting(1)
		cfg.Relay = "auto"
		cfg.Backends[0].TLS = a.spoken("db.example.org")
		v.apply(cfg)
		v.must(v.svc.Resume(proxy.ResumeOptions{By: "ana"}))
		c.hears("a hello")
		fmt.Fprintln(c, "more")
		c.hears("more")
		c.leaves()
		if r := v.record(); r.Reason != proxy.ReasonFIN || r.By != proxy.ByClient || r.BytesIn != 11 || r.BytesOut != 13 {
			t.Errorf("record %+v", r)
		}
		come("two").hears("a two")
		if i := v.backend("a"); i.Failed > 0 {
			t.Errorf("it counts against the backend: %+v", i)
		}
	}
}

// TestRule51OlderVersions: event loops handle none of them; the session moves to the
// other runner once that is known, with everything that its client has sent.
func TestRule51OlderVersions(t *testing.T) {
	eachRelay(t, func(t *testing.T, relay string) {
		a := newAuthority(t, "ours")
		config := &tls.Config{Certificates: []tls.Certificate{a.sign(0, time.Hour, "db.example.org")}}
		for version, runner := range map[uint16]string{tls.VersionTLS12: "stream", tls.VersionTLS13: relay} {
			config.MaxVersion = version
			s := serverOver(t, "a", config)
			b := s.backend()
			b.TLS = a.spoken("db.example.org")
			v := start(t, proxy.ServiceConfig{Relay: relay, Backends: []proxy.BackendConfig{b}, Check: proxy.CheckConfig{Type: "none"}, Lock: proxy.LockConfig{Slots: 1}})
			first := v.dial("first")
			first.hears("a first")
			waits := v.queue("second")
			if i := v.Sessions(false); len(i) != 2 || i[0].Runner != runner {
				t.Errorf("%s: sessions %+v, not on %s", tls.VersionName(version), i, runner)
			}
			first.Close()
			waits.hears("a second")
			waits.Close()
			v.untilIdle()
			for range 2 {
				if r := v.record(); r.Reason != proxy.ReasonFIN || r.By != proxy.ByClient {
					t.Errorf("record %+v", r)
				}
			}
		}
	})
}

// TestRule51BulkBothWays: many sessions carry much data in both directions at once,
// with TLS on one side or on both, and within a rate limit.
func TestRule51BulkBothWays(t *testing.T) {
	eachRelay(t, func(t *testing.T, relay string) {
		for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
			t.Run(tls.VersionName(version), func(t *testing.T) { bulkBothWays(t, relay, version) })
		}
	})
}

func bulkBothWays(t *testing.T, relay string, version uint16) {
	a := newAuthority(t, "ours")
	config := &tls.Config{Certificates: []tls.Certificate{a.sign(0, time.Hour, "db.example.org")}, MaxVersion: version}
	addr := proxytest.Serve(t, func(c net.Conn) {
		over := tls.Server(c, config)
		io.Copy(over, over)
		over.CloseWrite()
	})
	for _, clientTLS := range []bool{false, true} {
		cfg := proxy.ServiceConfig{Relay: relay, Check: proxy.CheckConfig{Type: "none"}, Backends: []proxy.BackendConfig{{Name: "a", Addr: addr, TLS: a.spoken("db.example.org")}}, RateLimit: 64 << 20}
		if clientTLS {
			cfg.TLS = &tls.Config{Certificates: []tls.Certificate{certificate(t)}}
		}
		v := start(t, cfg)
		var all sync.WaitGroup
		for i := range 8 {
			all.Go(func() {
				c, err := net.Dial("tcp", v.addr())
				if err != nil {
					t.Error(err)
					return
				}
				defer c.Close()
				c.SetDeadline(time.Now().Add(patience))
				if clientTLS {
					c = tls.Client(c, &tls.Config{InsecureSkipVerify: true})
				}
				want := bytes.Repeat([]byte(fmt.Sprintf("session %d;", i)), 100_000+7*i)
				sent := make(chan error, 1)
				go func() {
					_, err := c.Write(want)
					sent <- errors.Join(err, c.(interface{ CloseWrite() error }).CloseWrite())
				}()
				got, err := io.ReadAll(c)
				if err := errors.Join(err, <-sent); err != nil || !bytes.Equal(got, want) {
					t.Errorf("%d of %d bytes came back: %v", len(got), len(want), err)
				}
			})
		}
		all.Wait()
		for range 8 {
			if r := v.record(); r.BytesIn != r.BytesOut || r.BytesIn < 900_000 {
				t.Errorf("record %+v", r)
			}
		}
	}
}

// TestRule51Resumes: sessions resume the TLS of earlier ones, by tickets that follow
// the handshake.
func TestRule51Resumes(t *testing.T) {
	eachRelay(t, func(t *testing.T, relay string) {
		a := newAuthority(t, "ours")
		for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
			resumed := make(chan bool, 10)
			config := &tls.Config{Certificates: []tls.Certificate{a.sign(0, time.Hour, "db.example.org")}, MaxVersion: version,
				VerifyConnection: func(s tls.ConnectionState) error { resumed <- s.DidResume; return nil }}
			b := serverOver(t, "a", config).backend()
			b.TLS = a.spoken("db.example.org")
			v := start(t, proxy.ServiceConfig{Relay: relay, Backends: []proxy.BackendConfig{b}, Check: proxy.CheckConfig{Type: "none"}})
			for i := range 3 {
				c := v.dial("hello")
				c.hears("a hello")
				c.Close()
				v.record()
				if got := <-resumed; got != (i > 0) {
					t.Errorf("%s, session %d: resumed: %v", tls.VersionName(version), i, got)
				}
			}
		}
	})
}

// TestRule51AddedAndFound: backends added by an operator and found by a source, beside
// one without TLS.
func TestRule51AddedAndFound(t *testing.T) {
	eachRelay(t, func(t *testing.T, relay string) {
		a := newAuthority(t, "ours")
		config := &tls.Config{Certificates: []tls.Certificate{a.sign(0, time.Hour, "db.example.org")}}
		plain, added, found := newServer(t, "plain"), serverOver(t, "added", config), serverOver(t, "found", config)
		v := start(t, proxy.ServiceConfig{Relay: relay, Balance: "roundrobin", Check: proxy.CheckConfig{Type: "none"},
			Discover: []proxy.DiscoverySource{{Name: "s", Kind: "file"}}}, plain)
		v.dial("one").hears("plain one")
		c, err := proxy.ParseBackend(added.addr() + ",name=added,tls=verify,tls_name=db.example.org,ca=" + a.file("ca.pem"))
		if err != nil {
			t.Fatal(err)
		}
		v.must(v.svc.Add(c, "ana", ""))
		b := found.backend()
		b.TLS, b.FoundBy = a.spoken("db.example.org"), "file"
		v.svc.SetDiscovered(proxy.Discovered{Source: proxy.DiscoveryInfo{DiscoverySource: proxy.DiscoverySource{Name: "s", Kind: "file"}}, Backends: []proxy.BackendConfig{b}})
		heard := map[string]bool{}
		for range 6 {
			c := v.dial("more")
			name, _, _ := strings.Cut(c.hear(), " ")
			heard[name] = true
		}
		if len(heard) != 3 || !heard["plain"] || !heard["added"] || !heard["found"] {
			t.Errorf("got %v", heard)
		}
		if _, err := v.svc.Add(proxy.BackendConfig{Name: "x", Addr: added.addr(), TLS: &proxy.BackendTLS{CA: a.file("nothing.pem")}}, "ana", ""); err == nil {
			t.Error("a backend with a missing CA was added")
		}
	})
}

// TestParseBackendTLS: the words for TLS, valid and invalid.
func TestParseBackendTLS(t *testing.T) {
	t.Parallel()
	got, err := proxy.ParseBackend("db:5432,tls=noverify,tls_name=db.example.org,ca=/ca.pem,tls_cert=/c.pem,tls_key=/c.key")
	want := proxy.BackendTLS{Insecure: true, Name: "db.example.org", CA: "/ca.pem", Cert: "/c.pem", Key: "/c.key"}
	if err != nil || got.TLS == nil || *got.TLS != want {
		t.Errorf("%+v, %v", got.TLS, err)
	}
	for _, bad := range []string{"db:1,tls=yes", "db:1,tls=verify,tls_name=a b", "db:1,tls_key=/c.key", "db:1,tls_cert=/c.pem"} {
		if _, err := proxy.ParseBackend(bad); err == nil {
			t.Errorf("%q was accepted", bad)
		}
	}
}

// either is a listener whose connections use TLS or not, as the test says when they are
// accepted.
type either struct {
	net.Listener
	config *tls.Config
	over   func() bool
}

func (l either) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err == nil && l.over() {
		c = tls.Server(c, l.config)
	}
	return c, err
}
