package history

import (
	"context"
	"fmt"
	"iter"
	"log/slog"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/tcpctl/tcpctl/proxy"
	"github.com/tcpctl/tcpctl/proxy/api"
	"github.com/tcpctl/tcpctl/proxy/proxytest"
)

func TestMain(m *testing.M) {
	proxytest.SetUp(8, 4)
	goleak.VerifyTestMain(m)
}

// engine is a fake Source whose clock the test sets.
type engine struct {
	mu       sync.Mutex
	now      time.Time
	services []proxy.ServiceInfo
	events   []proxy.Event
	reports  []proxy.Report
	live     []proxy.SessionInfo
	waiters  []proxy.WaiterInfo // of each service
	mesh     *api.Mesh
	plan     *proxy.PlanInfo
}

func (e *engine) Status(context.Context) (*api.Status, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	now := e.now
	if now.IsZero() {
		now = time.Now()
	}
	all := slices.Clone(e.services)
	for i := range all {
		all[i].Backends = slices.Clone(all[i].Backends)
	}
	return &api.Status{Node: api.Node{Name: "edge-01", Version: "test", Now: now}, Services: all, Mesh: e.mesh, Plan: e.plan}, nil
}

func (e *engine) Waiters(_ context.Context, _ string, most int) ([]proxy.WaiterInfo, error) {
	return slices.Clone(e.waiters[:min(len(e.waiters), most)]), nil
}

func (e *engine) Events(_ context.Context, since uint64, _ bool) (proxy.EventPage, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return proxy.EventPage{Events: slices.Clone(e.events[min(int(since), len(e.events)):]), Last: uint64(len(e.events))}, nil
}

func (e *engine) Reports(context.Context) ([]proxy.Report, error) { return e.reports, nil }

func (e *engine) Live(context.Context, api.SessionQuery) iter.Seq[proxy.SessionInfo] {
	return slices.Values(e.live)
}

// Note receives the recorder's own events.
func (e *engine) Note(ev proxy.Event) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if ev.Time = e.now; e.now.IsZero() {
		ev.Time = time.Now()
	}
	if ev.Level == "" {
		ev.Level = proxy.LevelInfo
	}
	ev.Seq = uint64(len(e.events) + 1)
	e.events = append(e.events, ev)
}

// noted returns the texts of the events with this prefix.
func (e *engine) noted(prefix string) (all []string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, ev := range e.events {
		if len(ev.Text) >= len(prefix) && ev.Text[:len(prefix)] == prefix {
			all = append(all, ev.Text)
		}
	}
	return all
}

func service(name string, backends ...string) proxy.ServiceInfo {
	s := proxy.ServiceInfo{Name: name, Listen: []string{"127.0.0.1:1"}, State: proxy.StateOpen}
	for _, b := range backends {
		s.Backends = append(s.Backends, proxy.BackendInfo{Name: b, Addr: "127.0.0.1:2", State: proxy.StateUp, Admin: proxy.AdminReady, Eligible: true, RTTSeconds: 0.001})
	}
	return s
}

// tape drives the writer by hand: no goroutine samples, and a test's second takes no real time.
type tape struct {
	t testing.TB
	*Recorder
	e    *engine
	s    *sampler
	done bool
}

func newTape(t testing.TB, file string, e *engine) *tape {
	r := New(Config{File: file}, slog.New(slog.DiscardHandler))
	tp := &tape{t: t, Recorder: r, e: e}
	r.source = e
	note := e.Note
	f := func(ev proxy.Event) { note(ev) }
	r.note.Store(&f)
	st, _ := e.Status(context.Background())
	r.queue <- &batch{begin: true, now: st.Node.Now, status: st}
	tp.s = &sampler{r: r, waits: map[string]time.Duration{}, reports: map[string]string{}, every: time.Second}
	tp.s.talkers.begin(e.now.Unix() / 60 * 60)
	t.Cleanup(tp.end)
	return tp
}

// end closes the recorder as at a stop.
func (tp *tape) end() {
	if !tp.done {
		tp.done = true
		tp.Recorder.Close()
	}
}

// second advances the clock by a second, in which change happens.
func (tp *tape) second(change func(e *engine)) {
	tp.t.Helper()
	if change != nil {
		change(tp.e)
	}
	tp.e.mu.Lock()
	tp.e.now = tp.e.now.Add(time.Second)
	tp.e.mu.Unlock()
	if len(tp.queue) == cap(tp.queue) { // otherwise the sampler would leave this second out
		tp.flush()
	}
	tp.s.take(false, false)
}

// flush waits until everything is written.
func (tp *tape) flush() {
	tp.t.Helper()
	reached := make(chan struct{})
	full := tp.queue
	for late := time.After(time.Minute); ; {
		select {
		case full <- &batch{reached: reached}:
			full = nil
		case <-reached:
			return
		case <-late:
			tp.t.Fatalf("the writer does not finish: %d batches wait", len(tp.queue))
		}
	}
}

// grow adds clients to a service's counters; all but the rejected reach its first backend.
func grow(s *proxy.ServiceInfo, clients, rejected, failed int64) {
	s.Sessions.Total += clients
	s.Sessions.Rejected += rejected
	s.Sessions.Failed += failed
	served := clients - rejected - failed
	s.Times.Connect = proxy.Histogram{Bounds: []float64{1}, Counts: []int64{s.Times.Connect.Count() + served, 0}, Sum: s.Times.Connect.Sum + 0.002*float64(served)}
	s.BytesIn += 100 * served
	s.BytesOut += 1000 * served
	if len(s.Backends) > 0 {
		s.Backends[0].Total += served
		s.Backends[0].BytesIn += 100 * served
		s.Backends[0].BytesOut += 1000 * served
	}
}

func tempFile(t *testing.T) string { return filepath.Join(t.TempDir(), "history.db") }

func must[T any](v T, err error) func(t *testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

var start = time.Date(2026, 11, 28, 2, 0, 0, 0, time.UTC)

func at(seconds int) time.Time { return start.Add(time.Duration(seconds) * time.Second) }

func session(n int, client string) proxy.SessionInfo {
	return proxy.SessionInfo{ID: fmt.Sprintf("s%d", n), Service: "db", Client: client, Phase: proxy.PhaseRelay}
}
