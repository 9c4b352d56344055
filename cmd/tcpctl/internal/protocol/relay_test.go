package protocol

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"slices"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/tcpctl/tcpctl/proxy"
	"github.com/tcpctl/tcpctl/ws"
)

func TestKicked(t *testing.T) {
	t.Parallel()
	v := bridge(t, echo, nil)
	c := v.dial()
	says(t, c, "one")
	v.until("counted", func(i proxy.ServiceInfo) bool { return i.BytesOut == 4 })
	s := v.engine.Operator().Sessions(false)
	if len(s) != 1 || s[0].Via != "ws" || s[0].BytesIn != 4 || s[0].BytesOut != 4 {
		t.Fatalf("sessions %+v", s)
	}
	v.engine.Operator().Kick("ana", "too old", s[0].ID)
	ends(t, c, ws.PolicyViolation)
	if got := c.CloseError().Reason; got != "kicked: too old" {
		t.Errorf("told %q", got)
	}
	if r := v.record(); r.CloseCode != 1008 || r.By != proxy.ByOperator {
		t.Errorf("record %+v", r)
	}
	if i := v.svc.Info(); len(i.Closes) != 1 || i.Closes[0] != (proxy.CloseInfo{Code: 1008, Count: 1}) {
		t.Errorf("counted %+v", i.Closes)
	}
}

func TestDrainLimit(t *testing.T) {
	t.Parallel()
	v := bridge(t, echo, nil)
	c := v.dial()
	says(t, c, "one")
	if _, err := v.svc.Backend("vnc").Drain(proxy.DrainOptions{By: "ana", Limit: 10 * time.Millisecond, Then: proxy.ThenCut}); err != nil {
		t.Fatal(err)
	}
	ends(t, c, ws.GoingAway)
}

// TestQuietDrain: the client gets a Close frame with 1001, and what it sends before its own Close
// reaches the backend.
func TestQuietDrain(t *testing.T) {
	t.Parallel()
	seen := make(chan string, 1)
	v := bridge(t, func(c *net.TCPConn) {
		b, err := io.ReadAll(c)
		seen <- fmt.Sprintf("%s, %v", b, err)
	}, nil)
	c := v.connect()
	io.WriteString(c, opening(v.addr, "/"))
	c.answer()
	c.Write(frame(0x82, []byte("one")))
	if _, err := v.svc.Backend("vnc").Drain(proxy.DrainOptions{By: "ana", Quiet: 10 * time.Millisecond}); err != nil {
		t.Fatal(err)
	}
	head := make([]byte, 4)
	if _, err := io.ReadFull(c.r, head); err != nil || head[0] != 0x88 || int(head[2])<<8+int(head[3]) != int(ws.GoingAway) {
		t.Fatalf("it got % x, %v", head, err)
	}
	io.CopyN(io.Discard, c.r, int64(head[1])-2)
	c.Write(frame(0x82, []byte(" two")))
	c.Write(frame(0x88, []byte{3, 0xe9}))
	if got := <-seen; got != "one two, <nil>" {
		t.Errorf("the backend read %s", got)
	}
	if r := v.record(); r.Reason != proxy.ReasonQuietDrain || r.CloseCode != 1001 || r.By != proxy.ByOperator {
		t.Errorf("record %+v", r)
	}
}

func TestShutdown(t *testing.T) {
	t.Parallel()
	v := bridge(t, echo, nil)
	c := v.dial()
	says(t, c, "one")
	go v.engine.Close()
	ends(t, c, ws.GoingAway)
}

func TestBackendResets(t *testing.T) {
	t.Parallel()
	v := bridge(t, func(c *net.TCPConn) {
		io.ReadFull(c, make([]byte, 4))
		c.SetLinger(0)
	}, nil)
	c := v.dial()
	io.WriteString(c, "one\n")
	ends(t, c, ws.InternalError)
	if r := v.record(); r.CloseCode != 1011 || r.By != proxy.ByBackend {
		t.Errorf("record %+v", r)
	}
}

func TestBackendEnds(t *testing.T) {
	t.Parallel()
	const size = 3 << 20
	v := bridge(t, func(c *net.TCPConn) { c.Write(make([]byte, size)) }, nil)
	c := v.dial()
	n, err := io.Copy(io.Discard, c)
	if n != size || err != nil {
		t.Errorf("%d of %d bytes arrived: %v", n, size, err)
	}
	ends(t, c, ws.NormalClosure)
}

