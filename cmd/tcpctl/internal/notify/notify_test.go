package notify

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/tcpctl/tcpctl/proxy"
	"github.com/tcpctl/tcpctl/proxy/api"
	"github.com/tcpctl/tcpctl/proxy/command"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const patience = time.Minute

// program is a fake of the program that is run.
type program struct {
	heard chan notification
	hold  chan struct{} // when set, each run waits for it

	mu     sync.Mutex
	result command.Result
	env    []string
}

func newProgram() *program { return &program{heard: make(chan notification, 1000)} }

func (p *program) Run(ctx context.Context, c command.Command) command.Result {
	text, _ := io.ReadAll(c.Stdin)
	var t notification
	if err := json.Unmarshal(text, &t); err != nil || !bytes.HasSuffix(text, []byte("}\n")) {
		return command.Result{Err: errors.New("not a line of JSON: " + string(text))}
	}
	p.heard <- t
	if p.hold != nil {
		select {
		case <-p.hold:
		case <-ctx.Done():
			return command.Result{Err: ctx.Err()}
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.env = c.Env
	return p.result
}

func (p *program) Close() {}

func (p *program) hears(t *testing.T) notification {
	t.Helper()
	select {
	case got := <-p.heard:
		return got
	case <-time.After(patience):
		t.Fatal("the program was not run")
		return notification{}
	}
}

func newEngine(t *testing.T) *proxy.Engine {
	t.Helper()
	e, err := proxy.New(proxy.Config{})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func begin(t *testing.T, c Config, e *proxy.Engine, p runner, log io.Writer) *Notifier {
	t.Helper()
	n, err := start(c, &api.Local{Engine: e}, slog.New(slog.NewTextHandler(log, nil)), p)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(n.Close)
	return n
}

var page = []string{"page"}

func TestTheProgramIsRun(t *testing.T) {
	e, p := newEngine(t), newProgram()
	e.Operator().Note(proxy.Event{Kind: proxy.EventBackendDown, Text: "long before"})
	n := begin(t, Config{Run: page, Node: "edge-01"}, e, p, io.Discard)
	e.Operator().Note(proxy.Event{Kind: proxy.EventMark, Text: "not in the list"})
	e.Operator().Note(proxy.Event{Kind: proxy.EventBackendDown, Level: proxy.LevelAlarm, Service: "db", Backend: "b", Text: "backend b is down"})
	got := p.hears(t)
	if got.Text != "backend b is down" || got.Node != "edge-01" || got.Seq != 3 || got.Dropped != 0 {
		t.Errorf("%+v", got)
	}
	if err := n.Set(Config{Run: page, On: []string{proxy.EventMark}}); err != nil {
		t.Fatal(err)
	}
	e.Operator().Note(proxy.Event{Kind: proxy.EventBackendDown, Text: "no longer"})
	e.Operator().Note(proxy.Event{Kind: proxy.EventMark, Text: "the last"})
	n.Close() // after the events before it
	if got := p.hears(t); got.Text != "the last" {
		t.Errorf("%+v", got)
	}
	if len(p.heard) > 0 {
		t.Errorf("also ran for %+v", <-p.heard)
	}
	if env := strings.Join(p.env, " "); !strings.Contains(env, "TCPCTL_EVENT=mark") {
		t.Errorf("environment %s", env)
	}
}

func TestAnUnknownKindIsRefused(t *testing.T) {
	_, err := Start(Config{On: []string{"backend.dwn"}}, &api.Local{Engine: newEngine(t)}, slog.New(slog.DiscardHandler))
	if err == nil || !strings.Contains(err.Error(), "backend.dwn") || !strings.Contains(err.Error(), "backend.down") {
		t.Error(err)
	}
	n := begin(t, Config{}, newEngine(t), newProgram(), io.Discard)
	if err := n.Set(Config{On: []string{""}}); err == nil {
		t.Error("a kind without a name was accepted")
	}
}

func TestAProgramThatHangsBlocksNobody(t *testing.T) {
	e, p := newEngine(t), newProgram()
	p.hold = make(chan struct{})
	n := begin(t, Config{Run: page}, e, p, io.Discard)
	e.Operator().Note(proxy.Event{Kind: proxy.EventQueueOld, Text: "first"})
	p.hears(t)
	for range 10 * room {
		e.Operator().Note(proxy.Event{Kind: proxy.EventQueueOld})
	}
	for end := time.Now().Add(patience); n.Dropped() != 9*room; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%d dropped", n.Dropped())
		}
	}
	close(p.hold)
	if got := p.hears(t); got.Dropped != 9*room {
		t.Errorf("the second notification says that %d were dropped", got.Dropped)
	}
	for range room - 1 {
		if got := p.hears(t); got.Dropped != 0 {
			t.Errorf("a second time: %d were dropped", got.Dropped)
		}
	}
}

func TestFailuresAreLoggedOnceABurst(t *testing.T) {
	var log bytes.Buffer
	e, p := newEngine(t), newProgram()
	p.result = command.Result{Err: errors.New("exit status 1"), Output: strings.Repeat("x", 1000) + "\nno route\n"}
	n := begin(t, Config{Run: page}, e, p, &log)
	for range 5 {
		e.Operator().Note(proxy.Event{Kind: proxy.EventBackendDown})
	}
	for range 5 {
		p.hears(t)
	}
	e.Operator().Note(proxy.Event{Kind: proxy.EventBackendDown})
	p.hears(t) // so the fifth result was processed; the sixth may have been
	p.mu.Lock()
	p.result = command.Result{}
	p.mu.Unlock()
	e.Operator().Note(proxy.Event{Kind: proxy.EventBackendDown})
	n.Close()
	text := log.String()
	if strings.Count(text, "the program failed") != 1 || strings.Count(text, "works again") != 1 || !strings.Contains(text, "no route") {
		t.Errorf("%s", text)
	}
	if len(text) > 1500 {
		t.Errorf("%d bytes of log", len(text))
	}
}
