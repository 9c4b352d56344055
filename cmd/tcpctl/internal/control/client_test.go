package control

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tcpctl/tcpctl/proxy"
	"github.com/tcpctl/tcpctl/proxy/api"
)

// Serve is Open and Start.
func Serve(path string, source api.Source, o Options) (*Server, error) {
	s, err := Open(path, source, o)
	if err == nil {
		s.Start()
	}
	return s, err
}

// socketPath returns a short path in the test's own folder.
func socketPath(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "tcpctl") // not t.TempDir: a socket's path must be short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return filepath.Join(dir, "s")
}

// recorder is a Source that records requests.
type recorder struct {
	*api.Local
	query   api.SessionQuery
	request api.Request
	window  api.WindowCall
	report  string
}

func (r *recorder) Sessions(_ context.Context, q api.SessionQuery) ([]proxy.SessionInfo, error) {
	r.query = q
	return []proxy.SessionInfo{{ID: "s1", Service: q.Service}}, nil
}

func (r *recorder) Do(_ context.Context, req api.Request) (api.Result, error) {
	r.request = req
	if req.Act == "weight" {
		return api.Result{}, api.Refused("not now", "wait")
	}
	return api.Result{Texts: []string{"done"}}, nil
}

func (r *recorder) Window(_ context.Context, w api.WindowCall) (api.WindowAnswer, error) {
	r.window = w
	return api.WindowAnswer{}, nil
}

func (r *recorder) Reports(context.Context) ([]proxy.Report, error) {
	return []proxy.Report{{ID: "w1"}}, nil
}

func (r *recorder) Report(_ context.Context, id string) (proxy.Report, error) {
	r.report = id
	return proxy.Report{ID: "w1"}, nil
}

func serveRecorder(t *testing.T, o Options) (*recorder, *Client) {
	t.Helper()
	engine, err := proxy.New(proxy.Config{Services: []proxy.ServiceConfig{{Name: "db", Listen: []string{"127.0.0.1:0"},
		Backends: []proxy.BackendConfig{{Name: "a", Addr: "127.0.0.1:1"}}, Check: proxy.CheckConfig{Type: "none"}}}})
	if err == nil {
		err = engine.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { engine.Close() })
	r := &recorder{Local: &api.Local{Engine: engine, Node: api.Node{Name: "n"}, Text: func() api.ConfigText { return api.ConfigText{Path: "/f", Text: "x"} }}}
	o.Node, o.Log = "n", slog.New(slog.DiscardHandler)
	s, err := Serve(socketPath(t), r, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	c := Dial(s.Path())
	t.Cleanup(c.Close)
	return r, c
}

// TestClientPassesOnAllArguments: all arguments of a Source's methods reach it through the socket,
// and acts are attributed to the user at the other end.
func TestClientPassesOnAllArguments(t *testing.T) {
	r, c := serveRecorder(t, Options{})
	ctx := context.Background()
	me := UserName(os.Getuid()) + "@n"
	st, err := c.Status(ctx)
	if err != nil || st.Node.Name != "n" || len(st.Services) != 1 {
		t.Errorf("status %+v, %v", st, err)
	}
	if text, err := c.Config(ctx); err != nil || text != (api.ConfigText{Path: "/f", Text: "x"}) {
		t.Errorf("config %+v, %v", text, err)
	}
	if all, err := c.Queue(ctx, "db"); err != nil || len(all) != 0 {
		t.Errorf("queue %v, %v", all, err)
	}
	for _, q := range []api.SessionQuery{{}, {Service: "db"}, {Service: "a b/%", Backend: "x&y", Client: "10.0.0.0/8", OlderThan: 1500 * time.Millisecond, Ended: true, Limit: 3}} {
		if all, err := c.Sessions(ctx, q); err != nil || len(all) != 1 || all[0].Service != q.Service {
			t.Errorf("sessions %v, %v", all, err)
		}
		if diff := cmp.Diff(q, r.query); diff != "" {
			t.Errorf("asked for other sessions (-want +got):\n%s", diff)
		}
	}
	req := api.Request{Act: "drain", Targets: []string{"db/a"}, Options: api.Options{Limit: time.Minute, Then: "cut", Reason: "why", Force: true, DryRun: true}}
	if res, err := c.Do(ctx, req); err != nil || len(res.Texts) != 1 {
		t.Errorf("act %+v, %v", res, err)
	}
	req.By = me
	if diff := cmp.Diff(req, r.request); diff != "" {
		t.Errorf("another act (-want +got):\n%s", diff)
	}
	if _, err := c.Do(ctx, api.Request{Act: "weight"}); err == nil || api.AsError(err).Hint != "wait" || api.AsError(err).Status != http.StatusConflict {
		t.Errorf("refused: %v", err)
	}
	if _, err := c.Window(ctx, api.WindowCall{Service: "db", ID: "w1"}); err != nil || r.window.Service != "db" || r.window.By != me {
		t.Errorf("window %+v, %v", r.window, err)
	}
	if all, err := c.Reports(ctx); err != nil || len(all) != 1 {
		t.Errorf("reports %v, %v", all, err)
	}
	for given, asked := range map[string]string{"": "", "w/1": "w/1"} {
		if one, err := c.Report(ctx, given); err != nil || one.ID != "w1" || r.report != asked {
			t.Errorf("report %q: asked for %q, %v", given, r.report, err)
		}
	}
	page, err := c.Events(ctx, 0, false)
	if err != nil || len(page.Events) == 0 {
		t.Fatalf("events %+v, %v", page, err)
	}
	short, cancel := context.WithTimeout(ctx, 50*time.Millisecond)
	defer cancel()
	if _, err := c.Events(short, page.Events[len(page.Events)-1].Seq, true); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("events after the last: %v", err)
	}
}

