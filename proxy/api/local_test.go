package api

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tcpctl/tcpctl/proxy"
)

// local is the Source of an engine that runs these services.
func local(t *testing.T, services ...proxy.ServiceConfig) *Local {
	t.Helper()
	engine, err := proxy.New(proxy.Config{Services: services})
	if err == nil {
		err = engine.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { engine.Close() })
	return &Local{Engine: engine, By: "ana@edge-01"}
}

func pair() proxy.ServiceConfig {
	return proxy.ServiceConfig{Name: "db", Listen: []string{"127.0.0.1:0"}, Check: proxy.CheckConfig{Type: "none"},
		Backends: []proxy.BackendConfig{{Name: "a", Addr: "127.0.0.1:1"}, {Name: "b", Addr: "127.0.0.1:2"}}}
}

func (l *Local) do(act string, args ...string) (Result, error) {
	r := Request{Act: act, Targets: args}
	if a := Lookup(act); a.Args != "" {
		r.Targets, r.Args = args[:1], args[1:]
	}
	return l.Do(context.Background(), r)
}

// TestEveryRefusalHasAHint that helps.
func TestEveryRefusalHasAHint(t *testing.T) {
	l := local(t, pair())
	for _, step := range []struct {
		act  string
		on   []string
		hint string // "": it succeeds
	}{
		{"drain", []string{"db/a"}, ""},
		{"probe", []string{"db/a"}, "tcpctl ready db/a"}, // it is in maint by then
		{"add", []string{"db", "127.0.0.1:3,name=a"}, "tcpctl status db lists its backends; append ,name=NAME to the address for another name"},
		{"pause", []string{"db"}, ""},
		{"pause by ben", []string{"db"}, "tcpctl resume db ends it"},
		{"resume", []string{"db"}, ""},
		{"restart", []string{"db/b"}, "give it one (restart = [...])"},
		{"close", []string{"db"}, ""},
		{"pause", []string{"db"}, "tcpctl open db opens it again"},
		{"drain", []string{"db/x"}, "it is one of: db/a, db/b"},
		{"drain", []string{"x/a"}, "it is one of: db"},
		{"reload", nil, "start one with tcpctl run -c FILE"},
		{"stop", nil, "terminate its process"},
	} {
		if step.act == "probe" {
			l.do("maint", "db/a")
		}
		by := l.By
		if act, who, ok := strings.Cut(step.act, " by "); ok {
			step.act, l.By = act, who
		}
		_, err := l.do(step.act, step.on...)
		l.By = by
		var refused *Error
		switch {
		case step.hint == "" && err != nil:
			t.Errorf("%s %v: %v", step.act, step.on, err)
		case step.hint != "" && (!errors.As(err, &refused) || !strings.Contains(refused.Error(), step.hint)):
			t.Errorf("%s %v: %v; the hint should be %q", step.act, step.on, err, step.hint)
		}
	}
}

// TestRule12aRepeatingIsSafe: an act whose goal is already reached succeeds and says
// so, but cannot be undone, since it has done nothing.
func TestRule12aRepeatingIsSafe(t *testing.T) {
	l := local(t, pair())
	for _, step := range []struct {
		act string
		on  []string
		say string // the text of the second time
	}{
		{"drain", []string{"db/a"}, "db/a: already drained, by ana@edge-01"},
		{"maint", []string{"db/a"}, "db/a: already in maint, by ana@edge-01"},
		{"ready", []string{"db/a"}, "db/a: already ready"},
		{"weight", []string{"db/a", "3"}, "weight of db/a: already 3"},
		{"pause", []string{"db"}, "db: already paused by you, until "},
		{"resume", []string{"db"}, "db: already resumed"},
		{"close", []string{"db"}, "db: already closed"},
		{"open", []string{"db"}, "db: already open, on 127.0.0.1:"},
		{"add", []string{"db", "127.0.0.1:3,name=c,weight=2"}, "db/c: already added, up"},
	} {
		first, err := l.do(step.act, step.on...)
		if err != nil || strings.Contains(first.Texts[0], "already") {
			t.Errorf("%s: %q, %v", step.act, first.Texts, err)
			continue
		}
		again, err := l.do(step.act, step.on...)
		if err != nil || len(again.Texts) != 1 || !strings.HasPrefix(again.Texts[0], step.say) || again.Undo != nil {
			t.Errorf("%s again: %+v, %v; want %q", step.act, again, err, step.say)
		}
	}
	// Another name at the same address is another backend, and another address
	// under the same name is refused.
	if _, err := l.do("add", "db", "127.0.0.1:4,name=c"); err == nil {
		t.Error("two backends with one name")
	}
}

