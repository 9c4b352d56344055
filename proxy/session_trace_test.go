package proxy_test

import (
	"context"
	"crypto/tls"
	"io"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tcpctl/tcpctl/proxy"
)

// debugLines keeps the debug lines of sessions, each with its attributes.
type debugLines struct {
	level slog.LevelVar
	mu    sync.Mutex
	lines map[string][]string // by session
}

func (d *debugLines) Enabled(_ context.Context, l slog.Level) bool { return l >= d.level.Level() }
func (d *debugLines) WithAttrs([]slog.Attr) slog.Handler           { return d }
func (d *debugLines) WithGroup(string) slog.Handler                { return d }
func (d *debugLines) Handle(_ context.Context, r slog.Record) error {
	if r.Level != slog.LevelDebug {
		return nil
	}
	line, session := r.Message, ""
	r.Attrs(func(a slog.Attr) bool {
		line += " " + a.Key + "=" + a.Value.String()
		if a.Key == "session" {
			session = a.Value.String()
		}
		return true
	})
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.lines == nil {
		d.lines = map[string][]string{}
	}
	d.lines[session] = append(d.lines[session], line)
	return nil
}

// tells waits for the last of a session's lines, and compares the beginnings of all
// lines.
func (d *debugLines) tells(t testing.TB, session string, want ...string) {
	t.Helper()
	for began := time.Now(); ; time.Sleep(time.Millisecond) {
		d.mu.Lock()
		got := slices.Clone(d.lines[session])
		d.mu.Unlock()
		if len(got) > 0 && strings.HasPrefix(got[len(got)-1], "ended ") || time.Since(began) > patience {
			for i := range max(len(got), len(want)) {
				if i >= len(got) || i >= len(want) || !strings.HasPrefix(got[i], want[i]) {
					t.Fatalf("%s, line %d: the lines are\n%s\nand should begin with\n%s", session, i+1, strings.Join(got, "\n"), strings.Join(want, "\n"))
				}
			}
			for _, line := range got {
				if !strings.Contains(line, " service=db session="+session) {
					t.Errorf("line %q does not name its session", line)
				}
			}
			return
		}
	}
}

func traced(t *testing.T, c proxy.ServiceConfig) (*visit, *debugLines) {
	t.Helper()
	d := &debugLines{}
	d.level.Set(slog.LevelDebug)
	c.Name, c.Listen = "db", []string{"127.0.0.1:0"}
	v := &visit{TB: t, records: make(chan *proxy.Record, 100)}
	e, err := proxy.New(proxy.Config{Log: slog.New(d), Services: []proxy.ServiceConfig{c}, OnRecord: func(r proxy.Record) { v.records <- &r }})
	if err == nil {
		err = e.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { e.Close() })
	v.Engine, v.Operator, v.svc = e, e.Operator(), e.Service("db")
	return v, d
}

// TestTraceTellsEachStepOfASession: one that is served at once, one that waits first,
// and one whose backend cannot be reached.
func TestTraceTellsEachStepOfASession(t *testing.T) {
	eachRelay(t, func(t *testing.T, relay string) {
		srv := newServer(t, "a")
		v, d := traced(t, proxy.ServiceConfig{Relay: relay, Backends: []proxy.BackendConfig{srv.backend()}, Check: proxy.CheckConfig{Type: "none"}})
		one := v.dial("one")
		one.hears("a one")
		one.leaves()
		if r := v.record(); r.ID != "s1" {
			t.Fatalf("record %+v", r)
		}
		d.tells(t, "s1", "accepted 127.0.0.1:", "admitted to db/a after 0s in the queue service=db session=s1 backend=a", "dials db/a, attempt 1",
			"connected to db/a after ", "relays", "the client has ended its side: fin", "the backend has ended its side: fin",
			"ended by client after ")

		if _, err := v.svc.Pause(proxy.PauseOptions{By: "ana"}); err != nil {
			t.Fatal(err)
		}
		two := v.queue("two")
		if _, err := v.svc.Resume(proxy.ResumeOptions{By: "ana"}); err != nil {
			t.Fatal(err)
		}
		two.hears("a two")
		v.Kick("ana", "", "s2")
		v.record()
		d.tells(t, "s2", "accepted 127.0.0.1:", "waits in the queue", "admitted to db/a after ", "dials db/a, attempt 1", "connected to db/a after ",
			"relays", "asked to end by operator: kicked", "ended by operator after ")

		srv.kill()
		three := v.dial("")
		for _, want := range []string{"dial of db/a failed: connection refused", "returns to its position in the queue", "waits in the queue", "dials db/a, attempt 2"} {
			v.eventually(want, func() bool {
				d.mu.Lock()
				defer d.mu.Unlock()
				return slices.ContainsFunc(d.lines["s3"], func(line string) bool { return strings.HasPrefix(line, want) })
			})
		}
		three.leaves()
		v.record()
	})
}

// TestTraceTellsHandshakes that succeed, and one that fails.
func TestTraceTellsHandshakes(t *testing.T) {
	t.Parallel()
	srv := newServer(t, "a")
	v, d := traced(t, proxy.ServiceConfig{Backends: []proxy.BackendConfig{srv.backend()}, Check: proxy.CheckConfig{Type: "none"},
		AcceptProxy: true, TrustedProxies: loopback, TLS: &tls.Config{Certificates: []tls.Certificate{certificate(t)}}})
	c := v.dial("")
	io.WriteString(c, "PROXY TCP4 192.0.2.7 127.0.0.1 1234 443\r\n")
	conn := tls.Client(c.Conn, &tls.Config{InsecureSkipVerify: true})
	if err := conn.Handshake(); err != nil {
		t.Fatal(err)
	}
	conn.Close()
	v.record()
	d.tells(t, "s1", "accepted 127.0.0.1:", "PROXY header read: the client is 192.0.2.7:1234", "handshake of TLS 1.3 done", "admitted to db/a after 0s", "dials ",
		"connected ", "relays", "the client has ended its side: ", "the backend has ended its side: ", "ended by client ")
	bad := v.dial("")
	io.WriteString(bad, "PROXY UNKNOWN\r\nGET / HTTP/1.0\r\n\r\n")
	v.record()
	d.tells(t, "s2", "accepted 127.0.0.1:", "PROXY header read: it names no client", "handshake failed: ", "ended by proxy after ")
}

// TestTraceFollowsTheLogsLevel: the level may change at any time, and above debug there
// are no lines.
func TestTraceFollowsTheLogsLevel(t *testing.T) {
	t.Parallel()
	srv := newServer(t, "a")
	v, d := traced(t, proxy.ServiceConfig{Backends: []proxy.BackendConfig{srv.backend()}, Check: proxy.CheckConfig{Type: "none"}})
	for i, level := range []slog.Level{slog.LevelInfo, slog.LevelDebug} {
		d.level.Set(level)
		c := v.dial("one")
		c.hears("a one")
		c.leaves()
		v.record()
		if i == 1 {
			d.tells(t, "s2", "accepted", "admitted", "dials", "connected", "relays", "the client", "the backend", "ended by client")
		}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if got := d.lines["s1"]; got != nil {
		t.Errorf("lines at the level info: %q", got)
	}
}
