package relay_test

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/tcpctl/tcpctl/proxy/proxytest"
	"github.com/tcpctl/tcpctl/proxy/relay"
)

// TestMain fails a run that leaves a descriptor or a goroutine behind.
func TestMain(m *testing.M) {
	proxytest.SetUp(16, 4)
	relay.SetIdleAfter(time.Millisecond)
	// Go's own poller opens its descriptors at the first socket of all.
	if ln, err := net.Listen("tcp", "127.0.0.1:0"); err == nil {
		ln.Close()
	}
	before := descriptors()
	goleak.VerifyTestMain(m, goleak.Cleanup(func(status int) {
		for end := time.Now().Add(patience); status == 0 && len(descriptors()) > len(before); time.Sleep(time.Millisecond) {
			if time.Now().After(end) {
				fmt.Fprintf(os.Stderr, "open descriptors after the tests: %s; before them: %s\n", descriptors(), before)
				status = 1
			}
		}
		os.Exit(status)
	}))
}

// patience only ends a test that would hang.
const patience = time.Minute

var runners = map[string]func() relay.Runner{
	"stream": func() relay.Runner { return new(relay.Stream) },
	"loop":   func() relay.Runner { return new(relay.Loop) },
	"idle":   func() relay.Runner { return new(idling) },
}

// eachRunner runs a test over both runners, in parallel with others.
func eachRunner(t *testing.T, test func(t *testing.T, r relay.Runner)) {
	t.Parallel()
	for name, make := range runners {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, make())
		})
	}
}

// eachRunnerAlone is eachRunner for a test that changes something in the process; it
// fails if the runner leaves a descriptor open.
func eachRunnerAlone(t *testing.T, test func(t *testing.T, r relay.Runner)) {
	for name, make := range runners {
		t.Run(name, func(t *testing.T) {
			before := descriptors()
			t.Cleanup(func() {
				within(t, "all descriptors are closed", func() bool { return len(descriptors()) <= len(before) })
			})
			test(t, make())
		})
	}
}

// descriptors returns what the descriptors of this process refer to.
func descriptors() (all []string) {
	names, _ := filepath.Glob("/proc/self/fd/*") // unknown except on Linux
	for _, name := range names {
		if to, err := os.Readlink(name); err == nil {
			all = append(all, to)
		}
	}
	return all
}

func within(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("timed out waiting until %s", what)
		}
	}
}

// harness is a small proxy over a runner: one listener, one backend.
type harness struct {
	testing.TB
	run        relay.Runner
	l          *relay.Listener
	dial       relay.Dial
	make       func(*harness, *relay.Side) relay.Task // nil: a session
	hold       bool                                   // a client waits, watched, until it is signalled to continue
	limit      int64
	timer      chan time.Time
	peerClosed chan relay.End
	begun      chan *session
	live       chan *session
	over       chan *session
}

// open serves clients and connects each to the backend's address.
func open(t testing.TB, r relay.Runner, network, addr string, change ...func(*harness)) *harness {
	t.Helper()
	return openWith(t, r, proxytest.FreePort(t), network, addr, change...)
}

// openAt is open with another listening address.
func openAt(t testing.TB, r relay.Runner, listen, addr string, change ...func(*harness)) *harness {
	t.Helper()
	return openWith(t, r, listen, "tcp", addr, change...)
}

func openWith(t testing.TB, r relay.Runner, listen, network, addr string, change ...func(*harness)) *harness {
	t.Helper()
	l, err := relay.Listen(listen, relay.Sock{})
	if err != nil {
		t.Fatal(err)
	}
	h := &harness{TB: t, run: r, l: l, dial: relay.Dial{Network: network, Addr: addr, Timeout: patience},
		timer: make(chan time.Time, 100), peerClosed: make(chan relay.End, 100),
		begun: make(chan *session, 20000), live: make(chan *session, 20000), over: make(chan *session, 20000)}
	for _, c := range change {
		c(h)
	}
	t.Cleanup(func() {
		h.l.Close()
		r.Shutdown()
	})
	r.Serve(h.l, h.accept)
	return h
}

func holding(h *harness) { h.hold = true }

func (h *harness) accept(client *relay.Side) {
	if h.make != nil {
		h.run.Begin(h.make(h, client), client)
		return
	}
	s := &session{harness: h, client: client}
	h.run.Begin(s, client)
	h.begun <- s
}

// come connects as a client.
func (h *harness) come() *net.TCPConn {
	h.Helper()
	return dialTo(h, h.l.Addr().String())
}

