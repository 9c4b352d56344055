package relay_test

import (
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/tcpctl/tcpctl/proxy/relay"
)

// secured is a session on the loop whose client speaks unframed, over TLS 1.3.
type secured struct {
	session
	config  *tls.Config
	tls     *relay.TLS
	opening func(net.Conn) // over the client's Conn, after the TLS handshake
	conn    net.Conn
	ended   func(net.Conn) // likewise, after the relay, which is over once it is set
}

func (o *secured) Step(ev relay.Event) {
	switch {
	case ev.Kind == relay.Begin:
		c := o.client.Conn()
		o.harness.run.Do(o, func() (ev relay.Event) {
			ev.Kind = relay.HandshakeDone
			o.tls, _, ev.Err = relay.TLSServer(c, o.config, patience, false)
			return ev
		})
	case ev.Kind == relay.HandshakeDone && ev.Err != nil:
		o.harness.Error(ev.Err)
		o.finish()
	case ev.Kind == relay.HandshakeDone && o.conn == nil:
		o.client.Secure(o.tls)
		o.conn = o.client.Conn()
		o.do(o.opening)
	case ev.Kind == relay.HandshakeDone && o.ended != nil:
		o.finish()
	case ev.Kind == relay.HandshakeDone:
		o.client.Frame(&unframed{conn: o.conn})
		o.harness.run.Dial(o, o.harness.dial)
	case ev.Kind == relay.Ended && o.ended != nil:
		if ev.Last {
			o.do(o.ended)
		}
	default:
		o.session.Step(ev)
	}
}

func (o *secured) do(over func(net.Conn)) {
	o.harness.run.Do(o, func() relay.Event {
		over(o.conn)
		return relay.Event{Kind: relay.HandshakeDone}
	})
}

// framesOverTLS returns the sessions of clients whose Conn is used by opening.
func framesOverTLS(t *testing.T, opening func(net.Conn), addr string) (*harness, <-chan *secured) {
	certificate := httptest.NewTLSServer(nil)
	certificate.Close()
	all := make(chan *secured, 10)
	h := &harness{TB: t, run: new(relay.Loop), dial: relay.Dial{Network: "tcp", Addr: addr, Timeout: patience},
		live: make(chan *session, 10), over: make(chan *session, 10)}
	l, err := relay.Listen("127.0.0.1:0", relay.Sock{})
	if err != nil {
		t.Fatal(err)
	}
	h.l = l
	t.Cleanup(func() {
		l.Close()
		h.run.Shutdown()
	})
	h.run.Serve(l, func(client *relay.Side) {
		o := &secured{session: session{harness: h, client: client}, config: &tls.Config{Certificates: certificate.TLS.Certificates}, opening: opening}
		h.run.Begin(o, client)
		all <- o
	})
	return h, all
}

// held keeps what is written to it until it is asked to send it.
type held struct {
	*net.TCPConn
	holds bool
	b     []byte
}

func (c *held) Write(p []byte) (int, error) {
	if c.holds {
		c.b = append(c.b, p...)
		return len(p), nil
	}
	return c.TCPConn.Write(p)
}

func shake(t *testing.T, h *harness) (*tls.Conn, *held) {
	t.Helper()
	under := &held{TCPConn: h.come()}
	c := tls.Client(under, &tls.Config{InsecureSkipVerify: true})
	if err := c.Handshake(); err != nil {
		t.Fatal(err)
	}
	return c, under
}

