package proxy_test

import (
	"bytes"
	"crypto/tls"
	"encoding/binary"
	"io"
	"net"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tcpctl/tcpctl/proxy"
	"github.com/tcpctl/tcpctl/proxy/proxytest"
)

// helloFor is the ClientHello of a real client, with more additional bytes in it.
func helloFor(t testing.TB, name string, more int) []byte {
	t.Helper()
	near, far := net.Pipe()
	defer far.Close()
	c := &tls.Config{ServerName: name, InsecureSkipVerify: true}
	for ; more > 0; more -= 250 {
		c.NextProtos = append(c.NextProtos, strings.Repeat("x", min(more, 250)))
	}
	go func() { tls.Client(near, c).Handshake(); near.Close() }()
	header := make([]byte, 5)
	if _, err := io.ReadFull(far, header); err != nil {
		t.Fatal(err)
	}
	body := make([]byte, binary.BigEndian.Uint16(header[3:]))
	if _, err := io.ReadFull(far, body); err != nil {
		t.Fatal(err)
	}
	return append(header, body...)
}

// inRecords is a ClientHello in records of size bytes each.
func inRecords(hello []byte, size int) (all []byte) {
	for part := range slices.Chunk(hello[5:], size) {
		all = append(all, hello[0], hello[1], hello[2], byte(len(part)>>8), byte(len(part)))
		all = append(all, part...)
	}
	return all
}

// names is an engine whose services share an address by server names; each has a
// backend of its name that reports what it got.
type names struct {
	*visit
	addr string
	got  map[string]chan []byte // by service
	cfg  proxy.Config
}

func newNames(t *testing.T, change func(*proxy.ServiceConfig), sni ...string) *names {
	t.Helper()
	n := &names{addr: proxytest.FreePort(t), got: map[string]chan []byte{}, visit: &visit{TB: t, records: make(chan *proxy.Record, 1000)}}
	for i, list := range sni {
		c := n.service(string(rune('a'+i)), strings.Fields(list)...)
		if change != nil {
			change(&c)
		}
		n.cfg.Services = append(n.cfg.Services, c)
	}
	n.cfg.OnRecord = func(r proxy.Record) { n.records <- &r }
	e, err := proxy.New(n.cfg)
	if err != nil {
		t.Fatal(err)
	}
	if err := e.Start(); err != nil {
		t.Fatal(err)
	}
	n.Engine, n.Operator, n.svc = e, e.Operator(), e.Service("a")
	t.Cleanup(func() { e.Close() })
	return n
}

// service is another service, whose backend echoes what it got once its client ends.
func (n *names) service(name string, sni ...string) proxy.ServiceConfig {
	got := make(chan []byte, 100)
	n.got[name] = got
	addr := proxytest.Serve(n, func(c net.Conn) {
		var all bytes.Buffer
		io.Copy(c, io.TeeReader(c, &all))
		select {
		case got <- all.Bytes():
		default: // no test needs so many
		}
	})
	return proxy.ServiceConfig{Name: name, Listen: []string{n.addr}, SNI: sni, Relay: onRunner(n), Check: proxy.CheckConfig{Type: "none"},
		Backends: []proxy.BackendConfig{{Name: name, Addr: addr}}}
}

func (n *names) dial() *net.TCPConn {
	n.Helper()
	c, err := net.Dial("tcp", n.addr)
	if err != nil {
		n.Fatal(err)
	}
	n.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(patience))
	return c.(*net.TCPConn)
}

// session is a client of a name whose backend has echoed its hello.
func (n *names) session(name string) *net.TCPConn {
	n.Helper()
	c, hello := n.dial(), helloFor(n, name, 0)
	c.Write(hello)
	n.echoes(c, hello)
	return c
}

func (n *names) echoes(c net.Conn, want []byte) {
	n.Helper()
	back := make([]byte, len(want))
	if _, err := io.ReadFull(c, back); err != nil || !bytes.Equal(back, want) {
		n.Fatalf("the backend did not echo %.20q: %.20q, %v", want, back, err)
	}
}