// TestRule12aKickOfWhoHasEnded succeeds, and for a session that never existed it fails.
func TestRule12aKickOfWhoHasEnded(t *testing.T) {
	c := pair()
	c.Pause.Max = time.Minute
	l := local(t, c)
	l.do("pause", "db")
	s := l.Engine.Service("db")
	conn, err := net.Dial("tcp", s.Info().Listen[0])
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	var id string
	for end := time.Now().Add(time.Minute); id == "" && time.Now().Before(end); time.Sleep(time.Millisecond) {
		if w := s.Waiters(); len(w) == 1 {
			id = w[0].ID
		}
	}
	if r, err := l.do("kick", id); err != nil || !strings.HasPrefix(r.Texts[0], "kicked 1 session: "+id+" "+conn.LocalAddr().String()+" waiting for db for ") {
		t.Fatalf("%+v, %v", r, err)
	}
	for end := time.Now().Add(time.Minute); len(l.Engine.Operator().Sessions(false)) > 0 && time.Now().Before(end); {
		time.Sleep(time.Millisecond)
	}
	if r, err := l.do("kick", id); err != nil || r.Texts[0] != id+": already ended" {
		t.Errorf("again: %+v, %v", r, err)
	}
	for _, never := range []string{"s999999", "s0", "s", "bob", "s-1"} {
		if _, err := l.do("kick", never); err == nil {
			t.Errorf("%s was kicked", never)
		}
	}
}

// TestProbesGoSideBySide: no backend answers before all have been asked.
func TestProbesGoSideBySide(t *testing.T) {
	const n = 8
	var slow atomic.Bool
	var asked sync.WaitGroup
	asked.Add(n)
	all := make(chan struct{})
	go func() { asked.Wait(); close(all) }()
	c := pair()
	c.Check = proxy.CheckConfig{Type: "http", Interval: time.Hour}
	c.Backends = nil
	for i := range n {
		web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if slow.Load() {
				asked.Done()
				select {
				case <-all:
				case <-r.Context().Done():
				}
			}
		}))
		t.Cleanup(web.Close)
		c.Backends = append(c.Backends, proxy.BackendConfig{Name: fmt.Sprint(i), Addr: web.Listener.Addr().String()})
	}
	l := local(t, c)
	for began := time.Now(); slices.ContainsFunc(l.Engine.Operator().Services()[0].Backends, func(b proxy.BackendInfo) bool { return b.State != proxy.StateUp }); time.Sleep(time.Millisecond) {
		if time.Since(began) > time.Minute {
			t.Fatal("they never came up")
		}
	}
	if _, err := l.do("maint", "db/3"); err != nil {
		t.Fatal(err)
	}
	asked.Done() // in its place
	slow.Store(true)
	res, err := l.do("probe", "db")
	if err != nil || len(res.Texts) != n {
		t.Fatalf("%v, %v", res, err)
	}
	for i, text := range res.Texts {
		want := fmt.Sprintf("probe db/%d: passed, http 200", i)
		if i == 3 {
			want = "db/3 cannot be checked now: it is in maint, or every slot is taken"
		}
		if !strings.HasPrefix(text, want) {
			t.Errorf("backend %d: %q, not %q", i, text, want)
		}
	}
	page, _ := l.Engine.Operator().Events(0)
	probed := 0
	for _, ev := range page.Events {
		if ev.Kind == proxy.EventOperator && strings.HasPrefix(ev.Command, "tcpctl probe db/") {
			probed++
		}
	}
	if probed != n {
		t.Errorf("%d probes among the events", probed)
	}
}

