package tlsrecord

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"
)

// oneByOne is read byte by byte.
type oneByOne struct{ net.Conn }

func (c oneByOne) Read(p []byte) (int, error) { return c.Conn.Read(p[:min(1, len(p))]) }

// merging keeps what is written until the next read or flush, so that the end of a
// handshake is in one segment with the data after it.
type merging struct {
	net.Conn
	w *bufio.Writer
}

func newMerging(c net.Conn) merging { return merging{c, bufio.NewWriterSize(c, 64<<10)} }

func (c merging) Write(p []byte) (int, error) { return c.w.Write(p) }

func (c merging) SetWriteDeadline(time.Time) error { return nil } // CloseWrite of crypto/tls sets one in the past

func (c merging) Read(p []byte) (int, error) {
	if err := c.w.Flush(); err != nil {
		return 0, err
	}
	return c.Conn.Read(p)
}

func TestClientExchangesWithCryptoTLS(t *testing.T) {
	for _, auth := range []tls.ClientAuthType{tls.NoClientCert, tls.RequireAnyClientCert} {
		t.Run(auth.String(), func(t *testing.T) {
			serverConfig, clientConfig := configs(t)
			serverConfig.ClientAuth = auth
			if auth != tls.NoClientCert {
				clientConfig.Certificates = serverConfig.Certificates
			}
			s, c := dialled(t)
			server := tls.Server(s, serverConfig)
			failed := make(chan error, 1)
			go func() { failed <- server.Handshake() }()
			h, err := Client(context.Background(), c, clientConfig)
			if err := errors.Join(err, <-failed); err != nil {
				t.Fatal(err)
			}
			if h.Session == nil {
				t.Fatal("not taken over")
			}
			exchange(t, newConn(c, h), server, 100_000)
		})
	}
}

// TestAClientResumes: tickets that follow the handshake get into the cache, even with
// data right after them.
func TestAClientResumes(t *testing.T) {
	serverConfig, clientConfig := configs(t)
	clientConfig.ClientSessionCache = tls.NewLRUClientSessionCache(1)
	for i := range 4 {
		s, c := dialled(t)
		server := tls.Server(s, serverConfig)
		failed := make(chan error, 1)
		go func() { failed <- server.Handshake() }()
		h, err := Client(context.Background(), c, clientConfig)
		if err := errors.Join(err, <-failed); err != nil {
			t.Fatal(err)
		}
		if h.State.DidResume != (i > 0) || h.Session.tickets == nil {
			t.Errorf("connection %d: resumed: %v, tickets: %v", i, h.State.DidResume, h.Session.tickets)
		}
		exchange(t, newConn(c, h), server, 100_000)
		if h.Session.tickets != nil {
			t.Error("tickets are still awaited after data")
		}
	}
}

// TestTicketsThatCannotBePassedOn are dropped, and the Session continues: crypto/tls
// gets no record after them, and sends nothing.
func TestTicketsThatCannotBePassedOn(t *testing.T) {
	ticket := "\x04\x00\x00\x03abc"
	for name, send := range map[string]func(s *Session) []byte{
		"an invalid ticket": func(s *Session) []byte { return record(s, typeHandshake, ticket, 0) },
		"a ticket with a key update": func(s *Session) []byte {
			r := record(s, typeHandshake, ticket+"\x18\x00\x00\x01\x01", 0)
			s.out.update(s.suite)
			return r
		},
		"a ticket after data": func(s *Session) []byte {
			return append(s.Seal(nil, []byte("first ")), record(s, typeHandshake, ticket, 0)...)
		},
		"a key update": func(s *Session) []byte { return update(s, 0) },
	} {
		t.Run(name, func(t *testing.T) {
			serverConfig, clientConfig := configs(t)
			serverConfig.SessionTicketsDisabled = true
			clientConfig.ClientSessionCache = tls.NewLRUClientSessionCache(1)
			s, c := dialled(t)
			var client Handshake
			failed := make(chan error, 1)
			go func() {
				var err error
				client, err = Client(context.Background(), c, clientConfig)
				failed <- err
			}()
			server, err := Server(context.Background(), s, serverConfig)
			if err := errors.Join(err, <-failed); err != nil {
				t.Fatal(err)
			}
			if client.Session.tickets == nil {
				t.Fatal("no tickets are awaited, so this test proves nothing")
			}
			records := server.Session.Seal(send(server.Session), []byte("data"))
			if got := openAll(t, client.Session, records); !bytes.HasSuffix(got, []byte("data")) {
				t.Errorf("got %q", got)
			}
			if client.Session.tickets != nil {
				t.Error("tickets are still awaited")
			}
			if _, ok := clientConfig.ClientSessionCache.Get("localhost"); ok {
				t.Error("a session is in the cache")
			}
			exchange(t, newConn(s, server), newConn(c, client), 1000)
		})
	}
}

