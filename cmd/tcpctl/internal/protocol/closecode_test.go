package protocol

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/tcpctl/tcpctl/cmd/tcpctl/internal/config"
	"github.com/tcpctl/tcpctl/proxy"
	"github.com/tcpctl/tcpctl/ws"
)

// raw is a client that sends and reads raw frames.
type raw struct {
	*testing.T
	net.Conn
	r *bufio.Reader
}

// knock sends a request, and reads the response.
func (v *testBridge) knock(text string) (c *raw, resp *http.Response) {
	v.Helper()
	c = v.connect()
	io.WriteString(c, text)
	return c, c.answer()
}

func (v *testBridge) connect() *raw {
	v.Helper()
	conn, err := v.netDial(v.Context(), "tcp", v.addr)
	if err != nil {
		v.Fatal(err)
	}
	v.Cleanup(func() { conn.Close() })
	conn.SetDeadline(time.Now().Add(patience))
	return &raw{v.T, conn, bufio.NewReader(conn)}
}

// fin closes the client's write side.
func (c *raw) fin() {
	if t, ok := c.Conn.(*tls.Conn); ok {
		t.CloseWrite()
	}
	c.tcp().CloseWrite()
}

func (c *raw) tcp() *net.TCPConn {
	if t, ok := c.Conn.(*tls.Conn); ok {
		return t.NetConn().(*net.TCPConn)
	}
	return c.Conn.(*net.TCPConn)
}

func (c *raw) answer() *http.Response {
	c.Helper()
	resp, err := http.ReadResponse(c.r, nil)
	if err != nil {
		c.Fatal(err)
	}
	return resp
}

// opening returns a handshake request for a host.
func opening(host, target string, lines ...string) string {
	return "GET " + target + " HTTP/1.1\r\nHost: " + host + "\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n" + strings.Join(append(lines, ""), "\r\n") + "\r\n"
}

// frame returns a frame masked with zero.
func frame(first byte, payload []byte) []byte {
	b := []byte{first, 0x80 | 126}
	if len(payload) < 126 {
		b[1] = 0x80 | byte(len(payload))
	} else {
		b = binary.BigEndian.AppendUint16(b, uint16(len(payload)))
	}
	return append(append(b, 0, 0, 0, 0), payload...)
}

// TestEndWithoutClose: a client's FIN without a Close frame ends its stream. Everything that it
// sent arrives, even at a stalled backend, whether or not the client is still there; and if it is,
// it gets what the backend sends then.
func TestEndWithoutClose(t *testing.T) {
	t.Parallel()
	const size = 2_000_000
	for _, tt := range []struct {
		name   string
		more   []byte
		spec   func(*config.WS)
		leaves bool // closes the connection
		reason proxy.Reason
	}{
		{"between messages", nil, nil, false, proxy.ReasonFIN},
		{"between messages, and away", nil, nil, true, proxy.ReasonFIN},
		{"between messages, with pings", nil, func(s *config.WS) { s.Ping = 150 * time.Millisecond }, false, proxy.ReasonFIN},
		{"between messages, compressed", nil, func(s *config.WS) { s.Compression = true }, false, proxy.ReasonFIN},
		{"inside a message", frame(0x82, []byte("ten bytes."))[:9], nil, false, proxy.ReasonTruncated},
		{"inside a message, compressed", frame(0x82, []byte("ten bytes."))[:9], func(s *config.WS) { s.Compression = true }, false, proxy.ReasonTruncated},
	} {
		t.Run(tt.name, func(t *testing.T) {
			spec := config.NewWS()
			if tt.spec != nil {
				tt.spec(&spec)
			}
			got, goOn := make(chan error, 1), make(chan struct{})
			all := make([]byte, 0, size)
			v := bridgeOf(t, spec, func(c *net.TCPConn) {
				c.SetReadBuffer(256 << 10)
				<-goOn
				b, err := io.ReadAll(c)
				all = b
				got <- err
				io.WriteString(c, "thank you")
			}, nil)
			c, resp := v.knock(opening("localhost", "/", "Sec-WebSocket-Extensions: permessage-deflate"))
			if resp.StatusCode != 101 {
				t.Fatal(resp.Status)
			}
			want := make([]byte, size)
			pattern{}.Read(want)
			sent := make(chan bool)
			go func() {
				defer close(sent)
				for part := want; len(part) > 0; part = part[min(len(part), 20_000):] {
					c.Write(frame(0x82, part[:min(len(part), 20_000)]))
				}
				c.Write(tt.more)
				if tt.leaves {
					c.Close()
				} else {
					c.fin()
				}
			}()
			time.Sleep(100 * time.Millisecond) // until all buffers in between are full
			if spec.Ping < time.Second {
				time.Sleep(4 * spec.Ping) // so that some pings would have no answer
			}
			close(goOn)
			err := <-got
			<-sent
			if n := len(tt.more); n > 6 {
				want = append(want, tt.more[6:]...)
			}
			if err != nil || !bytes.Equal(all, want) {
				t.Fatalf("%d of %d bytes came, then %v", len(all), len(want), err)
			}
			if !tt.leaves {
				heard, _ := io.ReadAll(c.r)
				if !bytes.Contains(heard, []byte("thank you")) || !bytes.HasSuffix(heard, []byte{0x88, 2, 0x03, 0xe8}) {
					t.Errorf("heard %q", heard)
				}
			}
			if r := v.record(); r.By != proxy.ByClient || r.Reason != tt.reason || r.CloseCode != 1006 || r.Phase != proxy.PhaseRelay || r.BytesIn != int64(len(want)) {
				t.Errorf("record %+v", r)
			}
		})
	}
}

