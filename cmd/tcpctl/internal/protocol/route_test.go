package protocol

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tcpctl/tcpctl/cmd/tcpctl/internal/config"
	"github.com/tcpctl/tcpctl/proxy"
	"github.com/tcpctl/tcpctl/proxy/proxytest"
)

// sharing is an engine with several services on one address.
type sharing struct {
	*testBridge
	cfg proxy.Config
}

// named starts a backend that sends its name to each client, and echoes.
func (v *sharing) named(name string) string {
	ln := proxytest.Listen(v)
	done := make(chan bool)
	go func() {
		defer close(done)
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			v.mu.Lock()
			v.conns = append(v.conns, c)
			v.mu.Unlock()
			v.wg.Add(1)
			go func() {
				defer v.wg.Done()
				defer c.Close()
				fmt.Fprintf(c, "%s ", name)
				echo(c.(*net.TCPConn))
			}()
		}
	}()
	v.Cleanup(func() { ln.Close(); <-done })
	return ln.Addr().String()
}

func (v *sharing) service(name string, change func(*config.WS, *proxy.ServiceConfig)) proxy.ServiceConfig {
	v.Helper()
	spec := config.NewWS()
	c := proxy.ServiceConfig{Name: name, Listen: []string{v.addr}, Check: proxy.CheckConfig{Type: "none"},
		Backends: []proxy.BackendConfig{{Name: name, Addr: v.named(name)}}}
	change(&spec, &c)
	w, err := NewWebSocket(spec, nil)
	if err != nil {
		v.Fatal(err)
	}
	c.Protocol, c.Hosts, c.Path = w, spec.Hosts, spec.Path
	v.secure(&c)
	return c
}

func share(t *testing.T, change ...func(*config.WS, *proxy.ServiceConfig)) *sharing {
	t.Helper()
	ln := proxytest.Listen(t)
	v := &sharing{testBridge: &testBridge{T: t, records: make(chan proxy.Record, 100), addr: ln.Addr().String(), backend: ln, under: map[string]net.Conn{}}}
	proxytest.StopListening(ln)
	for i, f := range change {
		v.cfg.Services = append(v.cfg.Services, v.service(string(rune('a'+i)), f))
	}
	v.cfg.OnRecord = func(r proxy.Record) { v.records <- r }
	var err error
	if v.engine, err = proxy.New(v.cfg); err != nil {
		t.Fatal(err)
	}
	if err := v.engine.Start(); err != nil {
		t.Fatal(err)
	}
	v.svc = v.engine.Service("a")
	t.Cleanup(v.end)
	return v
}

func at(path string, hosts ...string) func(*config.WS, *proxy.ServiceConfig) {
	return func(s *config.WS, _ *proxy.ServiceConfig) { s.Path, s.Hosts = path, hosts }
}

// open returns a client whose handshake was answered, the status, and, after a 101, what its
// backend sent first.
func (v *sharing) open(host, target string, lines ...string) (c *raw, status int, backend string) {
	v.Helper()
	c, resp := v.knock(opening(host, target, lines...))
	if resp.StatusCode != http.StatusSwitchingProtocols {
		c.Close() // which a refusal's end waits for
		return c, resp.StatusCode, ""
	}
	return c, 101, c.hears()
}

// hears returns the payload of the next frame.
func (c *raw) hears() string {
	c.Helper()
	head := make([]byte, 2)
	if _, err := io.ReadFull(c.r, head); err != nil {
		c.Fatal(err)
	}
	b := make([]byte, head[1])
	if _, err := io.ReadFull(c.r, b); err != nil {
		c.Fatal(err)
	}
	return string(b)
}

