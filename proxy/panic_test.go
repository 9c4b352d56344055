package proxy_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tcpctl/tcpctl/proxy"
)

// lines is a handler that keeps what is logged.
type lines struct {
	mu  sync.Mutex
	all []string
}

func (l *lines) Enabled(context.Context, slog.Level) bool { return true }
func (l *lines) WithAttrs([]slog.Attr) slog.Handler       { return l }
func (l *lines) WithGroup(string) slog.Handler            { return l }
func (l *lines) Handle(_ context.Context, r slog.Record) error {
	text := r.Message
	r.Attrs(func(a slog.Attr) bool { text += " " + a.String(); return true })
	l.mu.Lock()
	defer l.mu.Unlock()
	l.all = append(l.all, text)
	return nil
}

// saw waits for a logged line that contains all the words.
func (l *lines) saw(t testing.TB, words ...string) {
	t.Helper()
	for end := time.Now().Add(patience); ; time.Sleep(2 * time.Millisecond) {
		l.mu.Lock()
		all := strings.Join(l.all, "\n")
		for _, line := range l.all {
			has := true
			for _, w := range words {
				has = has && strings.Contains(line, w)
			}
			if has {
				l.mu.Unlock()
				return
			}
		}
		l.mu.Unlock()
		if time.Now().After(end) {
			t.Fatalf("no line has %q:\n%s", words, all)
		}
	}
}

// logged runs one service and keeps its log.
func logged(t *testing.T, c proxy.ServiceConfig, onRecord func(proxy.Record)) (*visit, *lines) {
	t.Helper()
	c.Name, c.Listen = "db", []string{"127.0.0.1:0"}
	log := &lines{}
	v := &visit{TB: t, records: make(chan *proxy.Record, 1000)}
	e, err := proxy.New(proxy.Config{Log: slog.New(log), Services: []proxy.ServiceConfig{c}, OnRecord: func(r proxy.Record) {
		v.records <- &r
		if onRecord != nil {
			onRecord(r)
		}
	}})
	if err == nil {
		err = e.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { e.Close() })
	v.Engine, v.Operator, v.svc = e, e.Operator(), e.Service("db")
	return v, log
}

// endedByPanic expects the record of a session ended by a panic, an alarm, and the
// stack in the log.
func (v *visit) endedByPanic(log *lines, phase, value, frame string) {
	v.Helper()
	if r := v.record(); r.Reason != proxy.ReasonPanic || r.By != proxy.ByProxy || r.Phase != phase || r.Detail != value {
		v.Errorf("record %+v", r)
	}
	log.saw(v, "panicked", value, "kind=panic", "stack=", frame)
	page, _ := v.Events(0)
	for _, ev := range page.Events {
		if ev.Kind == proxy.EventPanic && ev.Level == proxy.LevelAlarm && ev.Service == "db" {
			return
		}
	}
	v.Error("there was no alarm")
}

// dialAnyway is dial for a client that may be reset before it notices that it is
// connected.
func (v *visit) dialAnyway(name string) *client {
	v.Helper()
	c, err := net.Dial("tcp", v.addr())
	if err != nil {
		ended, other := net.Pipe()
		other.Close()
		c = ended
	}
	v.Cleanup(func() { c.Close() })
	fmt.Fprintln(c, name)
	return &client{TB: v, Conn: c, r: bufio.NewReader(c)}
}

// isEnded waits for the end of the connection, however it ends.
func (c *client) isEnded() {
	c.Helper()
	c.SetReadDeadline(time.Now().Add(patience))
	if _, err := io.Copy(io.Discard, c.r); errors.Is(err, os.ErrDeadlineExceeded) {
		c.Fatal("the connection does not end")
	}
}

// TestAPanicInADialEndsThatSession: in a user's Dial, in a session and in a check,
// which is not held against the backend.
func TestAPanicInADialEndsThatSession(t *testing.T) {
	t.Parallel()
	s := newServer(t, "a")
	var bad atomic.Bool
	c := proxy.ServiceConfig{Backends: []proxy.BackendConfig{s.backend()}, Lock: proxy.LockConfig{Slots: 1},
		Check: proxy.CheckConfig{Interval: 20 * time.Millisecond, Fall: 1}}
	c.Dial = func(ctx context.Context, network, addr string) (net.Conn, error) {
		if bad.Load() {
			panic("no dial today")
		}
		var d net.Dialer
		return d.DialContext(ctx, network, addr)
	}
	v, log := logged(t, c, nil)
	v.untilUp()
	bad.Store(true)
	log.saw(t, "a dial of db panicked", "no dial today", "kind=panic", "stack=")
	v.dial("one").isReset()
	if r := v.record(); r.Reason != proxy.ReasonPanic || r.Phase != proxy.PhaseConnect || r.Detail != "no dial today" || r.Served {
		t.Errorf("record %+v", r)
	}
	bad.Store(false)
	if b := v.svc.Info().Backends[0]; b.State != proxy.StateUp || b.Failed != 0 {
		t.Errorf("it counts against the backend: %+v", b)
	}
	v.dial("two").hears("a two") // with the slot of the first
}