// goesTo sends bytes and their end, and expects only this service's backend to get
// them.
func (n *names) goesTo(service string, c *net.TCPConn, all []byte) {
	n.Helper()
	c.CloseWrite()
	if back, err := io.ReadAll(c); err != nil || !bytes.Equal(back, all) {
		n.Errorf("%d of %d bytes came back: %v", len(back), len(all), err)
	}
	if got := <-n.got[service]; !bytes.Equal(got, all) {
		n.Errorf("the backend of %s got %d bytes that differ from the client's %d", service, len(got), len(all))
	}
	if r := n.record(); r.Service != service || r.Reason != proxy.ReasonFIN || r.BytesIn != int64(len(all)) {
		n.Errorf("record %+v, want service %s and %d bytes", r, service, len(all))
	}
}

// TestRule50ByServerName: exact before wildcard before "*", in any order; a wildcard is
// one label; neither case nor a trailing dot matters.
func TestRule50ByServerName(t *testing.T) { onEach(t, testRule50ByServerName) }

func testRule50ByServerName(t *testing.T) {
	n := newNames(t, nil, "*", "*.example.org api.example.com", "www.example.org *.dev.example.org.")
	for asked, service := range map[string]string{
		"www.example.org": "c", "WWW.Example.ORG": "c", "db.example.org": "b", "api.example.com": "b", "a.dev.example.org": "c",
		"dev.example.org": "b", "a.b.example.org": "a", "example.org": "a", "other.net": "a", "": "a",
	} {
		hello := helloFor(t, asked, 0)
		c := n.dial()
		c.Write(hello)
		n.goesTo(service, c, hello)
	}
}

// TestRule50HellosInPieces: however a ClientHello is split, the backend gets it byte
// for byte, with what follows it.
func TestRule50HellosInPieces(t *testing.T) { onEach(t, testRule50HellosInPieces) }

func testRule50HellosInPieces(t *testing.T) {
	n := newNames(t, nil, "a.example.org", "b.example.org")
	small, large := helloFor(t, "b.example.org", 0), helloFor(t, "b.example.org", 14<<10)
	if len(large) < 15<<10 {
		t.Fatalf("the large hello has %d bytes", len(large))
	}
	for what, c := range map[string]struct {
		hello []byte
		piece int
	}{
		"at once":             {small, 1 << 20},
		"byte by byte":        {small, 1},
		"records of a byte":   {inRecords(small, 1), 1 << 20},
		"records in pieces":   {inRecords(small, 7), 3},
		"16 KiB":              {large, 1 << 20},
		"16 KiB in segments":  {large, 1400},
		"16 KiB over records": {inRecords(large, 100), 1 << 20},
		"more than 16 KiB":    {inRecords(helloFor16(t), 1<<14), 1 << 20},
		"header apart":        {small, 5},
		"with more after it":  {append(slices.Clone(small), "and more"...), 1 << 20},
	} {
		conn := n.dial()
		conn.SetNoDelay(true)
		go func() {
			for part := range slices.Chunk(c.hello, c.piece) {
				conn.Write(part)
			}
			conn.CloseWrite()
		}()
		back, err := io.ReadAll(conn)
		if err != nil || !bytes.Equal(back, c.hello) {
			t.Fatalf("%s: %d of %d bytes came back: %v", what, len(back), len(c.hello), err)
		}
		if got := <-n.got["b"]; !bytes.Equal(got, c.hello) {
			t.Errorf("%s: the backend got %d bytes that differ from the client's %d", what, len(got), len(c.hello))
		}
	}
}

// helloFor16 is a ClientHello for b.example.org that is longer than a record may be;
// its header is not that of a record.
func helloFor16(t testing.TB) []byte {
	small := helloFor(t, "b.example.org", 0)
	const extra = 20 << 10
	padding := append([]byte{0, 21, extra >> 8, extra & 0xff}, make([]byte, extra)...) // RFC 7685
	big := append(slices.Clone(small), padding...)
	length := len(big) - 9
	big[6], big[7], big[8] = 0, byte(length>>8), byte(length)
	at := 9 + 2 + 32
	at += 1 + int(big[at])
	at += 2 + int(binary.BigEndian.Uint16(big[at:]))
	at += 1 + int(big[at])
	binary.BigEndian.PutUint16(big[at:], binary.BigEndian.Uint16(big[at:])+uint16(len(padding)))
	return big
}