// TestPeerRequests: they go to Peers with the user's name, and fail without a mesh.
func TestPeerRequests(t *testing.T) {
	var path, by string
	peers := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		path, by = r.URL.EscapedPath(), r.Header.Get(PeerHeader)
		Fail(w, api.Unreachable("it sleeps", "wake it"))
	})
	_, c := serveRecorder(t, Options{Peers: peers})
	_, err := c.Peer("..").Status(context.Background())
	if err == nil || api.AsError(err).Text != "it sleeps" || path != "/v1/peers/%2E%2E/v1/status" || by != UserName(os.Getuid())+"@n" {
		t.Errorf("%v; path %s, by %s", err, path, by)
	}
	_, c = serveRecorder(t, Options{})
	if _, err := c.Peer("x").Status(context.Background()); err == nil || err.Error() != api.NoMesh().Error() {
		t.Errorf("without a mesh: %v", err)
	}
	over := Over(func(r *http.Request) (*http.Response, error) {
		w := httptest.NewRecorder()
		fmt.Fprintf(w, `{"node": {"name": %q}}`, r.URL.Host)
		return w.Result(), nil
	}, "there")
	if st, err := over.Status(context.Background()); err != nil || st.Node.Name != "there" {
		t.Errorf("over a function: %+v, %v", st, err)
	}
}

// TestManyAtATimeOverOneConnection: concurrent requests to two hundred nodes take no connections from others, and
// clients of HTTP/1 are served at the same time.
func TestManyAtATimeOverOneConnection(t *testing.T) {
	const many = 200
	var asked sync.WaitGroup
	asked.Add(many)
	peers := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Done()
		asked.Wait()
		fmt.Fprintf(w, `{"node": {"name": %q}}`, strings.Split(r.URL.Path, "/")[3])
	})
	_, c := serveRecorder(t, Options{Peers: peers, MaxConns: 4})
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second) // only a hang takes this long
	defer cancel()
	var all sync.WaitGroup
	for i := range many {
		all.Go(func() {
			node := fmt.Sprint("edge-", i)
			if st, err := c.Peer(node).Status(ctx); err != nil || st.Node.Name != node {
				t.Errorf("%s: %+v, %v", node, st, err)
			}
		})
	}
	all.Wait()
	one := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", c.Path())
	}}}
	resp, err := one.Get("http://tcpctl/v1/status")
	if err != nil || resp.StatusCode != http.StatusOK || resp.ProtoMajor != 1 {
		t.Fatalf("%+v, %v", resp, err)
	}
	resp.Body.Close()
}

// beforeUpgrade returns a client of a process that has already answered, and a function that starts another at the same
// socket, as an upgrade does. Each answers requests to peers with its own name, after calling late if that is not nil.
func beforeUpgrade(t *testing.T, late func(*http.Request)) (c *Client, upgrade func()) {
	t.Helper()
	through := func(process string) Options {
		return Options{Log: slog.New(slog.DiscardHandler), Peers: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if late != nil {
				late(r)
			}
			w.WriteHeader(http.StatusOK)
			fmt.Fprintf(w, `{"node": {"name": %q}}`, process)
		})}
	}
	first, err := Serve(socketPath(t), &api.Local{}, through("first"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(first.Release)
	c = Dial(first.Path())
	t.Cleanup(c.Close)
	if st, err := c.Peer("x").Status(t.Context()); err != nil || st.Node.Name != "first" {
		t.Fatalf("%+v, %v", st, err)
	}
	return c, func() {
		t.Helper()
		o := through("second")
		if o.Socket, err = first.File(); err != nil {
			t.Fatal(err)
		}
		first.Pause()
		second, err := Serve(first.Path(), &api.Local{}, o)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { second.Close() })
	}
}

