package protocol

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/tcpctl/tcpctl/cmd/tcpctl/internal/config"
	"github.com/tcpctl/tcpctl/proxy"
	"github.com/tcpctl/tcpctl/ws"
)

// untilIdle waits until the relay goroutines that exist now have ended, so that every session is
// quiet and waits in an epoll, or has ended. Sessions of other tests may begin meanwhile.
func (v *testBridge) untilIdle() {
	v.Helper()
	if v.tls != nil && os.Getenv(relayVariable) == "stream" {
		return // there, each TLS session has goroutines
	}
	v.until("relayed", func(i proxy.ServiceInfo) bool { return i.Sessions.Active == 1 || len(v.records) > 0 })
	const rest = 20 * time.Millisecond
	before := carriers(time.Now())
	v.until("in the idle set", func(proxy.ServiceInfo) bool {
		time.Sleep(rest)
		return !slices.ContainsFunc(carriers(time.Now().Add(-rest)), func(one string) bool { return slices.Contains(before, one) })
	})
}

// look is the last look at all goroutines. The tests share it, as each stops all of them, and takes milliseconds.
var look struct {
	sync.Mutex
	began  time.Time
	stacks [4 << 20]byte
	ids    []string
}

// carriers returns the relay goroutines of the stream runner at a time after since.
func carriers(since time.Time) []string {
	look.Lock()
	defer look.Unlock()
	if look.began.After(since) {
		return look.ids
	}
	look.began, look.ids = time.Now(), nil
	for one := range strings.SplitSeq(string(look.stacks[:runtime.Stack(look.stacks[:], true)]), "\n\n") {
		if strings.Contains(one, "relay.(*streamRelay).") {
			id, _, _ := strings.Cut(one, " [")
			look.ids = append(look.ids, strings.Clone(id))
		}
	}
	return look.ids
}

// TestIdle: everything that may happen to a session works while it has no goroutine.
func TestIdle(t *testing.T) {
	t.Parallel()
	for name, happens := range map[string]func(t *testing.T, v *testBridge, c *ws.Conn, backend *net.TCPConn){
		"the client speaks": func(t *testing.T, v *testBridge, c *ws.Conn, backend *net.TCPConn) {
			io.WriteString(c, "still there?")
			if got := hears(t, backend, 12); got != "still there?" {
				t.Errorf("heard %q", got)
			}
			v.untilIdle()
		},
		"the client pings": func(t *testing.T, v *testBridge, c *ws.Conn, backend *net.TCPConn) {
			go io.Copy(io.Discard, c)
			ctx, cancel := context.WithTimeout(context.Background(), patience)
			defer cancel()
			if err := c.Ping(ctx); err != nil {
				t.Error(err)
			}
			v.untilIdle()
		},
		"the client says goodbye": func(t *testing.T, v *testBridge, c *ws.Conn, backend *net.TCPConn) {
			c.CloseWith(4001, "")
			if n, err := backend.Read(make([]byte, 1)); err != io.EOF {
				t.Errorf("the backend read %d bytes, %v", n, err)
			}
			backend.Close()
			if r := v.record(); r.CloseCode != 4001 || r.Reason != proxy.ReasonFIN {
				t.Errorf("record %+v", r)
			}
		},
		"the client vanishes": func(t *testing.T, v *testBridge, c *ws.Conn, backend *net.TCPConn) {
			c.NetConn().(*net.TCPConn).SetLinger(0)
			c.CloseNow()
			if _, err := backend.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
				t.Errorf("the backend saw %v", err)
			}
			if r := v.record(); r.By != proxy.ByClient || r.Reason != proxy.ReasonReset {
				t.Errorf("record %+v", r)
			}
		},
		"the client breaks the rules": func(t *testing.T, v *testBridge, c *ws.Conn, backend *net.TCPConn) {
			v.beneath(c).Write([]byte{0x82, 0x01, 'x'})
			ends(t, c, ws.ProtocolError)
		},
		"the backend speaks and ends": func(t *testing.T, v *testBridge, c *ws.Conn, backend *net.TCPConn) {
			io.WriteString(backend, "bye")
			backend.CloseWrite()
			all, err := io.ReadAll(c)
			if string(all) != "bye" || err != nil {
				t.Errorf("read %q, %v", all, err)
			}
			ends(t, c, ws.NormalClosure)
		},
		"the backend resets": func(t *testing.T, v *testBridge, c *ws.Conn, backend *net.TCPConn) {
			backend.SetLinger(0)
			backend.Close()
			ends(t, c, ws.InternalError)
		},
		"it is kicked": func(t *testing.T, v *testBridge, c *ws.Conn, backend *net.TCPConn) {
			v.engine.Operator().Kick("ana", "", v.engine.Operator().Sessions(false)[0].ID)
			ends(t, c, ws.PolicyViolation)
			if _, err := backend.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
				t.Errorf("the backend saw %v", err)
			}
		},
		"the drain is cut": func(t *testing.T, v *testBridge, c *ws.Conn, backend *net.TCPConn) {
			if _, err := v.svc.Backend("vnc").Drain(proxy.DrainOptions{By: "ana", Limit: time.Millisecond, Then: proxy.ThenCut}); err != nil {
				t.Fatal(err)
			}
			ends(t, c, ws.GoingAway)
		},
		"we stop": func(t *testing.T, v *testBridge, c *ws.Conn, backend *net.TCPConn) {
			go v.engine.Close()
			ends(t, c, ws.GoingAway)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			backends := make(chan *net.TCPConn, 1)
			done := make(chan bool)
			defer close(done)
			v := bridge(t, func(c *net.TCPConn) {
				backends <- c
				<-done
			}, nil)
			c := v.dial()
			backend := <-backends
			backend.SetDeadline(time.Now().Add(patience))
			v.untilIdle()
			happens(t, v, c, backend)
		})
	}
}

func TestIdleUntilIdle(t *testing.T) { endsIdle(t, (*testBridge).untilIdle) }

// TestIdleAndAlive: an idle client that answers pings is kept.
func TestIdleAndAlive(t *testing.T) {
	t.Parallel()
	spec := config.NewWS()
	spec.Ping = 1500 * time.Millisecond // pongs must not be late on a busy machine
	heard := make(chan string, 1)
	v := bridgeOf(t, spec, func(c *net.TCPConn) { heard <- hears(t, c, 4) }, nil)
	c := v.dial()
	go io.Copy(io.Discard, c)
	v.untilIdle()
	time.Sleep(3 * spec.Ping) // more pings than may be missed
	v.untilIdle()
	v.until("a pong has come", func(proxy.ServiceInfo) bool {
		s := v.engine.Operator().Sessions(false)
		return len(s) == 1 && s[0].PingSeconds > 0
	})
	io.WriteString(c, "yes!")
	if got := <-heard; got != "yes!" {
		t.Errorf("heard %q", got)
	}
}

// TestIdleAndDead: a client that answers no pings is dropped.
func TestIdleAndDead(t *testing.T) {
	t.Parallel()
	spec := config.NewWS()
	spec.Ping = 1500 * time.Millisecond // likewise, while it still speaks
	v := bridgeOf(t, spec, echo, nil)
	c := v.dial()
	says(t, c, "one")
	v.untilIdle()
	if r := v.record(); r.By != proxy.ByClient || r.Reason != proxy.ReasonUnresponsive || r.CloseCode != 1006 {
		t.Errorf("record %+v", r)
	}
}