// TestRule50RefusesWithAReason: if no service can be chosen for a client, the record
// and the count say why, and others are not affected.
func TestRule50RefusesWithAReason(t *testing.T) { onEach(t, testRule50RefusesWithAReason) }

func testRule50RefusesWithAReason(t *testing.T) {
	n := newNames(t, nil, "a.example.org", "b.example.org")
	hello := helloFor(t, "b.example.org", 0)
	serverHello := append([]byte{22, 3, 3, 0, 4, 2}, 0, 0, 0)
	stays := n.session("b.example.org")
	for _, c := range []struct {
		what   string
		sends  []byte
		ends   bool
		reason proxy.Reason
	}{
		{"HTTP", []byte("GET / HTTP/1.1\r\n"), false, proxy.ReasonNotTLS},
		{"one byte of garbage", []byte{0}, false, proxy.ReasonNotTLS},
		{"an alert", []byte{21, 3, 3, 0, 2, 2, 40}, false, proxy.ReasonNotTLS},
		{"a ServerHello", serverHello, false, proxy.ReasonNotTLS},
		{"an empty record", []byte{22, 3, 1, 0, 0}, false, proxy.ReasonNotTLS},
		{"a record that is too large", []byte{22, 3, 1, 0xff, 0xff}, false, proxy.ReasonNotTLS},
		{"a message that is too large", []byte{22, 3, 1, 0x40, 0, 1, 0xff, 0, 0}, false, proxy.ReasonNotTLS},
		{"a hello that ends inside", []byte{22, 3, 1, 0, 5, 1, 0, 0, 1, 3}, false, proxy.ReasonNotTLS},
		{"no name", helloFor(t, "", 0), false, proxy.ReasonNoServerName},
		{"another name", helloFor(t, "c.example.org", 0), false, proxy.ReasonServerName},
		{"half a hello", hello[:100], true, proxy.ReasonNoHello},
		{"nothing", nil, true, proxy.ReasonAbandoned},
	} {
		conn := n.dial()
		conn.Write(c.sends)
		if c.ends {
			conn.CloseWrite()
		}
		want := ""
		if c.reason == proxy.ReasonServerName || c.reason == proxy.ReasonNoServerName {
			want = "\x15\x03\x03\x00\x02\x02\x70" // unrecognized_name
		}
		if back, err := io.ReadAll(conn); err == nil || string(back) != want {
			t.Errorf("%s: got %q, %v instead of %q and a reset", c.what, back, err, want)
		}
		if r := n.record(); r.Reason != c.reason || r.Phase != proxy.PhaseQueue || r.Served {
			t.Errorf("%s: record %+v", c.what, r)
		}
	}
	if i := n.untilIdleBut(1); i.Sessions.Rejected == 0 {
		t.Errorf("nothing was counted: %+v", i.Sessions)
	}
	stays.Write([]byte("still here"))
	n.echoes(stays, []byte("still here"))
}

// untilIdleBut waits until only this many sessions remain in all services.
func (n *names) untilIdleBut(count int) proxy.ServiceInfo {
	n.Helper()
	n.eventually("idle", func() bool { return len(n.Sessions(false)) == count })
	return n.svc.Info()
}

// TestRule50AReloadLeavesLiveSessions: of three services on one address one goes and
// one comes; live sessions stay, and the others continue to serve.
func TestRule50AReloadLeavesLiveSessions(t *testing.T) {
	onEach(t, testRule50AReloadLeavesLiveSessions)
}

