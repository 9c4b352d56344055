package proxy_test

import (
	"bufio"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/tcpctl/tcpctl/proxy"
	"github.com/tcpctl/tcpctl/proxy/proxytest"
)

// In these tests a server is a backend, a visit is an engine with one service in front
// of servers, and a client connects, sends and reads.

func TestMain(m *testing.M) {
	proxytest.SetUp(32, 8)
	goleak.VerifyTestMain(m)
}

// eachRelay runs a test over each runner, in parallel with others.
func eachRelay(t *testing.T, test func(t *testing.T, relay string)) {
	t.Parallel()
	eachRelayAlone(t, func(t *testing.T, relay string) {
		t.Parallel()
		test(t, relay)
	})
}

// eachRelayAlone is eachRelay for a test that changes something in all engines.
func eachRelayAlone(t *testing.T, test func(t *testing.T, relay string)) {
	for _, relay := range []string{"stream", "loop"} {
		if relay == "loop" && runtime.GOOS != "linux" {
			continue
		}
		t.Run(relay, func(t *testing.T) { test(t, relay) })
	}
}

// onEach is eachRelay for a test that gets its runner from onRunner.
func onEach(t *testing.T, test func(t *testing.T)) {
	eachRelay(t, func(t *testing.T, relay string) { t.Run(runnerPrefix+relay, test) })
}

const runnerPrefix = "on-"

// onRunner is the relay of a service of a test within onEach; "": any.
func onRunner(t testing.TB) string {
	for _, part := range strings.Split(t.Name(), "/") {
		if relay, ok := strings.CutPrefix(part, runnerPrefix); ok {
			return relay
		}
	}
	return ""
}

// patience is how long a test waits for what must happen; it only ends tests that would
// hang.
const patience = time.Minute

// server is a backend that sends its name, and then echoes.
type server struct {
	name string
	ln   net.Listener
	wg   sync.WaitGroup

	accepted, most atomic.Int32
	resets         atomic.Int32 // how many connections ended with one
	mu             sync.Mutex
	conns          map[net.Conn]bool // whether it counts
	heard          []string          // the first line of each client, in order
}

func newServer(t testing.TB, name string) *server {
	t.Helper()
	s := &server{name: name, conns: map[net.Conn]bool{}}
	s.listen(t, proxytest.FreePort(t))
	t.Cleanup(s.kill)
	return s
}

// serveOn is a server on a listener that exists.
func serveOn(t testing.TB, name string, ln net.Listener) *server {
	s := &server{name: name, ln: ln, conns: map[net.Conn]bool{}}
	s.wg.Add(1)
	go s.acceptAll(ln)
	t.Cleanup(s.kill)
	return s
}

func (s *server) listen(t testing.TB, addr string) {
	t.Helper()
	var err error
	for range 100 {
		if s.ln, err = net.Listen("tcp", addr); err == nil {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	if err != nil {
		t.Fatal(err)
	}
	s.wg.Add(1)
	go s.acceptAll(s.ln)
}

func (s *server) acceptAll(ln net.Listener) {
	defer s.wg.Done()
	for {
		c, err := ln.Accept()
		if err != nil {
			return
		}
		s.mu.Lock()
		s.conns[c] = false
		s.mu.Unlock()
		s.wg.Add(1)
		go s.serve(c)
	}
}

// serve counts a connection once it has sent something, which checks do not.
func (s *server) serve(c net.Conn) {
	defer s.wg.Done()
	defer func() {
		s.mu.Lock()
		delete(s.conns, c)
		s.mu.Unlock()
		c.Close()
	}()
	r := bufio.NewReader(c)
	line, err := r.ReadString('\n')
	if err != nil {
		return
	}
	s.accepted.Add(1)
	s.mu.Lock()
	s.conns[c] = true
	if s.most.Load() < 50 { // no test needs more, and each connection is probed
		s.most.Store(max(s.most.Load(), s.openNow()))
	}
	s.heard = append(s.heard, strings.TrimSpace(line))
	s.mu.Unlock()
	fmt.Fprintf(c, "%s %s", s.name, line)
	if _, err := io.Copy(c, r); errors.Is(err, syscall.ECONNRESET) {
		s.resets.Add(1)
	}
	s.mu.Lock()
	s.conns[c] = false // before the other end can notice
	s.mu.Unlock()
	c.(interface{ CloseWrite() error }).CloseWrite()
}

// open returns how many connections there are now.
func (s *server) open() int32 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.openNow()
}

// openNow leaves out those that were reset but have not noticed yet.
func (s *server) openNow() (n int32) {
	for c, counts := range s.conns {
		if counts && !proxytest.WasReset(c) {
			n++
		}
	}
	return n
}

// kill ends the backend like a crash: everything is reset.
func (s *server) kill() {
	proxytest.StopListening(s.ln)
	s.mu.Lock()
	for c := range s.conns {
		if tcp, ok := c.(*net.TCPConn); ok {
			tcp.SetLinger(0)
		}
		c.Close()
	}
	s.mu.Unlock()
	s.wg.Wait()
}

func (s *server) restart(t testing.TB) {
	t.Helper()
	s.listen(t, s.addr())
}

func (s *server) addr() string { return s.ln.Addr().String() }

func (s *server) backend() proxy.BackendConfig {
	return proxy.BackendConfig{Name: s.name, Addr: s.addr()}
}

func (s *server) order() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.heard...)
}

// visit is an engine with one service, and the operations of a test on it.
type visit struct {
	testing.TB
	*proxy.Engine
	proxy.Operator
	svc     *proxy.Service
	records chan *proxy.Record
	config  proxy.ServiceConfig // of start

	unlisted atomic.Bool // records have no Listener
}

