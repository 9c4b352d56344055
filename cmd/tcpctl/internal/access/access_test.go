package access

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/tcpctl/tcpctl/proxy"
	"github.com/tcpctl/tcpctl/proxy/api"
	"github.com/tcpctl/tcpctl/proxy/proxytest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const patience = time.Minute

// source is an engine with the test's sessions.
type source struct {
	api.Source
	mu       sync.Mutex
	sessions []proxy.SessionInfo
	asked    []api.SessionQuery
	err      error
}

func (s *source) Sessions(_ context.Context, q api.SessionQuery) ([]proxy.SessionInfo, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked = append(s.asked, q)
	return s.sessions, s.err
}

func newLog(t *testing.T, c Config) *Log {
	t.Helper()
	l, err := New("edge-01", c, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

func lines(t *testing.T, path string) []string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if len(text) > 0 && !strings.HasSuffix(string(text), "\n") {
		t.Errorf("the last line is incomplete: %q", text)
	}
	return strings.FieldsFunc(string(text), func(r rune) bool { return r == '\n' })
}

// untilLines waits until the file has at least n lines.
func untilLines(t *testing.T, path string, n int) []string {
	t.Helper()
	for end := time.Now().Add(patience); ; time.Sleep(time.Millisecond) {
		if got := lines(t, path); len(got) >= n {
			return got
		}
		if time.Now().After(end) {
			t.Fatalf("never %d lines", n)
		}
	}
}

func TestARecordIsALine(t *testing.T) {
	path := filepath.Join(t.TempDir(), "access")
	l := newLog(t, Config{File: path})
	want := proxy.Record{ID: "s1", Service: "db", Backend: "a", Client: "10.0.0.1:9", Via: "tcp", By: "client", Phase: "relay", Reason: proxy.ReasonFIN,
		Opened: time.Unix(1, 0).UTC(), Ended: time.Unix(3, 0).UTC(), DurationSeconds: 2, BytesIn: 1, BytesOut: 2, Dials: 1, Served: true}
	l.Record(want)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	l.Record(want) // too late, and harmless
	all := lines(t, path)
	var got proxy.Record
	if len(all) != 1 || json.Unmarshal([]byte(all[0]), &got) != nil || !cmp.Equal(got, want) {
		t.Errorf("%v: %s", all, cmp.Diff(got, want))
	}
	if !strings.HasPrefix(all[0], `{"time":"1970-01-01T00:00:03Z","node":"edge-01","id":"s1",`) {
		t.Errorf("%s", all[0])
	}
}

func TestSessionsThatGoOn(t *testing.T) {
	path := filepath.Join(t.TempDir(), "access")
	l := newLog(t, Config{File: path, Flush: time.Hour})
	src := &source{sessions: []proxy.SessionInfo{{ID: "s7", Service: "db", Client: "10.0.0.1:9", Via: "tcp", Phase: "relay", AgeSeconds: 400, BytesIn: 5}}}
	l.Follow(src, nil)
	if err := l.Set(Config{File: path, Flush: 5 * time.Millisecond}); err != nil { // as after a reload
		t.Fatal(err)
	}
	all := untilLines(t, path, 2)
	var got map[string]any
	if err := json.Unmarshal([]byte(all[0]), &got); err != nil {
		t.Fatal(err)
	}
	if got["id"] != "s7" || got["ongoing"] != true || got["bytes_in"] != 5.0 || got["duration_seconds"] != 400.0 || got["ended"] != nil {
		t.Errorf("%s", all[0])
	}
	src.mu.Lock()
	if q := src.asked[0]; q.OlderThan != 5*time.Millisecond || q.Ended {
		t.Errorf("asked for %+v", q)
	}
	src.err = errors.New("gone") // logged, and retried
	src.mu.Unlock()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestRotationLosesNothing(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "access")
	l := newLog(t, Config{File: path})
	const n = 2000
	for i := range n {
		if i%400 == 200 {
			os.Rename(path, fmt.Sprint(path, ".", i))
			if err := l.Reopen(); err != nil {
				t.Fatal(err)
			}
		}
		l.Record(proxy.Record{ID: fmt.Sprint("s", i)})
	}
	l.Close()
	files, _ := filepath.Glob(path + "*")
	seen := map[string]int{}
	for _, f := range files {
		for _, line := range lines(t, f) {
			var r proxy.Record
			if err := json.Unmarshal([]byte(line), &r); err != nil {
				t.Fatalf("%s: %q: %v", f, line, err)
			}
			seen[r.ID]++
		}
	}
	if len(files) != 6 || len(seen) != n || l.Lost() != 0 {
		t.Errorf("%d files, %d of %d sessions, %d lost", len(files), len(seen), n, l.Lost())
	}
}

// TestALossIsTwoEvents: one at its start, and one with the number of lines once it is over.
func TestALossIsTwoEvents(t *testing.T) {
	if _, err := os.Stat("/dev/full"); err != nil {
		t.Skip(err)
	}
	file := filepath.Join(t.TempDir(), "access")
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var told []proxy.Event
		l, err := New("edge-01", Config{File: "/dev/full"}, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		l.Follow(&source{}, func(ev proxy.Event) {
			mu.Lock()
			defer mu.Unlock()
			told = append(told, ev)
		})
		want := func(text ...string) {
			t.Helper()
			synctest.Wait()
			mu.Lock()
			defer mu.Unlock()
			if len(told) != len(text) {
				t.Fatalf("%+v, want %d events", told, len(text))
			}
			for i, ev := range told {
				if ev.Kind != proxy.EventLog || !strings.Contains(ev.Text, text[i]) {
					t.Errorf("%+v, want: %s", ev, text[i])
				}
			}
			told = nil
		}
		want()
		l.Record(proxy.Record{})
		want("lines of the access log are lost: write /dev/full: no space left on device")
		for range 9 { // more losses
			time.Sleep(calm / 2)
			l.Record(proxy.Record{})
			want()
		}
		if err := l.Set(Config{File: file}); err != nil {
			t.Fatal(err)
		}
		l.Record(proxy.Record{})
		time.Sleep(2 * calm)
		want("are no longer lost: 10 were")
		time.Sleep(time.Hour)
		want()
		if err := l.Set(Config{File: "/dev/full"}); err != nil {
			t.Fatal(err)
		}
		l.Record(proxy.Record{})
		want("are lost: write /dev/full")
		time.Sleep(2 * calm)
		want("are no longer lost: 1 were")
	})
}