func testRule50AReloadLeavesLiveSessions(t *testing.T) {
	t.Parallel()
	n := newNames(t, nil, "a.example.org", "b.example.org", "c.example.org")
	var live []*net.TCPConn
	for _, name := range []string{"a", "b", "c"} {
		live = append(live, n.session(name+".example.org"))
	}
	for _, gone := range []int{1, 0} { // the second service, then the one with which clients begin
		next := proxy.Config{OnRecord: n.cfg.OnRecord}
		next.Services = append(slices.Delete(slices.Clone(n.cfg.Services), gone, gone+1), n.service("d", "d.example.org"))
		changes, err := n.Apply(next)
		if err != nil {
			t.Fatal(err)
		}
		if text := strings.Join(changes, "\n"); !strings.Contains(text, n.cfg.Services[gone].Name+" is gone: 1 session") {
			t.Errorf("the reload says %q", text)
		}
		for _, c := range live {
			c.Write([]byte("one"))
			n.echoes(c, []byte("one"))
		}
		for _, s := range next.Services {
			n.session(s.SNI[0]).Close()
			n.record()
		}
		refused := n.dial()
		refused.Write(helloFor(t, n.cfg.Services[gone].SNI[0], 0))
		if _, err := io.ReadAll(refused); err == nil {
			t.Errorf("%s is served after its service is gone", n.cfg.Services[gone].SNI[0])
		}
		if r := n.record(); r.Reason != proxy.ReasonServerName {
			t.Errorf("record %+v", r)
		}
		if _, err := n.Apply(n.cfg); err != nil { // back to all three
			t.Fatal(err)
		}
		n.session(n.cfg.Services[gone].SNI[0]).Close()
		n.record()
	}
	for i, c := range live {
		c.Close()
		if r := n.record(); r.Service != n.cfg.Services[i].Name {
			t.Errorf("record %+v", r)
		}
	}
}

// TestRule50OneDoesNotConcernTheOthers: a close, a pause, a queue and a drain of one
// service on a shared address affect only that one.
func TestRule50OneDoesNotConcernTheOthers(t *testing.T) {
	onEach(t, testRule50OneDoesNotConcernTheOthers)
}

func testRule50OneDoesNotConcernTheOthers(t *testing.T) {
	t.Parallel()
	n := newNames(t, nil, "a.example.org", "b.example.org")
	a, b := n.svc, n.Service("b")
	others := func(what string) {
		t.Helper()
		n.session("b.example.org").Close()
		if r := n.record(); r.Service != "b" || !r.Served {
			t.Errorf("%s: record %+v", what, r)
		}
	}
	n.must(a.Pause(proxy.PauseOptions{By: "ana", Max: time.Hour}))
	held := n.dial()
	hello := helloFor(t, "a.example.org", 0)
	held.Write(hello)
	n.untilWaiting(1)
	if i := b.Info(); i.State != proxy.StateOpen || i.Queue.Waiting > 0 {
		t.Errorf("b is %+v", i)
	}
	others("while a is paused")
	n.must(a.Resume(proxy.ResumeOptions{By: "ana"}))
	n.echoes(held, hello)

	for range 2 {
		n.must(a.StopListening("ana", ""))
		if a.Info().State != proxy.StateClosed || b.Info().State != proxy.StateOpen {
			t.Errorf("a is %s, b is %s", a.Info().State, b.Info().State)
		}
		others("while a is closed")
		refused := n.dial()
		refused.Write(hello)
		if _, err := io.ReadAll(refused); err == nil {
			t.Error("a client of a closed service is served")
		}
		if r := n.record(); r.Reason != proxy.ReasonServerName {
			t.Errorf("record %+v", r)
		}
		held.Write([]byte("one"))
		n.echoes(held, []byte("one"))
		n.must(a.StartListening("ana", ""))
		n.session("a.example.org").Close()
		n.record()
	}
	n.must(a.StopListening("ana", ""))
	n.must(b.StopListening("ana", ""))
	if c, err := net.Dial("tcp", n.addr); err == nil {
		c.Close()
		t.Error("the address is open although both services are closed")
	}
	n.must(b.StartListening("ana", ""))
	others("after both were closed")
}

// TestRule50Handover: another engine takes over the one socket for all of its services.
func TestRule50Handover(t *testing.T) { onEach(t, testRule50Handover) }

