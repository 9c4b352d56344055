package proxy_test

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tcpctl/tcpctl/proxy"
	"github.com/tcpctl/tcpctl/proxy/internal/tlsrecord"
	"github.com/tcpctl/tcpctl/proxy/proxytest"
)

// serverTLS is a TLS service in front of backends that echo.
func serverTLS(t *testing.T, config *tls.Config, servers ...*server) *visit {
	t.Helper()
	if config == nil {
		config = &tls.Config{Certificates: []tls.Certificate{certificate(t)}}
	}
	if len(servers) == 0 {
		servers = []*server{newServer(t, "a")}
	}
	v := start(t, proxy.ServiceConfig{TLS: config, Check: proxy.CheckConfig{Type: "none"}}, servers...)
	v.untilUp()
	return v
}

// speaks connects, with a connection under TLS that the test can wrap.
func (v *visit) speaks(config *tls.Config, under func(net.Conn) net.Conn) *client {
	v.Helper()
	raw := v.dialRaw()
	if config == nil {
		config = &tls.Config{}
	}
	config.InsecureSkipVerify = true
	var over net.Conn = raw
	if under != nil {
		over = under(raw)
	}
	conn := tls.Client(over, config)
	if err := conn.Handshake(); err != nil {
		v.Fatal(err)
	}
	return &client{TB: v.TB, Conn: conn, r: bufio.NewReader(conn)}
}

func (v *visit) dialRaw() *net.TCPConn {
	v.Helper()
	raw, err := net.Dial("tcp", v.addr())
	if err != nil {
		v.Fatal(err)
	}
	v.Cleanup(func() { raw.Close() })
	raw.SetDeadline(time.Now().Add(patience))
	return raw.(*net.TCPConn)
}

// recordClient is a client that sends and reads TLS records itself.
type recordClient struct {
	testing.TB
	*net.TCPConn
	*tlsrecord.Session
	in []byte
}

func (v *visit) inRecords() *recordClient {
	v.Helper()
	raw := v.dialRaw()
	h, err := tlsrecord.Client(v.Context(), raw, &tls.Config{InsecureSkipVerify: true})
	if err != nil || h.Session == nil {
		v.Fatal(err)
	}
	return &recordClient{v.TB, raw, h.Session, h.Early}
}

// reads opens records until there are n bytes, or an end, which it returns: an alert,
// io.EOF for close_notify, io.ErrUnexpectedEOF for a FIN alone.
func (c *recordClient) reads(n int) (plain []byte, err error) {
	b := make([]byte, 64<<10)
	for len(plain) < n {
		got, used, err := c.Open(make([]byte, 0, 64<<10), c.in)
		plain, c.in = append(plain, got...), c.in[used:]
		if err != nil || len(plain) >= n {
			return plain, err
		}
		m, err := c.TCPConn.Read(b)
		if c.in = append(c.in, b[:m]...); m == 0 {
			if errors.Is(err, io.EOF) {
				err = io.ErrUnexpectedEOF
			}
			return plain, err
		}
	}
	return plain, nil
}

// TestTLS13StaysOnTheLoop, and versions that loops cannot handle move to the other
// runner after the handshake.
func TestTLS13StaysOnTheLoop(t *testing.T) {
	onEach(t, func(t *testing.T) {
		v := serverTLS(t, nil)
		for version, want := range map[uint16]string{tls.VersionTLS13: onRunner(t), tls.VersionTLS12: "stream"} {
			c := v.speaks(&tls.Config{MaxVersion: version}, nil)
			c.says("hello")
			c.hears("a hello")
			if all := v.Sessions(false); len(all) != 1 || all[0].Runner != want || all[0].Via != "tls" {
				t.Errorf("%s: %+v", tls.VersionName(version), all)
			}
			c.leaves()
			if r := v.record(); r.Reason != proxy.ReasonFIN || r.By != proxy.ByClient || r.TLSVersion != tls.VersionName(version) || r.BytesIn != 6 || r.BytesOut != 8 {
				t.Errorf("record %+v", r)
			}
		}
	})
}