// TestRule50aByHostAndPath: the host decides before the path, an exact host before a pattern, a
// longer path before a shorter one; what matches no service is 404, with a reason and a record.
func TestRule50aByHostAndPath(t *testing.T) {
	t.Parallel()
	v := share(t, at("/one"), at("/one/deep/"), at("/", "b.example", "*.b.example"), at("/", "x.b.example"), at("/two", "*.b.example"))
	for _, tt := range []struct {
		host, target, want string
	}{
		{"127.0.0.1", "/one", "a "},
		{"127.0.0.1", "/one?token=x", "a "},
		{"127.0.0.1", "/one/deep/er", "b "},
		{"b.example", "/whatever", "c "},
		{"B.Example:8080", "/one", "c "},
		{"y.b.example", "/", "c "},
		{"x.b.example", "/two", "d "},
		{"y.b.example", "/two", "e "},
	} {
		c, status, got := v.open(tt.host, tt.target)
		if status != 101 || got != tt.want {
			t.Errorf("%s%s: %d %q, want %q", tt.host, tt.target, status, got, tt.want)
		}
		c.Close()
		if r := v.record(); r.Service != strings.TrimSpace(tt.want) || r.Backend != r.Service {
			t.Errorf("record %+v", r)
		}
	}
	for _, target := range []string{"/three", "/one/", "/onetwo", "/"} {
		if _, status, _ := v.open("127.0.0.1", target); status != 404 {
			t.Errorf("%s: %d", target, status)
		}
		if r := v.record(); r.Reason != proxy.ReasonPath || r.By != proxy.ByProxy || r.Service != "a" || !strings.Contains(r.Detail, target) {
			t.Errorf("record %+v", r)
		}
	}
	if i := v.svc.Info(); i.Sessions.Rejected != 4 || i.RefusedText() != "refused 4: path 4" {
		t.Errorf("%+v", i.Sessions)
	}
}

// TestRule50aSpellings: the token of the chosen service is required, however the request spells its
// path and host, in one piece or in many.
func TestRule50aSpellings(t *testing.T) {
	t.Parallel()
	tokens := secretFile(t, "right\n")
	v := share(t, at("/open/"), func(s *config.WS, _ *proxy.ServiceConfig) { s.Path, s.Auth = "/desk", "token:"+tokens },
		func(s *config.WS, _ *proxy.ServiceConfig) {
			s.Path, s.Hosts, s.Auth = "/", []string{"b.example"}, "token:"+tokens
		})
	for target, want := range map[string]string{
		"/desk?token=right": "b ", "/%64esk?token=ri%67ht": "b ", "http://127.0.0.1/desk?token=right": "b ", "/open/../desk?x": "a ",
		"/open/%2e%2e/desk?x": "a ", "http://b.example/open/?token=right": "c ", "http://ana:x@127.0.0.1:80/open/": "a ",
		"/desk": "401", "/%64esk": "401", "http://127.0.0.1/desk": "401", "http://b.example/open/": "401", "/desk?token=wrong&token=right": "401",
		"/desk?token=right;x=y": "401", "/desk?x#?token=right": "401",
		"//desk?token=right": "404", "/desk/?token=right": "404", "/DESK?token=right": "404", "/./desk?token=right": "404", "/desk%2f?token=right": "404",
		"/desk;x?token=right": "404", "/desk#/open/": "404", "/desk%00?token=right": "404", "/desk%3ftoken=right": "404", "*": "404",
		"desk?token=right": "400", "127.0.0.1:80": "400", "/desk%zz?token=right": "400",
	} {
		text := opening("127.0.0.1", target)
		for _, size := range []int{len(text), 1} {
			c := v.connect()
			for piece := range slices.Chunk([]byte(text), size) {
				c.Write(piece)
			}
			resp := c.answer()
			got := fmt.Sprint(resp.StatusCode)
			if resp.StatusCode == http.StatusSwitchingProtocols {
				got = c.hears()
			}
			if got != want {
				t.Errorf("%s, in pieces of %d: %q, want %q", target, size, got, want)
			}
			c.Close()
		}
	}
}

// TestRule50aUnknownHost: if all services have hosts, any other host is 404.
func TestRule50aUnknownHost(t *testing.T) {
	t.Parallel()
	v := share(t, at("/", "a.example"), at("/", "b.example"))
	if _, status, _ := v.open("c.example", "/"); status != 404 {
		t.Errorf("%d", status)
	}
	if r := v.record(); r.Reason != proxy.ReasonHost || !strings.Contains(r.Detail, "c.example") {
		t.Errorf("record %+v", r)
	}
}