func testRule50Handover(t *testing.T) {
	n := newNames(t, nil, "a.example.org", "b.example.org", "c.example.org")
	live := n.session("b.example.org")
	sockets, err := proxy.HandoverOf(n.Engine).Sockets()
	if err != nil || len(sockets) != 1 {
		t.Fatalf("%d sockets, %v", len(sockets), err)
	}
	next := n.cfg
	next.InheritedSockets = sockets
	e, err := proxy.New(next)
	if err != nil {
		t.Fatal(err)
	}
	if err := e.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { e.Close() })
	proxy.HandoverOf(n.Engine).StopListening()
	for _, name := range []string{"a", "b", "c"} {
		n.session(name + ".example.org").Close()
		if r := n.record(); r.Service != name || e.Service(name).Info().Sessions.Total == 0 {
			t.Errorf("record %+v", r)
		}
	}
	live.Write([]byte("one"))
	n.echoes(live, []byte("one"))

	// And back, as after the death of the new engine.
	if sockets, err = proxy.HandoverOf(e).Sockets(); err != nil {
		t.Fatal(err)
	}
	proxy.HandoverOf(e).StopListening()
	if err := proxy.HandoverOf(n.Engine).StartListening(sockets); err != nil {
		t.Fatal(err)
	}
	before := n.Service("c").Info().Sessions.Total
	n.session("c.example.org").Close()
	n.record()
	if now := n.Service("c").Info().Sessions.Total; now != before+1 {
		t.Errorf("the first engine has %d sessions of c, had %d", now, before)
	}
}

// TestRule50BehindAHeaderAndBeforeTLS: the choice follows the PROXY header, and
// precedes the service's own TLS.
func TestRule50BehindAHeaderAndBeforeTLS(t *testing.T) {
	onEach(t, testRule50BehindAHeaderAndBeforeTLS)
}

func testRule50BehindAHeaderAndBeforeTLS(t *testing.T) {
	t.Parallel()
	cert := certificate(t)
	n := newNames(t, func(c *proxy.ServiceConfig) {
		c.AcceptProxy, c.TrustedProxies = true, loopback
		if c.Name == "b" {
			c.TLS = &tls.Config{Certificates: []tls.Certificate{cert}}
		}
	}, "a.example.org", "b.example.org")
	c := n.dial()
	io.WriteString(c, "PROXY TCP4 10.9.8.7 127.0.0.1 1234 443\r\n")
	over := tls.Client(c, &tls.Config{ServerName: "b.example.org", InsecureSkipVerify: true})
	io.WriteString(over, "over TLS")
	n.echoes(over, []byte("over TLS"))
	over.Close()
	if got := <-n.got["b"]; string(got) != "over TLS" {
		t.Errorf("the backend got %q", got)
	}
	if r := n.record(); r.Service != "b" || r.Client != "10.9.8.7:1234" || r.TLSName != "b.example.org" || r.Via != "tls" {
		t.Errorf("record %+v", r)
	}
	c = n.dial()
	hello := append([]byte("PROXY TCP4 10.9.8.7 127.0.0.1 1234 443\r\n"), helloFor(t, "a.example.org", 0)...)
	c.Write(hello)
	n.echoes(c, hello[len("PROXY TCP4 10.9.8.7 127.0.0.1 1234 443\r\n"):])
}