func TestServerExchangesWithClient(t *testing.T) {
	serverConfig, clientConfig := configs(t)
	s, c := dialled(t)
	var client Handshake
	failed := make(chan error, 1)
	go func() {
		var err error
		client, err = Client(context.Background(), c, clientConfig)
		failed <- err
	}()
	server, err := Server(context.Background(), s, serverConfig)
	if err := errors.Join(err, <-failed); err != nil {
		t.Fatal(err)
	}
	exchange(t, newConn(s, server), newConn(c, client), 1<<20)
}

// TestDataBehindTheHandshakeIsEarly in one segment with the client's Finished, and byte
// by byte.
func TestDataBehindTheHandshakeIsEarly(t *testing.T) {
	for name, wrap := range map[string]func(net.Conn) net.Conn{
		"in one segment": func(c net.Conn) net.Conn { return c },
		"byte by byte":   func(c net.Conn) net.Conn { return oneByOne{c} },
	} {
		t.Run(name, func(t *testing.T) {
			serverConfig, clientConfig := configs(t)
			s, c := dialled(t)
			merged := newMerging(c)
			client := tls.Client(merged, clientConfig)
			failed := make(chan error, 1)
			go func() {
				_, err := client.Write([]byte("at once"))
				failed <- errors.Join(err, client.CloseWrite(), merged.w.Flush())
			}()
			wrapped := wrap(s)
			h, err := Server(context.Background(), wrapped, serverConfig)
			if err := errors.Join(err, <-failed); err != nil {
				t.Fatal(err)
			}
			if _, piecemeal := wrapped.(oneByOne); !piecemeal && len(h.Early) == 0 {
				t.Error("nothing was early, so this test proves nothing")
			}
			if got, err := io.ReadAll(newConn(wrapped, h)); string(got) != "at once" || err != nil {
				t.Errorf("got %q, %v", got, err)
			}
		})
	}
}

// TestOlderVersionsGoOnWithCryptoTLS resumes the second connection: the client sends
// the last record of the handshake, and data after it, in one segment.
func TestOlderVersionsGoOnWithCryptoTLS(t *testing.T) {
	serverConfig, clientConfig := configs(t)
	clientConfig.MaxVersion = tls.VersionTLS12
	clientConfig.ClientSessionCache = tls.NewLRUClientSessionCache(1)
	for i := range 2 {
		s, c := dialled(t)
		merged := newMerging(c)
		client := tls.Client(merged, clientConfig)
		failed := make(chan error, 1)
		go func() {
			_, err := client.Write([]byte("at once"))
			failed <- errors.Join(err, client.CloseWrite(), merged.w.Flush())
		}()
		h, err := Server(context.Background(), s, serverConfig)
		if err := errors.Join(err, <-failed); err != nil {
			t.Fatal(err)
		}
		if h.Session != nil || h.Conn == nil || h.State.Version != tls.VersionTLS12 || h.State.DidResume != (i == 1) || h.Early != nil {
			t.Fatalf("%d: %+v", i, h)
		}
		under := h.Conn.NetConn().(*handshakeConn)
		if i == 1 && under.r == under.w {
			t.Error("nothing was read ahead, so this test proves nothing")
		}
		if got, err := io.ReadAll(h.Conn); string(got) != "at once" || err != nil {
			t.Errorf("got %q, %v", got, err)
		}
		if under.Ended() {
			t.Error("a FIN is seen, though crypto/tls reads no further than close_notify")
		}
		c.Close()
		if n, err := under.Read(make([]byte, 1)); n > 0 || err != io.EOF || !under.Ended() || under.buf != nil {
			t.Errorf("at the end %d, %v, Ended: %v", n, err, under.Ended())
		}
		if _, err := h.Conn.Write([]byte("x")); err != nil {
			t.Error(err)
		}
	}
}

