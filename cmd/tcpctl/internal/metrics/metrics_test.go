package metrics

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"go.uber.org/goleak"

	"github.com/tcpctl/tcpctl/cmd/tcpctl/internal/build"
	"github.com/tcpctl/tcpctl/cmd/tcpctl/internal/httpd"
	"github.com/tcpctl/tcpctl/mesh/meshinfo"
	"github.com/tcpctl/tcpctl/proxy"
	"github.com/tcpctl/tcpctl/proxy/api"
	"github.com/tcpctl/tcpctl/proxy/proxytest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var update = flag.Bool("update", false, "write the golden file")

// source is an engine with the test's status and events.
type source struct {
	api.Source
	status api.Status
	err    error
}

func (s *source) Status(context.Context) (*api.Status, error) { return &s.status, s.err }

func (s *source) Events(_ context.Context, since uint64, _ bool) (proxy.EventPage, error) {
	return proxy.EventPage{Last: 42}, s.err
}

var at = time.Date(2026, 3, 1, 14, 0, 0, 0, time.UTC)

// office has a paused service with everything that a service can have, and a minimal one.
func office() *source {
	return &source{status: api.Status{
		Node: api.Node{Name: "edge-01", Version: "1.0.0", Started: at, PID: 1,
			Reload: &api.ReloadInfo{Error: "a bad file", At: at.Add(time.Minute), LoadedAt: at, Applied: 3, Failed: 1}},
		Certificates: []api.CertificateInfo{{Name: "office", File: "/etc/tcpctl/office.pem", NotAfter: at.Add(time.Hour)}},
		History:      &api.HistoryInfo{File: "/var/lib/h", Bytes: 4096, Failed: "no space left on device"},
		Mesh: &api.Mesh{Peers: []api.Peer{{Peer: meshinfo.Peer{State: meshinfo.Alive}}, {Peer: meshinfo.Peer{State: meshinfo.Down, Cause: meshinfo.Crashed}},
			{Peer: meshinfo.Peer{State: meshinfo.Down, Cause: meshinfo.Departed}}}},
		Services: []proxy.ServiceInfo{{
			Name: "office", State: proxy.StatePaused,
			Sessions: proxy.SessionCounts{Active: 1, Bypass: 1, Total: 4711, Failed: 2, Cut: 3, Rejected: 4, Max: 2000, Redispatched: 8},
			Queue:    proxy.QueueInfo{Waiting: 16, OldestSeconds: 3.25, Granted: 90, Abandoned: 1, TimedOut: 5, Kicked: 6, Max: 1000},
			Lock:     &proxy.LockInfo{Slots: 1, InUse: 1},
			Pause:    &proxy.PauseInfo{Owner: "ana@edge-01", Until: at.Add(1500 * time.Millisecond)},
			BytesIn:  1 << 40, BytesOut: 17,
			Times: proxy.TimesInfo{
				Connect: proxy.Histogram{Bounds: []float64{.001, .1}, Counts: []int64{3, 2, 1}, Sum: 1.5},
				Wait:    proxy.Histogram{Bounds: []float64{1}, Counts: []int64{0, 0}},
				Session: proxy.Histogram{Bounds: []float64{60, 3600}, Counts: []int64{7, 0, 0}, Sum: 33},
			},
			Endings:     []proxy.EndingInfo{{By: "client", Phase: "relay", Reason: "fin", Count: 6}, {By: "proxy", Phase: "queue", Reason: "queue_timeout", Count: 5}},
			TLSFailures: []proxy.TLSFailure{{Side: "backend", Reason: "tls_expired", Count: 2}, {Side: "client", Reason: "not_tls", Count: 9}},
			Plans:       []proxy.PlanCount{{Kind: "window", State: "done", Count: 2}, {Kind: "roll", State: "timed_out", Count: 1}},
			Hook:        &proxy.HookInfo{State: proxy.HookRetrying, Failed: 2, Runs: 12, Fails: 5, Seconds: 7.5},
			Discovery: []proxy.DiscoveryInfo{
				{DiscoverySource: proxy.DiscoverySource{Name: "srv", Kind: "srv"}, Backends: 2, At: &at, Error: "no answer", Failures: 6, Held: &proxy.DiscoveryHeld{Missing: []string{"a", "b"}}},
				{DiscoverySource: proxy.DiscoverySource{Name: "new", Kind: "exec"}},
			},
			Closes: []proxy.CloseInfo{{Code: 1000, Count: 4}, {Code: 1013, Count: 1}},
			Backends: []proxy.BackendInfo{
				{Name: "a", State: proxy.StateUp, Admin: proxy.AdminDrain, Active: 7, Total: 2400, Failed: 1, Peak: 30, Transitions: 2, Weight: 2, MaxSessions: 100,
					Since: at, Checks: &proxy.CheckCounts{Total: 50, Seconds: .5, Failures: []proxy.ReasonCount{{Reason: "connect", Count: 3}, {Reason: "timeout", Count: 1}}},
					Drain: &proxy.DrainInfo{Remaining: 7}, Check: &proxy.CheckInfo{OK: true}, RTTSeconds: .0004, BytesIn: 5, BytesOut: 6},
				{Name: "b", State: proxy.StateChecking, Admin: proxy.AdminReady, Weight: 1, Priority: 1},
			},
		}, {Name: "bare", State: proxy.StateClosed}},
	}}
}