// TestCloseBehindBytes: a Close frame becomes the end of the stream after all earlier data, and the
// backend may still answer.
func TestCloseBehindBytes(t *testing.T) {
	t.Parallel()
	const size = 500_000
	got := make(chan []byte, 1)
	v := bridge(t, func(c *net.TCPConn) {
		time.Sleep(50 * time.Millisecond) // until all of it is on its way
		all, _ := io.ReadAll(c)
		got <- all
		io.WriteString(c, "thank you")
	}, nil)
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	client := v.httpClient()
	c, _, err := websocket.Dial(ctx, "ws://"+v.addr, &websocket.DialOptions{HTTPClient: &client})
	if err != nil {
		t.Fatal(err)
	}
	defer c.CloseNow()
	want := bytes.Repeat([]byte("0123456789"), size/10)
	for part := range slices.Chunk(want, 1000) {
		if err := c.Write(ctx, websocket.MessageText, part); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.Close(4000, "done"); err != nil {
		t.Error(err)
	}
	if all := <-got; !bytes.Equal(all, want) {
		t.Errorf("%d bytes arrived", len(all))
	}
	if r := v.record(); r.CloseCode != 4000 || r.Reason != proxy.ReasonFIN {
		t.Errorf("record %+v", r)
	}
}

func TestProtocolViolation(t *testing.T) {
	t.Parallel()
	reset := make(chan error, 1)
	v := bridge(t, func(c *net.TCPConn) {
		_, err := io.Copy(io.Discard, c)
		reset <- err
	}, nil)
	c := v.dial()
	v.beneath(c).Write([]byte{0x82, 0x01, 'x'}) // unmasked
	ends(t, c, ws.ProtocolError)
	if r := v.record(); r.CloseCode != 1002 || r.By != proxy.ByClient {
		t.Errorf("record %+v", r)
	}
	if err := <-reset; err == nil {
		t.Error("the backend saw a clean end")
	}
}

// TestBothWaysAtOnce moves more than all buffers hold.
func TestBothWaysAtOnce(t *testing.T) {
	t.Parallel()
	const size = 251 << 15 // whole patterns
	v := bridge(t, echo, nil)
	c := v.dial()
	go func() {
		io.Copy(c, io.LimitReader(pattern{}, size))
	}()
	n, err := io.Copy(&same{}, io.LimitReader(c, size))
	if n != size || err != nil {
		t.Fatalf("%d bytes came back: %v", n, err)
	}
	c.Close()
	if r := v.record(); r.BytesIn != size || r.BytesOut != size {
		t.Errorf("record %+v", r)
	}
}

// pattern is an endless stream in which a misplaced byte is noticed.
type pattern struct{}

// patterns is the beginning of the stream, whole periods of it.
var patterns = func() (all []byte) {
	for i := range 251 << 10 {
		all = append(all, byte(i%251))
	}
	return all
}()

func (pattern) Read(p []byte) (int, error) { return copy(p[:len(p)/251*251], patterns), nil }

// same is a writer that compares with pattern.
type same struct{ n int }

func (s *same) Write(p []byte) (n int, err error) {
	for n < len(p) {
		part := patterns[s.n%251:]
		part = part[:min(len(part), len(p)-n)]
		if !bytes.HasPrefix(p[n:], part) {
			return n, io.ErrUnexpectedEOF
		}
		n += len(part)
		s.n += len(part)
	}
	return n, nil
}

// TestIdleTimeout: data resets the idle timeout, pings do not.
func TestIdleTimeout(t *testing.T) { endsIdle(t, func(*testBridge) {}) }

// endsIdle has a session end by its timeout, once it has carried data and idle has returned. It gets a longer timeout where a
// busy machine was too slow for that.
func endsIdle(t *testing.T, idle func(*testBridge)) {
	t.Parallel()
	for limit := 2 * time.Second; ; limit *= 2 {
		v := bridge(t, echo, func(c *proxy.ServiceConfig, _ *WebSocket) { c.IdleTimeout = limit })
		c := v.dial()
		fmt.Fprintln(c, "one")
		line, err := bufio.NewReader(c).ReadString('\n')
		idle(v)
		inTime := line == "one\n" && len(v.records) == 0
		if inTime {
			ends(t, c, ws.PolicyViolation)
		}
		if r := v.record(); r.Reason != proxy.ReasonIdle || !inTime && limit > patience {
			t.Fatalf("read %q, %v; record %+v", line, err, r)
		}
		if inTime {
			return
		}
	}
}