// TestFramesTakeOverTLS in the middle of a record that was read, and of one that is
// incomplete; the client ends with close_notify, or without.
func TestFramesTakeOverTLS(t *testing.T) {
	for _, announced := range []bool{true, false} {
		read := make(chan string, 1)
		h, all := framesOverTLS(t, func(c net.Conn) {
			if s := c.(interface{ ConnectionState() tls.ConnectionState }).ConnectionState(); s.CipherSuite == 0 {
				t.Errorf("the state is %+v", s)
			}
			b := make([]byte, 2)
			io.ReadFull(c, b)
			read <- string(b)
			io.WriteString(c, "first ")
		}, newBackend(t).echo().addr())
		c, under := shake(t, h)
		under.holds = true
		io.WriteString(c, "abcd")
		io.WriteString(c, "efgh")
		half := len(under.b) - 10
		under.TCPConn.Write(under.b[:half])
		if got := receive(t, read); got != "ab" {
			t.Errorf("the opening has read %q", got)
		}
		hear(t, c, "first cd")
		under.TCPConn.Write(under.b[half:])
		hear(t, c, "efgh")
		under.holds = false
		say(t, c, "more")
		hear(t, c, "more")
		if announced {
			c.CloseWrite()
		}
		under.CloseWrite()
		if rest, err := io.ReadAll(c); len(rest) > 0 || err != nil {
			t.Errorf("at the end %q, %v", rest, err)
		}
		o := receive(t, all)
		next(t, h.over)
		want := map[bool]error{true: io.ErrUnexpectedEOF, false: relay.ErrTLSTruncated}[announced]
		if o.ends[0].Side != o.client || o.ends[0].End != relay.FIN || o.ends[0].Side.EndedBy() != want {
			t.Errorf("ended with %+v: %v, want %v", o.ends[0], o.client.EndedBy(), want)
		}
		if o.client.In() != 10 || o.client.Out() != 10 {
			t.Errorf("in %d, out %d", o.client.In(), o.client.Out())
		}
	}
}

// numbered is a stream in which each byte depends on its position.
func numbered(n int) []byte { return numbers()[:n:n] }

var numbers = sync.OnceValue(func() []byte {
	block := make([]byte, 251)
	for i := range block {
		block[i] = byte(i)
	}
	return bytes.Repeat(block, 65<<20/len(block))
})

// TestUnsentBeforeFrames: records that the client had no room for precede what the
// relay sends it.
func TestUnsentBeforeFrames(t *testing.T) {
	const most = 64 << 20
	sent := make(chan int, 1)
	h, _ := framesOverTLS(t, func(c net.Conn) {
		all, n := numbered(most), 0
		for n < most {
			m, err := c.(interface{ WriteNow([]byte) (int, error) }).WriteNow(all[n:])
			if m == 0 || err != nil {
				break
			}
			n += m
		}
		sent <- n
	}, newBackend(t).echo().addr())
	c, _ := shake(t, h)
	n := receive(t, sent)
	say(t, c, "then this")
	next(t, h.live)
	got := make([]byte, n+9)
	if m, err := io.ReadFull(c, got); err != nil || !bytes.Equal(got, append(numbered(n), "then this"...)) {
		t.Errorf("%d bytes of %d arrived, or other bytes: %v", m, n, err)
	}
	c.Close()
	next(t, h.over)
}

// TestUnsentAfterFrames: what the relay has not sent is sent before the connection's
// own data, and before the end.
func TestUnsentAfterFrames(t *testing.T) {
	for _, writes := range []bool{false, true} {
		b := newBackend(t)
		h, all := framesOverTLS(t, func(net.Conn) {}, b.addr())
		c, _ := shake(t, h)
		o, server := receive(t, all), b.take()
		next(t, h.live)
		go server.Write(numbered(64 << 20))
		var before int64
		within(t, "the client takes no more", func() bool {
			was := before
			before = o.backend.In()
			time.Sleep(50 * time.Millisecond)
			return before > 0 && before == was
		})
		h.run.Post(o, relay.Event{Kind: relay.Signal, Arg: func(*session) {
			o.ended = func(c net.Conn) {
				if !writes { // the loop sends what remains
					c.(interface{ CloseWrite() error }).CloseWrite()
				} else if _, err := io.WriteString(c, "behind"); err != nil || c.(interface{ CloseWrite() error }).CloseWrite() != nil {
					t.Error(err)
				}
				if _, err := c.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
					t.Errorf("the client ended with %v", err)
				}
			}
			o.client.StopWatch()
		}})
		time.Sleep(20 * time.Millisecond)
		got, err := io.ReadAll(c)
		want := numbered(int(o.backend.In()))
		if writes {
			want = append(want, "behind"...)
		}
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%d bytes of %d arrived, or other bytes: %v", len(got), len(want), err)
		}
		c.Close()
		next(t, h.over)
	}
}
