package bundle

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tcpctl/tcpctl/cmd/tcpctl/internal/control"
	"github.com/tcpctl/tcpctl/proxy"
	"github.com/tcpctl/tcpctl/proxy/api"
)

// instance is a fake instance with a secret in each of its texts.
type instance struct {
	api.Source // for methods that the bundle does not call
	stuck      bool
	text       string // of the configuration
}

func (in *instance) Status(ctx context.Context) (*api.Status, error) {
	if in.stuck {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	return &api.Status{Node: api.Node{Name: "edge"}, Services: []proxy.ServiceInfo{{Name: "postgresql",
		Hook: &proxy.HookInfo{Last: `hook before_next failed: no user hook-"secret"`}}}}, nil
}

func (in *instance) Sessions(context.Context, api.SessionQuery) ([]proxy.SessionInfo, error) {
	return []proxy.SessionInfo{
		{ID: "s1", Service: "postgresql", Backend: "a", Client: "192.0.2.1:1", Via: "tcp", Phase: "relay", AgeSeconds: 5, IdleSeconds: 1, BytesIn: 1, BytesOut: 2},
		{ID: "s2", Service: "postgresql", Backend: "a", Client: "192.0.2.2:2", Via: "tcp", Phase: "relay", AgeSeconds: 3, IdleSeconds: 2, BytesIn: 10, BytesOut: 20},
		{ID: "s3", Service: "postgresql", Client: "192.0.2.3:3", Via: "tcp", Phase: "queue", Ended: &proxy.Record{By: "client", Reason: "abandoned"}},
	}, nil
}

func (in *instance) Events(context.Context, uint64, bool) (proxy.EventPage, error) {
	return proxy.EventPage{Events: []proxy.Event{
		{Kind: proxy.EventOperator, Text: `reload: service "postgresql": hooks.before_next.run from ["x", "older-secret"] to ["x", "y"]`},
		{Kind: proxy.EventHook, Text: "hook before_next of postgresql done in 3ms: connected with long-argument"},
		{Kind: proxy.EventMark, Text: `ana "quotes" this`},
	}}, nil
}

func (in *instance) Config(context.Context) (api.ConfigText, error) {
	if in.text == "" {
		return api.ConfigText{}, api.Refused("this instance runs without a configuration file", "")
	}
	return api.ConfigText{Path: "/etc/tcpctl/tcpctl.toml", Text: in.text}, nil
}

const configuration = `# comment-secret
[services.postgresql]
listen = "127.0.0.1:1"
backends = ["127.0.0.1:2"]
[services.postgresql.hooks.before_next]
run = ["psql", "--password=hook-\"secret\"", "-c", "long-argument", "postgresql"]
`

func serve(t *testing.T, in *instance) *control.Client {
	t.Helper()
	dir, err := os.MkdirTemp("", "tcpctl") // not t.TempDir: a socket's path must be short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	s, err := control.Open(filepath.Join(dir, "s"), in, control.Options{Node: "edge", Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	t.Cleanup(s.Close)
	c := control.Dial(s.Path())
	t.Cleanup(c.Close)
	return c
}

// unpack reads an archive.
func unpack(t *testing.T, archive []byte) map[string]string {
	t.Helper()
	z, err := gzip.NewReader(bytes.NewReader(archive))
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{}
	for r := tar.NewReader(z); ; {
		h, err := r.Next()
		if err == io.EOF {
			return files
		}
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		files[path.Base(h.Name)] = string(text)
	}
}

func collect(t *testing.T, in *instance) (*Bundle, map[string]string) {
	t.Helper()
	b, err := Collect(context.Background(), serve(t, in), Options{Version: "1.2.3"})
	if err != nil {
		t.Fatal(err)
	}
	var archive bytes.Buffer
	if n, err := b.WriteTo(&archive); err != nil || n != int64(archive.Len()) {
		t.Fatal(n, err)
	}
	return b, unpack(t, archive.Bytes())
}

func TestBundleHasEverythingButSecrets(t *testing.T) {
	b, files := collect(t, &instance{text: configuration})
	for _, f := range b.Files {
		if f.Missing != "" || len(files[f.Name]) != f.Bytes || f.Bytes == 0 {
			t.Errorf("%+v, and %d bytes are packed", f, len(files[f.Name]))
		}
		if !strings.Contains(files["README.txt"], f.Name) && f.Name != "README.txt" {
			t.Errorf("the list has no %s", f.Name)
		}
		if strings.HasSuffix(f.Name, ".json") && !json.Valid([]byte(files[f.Name])) {
			t.Errorf("%s is not JSON: %s", f.Name, files[f.Name])
		}
	}
	all := ""
	for _, name := range []string{"process.json", "goroutines.txt", "goroutines-each.txt", "config.txt", "status.json", "sessions.json", "events.json"} {
		if files[name] == "" {
			t.Errorf("there is no %s", name)
		}
		all += files[name]
	}
	for _, secret := range []string{"comment-secret", "secret", "long-argument", "192.0.2."} {
		if strings.Contains(all, secret) {
			at := strings.Index(all, secret)
			t.Errorf("%q is in it: …%s…", secret, all[max(0, at-100):min(len(all), at+100)])
		}
	}
	for _, open := range []string{`"name": "postgresql"`, `run = ["psql", "(arguments taken out: 4)"]`, `ana \"quotes\" this`, "done in 3ms: connected with (taken out)"} {
		if !strings.Contains(all, open) {
			t.Errorf("%s is not in it", open)
		}
	}
	if b.TakenOut != 4 {
		t.Errorf("%d values were taken out", b.TakenOut)
	}
}

func TestBundleCountsSessions(t *testing.T) {
	sessions, err := (&instance{}).Sessions(t.Context(), api.SessionQuery{})
	if err != nil {
		t.Fatal(err)
	}
	want := []*group{
		{Service: "postgresql", Backend: "a", Via: "tcp", Phase: "relay", Sessions: 2, OldestSeconds: 5, IdleSeconds: 2, BytesIn: 11, BytesOut: 22},
		{Service: "postgresql", Via: "tcp", Phase: "queue", EndedBy: "client", Reason: "abandoned", Sessions: 1},
	}
	if diff := cmp.Diff(want, summary(sessions)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestBundleSaysWhatIsMissing: a missing or unreadable configuration is left out, as it could
// contain secrets.
func TestBundleSaysWhatIsMissing(t *testing.T) {
	for text, want := range map[string]string{"": "runs without a configuration file", "[servicez]\nsecret = \"x\"": "cannot read it to take secrets out"} {
		b, files := collect(t, &instance{text: text})
		for _, f := range b.Files {
			if missing := strings.Contains(f.Missing, want); missing != (f.Name == "config.txt") {
				t.Errorf("%q: %+v", text, f)
			}
		}
		if _, packed := files["config.txt"]; packed || !strings.Contains(files["README.txt"], want) {
			t.Errorf("%q: packed %v, the list says %s", text, packed, files["README.txt"])
		}
	}
}

// TestBundleOfAStuckInstance: it has the parts that do not need the engine.
func TestBundleOfAStuckInstance(t *testing.T) {
	defer func(old time.Duration) { patience = old }(patience)
	for patience = 100 * time.Millisecond; ; patience *= 2 {
		b, files := collect(t, &instance{text: configuration, stuck: true})
		late := slices.DeleteFunc(b.Files, func(f File) bool { return (f.Missing != "") == (f.Name == "status.json") })
		if len(late) > 0 && patience < 10*time.Second { // on a busy machine another part may take as long
			continue
		}
		if len(late) > 0 || files["goroutines.txt"] == "" {
			t.Errorf("%+v, goroutines %q", late, files["goroutines.txt"])
		}
		return
	}
}

func TestBundleOfNobody(t *testing.T) {
	c := control.Dial(filepath.Join(t.TempDir(), "s"))
	defer c.Close()
	if _, err := Collect(context.Background(), c, Options{}); !errors.Is(err, api.ErrNoInstance) {
		t.Error(err)
	}
}
