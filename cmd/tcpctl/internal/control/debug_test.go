package control

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/tcpctl/tcpctl/cmd/tcpctl/internal/process"
	"github.com/tcpctl/tcpctl/proxy/api"
)

// serveDebug serves a socket without an engine: debugging must not need it, since it may be stuck.
func serveDebug(t *testing.T) (*Server, *Client) {
	t.Helper()
	dir, err := os.MkdirTemp("", "tcpctl") // not t.TempDir: a socket's path must be short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	s, err := Serve(filepath.Join(dir, "s"), &api.Local{}, Options{Node: "n", Version: "1.2.3", Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	c := Dial(s.Path())
	t.Cleanup(c.Close)
	return s, c
}

func wantProfile(t *testing.T, b io.Reader) {
	t.Helper()
	r, err := gzip.NewReader(b)
	if err == nil {
		_, err = io.Copy(io.Discard, r)
	}
	if err != nil {
		t.Errorf("no profile: %v", err)
	}
}

func TestDebugShowsTheProcess(t *testing.T) {
	_, c := serveDebug(t)
	read := func(what string, v url.Values) []byte {
		t.Helper()
		var b bytes.Buffer
		if err := c.Debug(context.Background(), what, v, &b); err != nil {
			t.Fatal(err)
		}
		return b.Bytes()
	}
	if text := string(read("goroutines", nil)); !strings.HasPrefix(text, "goroutine profile: total ") || !strings.Contains(text, ").keepSocket") {
		t.Errorf("goroutines: %s", text)
	}
	if text := string(read("goroutines", url.Values{"each": {"1"}})); !strings.HasPrefix(text, "goroutine ") || !strings.Contains(text, " [select") {
		t.Errorf("goroutines one by one: %s", text)
	}
	wantProfile(t, bytes.NewReader(read("heap", nil)))
	var p process.Info
	if err := json.Unmarshal(read("process", nil), &p); err != nil || p.PID != os.Getpid() || p.Version != "1.2.3" || p.Go != runtime.Version() {
		t.Errorf("process: %v, %+v", err, p)
	}
}

// profiled reports whether a profile was refused since another one is taken.
func profiled(err error) bool { return err != nil && strings.Contains(err.Error(), "taken already") }

func TestDebugTakesOneProfileAtATimeWithinBounds(t *testing.T) {
	s, c := serveDebug(t)
	profile := func(seconds string) error {
		return c.Debug(context.Background(), "profile", url.Values{"seconds": {seconds}}, io.Discard)
	}
	for _, seconds := range []string{"0", "-1", "61", "1.5", "1h", "99999999999999999999"} {
		if refusal, _ := errors.AsType[*api.Error](profile(seconds)); refusal == nil || refusal.Status != http.StatusBadRequest {
			t.Errorf("%s seconds: %v", seconds, refusal)
		}
	}
	long := make(chan error, 1)
	go func() {
		err := profile("60")
		for profiled(err) { // while a profile from below is still taken
			err = profile("60")
		}
		long <- err
	}()
	var err error
	for began := time.Now(); !profiled(err); err = profile("1") {
		if time.Since(began) > time.Minute {
			t.Fatalf("two profiles at once: %v", err)
		}
	}
	if err := c.Debug(context.Background(), "goroutines", nil, io.Discard); err != nil {
		t.Errorf("no goroutines while a profile is taken: %v", err)
	}
	s.Close() // must not wait for a profile
	if err := <-long; err == nil {
		t.Error("a profile that was ended early was answered")
	}
}

// A client that leaves ends its profile, so the next can be taken.
func TestDebugProfileEndsWithItsClient(t *testing.T) {
	t.Parallel() // no other test takes profiles then
	_, c := serveDebug(t)
	until := func(what string, profiles bool) {
		t.Helper()
		for began := time.Now(); ; time.Sleep(5 * time.Millisecond) {
			var b strings.Builder
			if err := c.Debug(t.Context(), "goroutines", nil, &b); err != nil {
				t.Fatal(err)
			}
			if strings.Contains(b.String(), "pprof.profileWriter") == profiles {
				return
			}
			if time.Since(began) > 30*time.Second {
				t.Fatalf("timeout waiting for: %s; the process has %s", what, &b)
			}
		}
	}
	for range 2 {
		ctx, leave := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() {
			err := c.Debug(ctx, "profile", url.Values{"seconds": {"60"}}, io.Discard)
			for profiled(err) { // the one before has just stopped
				err = c.Debug(ctx, "profile", url.Values{"seconds": {"60"}}, io.Discard)
			}
			ended <- err
		}()
		until("a profile is taken", true)
		leave()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Errorf("a client that has left got %v", err)
		}
		until("the profile has ended", false)
	}
}

// TestDebugIsNotInTheMesh: peers cannot reach it through the API.
func TestDebugIsNotInTheMesh(t *testing.T) {
	s, _ := serveDebug(t)
	peer := NewHandler(&api.Local{}, func(*http.Request) string { return "ana@there" })
	mesh := s.handler(&api.Local{}, Options{Peers: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.StripPrefix("/v1/peers/"+r.PathValue("node"), peer).ServeHTTP(w, r)
	})})
	for _, what := range []string{"process", "goroutines", "heap", "profile?seconds=1"} {
		for path, h := range map[string]http.Handler{"/v1/debug/" + what: peer, "/v1/peers/other/v1/debug/" + what: mesh} {
			w := httptest.NewRecorder()
			h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
			if w.Code != http.StatusNotFound {
				t.Errorf("%s: %d %.200s", path, w.Code, w.Body)
			}
		}
	}
}