// TestTicketsOfAConfigAreThoseOfAllItsConnections also alternates with crypto/tls, and
// uses a GetConfigForClient that has changed.
func TestTicketsOfAConfigAreThoseOfAllItsConnections(t *testing.T) {
	byServer := func(t *testing.T, server, client *tls.Config) bool {
		h, over, c := shaken(t, server, client)
		exchange(t, over, c, 100) // the client takes the ticket
		return h.State.DidResume
	}
	byCryptoTLS := func(t *testing.T, server, client *tls.Config) bool {
		s, c := dialled(t)
		a, b := tls.Server(s, server), tls.Client(c, client)
		failed := make(chan error, 1)
		go func() { failed <- b.Handshake() }()
		if err := errors.Join(a.Handshake(), <-failed); err != nil {
			t.Fatal(err)
		}
		exchange(t, a, b, 100)
		return a.ConnectionState().DidResume
	}
	setups := map[string]func(config *tls.Config) *tls.Config{
		"own keys": func(c *tls.Config) *tls.Config { return c },
		"set keys": func(c *tls.Config) *tls.Config { c.SetSessionTicketKeys([][32]byte{{1}}); return c },
		"a config for each client": func(c *tls.Config) *tls.Config {
			return &tls.Config{GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) { return c.Clone(), nil }}
		},
		"no config for a client": func(c *tls.Config) *tls.Config {
			c.GetConfigForClient = func(*tls.ClientHelloInfo) (*tls.Config, error) { return nil, nil }
			return c
		},
		"a config for each client with keys": func(c *tls.Config) *tls.Config {
			return &tls.Config{GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) {
				c := c.Clone()
				c.SetSessionTicketKeys([][32]byte{{2}})
				return c, nil
			}}
		},
	}
	for name, setup := range setups {
		t.Run(name, func(t *testing.T) {
			server, client := configs(t)
			server = setup(server)
			client.ClientSessionCache = tls.NewLRUClientSessionCache(1)
			for i, connect := range []func(*testing.T, *tls.Config, *tls.Config) bool{byServer, byServer, byCryptoTLS, byServer, byCryptoTLS} {
				if resumed := connect(t, server, client); resumed != (i > 0) {
					t.Errorf("connection %d: resumed: %v", i, resumed)
				}
			}
		})
	}
}

// TestSetSessionTicketKeysIsFollowed: they change between two connections.
func TestSetSessionTicketKeysIsFollowed(t *testing.T) {
	server, client := configs(t)
	client.ClientSessionCache = tls.NewLRUClientSessionCache(1)
	for i, want := range []bool{false, true, false, true} {
		if i%2 == 0 {
			server.SetSessionTicketKeys([][32]byte{{byte(i + 1)}})
		}
		h, over, c := shaken(t, server, client)
		exchange(t, over, c, 100)
		if h.State.DidResume != want {
			t.Errorf("connection %d: resumed: %v", i, h.State.DidResume)
		}
	}
}

// lines is a key log.
type lines struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func TestAKeyLogWriterOfTheProgramGoesOn(t *testing.T) {
	for name, setup := range map[string]func(c *tls.Config) *tls.Config{
		"of the config": func(c *tls.Config) *tls.Config { return c },
		"of a config for each client": func(c *tls.Config) *tls.Config {
			return &tls.Config{GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) { return c, nil }}
		},
	} {
		t.Run(name, func(t *testing.T) {
			var log lines
			server, client := configs(t)
			server.KeyLogWriter = &log
			h, over, c := shaken(t, setup(server), client)
			if h.Session == nil {
				t.Fatal("not taken over")
			}
			exchange(t, over, c, 1000)
			if n := strings.Count(log.b.String(), "\n"); n != 4 || !strings.Contains(log.b.String(), "SERVER_TRAFFIC_SECRET_0 ") {
				t.Errorf("%d lines: %s", n, log.b.String())
			}
		})
	}
}

func TestAKeyLogWriterThatFailsFailsTheHandshake(t *testing.T) {
	server, client := configs(t)
	r, w := io.Pipe()
	r.CloseWithError(errors.New("full"))
	server.KeyLogWriter = w
	s, c := dialled(t)
	failed := make(chan error, 1)
	go func() { failed <- tls.Client(c, client).Handshake() }()
	if _, err := Server(context.Background(), s, server); err == nil || !strings.Contains(err.Error(), "full") {
		t.Error(err)
	}
	if err := <-failed; err == nil {
		t.Error("the handshake has succeeded")
	}
}

// TestClientCertificates: tickets are sent after the client's flight and contain its
// certificate, which takes more than one record if it has many names.
func TestClientCertificates(t *testing.T) {
	for _, names := range []int{1, 1500} {
		t.Run(fmt.Sprint(names), func(t *testing.T) {
			server, client := configs(t)
			cert, pool := newCertificate(t, "client")
			if names > 1 {
				cert, pool = manyNames(t, names)
			}
			server.ClientAuth, server.ClientCAs = tls.RequireAndVerifyClientCert, pool
			server.CurvePreferences = []tls.CurveID{tls.CurveP256}
			client.Certificates = []tls.Certificate{cert}
			client.ClientSessionCache = tls.NewLRUClientSessionCache(1)
			for i := range 2 {
				h, over, c := shaken(t, server, client)
				if h.Session == nil || len(h.State.PeerCertificates) != 1 || h.State.DidResume != (i > 0) {
					t.Fatalf("%d: taken over: %v, %d certificates, resumed: %v", i, h.Session != nil, len(h.State.PeerCertificates), h.State.DidResume)
				}
				if want := uint64(1); names > 1 && h.Session.out.seq <= want || names == 1 && h.Session.out.seq != want {
					t.Errorf("%d: %d records were sent", i, h.Session.out.seq)
				}
				exchange(t, over, c, 100_000)
			}
		})
	}
}