func dialTo(t testing.TB, addr string) *net.TCPConn {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(patience))
	return c.(*net.TCPConn)
}

// session is the task: dial, relay, close.
type session struct {
	state           relay.RunnerState
	harness         *harness
	client, backend *relay.Side
	ends            []relay.Event
	failed          error
	reset           bool
	finished        bool
	stepping        atomic.Bool
	signals         atomic.Int32
}

func (s *session) RunnerState() *relay.RunnerState { return &s.state }

func (s *session) Step(ev relay.Event) {
	if !s.stepping.CompareAndSwap(false, true) {
		s.harness.Error("two steps at once")
	}
	s.step(ev)
	s.stepping.Store(false)
}

func (s *session) step(ev relay.Event) {
	r := s.harness.run
	switch ev.Kind {
	case relay.Begin:
		if s.harness.hold {
			r.Watch(s, s.client)
			return
		}
		r.Dial(s, s.harness.dial)
	case relay.Signal:
		s.signals.Add(1)
		if do, ok := ev.Arg.(func(*session)); ok {
			do(s)
		}
	case relay.PeerClosed:
		s.harness.peerClosed <- ev.End
	case relay.Timer:
		s.harness.timer <- time.Now()
	case relay.Connected:
		s.backend = ev.Side
		if s.harness.limit > 0 {
			s.client.Limit(s.harness.limit)
			s.backend.Limit(s.harness.limit)
		}
		s.harness.live <- s
		r.Relay(s, s.client, s.backend)
	case relay.Failed:
		s.failed = ev.Err
		s.finish()
	case relay.Ended:
		s.ends = append(s.ends, ev)
		if ev.End == relay.Reset || ev.End == relay.Gone {
			s.reset = true
			r.Close(s.client, true)
			r.Close(s.backend, true)
		}
		if ev.Last {
			s.finish()
		}
	}
}

func (s *session) finish() {
	if s.finished {
		s.harness.Error("finished twice")
	}
	s.finished = true
	r := s.harness.run
	r.Done(s)
	r.Close(s.client, s.reset)
	if s.backend != nil {
		r.Close(s.backend, s.reset)
	}
	s.harness.l.Share.Release()
	s.harness.over <- s
}

// signal runs do in a step of the session.
func (s *session) signal(do func(*session)) {
	s.harness.run.Post(s, relay.Event{Kind: relay.Signal, Arg: do})
}

func goOn(s *session) { s.harness.run.Dial(s, s.harness.dial) }

func leave(s *session) { s.finish() }

// next returns the next session that has begun, or ended.
func next(t testing.TB, from chan *session) *session {
	t.Helper()
	return receive(t, from)
}

func receive[T any](t testing.TB, from <-chan T) T {
	t.Helper()
	select {
	case v := <-from:
		return v
	case <-time.After(patience):
		t.Fatal("nothing came")
		panic("")
	}
}

// backend is a server whose connections a test gets one by one.
type backend struct {
	testing.TB
	net.Listener
}

func newBackend(t testing.TB) *backend {
	t.Helper()
	ln := proxytest.Listen(t)
	return &backend{t, ln}
}

func (b *backend) addr() string { return b.Addr().String() }

func (b *backend) take() *net.TCPConn {
	b.Helper()
	b.Listener.(*net.TCPListener).SetDeadline(time.Now().Add(patience))
	c, err := b.Accept()
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(patience))
	return c.(*net.TCPConn)
}

// echo answers every client until the test ends.
func (b *backend) echo() *backend {
	done := make(chan bool)
	go func() {
		defer close(done)
		for {
			c, err := b.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				io.Copy(struct{ io.Writer }{c}, c)
			}()
		}
	}()
	b.Cleanup(func() {
		b.Close()
		<-done
	})
	return b
}

func say(t testing.TB, c net.Conn, text string) {
	t.Helper()
	if _, err := io.WriteString(c, text); err != nil {
		t.Fatal(err)
	}
}

func hear(t testing.TB, c net.Conn, want string) {
	t.Helper()
	b := make([]byte, len(want))
	if n, err := io.ReadFull(c, b); err != nil || string(b) != want {
		t.Fatalf("got %q, %v, want %q", b[:n], err, want)
	}
}

func hearEnd(t testing.TB, c net.Conn) {
	t.Helper()
	if n, err := c.Read(make([]byte, 1)); n != 0 || !errors.Is(err, io.EOF) {
		t.Fatalf("got %d bytes and %v, want the end", n, err)
	}
}

func reset(c *net.TCPConn) {
	c.SetLinger(0)
	c.Close()
}