// TestRule50WhatCannotShare: errors name service and key.
func TestRule50WhatCannotShare(t *testing.T) {
	t.Parallel()
	svc := func(name, listen string, sni ...string) proxy.ServiceConfig {
		return proxy.ServiceConfig{Name: name, Listen: []string{listen}, SNI: sni, Backends: []proxy.BackendConfig{{Addr: "10.0.0.1:9"}}}
	}
	asks := func(c proxy.ServiceConfig) proxy.ServiceConfig {
		c.AcceptProxy, c.TrustedProxies = true, loopback
		return c
	}
	quick := svc("b", ":9", "b.org")
	quick.Sock.UserTimeout = time.Second
	for what, c := range map[string]struct {
		refused  string
		services []proxy.ServiceConfig
	}{
		"one without names":  {`listen[0] listen ":9" is taken by`, []proxy.ServiceConfig{svc("a", ":9", "a.org"), svc("b", ":9")}},
		"another address":    {`listen[0] listen "127.0.0.1:9" overlaps`, []proxy.ServiceConfig{svc("a", ":9", "a.org"), svc("b", "127.0.0.1:9", "b.org")}},
		"the same name":      {`sni[1] sni "A.org" is of service "a" already`, []proxy.ServiceConfig{svc("a", ":9", "a.org"), svc("b", ":9", "b.org", "A.org")}},
		"the wildcard twice": {`sni[0] sni "*" is of service "a" already`, []proxy.ServiceConfig{svc("a", ":9", "*"), svc("b", ":9", "*")}},
		"another header":     {`listen[0] it shares an address with service "a", which has another accept_proxy`, []proxy.ServiceConfig{svc("a", ":9", "a.org"), asks(svc("b", ":9", "b.org"))}},
		"another socket":     {`listen[0] it shares an address with service "a", which has another keepalive`, []proxy.ServiceConfig{svc("a", ":9", "a.org"), quick}},
		"what can be shared": {"", []proxy.ServiceConfig{svc("a", ":9", "a.org"), svc("b", ":9", "*.a.org"), svc("c", "0.0.0.0:9", "*")}},
		"any port":           {"", []proxy.ServiceConfig{svc("a", ":0", "a.org"), svc("b", ":0", "a.org")}},
	} {
		said := ""
		if found := (proxy.Config{Services: c.services}).CheckAddresses(); len(found) > 0 {
			said = found[0].Key + " " + found[0].Text
		}
		if c.refused == "" && said != "" || !strings.HasPrefix(said, c.refused) {
			t.Errorf("%s: %q, want %q", what, said, c.refused)
		}
	}
	for _, bad := range []string{"", "*.", "a..b", "10.0.0.1", "*.*.org", "a.*.org", "a b", "a.org:443", ".org"} {
		if found := svc("a", ":9", bad).Validate(); len(found) == 0 || found[0].Key != "sni[0]" {
			t.Errorf("sni %q is not refused: %v", bad, found)
		}
	}
}

// TestRule50AReloadBeginsToShare: a service that had its address alone, on event loops,
// shares it after a reload, and has it alone again after another.
func TestRule50AReloadBeginsToShare(t *testing.T) { onEach(t, testRule50AReloadBeginsToShare) }

func testRule50AReloadBeginsToShare(t *testing.T) {
	n := newNames(t, nil, "")
	alone := n.cfg
	plain := func() *net.TCPConn {
		c := n.dial()
		io.WriteString(c, "no TLS")
		n.echoes(c, []byte("no TLS"))
		return c
	}
	live := plain()
	shared := proxy.Config{OnRecord: n.cfg.OnRecord}
	first := alone.Services[0]
	first.SNI = []string{"a.example.org"}
	shared.Services = []proxy.ServiceConfig{first, n.service("b", "*")}
	for range 2 {
		if _, err := n.Apply(shared); err != nil {
			t.Fatal(err)
		}
		for name, service := range map[string]string{"a.example.org": "a", "other.net": "b"} {
			n.session(name).Close()
			if r := n.record(); r.Service != service || r.TLSName != name {
				t.Errorf("record %+v", r)
			}
		}
		if _, err := n.Apply(alone); err != nil {
			t.Fatal(err)
		}
		plain().Close()
		n.record()
		live.Write([]byte("one"))
		n.echoes(live, []byte("one"))
	}
}

// TestRule50ClientsInBetween: a client that had not sent its name when a reload removed
// the first service, where it began, goes to one of the remaining services. A stop does
// not wait for clients that send nothing.
func TestRule50ClientsInBetween(t *testing.T) { onEach(t, testRule50ClientsInBetween) }