func TestGolden(t *testing.T) {
	defer func(b build.Binary) { binary = b }(binary)
	binary = build.Binary{Version: "1.0.0", Commit: "0123abc", Date: "2026-11-28T23:00:00Z", Go: "go1.26"}
	c := &collector{source: office(), dropped: map[string]func() uint64{"access_lines": func() uint64 { return 9 }}}
	registry := prometheus.NewPedanticRegistry() // also compares Describe and Collect
	registry.MustRegister(c)
	code, got := get(t, promhttp.HandlerFor(registry, promhttp.HandlerOpts{}), "/metrics")
	if code != 200 || got == "" {
		t.Fatal(code, got)
	}
	golden := filepath.Join("testdata", "metrics.golden")
	if *update {
		if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), got); d != "" {
		t.Errorf("%s\ngo test -run Golden -update, if this is intended", d)
	}
}

// TestEachLabelIsBounded: the number of values of each label is documented.
func TestEachLabelIsBounded(t *testing.T) {
	used := map[string]bool{}
	for i, f := range Families() {
		if i > 0 && Families()[i-1].Name == f.Name {
			t.Errorf("%s is defined twice", f.Name)
		}
		for _, l := range f.Labels {
			if used[l] = true; Labels[l] == "" {
				t.Errorf("%s: its label %s is not documented", f.Name, l)
			}
		}
	}
	for l := range Labels {
		if !used[l] {
			t.Errorf("no metric has the label %s", l)
		}
	}
}

// TestTheGoldenFileHasAllFamilies: all listed metrics are collected.
func TestTheGoldenFileHasAllFamilies(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("testdata", "metrics.golden"))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range Families() {
		if !strings.Contains(string(text), "# TYPE "+f.Name+" "+f.Type+"\n") {
			t.Errorf("%s (%s) is not in the golden file", f.Name, f.Type)
		}
	}
}

func TestLint(t *testing.T) {
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(&collector{source: office(), dropped: map[string]func() uint64{"access_lines": func() uint64 { return 9 }}})
	problems, err := testutil.GatherAndLint(registry)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
}

func TestPromtool(t *testing.T) {
	promtool, err := exec.LookPath("promtool")
	if err != nil {
		t.Skip("promtool is not installed")
	}
	_, body := get(t, Handler(office(), Options{}), "/metrics")
	cmd := exec.Command(promtool, "check", "metrics")
	cmd.Stdin = strings.NewReader(body)
	if out, err := cmd.CombinedOutput(); err != nil || len(bytes.TrimSpace(out)) > 0 {
		t.Errorf("%v\n%s", err, out)
	}
}

func get(t *testing.T, h http.Handler, path string) (int, string) {
	t.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest("GET", path, nil))
	return w.Code, w.Body.String()
}

// TestRule24Ready: a node is not ready only if no service is open.
func TestRule24Ready(t *testing.T) {
	for _, c := range []struct {
		states string
		want   int
	}{
		{"open", 200}, {"pausing", 200}, {"paused", 200}, {"releasing", 200},
		{"closed open", 200}, {"closed", 503}, {"closed closed", 503}, {"", 503},
	} {
		src := &source{}
		for _, s := range strings.Fields(c.states) {
			src.status.Services = append(src.status.Services, proxy.ServiceInfo{State: s})
		}
		h := Handler(src, Options{})
		if code, body := get(t, h, "/readyz"); code != c.want {
			t.Errorf("%q: %d %s", c.states, code, body)
		}
		if code, _ := get(t, h, "/healthz"); code != 200 {
			t.Errorf("%q: healthz %d", c.states, code)
		}
	}
	h := Handler(&source{err: errors.New("no answer")}, Options{})
	for path, want := range map[string]int{"/readyz": 503, "/metrics": 500, "/healthz": 200, "/": 404} {
		if code, body := get(t, h, path); code != want {
			t.Errorf("%s without an engine: %d %s", path, code, body)
		}
	}
}

func TestNamesThatAreNotUTF8(t *testing.T) {
	src := office()
	src.status.Services[0].Name = "of\xffice"
	src.status.Services[0].Backends[0].Name = "\xfe"
	if code, body := get(t, Handler(src, Options{}), "/metrics"); code != 200 || !strings.Contains(body, `{service="of?ice"}`) {
		t.Errorf("%d %s", code, body)
	}
}

