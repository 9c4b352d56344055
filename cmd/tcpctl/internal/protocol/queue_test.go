package protocol

import (
	"bufio"
	"io"
	"testing"
	"time"

	"github.com/tcpctl/tcpctl/proxy"
	"github.com/tcpctl/tcpctl/proxy/proxytest"
	"github.com/tcpctl/tcpctl/ws"
)

// TestQueueBeforeTheAnswer: a waiting client's handshake is answered when it gets its slot.
func TestQueueBeforeTheAnswer(t *testing.T) {
	t.Parallel()
	v := bridge(t, echo, oneSlot)
	first := v.dial()
	says(t, first, "one")
	second := v.arrive()
	v.untilWaiting(1)
	select {
	case <-second:
		t.Fatal("answered while it waits")
	case <-time.After(50 * time.Millisecond):
	}
	first.Close()
	c := v.in(second)
	says(t, c, "two")
	c.Close()
	if r := v.record(); r.Via != "ws" || r.CloseCode != 1000 || r.BytesIn != 4 || r.BytesOut != 4 || r.By != proxy.ByClient {
		t.Errorf("record %+v", r)
	}
	if r := v.record(); r.WaitedSeconds == 0 || r.CloseCode != 1000 {
		t.Errorf("record %+v", r)
	}
}

func TestQueueFull(t *testing.T) {
	t.Parallel()
	v := bridge(t, echo, func(c *proxy.ServiceConfig, _ *WebSocket) { c.Lock.Slots, c.Queue.Max = 1, 1 })
	first := v.dial()
	says(t, first, "one")
	second := v.arrive()
	v.untilWaiting(1)
	_, err := v.try("/")
	refused(t, err, 503)
	if retryAfter(err) == "" {
		t.Error("no Retry-After")
	}
	first.Close()
	says(t, v.in(second), "two")
	v.until("the refused one is counted", func(i proxy.ServiceInfo) bool { return i.Sessions.Rejected == 1 })
}

func TestQueueTimeoutBeforeTheAnswer(t *testing.T) {
	t.Parallel()
	v := bridge(t, echo, func(c *proxy.ServiceConfig, _ *WebSocket) {
		c.Lock.Slots, c.Queue.Timeout = 1, 50*time.Millisecond
	})
	says(t, v.dial(), "one")
	_, err := v.try("/")
	refused(t, err, 503)
}

// TestHeldInTheQueue: the handshake of a client that waits for long is answered, and the client is
// kept alive; what it sends early reaches the backend, and its end is noticed behind that.
func TestHeldInTheQueue(t *testing.T) {
	t.Parallel()
	for name, leave := range map[string]func(*ws.Conn){
		"with a Close": func(c *ws.Conn) { go c.CloseWith(4001, "never mind") },
		"with an end":  func(c *ws.Conn) { c.CloseNow() },
	} {
		t.Run(name, func(t *testing.T) {
			v := bridge(t, echo, func(c *proxy.ServiceConfig, w *WebSocket) {
				c.Lock.Slots = 1
				w.holdAfter = 20 * time.Millisecond
			})
			first := v.dial()
			says(t, first, "one")
			second := v.in(v.arrive())
			third := v.in(v.arrive())
			v.untilWaiting(2)
			io.WriteString(second, "I have ")
			io.WriteString(third, "three\n")
			leave(third)
			v.untilWaiting(1)
			if r := v.record(); r.By != proxy.ByClient || r.Phase != proxy.PhaseQueue {
				t.Errorf("record %+v", r)
			}
			first.Close()
			io.WriteString(second, "waited\n")
			if got, err := bufio.NewReader(second).ReadString('\n'); got != "I have waited\n" {
				t.Fatalf("read %q, %v", got, err)
			}
			second.Close()
			v.until("no client is left", func(i proxy.ServiceInfo) bool { return i.Sessions.Active == 0 && i.Queue.Waiting == 0 })
		})
	}
}