func testRule50ClientsInBetween(t *testing.T) {
	n := newNames(t, nil, "a.example.org", "b.example.org", "c.example.org")
	hello, gone := helloFor(t, "b.example.org", 0), helloFor(t, "a.example.org", 0)
	early, late := n.dial(), n.dial()
	early.Write(hello[:20])
	late.Write(gone[:20])
	n.eventually("both have connected", func() bool { return len(n.Sessions(false)) == 2 })
	next := proxy.Config{OnRecord: n.cfg.OnRecord, Services: n.cfg.Services[1:]}
	if _, err := n.Apply(next); err != nil {
		t.Fatal(err)
	}
	early.Write(hello[20:])
	n.echoes(early, hello)
	late.Write(gone[20:])
	if _, err := io.ReadAll(late); err == nil {
		t.Error("the client of a service that is gone is served")
	}
	if r := n.record(); r.Service != "a" || r.Reason != proxy.ReasonServerName {
		t.Errorf("record %+v", r)
	}
	for end := time.Now().Add(patience); n.Service("a") != nil; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("a was not forgotten")
		}
	}
	early.Close()
	n.record()
	n.dial().Write(hello[:20])
	n.eventually("it has connected", func() bool { return len(n.Sessions(false)) == 1 })
	n.Close()
	if r := n.record(); r.Reason != proxy.ReasonShutdown {
		t.Errorf("record %+v", r)
	}
}

// TestRule50RulesOfTheChosen: access, limits and counts are those of the chosen
// service.
func TestRule50RulesOfTheChosen(t *testing.T) { onEach(t, testRule50RulesOfTheChosen) }

func testRule50RulesOfTheChosen(t *testing.T) {
	n := newNames(t, func(c *proxy.ServiceConfig) {
		switch c.Name {
		case "a":
			c.Deny = loopback
		case "b":
			c.MaxSessionsPerIP = 1
		}
	}, "a.example.org", "b.example.org", "c.example.org")
	refused := func(name, service string, reason proxy.Reason) {
		t.Helper()
		c := n.dial()
		c.Write(helloFor(t, name, 0))
		if _, err := io.ReadAll(c); err == nil {
			t.Errorf("%s is served", name)
		}
		if r := n.record(); r.Service != service || r.Reason != reason {
			t.Errorf("record %+v", r)
		}
	}
	refused("a.example.org", "a", proxy.ReasonDenied)
	first := n.session("b.example.org")
	refused("b.example.org", "b", proxy.ReasonSessionsPerIP)
	n.session("c.example.org").Close()
	if r := n.record(); r.Service != "c" || !r.Served {
		t.Errorf("record %+v", r)
	}
	first.Close()
	n.record()
	n.session("b.example.org").Close()
	n.record()
	for name, total := range map[string]int64{"a": 1, "b": 3, "c": 1} {
		n.eventually(name+" has its count", func() bool { return n.Service(name).Info().Sessions.Total == total })
	}
}

// TestRule50SharesOfTheChosen: waiters of one service on a shared address cannot keep
// out the clients of another (rule 7), nor can clients that send no name.
func TestRule50SharesOfTheChosen(t *testing.T) { onEach(t, testRule50SharesOfTheChosen) }

func testRule50SharesOfTheChosen(t *testing.T) {
	n := newNames(t, nil, "a.example.org", "b.example.org")
	n.Close()
	n.cfg.MaxSessions = 12 // a floor of 2 each, for a, b and clients without a name yet
	e, err := proxy.New(n.cfg)
	if err != nil {
		t.Fatal(err)
	}
	if err := e.Start(); err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	n.Engine, n.svc, n.Operator = e, e.Service("a"), e.Operator()
	n.must(n.svc.Pause(proxy.PauseOptions{By: "ana", Max: time.Minute}))
	hello := helloFor(t, "a.example.org", 0)
	var held []*net.TCPConn
	for range 8 {
		c := n.dial()
		c.Write(hello)
		held = append(held, c)
	}
	n.untilWaiting(8)
	over := n.dial()
	over.Write(hello)
	if _, err := io.ReadAll(over); err == nil {
		t.Error("a ninth client is held")
	}
	if r := n.record(); r.Service != "a" || r.Reason != proxy.ReasonLocalLimit {
		t.Errorf("record %+v", r)
	}
	for range 5 {
		first, second := n.session("b.example.org"), n.session("b.example.org")
		first.Close()
		second.Close()
		n.record()
		n.record()
	}
	n.must(n.svc.Resume(proxy.ResumeOptions{By: "ana"}))
	for _, c := range held {
		n.echoes(c, hello)
	}
}