func TestHandshakesThatFail(t *testing.T) {
	t.Run("not TLS", func(t *testing.T) {
		server, _ := configs(t)
		s, c := dialled(t)
		c.Write([]byte("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"))
		_, err := Server(context.Background(), s, server)
		var header tls.RecordHeaderError
		if !errors.As(err, &header) || header.Conn == nil {
			t.Fatal(err)
		}
		header.Conn.Write([]byte("HTTP/1.0 400 Bad Request\r\n\r\n"))
		header.Conn.Close()
		if got, err := io.ReadAll(c); string(got) != "HTTP/1.0 400 Bad Request\r\n\r\n" || err != nil {
			t.Errorf("got %q, %v", got, err)
		}
	})
	t.Run("no certificate", func(t *testing.T) {
		server, client := configs(t)
		server.ClientAuth = tls.RequireAnyClientCert
		s, c := dialled(t)
		answered := make(chan error, 1)
		go func() {
			_, err := tls.Client(c, client).Read(make([]byte, 1))
			answered <- err
		}()
		if _, err := Server(context.Background(), s, server); err == nil {
			t.Error("no error")
		}
		if err := <-answered; err == nil || !strings.Contains(err.Error(), "certificate required") {
			t.Errorf("the client got %v", err)
		}
	})
	t.Run("a client that sends nothing", func(t *testing.T) {
		server, _ := configs(t)
		s, c := dialled(t)
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Millisecond)
		defer cancel()
		if _, err := Server(ctx, s, server); !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
		if _, err := c.Read(make([]byte, 1)); err != io.EOF {
			t.Errorf("the connection is not closed: %v", err)
		}
	})
	t.Run("a client that goes away", func(t *testing.T) {
		server, _ := configs(t)
		s, c := dialled(t)
		c.Write([]byte{22, 3, 1})
		c.Close()
		if _, err := Server(context.Background(), s, server); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Error(err)
		}
	})
}

// TestNothingOfCryptoTLSIsSentAfterTheHandshake: whatever the tls.Conn sent over the
// connection would use the sequence numbers of a Session.
func TestNothingOfCryptoTLSIsSentAfterTheHandshake(t *testing.T) {
	server, client := configs(t)
	s, c := dialled(t)
	failed := make(chan error, 1)
	go func() { failed <- tls.Client(c, client).Handshake() }()
	under := &handshakeConn{Conn: s}
	over := tls.Server(under, under.derive(server))
	h, err := under.do(context.Background(), over, false, false)
	if err := errors.Join(err, <-failed); err != nil || h.Session == nil {
		t.Fatal("not taken over", err)
	}
	if _, err := over.Write([]byte("x")); !errors.Is(err, errTaken) {
		t.Errorf("Write: %v", err)
	}
	if _, err := over.Read(make([]byte, 1)); !errors.Is(err, errTaken) {
		t.Errorf("Read: %v", err)
	}
	if err := over.Close(); !errors.Is(err, errTaken) {
		t.Errorf("Close: %v", err)
	}
	s.Close()
	ticket, err := io.ReadAll(c)
	if err != nil || len(ticket) > 0 && len(ticket) != RecordLen(ticket) {
		t.Errorf("%d bytes were sent, %v", len(ticket), err)
	}
}

func TestCountSentIsSureOfEachRecord(t *testing.T) {
	before, _ := pair(t, &suites[0])
	server, _ := pair(t, &suites[0])
	old, one, two := before.Seal(nil, []byte("handshake")), server.Seal(nil, []byte("ticket")), server.Seal(nil, []byte("ticket"))
	hello := []byte{22, 3, 3, 0, 2, 2, 0}
	for _, test := range []struct {
		name string
		sent [][]byte
		want uint64
		ok   bool
	}{
		{"nothing", nil, 0, true},
		{"the handshake only", [][]byte{hello, old, old}, 0, true},
		{"tickets", [][]byte{hello, old, one, two}, 2, true},
		{"something after a ticket", [][]byte{one, old}, 1, false},
		{"a record is missing", [][]byte{old, two}, 0, true}, // as one of the handshake
		{"in pieces", [][]byte{one, two[:9]}, 1, false},
		{"a piece of a header", [][]byte{one, two[:3]}, 1, false},
	} {
		d := server.out
		d.seq = 0
		if ok := d.countSent(bytes.Join(test.sent, nil)); d.seq != test.want || ok != test.ok {
			t.Errorf("%s: %d, %v", test.name, d.seq, ok)
		}
	}
}