// TestOfAnEngine tests everything from a client's connection to the scrape.
func TestOfAnEngine(t *testing.T) {
	backend := proxytest.Listen(t)
	engine, err := proxy.New(proxy.Config{Services: []proxy.ServiceConfig{{Name: "db", Listen: []string{"127.0.0.1:0"},
		Backends: []proxy.BackendConfig{{Name: "a", Addr: backend.Addr().String()}}, Check: proxy.CheckConfig{Type: "none"}}}})
	if err != nil {
		t.Fatal(err)
	}
	if err := engine.Start(); err != nil {
		t.Fatal(err)
	}
	defer engine.Close()
	s, err := Open("127.0.0.1:0", &api.Local{Engine: engine}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	defer s.Close()
	if _, err := Open(s.Addr().String(), &api.Local{Engine: engine}, Options{}); err == nil || !strings.HasPrefix(err.Error(), "metrics: ") {
		t.Errorf("twice at one address: %v", err)
	}
	c, err := net.Dial("tcp", engine.Service("db").Info().Listen[0])
	if err != nil {
		t.Fatal(err)
	}
	b, err := backend.Accept()
	if err != nil {
		t.Fatal(err)
	}
	b.Close()
	io.Copy(io.Discard, c)
	c.Close()
	for end := time.Now().Add(time.Minute); engine.Service("db").Info().Times.Session.Count() == 0; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("the session never ended")
		}
	}
	body := scrape(t, s, "/metrics", 200)
	for _, want := range []string{
		`tcpctl_sessions_total{service="db"} 1`, `tcpctl_backend_state{backend="a",service="db",state="up"} 1`,
		`tcpctl_connect_duration_seconds_count{service="db"} 1`, `tcpctl_queue_wait_duration_seconds_count{service="db"} 1`,
		`tcpctl_sessions_ended_total{by="backend",phase="relay",reason="fin",service="db"} 1`, "\ngo_goroutines ", "\nprocess_start_time_seconds ",
	} {
		if !strings.Contains(body, want) {
			t.Errorf("no %s", want)
		}
	}
	scrape(t, s, "/readyz", 200)
	engine.Close()
	scrape(t, s, "/readyz", 503)
	scrape(t, s, "/healthz", 200)
}

// TestReplacedNames: a service and a backend that a reload has removed serve their clients next to
// successors of the same name. Each has one metric.
func TestReplacedNames(t *testing.T) {
	backends := [2]string{proxytest.Listen(t).Addr().String(), proxytest.Listen(t).Addr().String()}
	config := func(backends map[string]string) (c proxy.Config) { // by service
		for name, addr := range backends {
			c.Services = append(c.Services, proxy.ServiceConfig{Name: name, Listen: []string{"127.0.0.1:0"},
				Backends: []proxy.BackendConfig{{Name: "a", Addr: addr}}, Check: proxy.CheckConfig{Type: "none"}})
		}
		return c
	}
	engine, err := proxy.New(config(map[string]string{"db": backends[0], "web": backends[0]}))
	if err != nil {
		t.Fatal(err)
	}
	if err := engine.Start(); err != nil {
		t.Fatal(err)
	}
	defer engine.Close()
	for _, name := range []string{"db", "web"} {
		c, err := net.Dial("tcp", engine.Service(name).Info().Listen[0])
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		for end := time.Now().Add(time.Minute); engine.Service(name).Info().Sessions.Active == 0; time.Sleep(time.Millisecond) {
			if time.Now().After(end) {
				t.Fatal("the session was never admitted")
			}
		}
	}
	h := Handler(&api.Local{Engine: engine}, Options{})
	for _, step := range []struct {
		backends map[string]string
		want     []string
		not      string
	}{
		{map[string]string{"web": backends[1]}, []string{`tcpctl_sessions_active{service="db"} 1`}, `tcpctl_service_state{service="db"`},
		{map[string]string{"web": backends[1], "db": backends[1]}, []string{
			`tcpctl_sessions_active{service="db"} 1`, `tcpctl_service_state{service="db",state="open"} 1`, `tcpctl_sessions_total{service="db"} 0`,
			`tcpctl_sessions_active{service="web"} 1`, `tcpctl_backend_sessions_active{backend="a",service="web"} 1`, `tcpctl_backend_sessions_total{backend="a",service="web"} 0`,
		}, `state="closed"} 1`},
	} {
		if _, err := engine.Apply(config(step.backends)); err != nil {
			t.Fatal(err)
		}
		code, body := get(t, h, "/metrics")
		for _, want := range step.want {
			if code != 200 || !strings.Contains(body, want) {
				t.Errorf("%d, no %s", code, want)
			}
		}
		if strings.Contains(body, step.not) {
			t.Errorf("there is %s", step.not)
		}
	}
}

func scrape(t *testing.T, s *httpd.Server, path string, want int) string {
	t.Helper()
	client := http.Client{Timeout: time.Minute, Transport: &http.Transport{DisableKeepAlives: true}}
	r, err := client.Get(fmt.Sprintf("http://%s%s", s.Addr(), path))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	body, err := io.ReadAll(r.Body)
	if err != nil || r.StatusCode != want {
		t.Errorf("%s: %d, %v", path, r.StatusCode, err)
	}
	return string(body)
}

// BenchmarkScrape: 1,000 services with two backends each.
func BenchmarkScrape(b *testing.B) {
	src, one := &source{}, office().status.Services[0]
	for i := range 1000 {
		one.Name = fmt.Sprint("service-", i)
		src.status.Services = append(src.status.Services, one)
	}
	h := Handler(src, Options{})
	for b.Loop() {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
		b.ReportMetric(float64(w.Body.Len()), "bytes")
	}
}
