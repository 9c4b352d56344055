package protocol

import (
	"context"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tcpctl/tcpctl/cmd/tcpctl/internal/config"
	"github.com/tcpctl/tcpctl/proxy"
)

const bigSize = 64 << 20 // more than socket buffers hold

// site makes a folder of files, some of which must not be served.
func site(t *testing.T) string {
	t.Helper()
	top := t.TempDir()
	dir := filepath.Join(top, "www")
	for name, text := range map[string]string{
		"www/index.html": "home", "www/sub/a.txt": "a", "www/app/index.html": "app", "www/.env": "secret", "www/.git/config": "secret",
		"www/sub/.hidden/b.txt": "secret", "out.txt": "outside", "elsewhere/c.txt": "outside",
	} {
		path := filepath.Join(top, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	big, err := os.Create(filepath.Join(dir, "big.bin"))
	if err == nil {
		err = big.Truncate(bigSize)
		big.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	for name, to := range map[string]string{"link.txt": "../out.txt", "there": "../elsewhere", "abs": filepath.Join(top, "out.txt"), "inside.txt": "sub/a.txt"} {
		if err := os.Symlink(to, filepath.Join(dir, name)); err != nil {
			t.Skip(err)
		}
	}
	return dir
}

func TestFiles(t *testing.T) {
	t.Parallel()
	bridges := map[bool]*testBridge{}
	spec := config.NewWS()
	spec.Web = site(t)
	for _, spec.DotFiles = range []bool{false, true} {
		bridges[spec.DotFiles] = bridgeOf(t, spec, echo, nil)
	}
	for _, tt := range []struct {
		method, path string
		dots         bool
		status       int
		body         string
	}{
		{"GET", "/", false, 200, "home"},
		{"HEAD", "/", false, 200, ""},
		{"GET", "/sub/a.txt", false, 200, "a"},
		{"GET", "/app/", false, 200, "app"},
		{"GET", "/app", false, 301, ""},
		{"GET", "/inside.txt", false, 200, "a"}, // a link that stays inside
		{"GET", "/sub/", false, 404, ""},
		{"GET", "/sub", false, 404, ""},
		{"GET", "/nothing", false, 404, ""},
		{"GET", "/.env", false, 404, ""},
		{"GET", "/.git/config", false, 404, ""},
		{"GET", "/sub/.hidden/b.txt", false, 404, ""},
		{"GET", "/%2eenv", false, 404, ""},
		{"GET", "/.env", true, 200, "secret"},
		{"GET", "/sub/.hidden/b.txt", true, 200, "secret"},
		{"GET", "/.git/", true, 404, ""},
		{"GET", "/link.txt", false, 404, ""},
		{"GET", "/link.txt", true, 404, ""},
		{"GET", "/abs", false, 404, ""},
		{"GET", "/there/c.txt", false, 404, ""},
		{"GET", "/../out.txt", true, 404, ""},
		{"GET", "/..%2fout.txt", true, 404, ""},
		{"GET", "/sub/%00", false, 404, ""},
		{"POST", "/", false, 405, "GET and HEAD only"},
		{"PUT", "/new.txt", false, 405, "GET and HEAD only"},
		{"DELETE", "/index.html", false, 405, "GET and HEAD only"},
		{"OPTIONS", "/", false, 405, "GET and HEAD only"},
	} {
		v := bridges[tt.dots]
		c, resp := v.knock(tt.method + " " + tt.path + " HTTP/1.1\r\nHost: any.example\r\nConnection: close\r\n\r\n")
		body := ""
		if tt.method != "HEAD" {
			b, _ := io.ReadAll(resp.Body)
			body = string(b)
		}
		if resp.StatusCode != tt.status || tt.status == 200 && body != tt.body || !strings.Contains(body, tt.body) || strings.Contains(body, "outside") {
			t.Errorf("%s %s: %s %q, want %d", tt.method, tt.path, resp.Status, body, tt.status)
		}
		if tt.status == 405 && resp.Header.Get("Allow") != "GET, HEAD" {
			t.Errorf("%s: Allow %q", tt.method, resp.Header.Get("Allow"))
		}
		c.Close()
	}
}

const page = "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"

// TestFilesAreNoSessions: connections for files count neither as sessions nor towards an address's
// limit, and take nothing from the process's budget; a WebSocket may follow on one of them.
func TestFilesAreNoSessions(t *testing.T) {
	t.Parallel()
	spec := config.NewWS()
	spec.Web = site(t)
	v := bridgeOf(t, spec, echo, func(c *proxy.ServiceConfig, _ *WebSocket) { c.MaxSessionsPerIP = 1 })
	var idle []*raw
	for range 4 {
		c, resp := v.knock(page)
		if io.Copy(io.Discard, resp.Body); resp.StatusCode != 200 {
			t.Fatal(resp.Status)
		}
		idle = append(idle, c)
	}
	v.until("nothing is seen of them", func(i proxy.ServiceInfo) bool {
		return i.Sessions.Total == 0 && len(v.engine.Operator().Sessions(true)) == 0
	})
	client := v.dial()
	says(t, client, "one")
	// Meanwhile, the address can still fetch files, but cannot have a second session.
	c, resp := v.knock(page)
	if io.Copy(io.Discard, resp.Body); resp.StatusCode != 200 {
		t.Error(resp.Status)
	}
	io.WriteString(c, opening("localhost", "/"))
	if resp := c.answer(); resp.StatusCode != 503 {
		t.Errorf("a second session: %s", resp.Status)
	}
	if r := v.record(); r.Reason != proxy.ReasonSessionsPerIP || r.By != proxy.ByProxy {
		t.Errorf("record %+v", r)
	}
	client.Close()
	v.record()
	for _, c := range idle[:2] {
		v.until("the last one's place is free", func(i proxy.ServiceInfo) bool { return i.Sessions.Active == 0 })
		io.WriteString(c, opening("localhost", "/"))
		if resp := c.answer(); resp.StatusCode != 101 {
			t.Fatal(resp.Status)
		}
		c.Write(frame(0x81, []byte("hello")))
		if heard := hears(t, c, 7); heard != "\x82\x05hello" {
			t.Errorf("heard %q", heard)
		}
		c.Write([]byte{0x88, 0x80, 0, 0, 0, 0})
		if r := v.record(); r.Via != "ws" || r.Reason != proxy.ReasonFIN || r.DurationSeconds > patience.Seconds() {
			t.Errorf("record %+v", r)
		}
	}
	if i := v.svc.Info(); i.Sessions.Total != 4 || i.Sessions.Rejected != 1 || i.Sessions.Failed != 0 {
		t.Errorf("counted %+v", i.Sessions)
	}
}

// TestManyOpenings: connections that never send a request are limited for an address whose sessions
// are.
func TestManyOpenings(t *testing.T) {
	t.Parallel()
	spec := config.NewWS()
	v := bridgeOf(t, spec, echo, func(c *proxy.ServiceConfig, _ *WebSocket) { c.MaxSessionsPerIP = 1 })
	for range 40 {
		if c, err := net.Dial("tcp", v.addr); err == nil { // otherwise it was reset already
			defer c.Close()
		}
	}
	for range 40 - 16 {
		if r := v.record(); r.Reason != proxy.ReasonSessionsPerIP {
			t.Errorf("record %+v", r)
		}
	}
	v.until("the others are waited for", func(proxy.ServiceInfo) bool { return len(v.engine.Operator().Sessions(false)) == 16 })
}

// TestFilesDoNotStarveSessions: however many connections are open for files, there is room for
// sessions. No test runs beside it: the limit is the process's, so theirs would be closed, too.
func TestFilesDoNotStarveSessions(t *testing.T) {
	spec := config.NewWS()
	spec.Web, spec.HandshakeTimeout = site(t), time.Hour
	v := bridgeOf(t, spec, echo, nil)
	limit := proxy.NewDescriptors(0).Files
	var open []*raw
	for range limit + 16 {
		c, resp := v.knock(page)
		io.Copy(io.Discard, resp.Body)
		open = append(open, c)
	}
	v.until("those beyond the limit are closed", func(proxy.ServiceInfo) bool {
		open = slices.DeleteFunc(open, func(c *raw) bool {
			c.SetReadDeadline(time.Now().Add(time.Millisecond))
			_, err := c.r.ReadByte()
			return err == io.EOF
		})
		return len(open) <= limit
	})
	says(t, v.dial(), "one")
}

// TestStopEndsDownloads: a client that does not read its file delays neither a stop nor a reload
// that removes the service.
func TestStopEndsDownloads(t *testing.T) {
	t.Parallel()
	for name, stop := range map[string]func(*testBridge) error{
		"stop": func(v *testBridge) error {
			ctx, cancel := context.WithTimeout(context.Background(), patience)
			defer cancel()
			return v.engine.Shutdown(ctx)
		},
		"reload": func(v *testBridge) error {
			_, err := v.engine.Apply(proxy.Config{Services: []proxy.ServiceConfig{{Name: "other", Listen: []string{"127.0.0.1:0"}}}})
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			spec := config.NewWS()
			spec.Web = site(t)
			v := bridgeOf(t, spec, echo, nil)
			c := v.connect()
			c.tcp().SetReadBuffer(16 << 10)
			io.WriteString(c, "GET /big.bin HTTP/1.1\r\nHost: localhost\r\n\r\n")
			c.answer()
			v.until("it is no session", func(proxy.ServiceInfo) bool { return len(v.engine.Operator().Sessions(false)) == 0 })
			if err := stop(v); err != nil {
				t.Error(err)
			}
			for end := time.Now().Add(patience); name == "reload" && v.engine.Service("desk") != nil; time.Sleep(time.Millisecond) {
				if time.Now().After(end) {
					t.Fatal("the service is still there")
				}
			}
			if n, err := io.Copy(io.Discard, c.r); err == nil && n >= bigSize {
				t.Error("the stop waited for the download")
			}
		})
	}
}

// TestRefusedAfterAFile: a refused request counts as a rejection after a file, too.
func TestRefusedAfterAFile(t *testing.T) {
	t.Parallel()
	spec := config.NewWS()
	spec.Web = site(t)
	v := bridgeOf(t, spec, echo, nil)
	c, resp := v.knock(page)
	io.Copy(io.Discard, resp.Body)
	io.WriteString(c, opening("localhost", "/", "Origin: https://evil.test"))
	if resp := c.answer(); resp.StatusCode != http.StatusForbidden {
		t.Error(resp.Status)
	}
	c.Close()
	if r := v.record(); r.Reason != proxy.ReasonOrigin || r.By != proxy.ByProxy {
		t.Errorf("record %+v", r)
	}
	if i := v.svc.Info(); i.Sessions.Rejected != 1 || i.Sessions.Total != 1 {
		t.Errorf("counted %+v", i.Sessions)
	}
}

func hears(t *testing.T, c net.Conn, n int) string {
	b := make([]byte, n)
	if _, err := io.ReadFull(c, b); err != nil {
		t.Error(err)
	}
	return string(b)
}