// brittleConn panics in one of its methods; in a read, once something has been written to it.
type brittleConn struct {
	*net.TCPConn
	in      string
	written chan struct{}
	once    sync.Once
}

func (c *brittleConn) Write(p []byte) (int, error) {
	c.once.Do(func() { close(c.written) })
	return c.TCPConn.Write(p)
}

func (c *brittleConn) Read(p []byte) (int, error) {
	if c.in == "read" {
		<-c.written
		panic("what is that?")
	}
	return c.TCPConn.Read(p)
}

func (c *brittleConn) CloseWrite() error {
	if c.in == "end" {
		panic("what is that?")
	}
	return c.TCPConn.CloseWrite()
}

func (c *brittleConn) RemoteAddr() net.Addr {
	if c.in == "address" {
		panic("what is that?")
	}
	return c.TCPConn.RemoteAddr()
}

// TestAPanicOfAConnection made by a Dial: when it is taken over, while it is relayed,
// and when the client's end is passed on.
func TestAPanicOfAConnection(t *testing.T) {
	t.Parallel()
	for in, phase := range map[string]string{"address": proxy.PhaseConnect, "read": proxy.PhaseRelay, "end": proxy.PhaseRelay} {
		t.Run(in, func(t *testing.T) {
			s := newServer(t, "a")
			var bad atomic.Bool
			bad.Store(true)
			c := proxy.ServiceConfig{Backends: []proxy.BackendConfig{s.backend()}, Check: proxy.CheckConfig{Type: "none"}, Lock: proxy.LockConfig{Slots: 1}}
			c.Dial = func(ctx context.Context, network, addr string) (net.Conn, error) {
				var d net.Dialer
				c, err := d.DialContext(ctx, network, addr)
				if bad.Load() && err == nil {
					c = &brittleConn{TCPConn: c.(*net.TCPConn), in: in, written: make(chan struct{})}
				}
				return c, err
			}
			v, log := logged(t, c, nil)
			one := v.dial("one")
			if in == "end" {
				one.hears("a one")
				one.fin()
			}
			one.isReset()
			v.endedByPanic(log, phase, "what is that?", "brittleConn")
			bad.Store(false)
			v.dial("two").hears("a two")
		})
	}
}