// TestAnUpgradeIsFollowed: requests to peers go through the process that accepts, even while an answer from the old
// process is outstanding.
func TestAnUpgradeIsFollowed(t *testing.T) {
	asked, let := make(chan struct{}), make(chan struct{})
	c, upgrade := beforeUpgrade(t, func(r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/v1/peers/late/") {
			close(asked)
			<-let
		}
	})
	var waits sync.WaitGroup
	waits.Go(func() {
		if st, err := c.Peer("late").Status(t.Context()); err != nil || st.Node.Name != "first" {
			t.Errorf("what waited is answered %+v, %v", st, err)
		}
	})
	defer waits.Wait()
	defer close(let)
	<-asked
	upgrade()
	for began := time.Now(); ; time.Sleep(time.Millisecond) {
		st, err := c.Peer("x").Status(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if st.Node.Name == "second" {
			break
		}
		if time.Since(began) > time.Minute {
			t.Fatal("the old process keeps answering for ever")
		}
	}
}

// TestAnUpgradeBetweenTwoRequests: the second goes to the new process at once.
func TestAnUpgradeBetweenTwoRequests(t *testing.T) {
	c, upgrade := beforeUpgrade(t, nil)
	upgrade()
	if st, err := c.Peer("x").Status(t.Context()); err != nil || st.Node.Name != "second" {
		t.Errorf("%+v, %v", st, err)
	}
}

// TestClientExplainsErrors: in words that a person can act on.
func TestClientExplainsErrors(t *testing.T) {
	c := Dial("/x/s")
	refusal := api.Refused("no", "yes")
	for _, tt := range []struct {
		err error
		is  error  // errors.Is, or
		say string // a part of the text
	}{
		{refusal, refusal, "no"},
		{context.Canceled, context.Canceled, ""},
		{context.DeadlineExceeded, context.DeadlineExceeded, ""},
		{&fs.PathError{Err: fs.ErrNotExist}, api.ErrNoInstance, "tcpctl demo"},
		{os.NewSyscallError("connect", syscall.ECONNREFUSED), api.ErrNoInstance, "/x/s"},
		{os.NewSyscallError("connect", syscall.EACCES), nil, "run tcpctl as the user that runs the instance"},
		{&url.Error{Op: "Get", URL: "http://tcpctl/", Err: errors.New("odd")}, nil, "no answer on /x/s: odd"},
	} {
		got := c.explain(http.MethodGet, tt.err)
		if tt.is != nil && !errors.Is(got, tt.is) || !strings.Contains(got.Error(), tt.say) {
			t.Errorf("%v: %v", tt.err, got)
		}
	}
	if _, err := Dial(socketPath(t)).Status(context.Background()); !errors.Is(err, api.ErrNoInstance) {
		t.Errorf("no socket: %v", err)
	}
}

// TestAnswersThatAreNoAPI: another program may answer on the socket.
func TestAnswersThatAreNoAPI(t *testing.T) {
	for _, tt := range []struct {
		status     int
		body, says string
	}{
		{200, "<html>", "the answer of there cannot be read"},
		{502, "bad gateway", "there answers 502 Bad Gateway: bad gateway"},
		{409, `{"error": {"message": "no", "hint": "yes"}}`, "no"},
	} {
		c := Over(func(*http.Request) (*http.Response, error) {
			w := httptest.NewRecorder()
			w.WriteHeader(tt.status)
			w.WriteString(tt.body)
			return w.Result(), nil
		}, "there")
		if _, err := c.Status(context.Background()); err == nil || !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%d %s: %v", tt.status, tt.body, err)
		}
	}
}