func TestHeldAndNotServed(t *testing.T) {
	t.Parallel()
	v := bridge(t, echo, func(c *proxy.ServiceConfig, w *WebSocket) {
		c.Lock.Slots, c.Queue.Timeout = 1, 2*time.Second
		w.holdAfter = 20 * time.Millisecond
	})
	says(t, v.dial(), "one")
	ends(t, v.in(v.arrive()), ws.TryAgainLater)
	if r := v.record(); r.CloseCode != 1013 || r.Phase != proxy.PhaseQueue || r.Served {
		t.Errorf("record %+v", r)
	}
}

func TestHeldAndLeaves(t *testing.T) {
	t.Parallel()
	v := bridge(t, echo, func(c *proxy.ServiceConfig, w *WebSocket) {
		c.Lock.Slots = 1
		w.holdAfter = 20 * time.Millisecond
	})
	says(t, v.dial(), "one")
	c := v.in(v.arrive())
	v.untilWaiting(1)
	c.CloseWith(4001, "changed my mind")
	if r := v.record(); r.CloseCode != 4001 || r.By != proxy.ByClient || r.Phase != proxy.PhaseQueue {
		t.Errorf("record %+v", r)
	}
	if end := c.CloseError(); end.Code != 4001 {
		t.Errorf("ended with %+v", end)
	}
}

func TestWaitsAndLeaves(t *testing.T) {
	t.Parallel()
	for name, leave := range map[string]func(*raw){
		"of TLS with close_notify": func(c *raw) { c.Close() },
		"of TLS without it":        func(c *raw) { c.tcp().Close() },
	} {
		t.Run(name, func(t *testing.T) {
			v := bridge(t, echo, func(c *proxy.ServiceConfig, _ *WebSocket) {
				c.Lock.Slots, c.Queue.OnClientFin = 1, proxy.FinKeep
			})
			says(t, v.dial(), "one")
			c := v.connect()
			io.WriteString(c, opening("localhost", "/"))
			v.untilWaiting(1)
			leave(c)
			v.untilWaiting(0)
			if r := v.record(); r.By != proxy.ByClient || r.Phase != proxy.PhaseQueue || r.Cause() != "abandoned: fin" || r.CloseCode != 0 {
				t.Errorf("record %+v", r)
			}
		})
	}
}

func TestKickedFromTheQueue(t *testing.T) {
	t.Parallel()
	for _, held := range []bool{false, true} {
		v := bridge(t, echo, func(c *proxy.ServiceConfig, w *WebSocket) {
			c.Lock.Slots = 1
			if held {
				w.holdAfter = 0
			}
		})
		says(t, v.dial(), "one")
		second := v.arrive()
		v.untilWaiting(1)
		var c *ws.Conn
		if held {
			c = v.in(second)
		}
		v.engine.Operator().Kick("ana", "no room", v.svc.Waiters()[0].ID)
		if held {
			ends(t, c, ws.PolicyViolation)
		} else {
			refused(t, (<-second).err, 503)
		}
	}
}

func TestNoBackend(t *testing.T) {
	t.Parallel()
	v := bridge(t, echo, func(c *proxy.ServiceConfig, _ *WebSocket) { c.NoBackend = proxy.Reject })
	proxytest.StopListening(v.backend)
	_, err := v.try("/")
	refused(t, err, 502)
	if r := v.record(); r.Phase != proxy.PhaseConnect || r.Served || r.CloseCode != 0 {
		t.Errorf("record %+v", r)
	}
}

func TestBackendThatDoesNotAnswer(t *testing.T) {
	t.Parallel()
	v := bridge(t, echo, func(c *proxy.ServiceConfig, _ *WebSocket) {
		c.NoBackend, c.ConnectTimeout, c.ConnectRetries = proxy.Reject, 20*time.Millisecond, -1
		c.Backends[0].Addr = proxytest.Full(t)
	})
	_, err := v.try("/")
	refused(t, err, 504)
}