// start runs one service in front of the servers.
func start(t testing.TB, c proxy.ServiceConfig, servers ...*server) *visit {
	t.Helper()
	return startWithin(t, 0, c, servers...)
}

// startWithin is start with a limit for all sessions of the process.
func startWithin(t testing.TB, maxSessions int, c proxy.ServiceConfig, servers ...*server) *visit {
	t.Helper()
	if c.Name == "" {
		c.Name = "db"
	}
	if len(c.Listen)+len(c.Listeners) == 0 {
		c.Listen = []string{proxytest.FreePort(t)}
	}
	for _, s := range servers {
		c.Backends = append(c.Backends, s.backend())
	}
	switch {
	case c.Check.Interval != 0:
	case c.Lock.Slots > 0:
		c.Check.Interval = time.Hour // a check needs a slot, and would make a client wait
	default:
		c.Check.Interval = 100 * time.Millisecond
	}
	if c.Relay == "" {
		c.Relay = onRunner(t)
	}
	c = patiently(c)
	v := &visit{TB: t, records: make(chan *proxy.Record, 20000), config: c}
	cfg := proxy.Config{MaxSessions: maxSessions, Services: []proxy.ServiceConfig{c}, OnRecord: func(r proxy.Record) { v.records <- &r }, OmitListener: v.unlisted.Load}
	e, err := proxy.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	if err := e.Start(); err != nil {
		t.Fatal(err)
	}
	v.Engine, v.Operator, v.svc = e, e.Operator(), e.Service(c.Name)
	t.Cleanup(func() { e.Close() })
	return v
}

// patiently has clients wait for a slot and for a backend as long as a busy machine takes,
// where the test sets no limit.
func patiently(c proxy.ServiceConfig) proxy.ServiceConfig {
	c.Queue.Timeout = cmp.Or(c.Queue.Timeout, time.Hour)
	c.ConnectTimeout = cmp.Or(c.ConnectTimeout, patience)
	return c
}

func (v *visit) addr() string { return v.svc.Info().Listen[0] }

// until waits for a condition on the service.
func (v *visit) until(what string, ok func(proxy.ServiceInfo) bool) proxy.ServiceInfo {
	v.Helper()
	for end := time.Now().Add(patience); ; time.Sleep(2 * time.Millisecond) {
		i := v.svc.Info()
		if ok(i) {
			return i
		}
		if time.Now().After(end) {
			v.Fatalf("timed out waiting until %s; it is %+v", what, i)
		}
	}
}

func (v *visit) untilUp() {
	v.Helper()
	v.until("all backends up", func(i proxy.ServiceInfo) bool {
		for _, b := range i.Backends {
			if b.State != proxy.StateUp {
				return false
			}
		}
		return true
	})
}

func (v *visit) untilWaiting(n int) {
	v.Helper()
	v.until(fmt.Sprint(n, " waiting"), func(i proxy.ServiceInfo) bool { return i.Queue.Waiting == n })
}

func (v *visit) untilIdle() proxy.ServiceInfo {
	v.Helper()
	v.until("no client is left", func(i proxy.ServiceInfo) bool {
		return i.Sessions.Active == 0 && i.Queue.Waiting == 0 && len(v.Sessions(false)) == 0
	})
	return v.svc.Info()
}

func (v *visit) untilState(want string) proxy.ServiceInfo {
	v.Helper()
	return v.until("state "+want, func(i proxy.ServiceInfo) bool { return i.State == want })
}

// untilBackend waits for a condition on the backend of that name.
func (v *visit) untilBackend(name, what string, ok func(proxy.BackendInfo) bool) {
	v.Helper()
	v.until(name+" "+what, func(i proxy.ServiceInfo) bool {
		for _, b := range i.Backends {
			if b.Name == name {
				return ok(b)
			}
		}
		return false
	})
}

func (v *visit) backend(name string) proxy.BackendInfo {
	v.Helper()
	b := v.svc.Backend(name)
	if b == nil {
		v.Fatalf("no backend %s", name)
	}
	return b.Info()
}

// eventually waits for a condition that does not show in the service.
func (v *visit) eventually(what string, ok func() bool) {
	v.Helper()
	v.until(what, func(proxy.ServiceInfo) bool { return ok() })
}

func (v *visit) untilHealth(name, state string) {
	v.Helper()
	v.untilBackend(name, state, func(b proxy.BackendInfo) bool { return b.State == state })
}

// queue dials and waits until the client is in the queue, so that the order of arrival
// is the order of the calls.
func (v *visit) queue(name string) *client {
	v.Helper()
	before := v.svc.Info().Queue.Waiting
	c := v.dial(name)
	v.untilWaiting(before + 1)
	return c
}

func (v *visit) record() proxy.Record {
	v.Helper()
	select {
	case r := <-v.records:
		return *r
	case <-time.After(patience):
		v.Fatal("no record arrived")
	}
	return proxy.Record{}
}

// noMore fails the test if there is another record.
func (v *visit) noMore() {
	v.Helper()
	select {
	case r := <-v.records:
		v.Fatalf("one record too many: %+v", r)
	default:
	}
}

// must fails the test on an error of an act.
func (v *visit) must(text string, err error) {
	v.Helper()
	if err != nil {
		v.Fatal(err)
	}
}

// overTheWire returns what the other process reads.
func overTheWire[T any](t testing.TB, v T) (back T) {
	t.Helper()
	text, err := json.Marshal(v)
	if err == nil {
		err = json.Unmarshal(text, &back)
	}
	if err != nil {
		t.Fatal(err)
	}
	return back
}