// TestSocketIsNotTakenFromAnother: a socket is opened only where nothing exists, or where the
// process that made it has ended.
func TestSocketIsNotTakenFromAnother(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("Unix only")
	}
	path := socketPath(t)
	o := Options{Log: slog.New(slog.DiscardHandler), Mode: 0o660}
	s, err := Serve(path, &api.Local{}, o)
	if err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o660 {
		t.Errorf("%v, %v, want mode 660", info, err)
	}
	if !Answers(path) {
		t.Error("nothing answers")
	}
	if _, err := Open(path, &api.Local{}, o); !errors.Is(err, ErrTaken) {
		t.Errorf("a second one: %v", err)
	}
	// Another process takes the socket over: a release keeps the file.
	f, err := s.File()
	if err != nil {
		t.Fatal(err)
	}
	s.Pause()
	next, err := Serve(path, &api.Local{}, Options{Log: o.Log, Socket: f})
	if err != nil {
		t.Fatal(err)
	}
	s.Release()
	if !Answers(path) {
		t.Error("nothing answers after a release")
	}
	next.Close()
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("after the close: %v", err)
	}
	// A socket whose process has died is replaced.
	dead, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	dead.SetUnlinkOnClose(false)
	dead.Close()
	s, err = Serve(path, &api.Local{}, o)
	if err != nil {
		t.Fatal(err)
	}
	s.Close()
	for name, tt := range map[string]struct {
		path string
		o    Options
		says string
	}{
		"a file":             {func() string { p := socketPath(t); os.WriteFile(p, nil, 0o600); return p }(), o, "--socket"},
		"no folder":          {filepath.Join(filepath.Dir(path), "no", "s"), o, "--socket"},
		"a long path":        {filepath.Join(filepath.Dir(path), strings.Repeat("x", maxPath)), o, "at most 100 bytes"},
		"a group that is no": {socketPath(t), Options{Log: o.Log, Group: "no such group"}, "no such group"},
	} {
		if s, err := Serve(tt.path, &api.Local{}, tt.o); err == nil || !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%s: %v, want %q", name, err, tt.says)
			if s != nil {
				s.Close()
			}
		}
	}
}

// TestSocketIsMadeAgain: after its file was removed.
func TestSocketIsMadeAgain(t *testing.T) {
	t.Parallel()
	s, _ := serveDebug(t)
	if err := os.Remove(s.Path()); err != nil {
		t.Fatal(err)
	}
	for began := time.Now(); !Answers(s.Path()); time.Sleep(20 * time.Millisecond) {
		if time.Since(began) > 30*time.Second {
			t.Fatal("the socket was not made again")
		}
	}
}

// TestAnInstanceThatDoesNotAnswer: its process is stopped, and the kernel still accepts for it.
func TestAnInstanceThatDoesNotAnswer(t *testing.T) {
	path := socketPath(t)
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c := Dial(path)
	defer c.Close()
	c.within = time.Millisecond
	_, err = c.Status(t.Context())
	if want := "no answer in time on " + path + ": its process is stopped or hangs"; !errors.Is(err, context.DeadlineExceeded) || err.Error() != want {
		t.Errorf("%v, want %s", err, want)
	}
	if err := c.Peer("b").explain(http.MethodGet, context.DeadlineExceeded); !strings.HasSuffix(err.Error(), ": the process there, or this one, is stopped or hangs") {
		t.Error(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	_, err = c.Do(ctx, api.Request{Act: "pause"})
	if !errors.Is(err, context.DeadlineExceeded) || !strings.HasSuffix(err.Error(), "it may still do what it was asked for: tcpctl events shows that, unless its process is stopped or hangs") {
		t.Errorf("%v", err)
	}
}

// TestAnAnswerThatTakesLong: only silence ends it.
func TestAnAnswerThatTakesLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		body := &slowBody{parts: []string{"{", `"node":`, `{"name":`, `"a"}}`}, pause: 2 * readTimeout / 3}
		c := Over(func(r *http.Request) (*http.Response, error) {
			body.ctx = r.Context()
			return &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(body)}, nil
		}, "a")
		if st, err := c.Status(t.Context()); err != nil || st.Node.Name != "a" {
			t.Errorf("%+v, %v", st, err)
		}
		body.parts, body.pause = []string{"{"}, 2*readTimeout
		if _, err := c.Status(t.Context()); !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "is stopped or hangs") {
			t.Errorf("of an answer that stops: %v", err)
		}
	})
}

// slowBody is a body whose parts come after a pause each.
type slowBody struct {
	ctx   context.Context
	parts []string
	pause time.Duration
}

func (b *slowBody) Read(p []byte) (n int, err error) {
	select {
	case <-b.ctx.Done():
		return 0, b.ctx.Err()
	case <-time.After(b.pause):
	}
	if len(b.parts) == 0 {
		return 0, io.EOF
	}
	n = copy(p, b.parts[0])
	b.parts = b.parts[1:]
	return n, nil
}