func TestSetChangesTheFile(t *testing.T) {
	a, b := filepath.Join(t.TempDir(), "a"), filepath.Join(t.TempDir(), "b")
	l := newLog(t, Config{})
	l.Record(proxy.Record{ID: "it goes nowhere"})
	if err := l.Reopen(); err != nil {
		t.Error(err)
	}
	for _, file := range []string{a, b} {
		if err := l.Set(Config{File: file}); err != nil {
			t.Fatal(err)
		}
		l.Record(proxy.Record{ID: file})
	}
	if err := l.Set(Config{File: t.TempDir()}); err == nil {
		t.Error("a folder was taken for a file")
	}
	l.Record(proxy.Record{ID: b})
	l.Close()
	if got := lines(t, a); len(got) != 1 {
		t.Errorf("%q", got)
	}
	if got := lines(t, b); len(got) != 2 {
		t.Errorf("%q", got)
	}
}

// TestBehindAnEngine tests the log with an engine and a real session.
func TestBehindAnEngine(t *testing.T) {
	path := filepath.Join(t.TempDir(), "access")
	l := newLog(t, Config{File: path, Flush: 2 * time.Millisecond})
	echo := proxytest.Listen(t)
	engine, err := proxy.New(proxy.Config{OnRecord: l.Record, Services: []proxy.ServiceConfig{{Name: "db",
		Listen: []string{"127.0.0.1:0"}, Backends: []proxy.BackendConfig{{Addr: echo.Addr().String()}}, Check: proxy.CheckConfig{Type: "none"}}}})
	if err != nil {
		t.Fatal(err)
	}
	if err := engine.Start(); err != nil {
		t.Fatal(err)
	}
	defer engine.Close()
	l.Follow(&api.Local{Engine: engine}, engine.Operator().Note)
	c, err := net.Dial("tcp", engine.Service("db").Info().Listen[0])
	if err != nil {
		t.Fatal(err)
	}
	untilLines(t, path, 2) // the line of the live session
	c.Close()
	engine.Close()
	l.Close()
	all := lines(t, path)
	var last proxy.Record
	for _, line := range all {
		if !strings.Contains(line, `"ongoing":true`) {
			if last.ID != "" {
				t.Errorf("two records: %s", line)
			}
			json.Unmarshal([]byte(line), &last)
		}
	}
	if last.ID == "" || last.Service != "db" || last.Ended.IsZero() {
		t.Errorf("record %+v", last)
	}
}

func BenchmarkRecord(b *testing.B) {
	l, err := New("edge-01", Config{File: filepath.Join(b.TempDir(), "access")}, slog.New(slog.DiscardHandler))
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	r := proxy.Record{ID: "s1", Service: "db", Backend: "a", Client: "10.0.0.1:9", Via: "tcp", By: "client", Phase: "relay", Reason: proxy.ReasonFIN, Opened: time.Now(), Ended: time.Now()}
	b.ReportAllocs()
	for b.Loop() {
		l.Record(r)
	}
	b.ReportMetric(float64(l.Lost())/float64(b.N), "lost/op")
}

// BenchmarkWrite measures the disk's side.
func BenchmarkWrite(b *testing.B) {
	l, err := New("edge-01", Config{File: filepath.Join(b.TempDir(), "access")}, slog.New(slog.DiscardHandler))
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	r := proxy.Record{ID: "s1", Service: "db", Backend: "a", Client: "10.0.0.1:9", Via: "tcp", By: "client", Phase: "relay", Reason: proxy.ReasonFIN, Opened: time.Now(), Ended: time.Now()}
	b.ReportAllocs()
	for b.Loop() {
		l.out.Load().spool.PutWait(entry{record: r})
	}
}

// TestTheReferenceHasEachField: exactly the fields of both kinds of line.
func TestTheReferenceHasEachField(t *testing.T) {
	text, err := os.ReadFile("../../docs/access-log.md")
	if err != nil {
		t.Fatal(err)
	}
	for heading, of := range map[string]reflect.Type{"A session that has ended": reflect.TypeFor[ended](), "A session that goes on": reflect.TypeFor[ongoing]()} {
		_, section, _ := strings.Cut(string(text), "## "+heading+"\n")
		section, _, _ = strings.Cut(section, "\n## ")
		said := map[string]bool{}
		for _, m := range regexp.MustCompile("(?m)^\\| `(\\w+)` \\|").FindAllStringSubmatch(section, -1) {
			said[m[1]] = true
		}
		for _, f := range reflect.VisibleFields(of) {
			key, _, _ := strings.Cut(f.Tag.Get("json"), ",")
			if key == "" || key == "-" || f.Anonymous {
				continue
			}
			if !said[key] {
				t.Errorf("the reference has no %s of %s", key, of.Name())
			}
			delete(said, key)
		}
		for key := range said {
			t.Errorf("the reference has %s, which %s does not have", key, of.Name())
		}
	}
}