// TestRule50GivenSockets: a socket opened from outside, as by systemd, is shared like
// one of ours; a reload and a close leave it to the others.
func TestRule50GivenSockets(t *testing.T) { onEach(t, testRule50GivenSockets) }

func testRule50GivenSockets(t *testing.T) {
	n := newNames(t, nil, "a.example.org", "b.example.org", "c.example.org")
	n.Close()
	ln, err := net.Listen("tcp", n.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	n.cfg.Activated = func(string, []string) (given []net.Listener, rest []string, err error) {
		f, err := ln.(*net.TCPListener).File()
		if err != nil {
			return nil, nil, err
		}
		defer f.Close()
		again, err := net.FileListener(f)
		return []net.Listener{again}, nil, err
	}
	e, err := proxy.New(n.cfg)
	if err != nil {
		t.Fatal(err)
	}
	if err := e.Start(); err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	n.Engine, n.svc, n.Operator = e, e.Service("a"), e.Operator()
	served := func(names ...string) {
		t.Helper()
		for range 3 { // otherwise two listeners might alternate
			for _, name := range names {
				n.session(name + ".example.org").Close()
				if r := n.record(); r.Service != name {
					t.Errorf("record %+v", r)
				}
			}
		}
	}
	served("a", "b", "c")
	for _, services := range [][]proxy.ServiceConfig{n.cfg.Services[1:], n.cfg.Services} {
		if _, err := e.Apply(proxy.Config{Services: services, OnRecord: n.cfg.OnRecord}); err != nil {
			t.Fatal(err)
		}
		served("b", "c")
	}
	served("a")
	n.must(e.Service("b").StopListening("ana", ""))
	served("a", "c")
	n.must(e.Service("b").StartListening("ana", ""))
	served("a", "b", "c")
}

// TestRule50NoClientOfAnotherFails: services on one address come, go, close and open,
// including the one with which all clients begin, and no client of one that stays is
// refused or cut.
func TestRule50NoClientOfAnotherFails(t *testing.T) { onEach(t, testRule50NoClientOfAnotherFails) }

func testRule50NoClientOfAnotherFails(t *testing.T) {
	n := newNames(t, nil, "a.example.org", "b.example.org", "c.example.org")
	hello := helloFor(t, "b.example.org", 0)
	var served atomic.Int64
	proxytest.Repeat(t, 4, func() bool {
		c, err := net.Dial("tcp", n.addr)
		if err != nil {
			t.Error(err)
			return false
		}
		defer c.Close()
		c.SetDeadline(time.Now().Add(patience))
		back := make([]byte, len(hello))
		c.Write(hello)
		if _, err := io.ReadFull(c, back); err != nil || !bytes.Equal(back, hello) {
			t.Errorf("a client of b failed: %v", err)
		}
		served.Add(1)
		return true
	})
	apply := func(services ...proxy.ServiceConfig) {
		t.Helper()
		if _, err := n.Apply(proxy.Config{Services: services, OnRecord: n.cfg.OnRecord}); err != nil {
			t.Error(err)
		}
	}
	a, b, c := n.cfg.Services[0], n.cfg.Services[1], n.cfg.Services[2]
	for range 10 {
		before := served.Load()
		apply(b, c)
		apply(c, b, a)
		n.must(n.Service("c").StopListening("ana", ""))
		apply(b)
		apply(a, b)
		n.must(n.Service("a").StopListening("ana", ""))
		n.must(n.Service("a").StartListening("ana", ""))
		apply(a, b, c)
		n.eventually("clients come", func() bool { return served.Load() > before || t.Failed() })
		for len(n.records) > 500 {
			<-n.records
		}
	}
}