// TestRule50aEachHasItsOwn: each service has its own subprotocols, origins, access rules, limits and counts.
func TestRule50aEachHasItsOwn(t *testing.T) {
	t.Parallel()
	v := share(t, func(s *config.WS, c *proxy.ServiceConfig) {
		s.Path, s.Subprotocols = "/a", []string{"mqtt"}
		c.Deny = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	}, func(s *config.WS, c *proxy.ServiceConfig) {
		s.Path, s.Subprotocols, s.Origins = "/b", []string{"mqtt"}, []string{"https://app.example"}
		c.MaxSessionsPerIP = 1
	}, at("/c"))
	if _, status, _ := v.open("127.0.0.1", "/a"); status != 403 {
		t.Errorf("denied: %d", status)
	}
	if r := v.record(); r.Service != "a" || r.Reason != proxy.ReasonDenied {
		t.Errorf("record %+v", r)
	}
	c, resp := v.knock(opening("127.0.0.1", "/b", "Sec-WebSocket-Protocol: mqtt", "Origin: https://app.example"))
	if resp.StatusCode != 101 || resp.Header.Get("Sec-WebSocket-Protocol") != "mqtt" || c.hears() != "b " {
		t.Error(resp)
	}
	if _, status, _ := v.open("127.0.0.1", "/b"); status != 503 {
		t.Errorf("a second one: %d", status)
	}
	if r := v.record(); r.Service != "b" || r.Reason != proxy.ReasonSessionsPerIP {
		t.Errorf("record %+v", r)
	}
	other, resp := v.knock(opening("127.0.0.1", "/c", "Sec-WebSocket-Protocol: mqtt"))
	if resp.StatusCode != 101 || resp.Header.Get("Sec-WebSocket-Protocol") != "" || other.hears() != "c " {
		t.Error(resp)
	}
	if _, status, _ := v.open("127.0.0.1", "/c", "Origin: https://app.example"); status != 403 {
		t.Errorf("an origin of another service: %d", status)
	}
	if r := v.record(); r.Service != "c" || r.Reason != proxy.ReasonOrigin {
		t.Errorf("record %+v", r)
	}
	if n := v.engine.Service("b").Info().Sessions.Active; n != 1 {
		t.Errorf("%d active", n)
	}
}

// TestRule50aOneConnection: over one connection come pages of one service, and then
// a handshake for another, with its request in one piece or in many.
func TestRule50aOneConnection(t *testing.T) {
	t.Parallel()
	web := site(t)
	v := share(t, at("/a"), func(s *config.WS, _ *proxy.ServiceConfig) { s.Path, s.Web = "/b", web }, at("/c"))
	c := v.connect()
	for range 3 {
		io.WriteString(c, "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
		if resp := c.answer(); resp.StatusCode != 200 {
			t.Fatal(resp.Status)
		} else {
			io.Copy(io.Discard, resp.Body)
		}
	}
	for _, b := range []byte(opening("localhost", "/c")) {
		c.Write([]byte{b})
	}
	if resp := c.answer(); resp.StatusCode != 101 || c.hears() != "c " {
		t.Error(resp.Status)
	}
	if i := v.engine.Service("c").Info(); i.Sessions.Active != 1 || i.Sessions.Total != 1 {
		t.Errorf("%+v", i.Sessions)
	}
	c.Close()
	if r := v.record(); r.Service != "c" {
		t.Errorf("record %+v", r)
	}
	if i := v.svc.Info(); i.Sessions.Total != 0 {
		t.Errorf("pages count as sessions: %+v", i.Sessions)
	}
}

// TestRule50aReloadAndDrain: a service is added and removed by its path, and paused, while the
// clients of the others continue.
func TestRule50aReloadAndDrain(t *testing.T) {
	t.Parallel()
	v := share(t, at("/a"), at("/b"))
	talk := func(c *raw, what string) {
		t.Helper()
		c.Write(frame(0x82, []byte(what)))
		if got := c.hears(); got != what {
			t.Errorf("heard %q", got)
		}
	}
	inA, _, _ := v.open("localhost", "/a")
	inB, _, _ := v.open("localhost", "/b")
	cfg := v.cfg
	cfg.Services = append(cfg.Services[:2:2], v.service("c", at("/c")))
	if _, err := v.engine.Apply(cfg); err != nil {
		t.Fatal(err)
	}
	inC, status, got := v.open("localhost", "/c")
	if status != 101 || got != "c " {
		t.Errorf("an added service: %d %q", status, got)
	}
	cfg.Services = cfg.Services[1:]
	if _, err := v.engine.Apply(cfg); err != nil {
		t.Fatal(err)
	}
	if _, status, _ := v.open("localhost", "/a"); status != 404 {
		t.Errorf("a removed service: %d", status)
	}
	if r := v.record(); r.Service != "b" || r.Reason != proxy.ReasonPath { // the first one left
		t.Errorf("record %+v", r)
	}
	for i, c := range []*raw{inA, inB, inC} {
		talk(c, fmt.Sprint("still ", i))
	}
	// A pause holds the clients of one service only.
	b := v.engine.Service("b")
	if _, err := b.Pause(proxy.PauseOptions{Limit: time.Minute, Max: time.Minute}); err != nil {
		t.Fatal(err)
	}
	held := v.connect()
	io.WriteString(held, opening("localhost", "/b"))
	for end := time.Now().Add(patience); b.Info().Queue.Waiting != 1; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("the client does not wait")
		}
	}
	another, status, _ := v.open("localhost", "/c")
	if status != 101 {
		t.Errorf("%d", status)
	}
	talk(another, "not concerned")
	if _, err := b.Resume(proxy.ResumeOptions{}); err != nil {
		t.Fatal(err)
	}
	if resp := held.answer(); resp.StatusCode != 101 || held.hears() != "b " {
		t.Error(resp.Status)
	}
	// So does a close.
	if _, err := b.StopListening("", ""); err != nil {
		t.Fatal(err)
	}
	if _, status, _ := v.open("localhost", "/b"); status != 404 {
		t.Errorf("a closed one: %d", status)
	}
	talk(inC, "open")
	talk(inB, "and its sessions live")
}