// TestAPanicInOnRecord leaves nothing of its session behind.
func TestAPanicInOnRecord(t *testing.T) {
	eachRelay(t, func(t *testing.T, relay string) {
		c := oneSlot(relay)
		c.Backends = []proxy.BackendConfig{newServer(t, "a").backend()}
		var times atomic.Int32
		v, log := logged(t, c, func(proxy.Record) {
			if times.Add(1) == 1 {
				panic("full")
			}
		})
		one := v.dial("one")
		one.hears("a one")
		two := v.queue("two")
		one.leaves()
		two.hears("a two")
		log.saw(t, "session s1 of db panicked", "full", "stack=")
		two.leaves()
		v.untilIdle()
		if err := v.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// TestAPanicOfTheGateEndsThatWaiter: it happens with the queue locked, in the step of
// another session, and the waiters behind it continue.
func TestAPanicOfTheGateEndsThatWaiter(t *testing.T) {
	eachRelay(t, func(t *testing.T, relay string) {
		a, b := newServer(t, "a"), newServer(t, "b")
		v, log := logged(t, proxy.ServiceConfig{Relay: relay, Lock: proxy.LockConfig{Slots: 2}, Check: proxy.CheckConfig{Type: "none"},
			Backends: []proxy.BackendConfig{a.backend(), b.backend()}}, nil)
		v.must(v.svc.Pause(proxy.PauseOptions{By: "ana"}))
		one, two := v.queue("one"), v.queue("two")
		proxy.BreakPolicy(v.svc)
		v.must(v.svc.Resume(proxy.ResumeOptions{By: "ana"}))
		one.isReset()
		if got := two.hear(); got != "a two" && got != "b two" {
			t.Errorf("got %q", got)
		}
		v.endedByPanic(log, proxy.PhaseQueue, "injected", "proxy.gate.decide")
		two.leaves()
		if i := v.untilIdle(); i.Lock.InUse != 0 || i.Sessions.Failed != 1 || i.State != proxy.StateOpen {
			t.Errorf("%+v", i)
		}
	})
}

// TestAPanicInAStep, in each stage: only that one of three sessions ends.
func TestAPanicInAStep(t *testing.T) {
	eachRelayAlone(t, func(t *testing.T, relay string) {
		for stage, phase := range map[string]string{"open": proxy.PhaseQueue, "admit": proxy.PhaseConnect, "dial": proxy.PhaseConnect,
			"connected": proxy.PhaseConnect, "carry": proxy.PhaseRelay, "told": proxy.PhaseRelay, "ended": proxy.PhaseRelay, "last": proxy.PhaseRelay} {
			t.Run(stage, func(t *testing.T) {
				proxy.PanicIn(t, stage, func(id string) bool { return id == "s2" })
				s := newServer(t, "a")
				c := proxy.ServiceConfig{Relay: relay, Lock: proxy.LockConfig{Slots: 3}, Backends: []proxy.BackendConfig{s.backend()}}
				v, log := logged(t, c, nil)
				one := v.dial("one")
				one.hears("a one")
				two := v.dialAnyway("two")
				switch stage {
				case "told":
					two.hears("a two")
					v.Kick("ana", "", "s2")
					two.isReset()
				case "ended", "last":
					two.hears("a two")
					two.reset()
				default:
					two.isEnded()
				}
				v.endedByPanic(log, phase, "injected", "proxy.(*Session).Step")
				one.says("still here")
				one.hears("still here")
				v.dial("three").hears("a three")
				if i := v.until("its slot is free", func(i proxy.ServiceInfo) bool { return i.Lock.InUse == 2 }); i.Backends[0].Active != 2 {
					t.Errorf("%+v", i.Backends[0])
				}
				v.Close()
				for end := time.Now().Add(patience); s.open() != 0; time.Sleep(time.Millisecond) {
					if time.Now().After(end) {
						t.Fatalf("%d connections to the backend remain", s.open())
					}
				}
			})
		}
	})
}

// brittle is a Protocol that panics in a given method.
type brittle struct{ in string }

func (p brittle) Name() string                   { return "brittle" }
func (p brittle) KeepAlive(bool)                 {}
func (p brittle) Same(other proxy.Protocol) bool { return p == other }
func (p brittle) Close()                         {}
func (p brittle) AnswerAfter() time.Duration {
	if p.in == "its end" {
		return time.Hour
	}
	return 0
}
func (p brittle) Handshake(c net.Conn, _ proxy.Arrival) (proxy.PendingClient, error) {
	if p.in == "handshake" {
		panic("handshake")
	}
	return brittlePending{c, p.in}, nil
}

type brittlePending struct {
	conn net.Conn
	in   string
}

func (g brittlePending) NetConn() net.Conn       { return g.conn }
func (g brittlePending) Forwarded() []netip.Addr { return nil }
func (g brittlePending) Service() string         { return "" }
func (g brittlePending) Notice() string          { return "" }
func (g brittlePending) Close() error            { return g.conn.Close() }
func (g brittlePending) CanLoop() bool           { return true }
func (g brittlePending) Moved(net.Conn)          {}
func (g brittlePending) Refuse(int, time.Duration, string) error {
	g.conn.Close()
	panic("refuse")
}
func (g brittlePending) HasEnded() bool {
	if g.in == "its end" {
		panic(g.in)
	}
	return false
}
func (g brittlePending) Accept() (proxy.ProtocolConn, error) {
	if g.in == "accept" {
		panic("accept")
	}
	return nil, errors.New("not today")
}

// TestAPanicOfAProtocolEndsThatSession, and the engine can still be closed.
func TestAPanicOfAProtocolEndsThatSession(t *testing.T) {
	t.Parallel()
	for _, in := range []string{"handshake", "accept", "refuse"} {
		t.Run(in, func(t *testing.T) {
			c := proxy.ServiceConfig{Protocol: brittle{in}, Backends: []proxy.BackendConfig{newServer(t, "a").backend()}}
			if in == "refuse" {
				c.Backends, c.NoBackend = nil, proxy.Reject
			}
			v, log := logged(t, c, nil)
			v.dialAnyway("one").isEnded()
			log.saw(t, "panicked", in, "stack=")
			if r := v.record(); in != "refuse" && (r.Reason != proxy.ReasonPanic || r.Detail != in) {
				t.Errorf("record %+v", r)
			}
			if err := within(t, "Close", v.Close); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestAPanicOfAProtocolsEnd ends that session, too.
func TestAPanicOfAProtocolsEnd(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" {
		t.Skip("only Linux shows an end of stream after bytes")
	}
	v, log := logged(t, proxy.ServiceConfig{Relay: "stream", Protocol: brittle{"its end"}}, nil)
	v.queue("one").fin()
	log.saw(t, "panicked", "its end", "stack=")
	if r := v.record(); r.Reason != proxy.ReasonAbandoned {
		t.Errorf("record %+v", r)
	}
}

// TestAPanicOfAHook is an error of the hook, with a stack.
func TestAPanicOfAHook(t *testing.T) {
	t.Parallel()
	c := oneSlot("")
	c.Backends = []proxy.BackendConfig{newServer(t, "a").backend()}
	c.Hooks = proxy.Hooks{Ready: proxy.ReadyNone, BeforeNext: proxy.Hook{OnError: proxy.OnErrorIgnore, Func: func(context.Context, proxy.HookCall) error { panic("hook") }}}
	v, log := logged(t, c, nil)
	v.dial("one").hears("a one")
	log.saw(t, "hook before_next of db panicked", "kind=panic", "stack=")
}
