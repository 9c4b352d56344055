package proxy_test

import (
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"syscall"
	"testing"
	"time"

	"github.com/tcpctl/tcpctl/proxy"
	"github.com/tcpctl/tcpctl/proxy/relay"
)

// ended is how a backend has seen its client's stream end, and the data.
type ended struct {
	got []byte
	err error
}

// overTLS is a TLS service with a backend that behaves as the test says.
func overTLS(t *testing.T, strict bool, do func(c *net.TCPConn)) *visit {
	v := by(t, "stream", do)
	return start(t, proxy.ServiceConfig{TLS: &tls.Config{Certificates: []tls.Certificate{certificate(t)}}, TLSStrictEnd: strict,
		Check: proxy.CheckConfig{Type: "none"}, Backends: []proxy.BackendConfig{{Name: "a", Addr: v.backend("a").Addr}}})
}

// dialTLS connects as a client that also has the TCP connection.
func (v *visit) dialTLS() (*tls.Conn, *net.TCPConn) {
	v.Helper()
	raw, err := net.Dial("tcp", v.svc.Info().Listen[0])
	if err != nil {
		v.Fatal(err)
	}
	v.Cleanup(func() { raw.Close() })
	raw.SetDeadline(time.Now().Add(patience))
	return tls.Client(relay.NoteEnd(raw), &tls.Config{InsecureSkipVerify: true}), raw.(*net.TCPConn)
}

// TestTLSThatIsCut: the client's FIN comes without close_notify. All data is delivered
// first, even to a slow backend; then follows an end, or a reset for strict services.
// The record says so either way.
func TestTLSThatIsCut(t *testing.T) { onEach(t, testTLSThatIsCut) }

func testTLSThatIsCut(t *testing.T) {
	want := much()
	for name, end := range map[string]func(c *tls.Conn, raw *net.TCPConn){
		"announced":          func(c *tls.Conn, _ *net.TCPConn) { c.CloseWrite() },
		"between records":    func(_ *tls.Conn, raw *net.TCPConn) { raw.CloseWrite() },
		"inside of a record": func(_ *tls.Conn, raw *net.TCPConn) { raw.Write([]byte{23, 3, 3, 1, 0, 'x'}); raw.CloseWrite() },
	} {
		for _, strict := range []bool{false, true} {
			if strict {
				name += ", strict"
			}
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				seen := make(chan ended, 1)
				slow := 100 * time.Millisecond
				if strict {
					slow = 1500 * time.Millisecond // no other end waits for so long
				}
				v := overTLS(t, strict, func(c *net.TCPConn) {
					time.Sleep(slow) // meanwhile it acknowledges nothing more
					got, err := io.ReadAll(c)
					io.WriteString(c, "thank you")
					seen <- ended{got, err}
				})
				c, raw := v.dialTLS()
				if _, err := c.Write(want); err != nil {
					t.Fatal(err)
				}
				end(c, raw)
				reset := strict && name != "announced, strict"
				if e := <-seen; !bytes.Equal(e.got, want) || (e.err != nil) != reset || reset && !errors.Is(e.err, syscall.ECONNRESET) {
					t.Errorf("the backend got %d of %d bytes, %v", len(e.got), len(want), e.err)
				}
				if answer, err := io.ReadAll(c); !reset && (string(answer) != "thank you" || err != nil) {
					t.Errorf("the client got %q, %v", answer, err)
				}
				raw.Close()
				reason := proxy.ReasonTLSTruncated
				if name == "announced" || name == "announced, strict" {
					reason = proxy.ReasonFIN
				}
				if r := v.record(); r.By != proxy.ByClient || r.Reason != reason || r.Phase != proxy.PhaseRelay || r.BytesIn != int64(len(want)) {
					t.Errorf("record %+v", r)
				}
				if i := v.untilIdle(); i.Sessions.Cut != 0 {
					t.Errorf("counted %+v", i.Sessions)
				}
			})
		}
	}
}

// TestTLSSaysHowItEnds: an end has close_notify, followed by the FIN; a reset has none.
func TestTLSSaysHowItEnds(t *testing.T) { onEach(t, testTLSSaysHowItEnds) }

func testTLSSaysHowItEnds(t *testing.T) {
	for _, reset := range []bool{false, true} {
		v := overTLS(t, false, func(c *net.TCPConn) {
			io.WriteString(c, "last words")
			if reset {
				c.SetLinger(0)
				var b [1]byte
				c.Read(b[:]) // the client has read them
				return
			}
			c.CloseWrite()
			io.Copy(io.Discard, c)
		})
		c, raw := v.dialTLS()
		buf := make([]byte, 10)
		if _, err := io.ReadFull(c, buf); err != nil || string(buf) != "last words" {
			t.Fatalf("got %q, %v", buf, err)
		}
		if reset {
			io.WriteString(c, "x")
		}
		_, err := c.Read(buf)
		announced := errors.Is(err, io.EOF) && !c.NetConn().(interface{ Ended() bool }).Ended()
		if announced == reset || reset && !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("reset %t: the client saw %v, with close_notify %t", reset, err, announced)
		}
		if n, err := raw.Read(buf); !reset && err != io.EOF {
			t.Errorf("after the close_notify: %d bytes, %v", n, err)
		}
		c.Close()
		v.record()
	}
}