// TestRule50aBehindTLSAndAHeader: TLS and PROXY headers before the request are read once.
func TestRule50aBehindTLSAndAHeader(t *testing.T) {
	t.Parallel()
	first := proxy.ServiceConfig{}
	client := overTLS(&first)
	with := func(path string) func(*config.WS, *proxy.ServiceConfig) {
		return func(s *config.WS, c *proxy.ServiceConfig) {
			s.Path, c.TLS, c.AcceptProxy, c.TrustedProxies = path, first.TLS, true, loopback
		}
	}
	v := share(t, with("/a"), with("/b"))
	under := v.connect()
	io.WriteString(under, "PROXY TCP4 10.1.2.3 127.0.0.1 1000 443\r\n")
	c := tls.Client(under.Conn, client)
	r := &raw{t, c, bufio.NewReader(c)}
	io.WriteString(r, opening("localhost", "/b"))
	if resp := r.answer(); resp.StatusCode != 101 || r.hears() != "b " {
		t.Error(resp.Status)
	}
	r.Close()
	if rec := v.record(); rec.Service != "b" || rec.Client != "10.1.2.3:1000" || rec.TLSVersion == "" {
		t.Errorf("record %+v", rec)
	}
}

// TestRule50aWhatCannotShare: two services must differ in their requests, and must not differ in
// what precedes a request.
func TestRule50aWhatCannotShare(t *testing.T) {
	t.Parallel()
	service := func(name, path string, hosts ...string) proxy.ServiceConfig {
		return proxy.ServiceConfig{Name: name, Listen: []string{"127.0.0.1:8000"}, Path: path, Hosts: hosts}
	}
	for _, tt := range []struct {
		a, b proxy.ServiceConfig
		want string
	}{
		{service("a", "/a"), service("b", "/b"), ""},
		{service("a", "/a", "x.example"), service("b", "/a"), ""},
		{service("a", "/", "x.example"), service("b", "/", "*.example"), ""},
		{service("a", "/a"), service("b", "/a"), `path "/a" is of service "a" already`},
		{service("a", "/", "x.example"), service("b", "/", "y.example", "X.example"), `host "X.example" with path "/" is of service "a" already`},
		{service("a", "/a"), service("b", "/"), "is taken by"},
		{service("a", "/a"), func() proxy.ServiceConfig { c := service("b", "/b"); c.TrustedProxies = loopback; return c }(), "another trusted_proxies"},
		{service("a", "/a"), func() proxy.ServiceConfig { c := service("b", "/"); c.SNI = []string{"b.example"}; return c }(), "another way to tell its clients apart"},
	} {
		found := proxy.Config{Services: []proxy.ServiceConfig{tt.a, tt.b}}.CheckAddresses()
		if tt.want == "" != (len(found) == 0) || len(found) > 0 && !strings.Contains(found[0].Error(), tt.want) {
			t.Errorf("%v %v and %v %v: %v, want %q", tt.a.Path, tt.a.Hosts, tt.b.Path, tt.b.Hosts, found, tt.want)
		}
	}
}