// TestTLSBothWaysAtOnce has more in flight than all buffers hold, with a slow client or
// backend.
func TestTLSBothWaysAtOnce(t *testing.T) {
	t.Parallel()
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		for _, cut := range []int{0, 100, 5000} {
			t.Run(fmt.Sprintf("%s in writes of %d", tls.VersionName(version), cut), func(t *testing.T) {
				onEach(t, func(t *testing.T) {
					t.Parallel()
					want := much()
					if cut == 100 {
						want = want[:1<<20]
					}
					ended := make(chan error, 1)
					v := overTLS(t, false, func(c *net.TCPConn) {
						time.Sleep(100 * time.Millisecond)
						_, err := io.Copy(c, c)
						ended <- err
						c.CloseWrite()
					})
					c := v.speaks(&tls.Config{MaxVersion: version}, nil)
					go func() {
						for rest := want; len(rest) > 0; {
							n := len(rest)
							if cut > 0 {
								n = min(cut, n)
							}
							c.Write(rest[:n])
							rest = rest[n:]
						}
						c.fin()
					}()
					time.Sleep(200 * time.Millisecond)
					c.SetDeadline(time.Now().Add(patience))
					got, err := io.ReadAll(c.r)
					if err := errors.Join(err, <-ended); err != nil || !bytes.Equal(got, want) {
						t.Errorf("%d of %d bytes came back, %v", len(got), len(want), err)
					}
					if r := v.record(); r.Reason != proxy.ReasonFIN || r.BytesIn != int64(len(want)) || r.BytesOut != int64(len(want)) {
						t.Errorf("record %+v", r)
					}
				})
			})
		}
	}
}

// inPieces writes a byte at a time.
type inPieces struct {
	net.Conn
	size int
}

func (c inPieces) Write(p []byte) (n int, err error) {
	for n < len(p) && err == nil {
		var m int
		m, err = c.Conn.Write(p[n:min(n+c.size, len(p))])
		n += m
	}
	return n, err
}

// TestTLSInPieces splits handshake and records into bytes, and into pieces that end
// anywhere in a record.
func TestTLSInPieces(t *testing.T) {
	onEach(t, func(t *testing.T) {
		v := serverTLS(t, nil)
		for _, size := range []int{1, 3, 700} {
			c := v.speaks(nil, func(c net.Conn) net.Conn { return inPieces{c, size} })
			for _, text := range []string{"hello", strings.Repeat("x", 3000), "z"} {
				c.says(text)
				if text == "hello" {
					text = "a hello"
				}
				c.hears(text)
			}
			c.leaves()
			if r := v.record(); r.Reason != proxy.ReasonFIN || r.BytesIn != 6+3001+2 {
				t.Errorf("record %+v", r)
			}
		}
	})
}

// TestTLSCutAtEachByte ends a client's stream at each byte of a record, by a FIN and by
// a reset: whole records are delivered, and only a whole close_notify is an end.
func TestTLSCutAtEachByte(t *testing.T) {
	onEach(t, func(t *testing.T) {
		for _, reset := range []bool{false, true} {
			v := serverTLS(t, nil)
			for k := 0; ; k++ {
				c := v.inRecords()
				whole := c.Seal(nil, []byte("hello\n"))
				c.TCPConn.Write(whole)
				if got, err := c.reads(8); string(got) != "a hello\n" || err != nil {
					t.Fatalf("got %q, %v", got, err)
				}
				last := c.CloseNotify(nil)
				if k > len(last) {
					break
				}
				c.TCPConn.Write(last[:k])
				want := proxy.ReasonTLSTruncated
				switch {
				case reset:
					want = proxy.ReasonReset
					if k == len(last) {
						c.reads(1) // the end was answered
						want = proxy.ReasonFIN
					}
					c.SetLinger(0)
					c.TCPConn.Close()
				case k == len(last):
					want = proxy.ReasonFIN
					fallthrough
				default:
					c.TCPConn.CloseWrite()
					if _, err := c.reads(1); err != io.EOF {
						t.Errorf("cut at byte %d: the client got %v", k, err)
					}
				}
				if r := v.record(); r.Reason != want || r.By != proxy.ByClient || r.BytesIn != 6 {
					t.Errorf("cut at byte %d, reset %t: record %+v", k, reset, r)
				}
			}
			v.untilBackend("a", "all have left", func(b proxy.BackendInfo) bool { return b.Active <= 1 })
		}
	})
}

// recorded keeps what a client writes.
type recorded struct {
	net.Conn
	wrote []byte
	most  int // bytes of it that are sent
}