// TestProbesOfALockGoOneAfterAnother: otherwise they would take each other's slot.
func TestProbesOfALockGoOneAfterAnother(t *testing.T) {
	c := pair()
	c.Lock.Slots = 1
	web := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer web.Close()
	c.Check = proxy.CheckConfig{Type: "http", Interval: time.Hour}
	c.Backends = []proxy.BackendConfig{{Name: "a", Addr: web.Listener.Addr().String()}, {Name: "b", Addr: web.Listener.Addr().String()},
		{Name: "c", Addr: web.Listener.Addr().String()}}
	l := local(t, c)
	for began := time.Now(); slices.ContainsFunc(l.Engine.Operator().Services()[0].Backends, func(b proxy.BackendInfo) bool { return b.State != proxy.StateUp }); time.Sleep(time.Millisecond) {
		if time.Since(began) > time.Minute {
			t.Fatal("they never came up")
		}
	}
	for range 20 {
		res, err := l.do("probe", "db")
		if err != nil || strings.Count(strings.Join(res.Texts, " "), "passed, http 200") != 3 {
			t.Fatalf("%v, %v", res.Texts, err)
		}
	}
}

// TestSaveIsForOneBackendAtATime: what was done before a refusal is saved, and so is
// undoing it.
func TestSaveIsForOneBackendAtATime(t *testing.T) {
	l := local(t, pair())
	var saved []string
	l.Save = func(backend string, r *Request) error {
		if backend == "db/full" {
			return errors.New("no space left")
		}
		saved = append(saved, r.Act+" "+backend)
		return nil
	}
	ask := func(r Request) (Result, error) {
		r.Save = true
		return l.Do(context.Background(), r)
	}
	if res, err := ask(Request{Act: "weight", Targets: []string{"db/b"}, Args: []string{"4"}}); err != nil || res.Undo == nil || !res.Undo.Save ||
		res.Texts[1] != "saved" {
		t.Errorf("%+v, %v", res, err)
	}
	if _, err := ask(Request{Act: "drain", Targets: []string{"db/a", "db/x"}}); err == nil {
		t.Error("db/x does not exist")
	}
	if _, err := ask(Request{Act: "ready", Targets: []string{"db/a", "db/b"}}); err != nil {
		t.Error(err) // already so, but saved nevertheless
	}
	if _, err := ask(Request{Act: "add", Targets: []string{"db"}, Args: []string{"127.0.0.1:3"}}); err != nil {
		t.Error(err)
	}
	_, err := ask(Request{Act: "add", Targets: []string{"db"}, Args: []string{"127.0.0.1:4,name=full"}})
	if want := "add db is done, but could not be saved: no space left; it lasts until the next start; repeat it with --save"; err == nil || err.Error() != want {
		t.Errorf("%v", err)
	}
	if want := []string{"weight db/b", "ready db/a", "ready db/b", "add db/127.0.0.1:3"}; !slices.Equal(saved, want) {
		t.Errorf("saved: %q", saved)
	}
}

// asked is a predecessor that answers with an error.
type asked struct {
	Source
	err error
}

func (a asked) Sessions(context.Context, SessionQuery) ([]proxy.SessionInfo, error) {
	return nil, a.err
}

// TestAPredecessorThatHasJustEnded is not reported as trouble; one that refuses is.
func TestAPredecessorThatHasJustEnded(t *testing.T) {
	for err, want := range map[error]int{fmt.Errorf("%w on @x", ErrNoInstance): 0, errors.New("it hangs"): 1} {
		l := local(t, pair())
		l.Predecessors = func() []Predecessor { return []Predecessor{{Source: asked{err: err}, PID: 7}} }
		if _, err := l.Sessions(t.Context(), SessionQuery{}); err != nil {
			t.Error(err)
		}
		page, _ := l.Engine.Operator().Events(0)
		n := 0
		for _, ev := range page.Events {
			if strings.HasPrefix(ev.Text, "process 7") {
				n++
			}
		}
		if n != want {
			t.Errorf("%v: %d events", err, n)
		}
	}
}