// TestEndWithoutCloseInTLS is the same over wss.
func TestEndWithoutCloseInTLS(t *testing.T) {
	t.Parallel()
	var client *tls.Config
	got := make(chan string, 1)
	v := bridge(t, func(c *net.TCPConn) {
		all, err := io.ReadAll(c)
		got <- fmt.Sprint(string(all), err)
	}, func(c *proxy.ServiceConfig, _ *WebSocket) { client = overTLS(c) })
	for _, bye := range []bool{true, false} {
		under := v.connect()
		c := tls.Client(under.Conn, client)
		io.WriteString(c, opening("localhost", "/"))
		if resp, err := http.ReadResponse(bufio.NewReader(c), nil); err != nil || resp.StatusCode != 101 {
			t.Fatal(resp, err)
		}
		c.Write(frame(0x81, []byte("all of it")))
		if bye {
			c.CloseWrite()
		}
		under.Conn.(*net.TCPConn).CloseWrite()
		if all := <-got; all != "all of it<nil>" {
			t.Errorf("the backend got %q", all)
		}
		if r := v.record(); r.By != proxy.ByClient || r.CloseCode != 1006 || r.Reason != map[bool]proxy.Reason{true: proxy.ReasonFIN, false: proxy.ReasonTLSTruncated}[bye] {
			t.Errorf("record %+v", r)
		}
	}
}

// TestEndBehindBytesInTheQueue: what a held client has sent goes to the backend, even if it has
// ended its stream meanwhile, as long as the client is still there.
func TestEndBehindBytesInTheQueue(t *testing.T) {
	t.Parallel()
	v := bridge(t, echo, func(c *proxy.ServiceConfig, w *WebSocket) {
		c.Lock.Slots = 1
		w.holdAfter = 20 * time.Millisecond
	})
	first := v.dial()
	says(t, first, "one")
	second, _ := v.knock(opening("localhost", "/")) // returns once it is held
	second.Write(frame(0x81, []byte("waited")))
	second.fin()
	gone, _ := v.knock(opening("localhost", "/"))
	gone.Close()
	if r := v.record(); r.Phase != proxy.PhaseQueue || r.Reason != proxy.ReasonAbandoned {
		t.Errorf("record %+v", r)
	}
	v.untilWaiting(1)
	first.Close()
	if heard, _ := io.ReadAll(second.r); !bytes.Contains(heard, []byte("waited")) {
		t.Errorf("heard %q", heard)
	}
}

// TestHeldBackUpload: a client is not considered dead because its backend stalls for several pings,
// and everything arrives in the end.
func TestHeldBackUpload(t *testing.T) {
	t.Parallel()
	const size = 40 << 20
	spec := config.NewWS()
	spec.Ping = 400 * time.Millisecond
	got := make(chan int64, 1)
	v := bridgeOf(t, spec, func(c *net.TCPConn) {
		c.SetReadBuffer(256 << 10)
		time.Sleep(5 * spec.Ping) // more than may be missed
		n, _ := io.Copy(io.Discard, c)
		got <- n
	}, nil)
	c := v.dial()
	go io.Copy(io.Discard, c) // its pongs come after what it sends
	if n, err := io.Copy(c, io.LimitReader(zeros{}, size)); n != size || err != nil {
		t.Errorf("%d bytes were sent: %v", n, err)
	}
	c.Close()
	if n := <-got; n != size {
		t.Errorf("%d bytes came", n)
	}
	if r := v.record(); r.Reason != proxy.ReasonFIN || r.CloseCode != 1000 {
		t.Errorf("record %+v", r)
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { return len(p), nil }

// TestInvalidText: if a backend sends invalid text to a client that wants text, the session ends,
// whether or not the client answers.
func TestInvalidText(t *testing.T) {
	t.Parallel()
	v := bridge(t, func(c *net.TCPConn) {
		io.WriteString(c, "ok\xff")
		io.Copy(io.Discard, c)
	}, nil)
	c, err := v.try("/?encoding=text")
	if err != nil {
		t.Fatal(err)
	}
	ends(t, c, ws.InvalidPayload)
	if r := v.record(); r.By != proxy.ByBackend || r.Reason != proxy.ReasonInvalidText || r.CloseCode != 1007 {
		t.Errorf("record %+v", r)
	}
	v.knock(opening("localhost", "/?encoding=text")) // sends nothing more
	if r := v.record(); r.By != proxy.ByBackend || r.Reason != proxy.ReasonInvalidText || r.CloseCode != 1007 || r.DurationSeconds > 15 {
		t.Errorf("record %+v", r)
	}
}

// TestResetAfterGoodbye: a client that has sent its Close is not cut if its server closes without
// reading the last bytes, as MQTT brokers do.
func TestResetAfterGoodbye(t *testing.T) {
	t.Parallel()
	v := bridge(t, func(c *net.TCPConn) {
		io.ReadFull(c, make([]byte, 4))
		if _, err := c.Read(make([]byte, 1)); err != io.EOF {
			t.Error(err)
		}
		c.SetLinger(0)
	}, nil)
	c := v.dial()
	io.WriteString(c, "bye\n")
	c.CloseWith(ws.NoStatus, "")
	if r := v.record(); r.By != proxy.ByClient || r.Reason != proxy.ReasonFIN || r.CloseCode != 1005 {
		t.Errorf("record %+v", r)
	}
	if i := v.svc.Info(); i.Sessions.Cut != 0 {
		t.Errorf("counted %+v", i.Sessions)
	}
}