func (r *recorded) Write(p []byte) (int, error) {
	rest := max(0, r.most-len(r.wrote))
	r.wrote = append(r.wrote, p...)
	if rest < len(p) {
		r.Conn.Write(p[:rest])
		r.Conn.(*net.TCPConn).CloseWrite()
		return 0, io.ErrClosedPipe
	}
	return r.Conn.Write(p)
}

// TestTLSHandshakesThatAreCut at many of their bytes: none gets to a backend.
func TestTLSHandshakesThatAreCut(t *testing.T) {
	onEach(t, func(t *testing.T) {
		v := serverTLS(t, nil)
		cuts := 0
		for most := 0; ; most += 61 {
			cut := &recorded{Conn: v.dialRaw(), most: most}
			conn := tls.Client(cut, &tls.Config{InsecureSkipVerify: true})
			if conn.Handshake() == nil {
				break
			}
			io.Copy(io.Discard, cut.Conn)
			cuts++
			if r := v.record(); r.Reason != proxy.ReasonTLS || r.Served {
				t.Errorf("cut at byte %d: record %+v", most, r)
			}
		}
		i := v.svc.Info()
		if n := i.TLSFailures; cuts < 5 || len(n) != 1 || n[0].Side != proxy.ByClient || n[0].Reason != proxy.ReasonAbandoned || n[0].Count != int64(cuts) {
			t.Errorf("%d were cut, counted %+v", cuts, n)
		}
	})
}

// TestTLSAlertsOfTheClient after its handshake are resets with a reason, and data other
// than TLS is answered with an alert of ours.
func TestTLSAlertsOfTheClient(t *testing.T) {
	onEach(t, func(t *testing.T) {
		for name, test := range map[string]struct {
			send   func(c *recordClient) []byte
			reason proxy.Reason
			detail string
			hears  string
		}{
			"bad certificate": {func(c *recordClient) []byte { return c.Alert(nil, 42) }, proxy.ReasonTLSAlert, "bad certificate", ""},
			"a bad record":    {func(c *recordClient) []byte { return append([]byte{23, 3, 3, 0, 30}, make([]byte, 30)...) }, proxy.ReasonReset, "", "bad record MAC"},
			"plain text":      {func(c *recordClient) []byte { return []byte("GET / HTTP/1.1\r\n\r\n") }, proxy.ReasonReset, "", "remote error: tls: "},
			"a long record":   {func(c *recordClient) []byte { return append([]byte{23, 3, 3, 0x7f, 0xff}, make([]byte, 1<<15)...) }, proxy.ReasonReset, "", "record overflow"},
		} {
			got := make(chan ended, 1)
			v := overTLS(t, false, func(c *net.TCPConn) {
				b, err := io.ReadAll(c)
				got <- ended{b, err}
			})
			c := v.inRecords()
			c.TCPConn.Write(append(c.Seal(nil, []byte("before")), test.send(c)...))
			_, err := c.reads(1)
			if text := err.Error(); !strings.Contains(text, "reset") && (test.hears == "" || !strings.Contains(text, test.hears)) {
				t.Errorf("%s: the client got %v", name, err)
			}
			if e := <-got; string(e.got) != "before" || !errors.Is(e.err, syscall.ECONNRESET) {
				t.Errorf("%s: the backend got %q, %v", name, e.got, e.err)
			}
			if r := v.record(); r.By != proxy.ByClient || r.Reason != test.reason || !strings.Contains(r.Detail, test.detail) || r.BytesIn != 6 {
				t.Errorf("%s: record %+v", name, r)
			}
		}
	})
}

// TestTLSTicketsAndCertificatesOfClients: a session is resumed with the same
// configuration, even after a reload with the same.
func TestTLSTicketsAndCertificatesOfClients(t *testing.T) {
	onEach(t, func(t *testing.T) {
		ours := certificate(t)
		pool := x509.NewCertPool()
		leaf, _ := x509.ParseCertificate(ours.Certificate[0])
		pool.AddCert(leaf)
		config := &tls.Config{Certificates: []tls.Certificate{ours}, ClientAuth: tls.RequireAnyClientCert}
		a := newServer(t, "a")
		v := serverTLS(t, config, a)
		client := &tls.Config{Certificates: []tls.Certificate{ours}, ClientSessionCache: tls.NewLRUClientSessionCache(1)}
		for i := range 3 {
			c := v.speaks(client, nil)
			c.says("hello")
			c.hears("a hello")
			if state := c.Conn.(*tls.Conn).ConnectionState(); state.DidResume != (i > 0) {
				t.Errorf("connection %d: resumed %t", i, state.DidResume)
			}
			c.leaves()
			v.record()
		}
		none := tls.Client(v.dialRaw(), &tls.Config{InsecureSkipVerify: true})
		if _, err := none.Read(make([]byte, 1)); err == nil || !strings.Contains(err.Error(), "certificate required") {
			t.Errorf("without a certificate: %v", err)
		}
		if r := v.record(); r.Reason != proxy.ReasonTLS {
			t.Errorf("record %+v", r)
		}
	})
}

