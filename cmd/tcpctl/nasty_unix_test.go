//go:build unix

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"
)

// nastyText manipulates a terminal that gets it unescaped.
const nastyText = "\x1b[2J\x1b]0;title\a\u009b31m\u202e\u2066\r\x00\x7f\u200b"

// TestWhateverAnInstanceSaysIsOnlyShown runs each command that reads or acts, on an instance all of
// whose strings are nasty: names, states, reasons, output of hooks and checks, peers, errors and
// answers of acts.
func TestWhateverAnInstanceSaysIsOnlyShown(t *testing.T) {
	t.Parallel()
	in := everythingAtOnce(t)
	socket := nastyInstance(t, in.socket)
	for _, line := range [][]string{
		{"status"}, {"status", "db"}, {"sessions"}, {"sessions", "db", "--ended"}, {"queue", "db"}, {"peers"}, {"events"}, {"report"},
		{"report", "--markdown"}, {"mark", "a note"}, {"probe", "db"}, {"reload"}, {"check", "--diff", "-c", "none.toml"},
		{"drain", "db/b"}, {"ready", "db/b"}, {"weight", "db/b", "2"}, {"drain", "db/unknown"},
		{"pause", "db", "--dry-run"}, {"drain", "db/b", "--dry-run"}, {"upgrade", "--dry-run"}, {"stop", "--dry-run"}, {"roll", "db", "--dry-run"},
		{"kick", "s999999"}, {"plan", "bogus"}, {"window", "nosuch", "--", "true"}, {"drain", "db/b", "--peer", "all"}, {"status", "--peer", "unknown"},
		{"__complete", "drain", ""}, {"__complete", "kick", ""}, {"__complete", "report", ""},
	} {
		for _, more := range [][]string{nil, {"--json"}} {
			args := append(append([]string{}, line...), "--socket", socket)
			if i := indexOf(line, "--"); i >= 0 {
				args = append(append(append([]string{}, line[:i]...), "--socket", socket), line[i:]...)
			} else {
				args = append(args, more...)
			}
			out, _ := runTcpctl(t, args...)
			if bad := harmOf(out); bad != "" {
				t.Errorf("tcpctl %s: %s is in the output\n%q", strings.Join(args, " "), bad, out)
			}
			if out == "" {
				t.Errorf("tcpctl %s prints nothing", strings.Join(args, " "))
			}
		}
	}
}

func indexOf(all []string, s string) int {
	for i, a := range all {
		if a == s {
			return i
		}
	}
	return -1
}

// harmOf returns what in an output a terminal would do more than display.
func harmOf(out string) string {
	if !utf8.ValidString(out) {
		return "what is not UTF-8"
	}
	for _, r := range out {
		if r != '\n' && r != '\t' && unicode.In(r, unicode.Cc, unicode.Cf, unicode.Co, unicode.Zl, unicode.Zp) {
			return strconv.QuoteRuneToASCII(r)
		}
	}
	return ""
}

// nastyInstance forwards to the instance behind it, appends nastyText to every string of the
// answers, and returns its own socket.
func nastyInstance(t *testing.T, behind string) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "nasty")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	ln, err := net.Listen("unix", filepath.Join(dir, "s"))
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) { r.Out.URL.Scheme, r.Out.URL.Host = "http", "instance" },
		Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", behind)
		}},
		ModifyResponse: makeNasty,
	}}
	go server.Serve(ln)
	t.Cleanup(func() { server.Close() })
	return ln.Addr().String()
}

func makeNasty(r *http.Response) error {
	body, err := io.ReadAll(r.Body)
	r.Body.Close()
	if err != nil {
		return err
	}
	var v any
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	if d.Decode(&v) == nil {
		body, err = json.Marshal(nastier(v))
	}
	r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	r.Header.Set("Content-Length", strconv.Itoa(len(body)))
	return err
}

// nastier appends nastyText to all strings except times, which would no longer parse.
func nastier(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for k := range v {
			v[k] = nastier(v[k])
		}
	case []any:
		for i := range v {
			v[i] = nastier(v[i])
		}
	case string:
		if _, err := time.Parse(time.RFC3339Nano, v); err != nil && v != "" {
			return v + nastyText
		}
	}
	return v
}