// TestTLSClientsWait in the queue like others: one that resets has abandoned, one that
// ends after its data is verified, and the data is delivered.
func TestTLSClientsWait(t *testing.T) {
	onEach(t, func(t *testing.T) {
		v := serverTLS(t, nil)
		v.must(v.svc.Pause(proxy.PauseOptions{By: "ana", Max: time.Minute}))
		resets, ends, kicked, stays := v.inRecords(), v.inRecords(), v.inRecords(), v.inRecords()
		v.untilWaiting(4)
		ends.TCPConn.Write(append(ends.Seal(nil, []byte("hello\n")), ends.CloseNotify(nil)...))
		ends.TCPConn.CloseWrite()
		v.eventually("it is verified", func() bool {
			for _, w := range v.svc.Waiters() {
				if w.State == proxy.WaiterVerifying {
					return true
				}
			}
			return false
		})
		resets.SetLinger(0)
		resets.TCPConn.Close()
		if r := v.record(); r.Reason != proxy.ReasonAbandoned || r.Via != "tls" {
			t.Errorf("record %+v", r)
		}
		v.untilWaiting(3)
		id := ""
		for _, w := range v.svc.Waiters() {
			if w.Client == kicked.LocalAddr().String() {
				id = w.ID
			}
		}
		v.Kick("ana", "", id)
		if _, err := kicked.reads(1); !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("the kicked client got %v", err)
		}
		v.record()
		stays.TCPConn.Write(stays.Seal(nil, []byte("stays\n")))
		v.must(v.svc.Resume(proxy.ResumeOptions{By: "ana"}))
		if got, err := ends.reads(9); string(got) != "a hello\n" || err != io.EOF {
			t.Errorf("got %q, %v", got, err)
		}
		if got, err := stays.reads(8); string(got) != "a stays\n" || err != nil {
			t.Errorf("got %q, %v", got, err)
		}
	})
}

// TestTLSHandshakesEndWhenAsked: a client that stalls in it is closed at once.
func TestTLSHandshakesEndWhenAsked(t *testing.T) {
	onEach(t, func(t *testing.T) {
		v := serverTLS(t, nil)
		c := v.dialRaw()
		c.Write([]byte{22, 3, 1, 2, 0, 1})
		v.eventually("it has connected", func() bool { return len(v.Sessions(false)) == 1 })
		v.Kick("ana", "", v.Sessions(false)[0].ID)
		if _, err := io.Copy(io.Discard, c); !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("the client got %v", err)
		}
		if r := v.record(); r.Reason != proxy.ReasonKicked || r.Phase != proxy.PhaseQueue {
			t.Errorf("record %+v", r)
		}
	})
}

// TestTLSSessionsOutliveAReload with another certificate.
func TestTLSSessionsOutliveAReload(t *testing.T) {
	onEach(t, func(t *testing.T) {
		a := newServer(t, "a")
		cfg := proxy.ServiceConfig{Name: "db", Listen: []string{proxytest.FreePort(t)}, Relay: onRunner(t), Check: proxy.CheckConfig{Type: "none"},
			TLS: &tls.Config{Certificates: []tls.Certificate{certificate(t)}}, Backends: []proxy.BackendConfig{a.backend()}}
		v := start(t, cfg)
		before := v.speaks(nil, nil)
		before.says("hello")
		before.hears("a hello")
		cfg.TLS = &tls.Config{Certificates: []tls.Certificate{certificate(t)}}
		v.apply(cfg)
		after := v.speaks(nil, nil)
		after.says("after")
		after.hears("a after")
		before.says("still")
		before.hears("still")
		if bytes.Equal(before.Conn.(*tls.Conn).ConnectionState().PeerCertificates[0].Raw, after.Conn.(*tls.Conn).ConnectionState().PeerCertificates[0].Raw) {
			t.Error("the certificate is the same")
		}
		before.leaves()
		after.leaves()
	})
}
