package main

import (
	"bytes"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tcpctl/tcpctl/proxy/proxytest"
)

// browserPatience is for a browser on a busy machine.
const browserPatience = 90 * time.Second

// TestBrowser: Chromium opens a page that the bridge serves, exchanges text and binary messages
// with an echo server through it, and closes.
func TestBrowser(t *testing.T) {
	t.Parallel()
	chromium := installed(t, "chromium")
	web := t.TempDir()
	if err := os.WriteFile(filepath.Join(web, "index.html"), []byte(echoPage), 0o644); err != nil {
		t.Fatal(err)
	}
	echo := startEcho(t)
	in := runInstance(t, nil, "ws", "--no-ui", "--local", "127.0.0.1:0", "--remote", echo.addr, "--web", web)
	browse(t, chromium, "http://"+in.addr()+"/")
	if got, want := echo.report(t), "text: grün ✓; binary: 70000 bytes alike; closed with 1000 cleanly"; got != want {
		t.Fatalf("the page says %q", got)
	}
	waitUntil(t, "a record of it", func() bool { return strings.Contains(in.tcpctl("sessions", "--ended"), "closed with 1000") })
}

// echoPage reports its results through the bridge.
const echoPage = `<!doctype html><meta charset="utf-8"><script>
const url = location.href.replace("http", "ws");
const found = [];
function report() {
  const s = new WebSocket(url);
  s.onopen = () => s.send("report " + found.join("; ") + "\n");
}
function text() {
  const s = new WebSocket(url + "?encoding=text");
  s.onopen = () => s.send("grün ✓");
  s.onmessage = m => { found.push("text: " + m.data); s.onclose = binary; s.close(); };
  s.onerror = () => { found.push("text failed"); report(); };
}
function binary() {
  const s = new WebSocket(url, ["binary"]);
  s.binaryType = "arraybuffer";
  const sent = new Uint8Array(70000).map((_, i) => i * 7), got = [];
  s.onopen = () => s.send(sent);
  s.onmessage = m => {
    got.push(...new Uint8Array(m.data));
    if (got.length < sent.length) return;
    found.push("binary: " + got.length + " bytes " + (got.every((b, i) => b === sent[i]) ? "alike" : "differ"));
    s.close(1000, "enough");
  };
  s.onclose = c => { found.push("closed with " + c.code + (c.wasClean ? " cleanly" : "")); report(); };
}
text();
</script>`

// installed returns the path of a program, or skips the test.
func installed(t *testing.T, program string) string {
	t.Helper()
	path, err := exec.LookPath(program)
	if err != nil {
		t.Skip(program + " is not installed")
	}
	return path
}

// browse opens a page in a headless browser until the test ends.
func browse(t *testing.T, chromium, url string) {
	t.Helper()
	dir, err := os.MkdirTemp("", "chromium")
	if err != nil {
		t.Fatal(err)
	}
	// These flags keep it from fetching anything but the page.
	cmd := exec.Command(chromium, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
		"--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage",
		"--enable-logging=stderr", "--user-data-dir="+dir, url)
	var said bytes.Buffer
	cmd.Stderr = &said
	cmd.WaitDelay = time.Second // its children may hold stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
		if t.Failed() {
			t.Logf("%s said\n%s", chromium, said.Bytes())
		}
		for range 50 { // its children still write for a moment
			if os.RemoveAll(dir) == nil {
				return
			}
			time.Sleep(20 * time.Millisecond)
		}
	})
}

// echoServer echoes everything except lines that begin with "report ", which it confirms.
type echoServer struct {
	addr    string
	reports chan string
}

func startEcho(t *testing.T) *echoServer {
	e := &echoServer{reports: make(chan string, 1)}
	e.addr = proxytest.Serve(t, e.serve)
	return e
}

func (e *echoServer) serve(c net.Conn) {
	buf := make([]byte, 32<<10)
	for {
		n, err := c.Read(buf)
		if err != nil {
			return
		}
		if text, ok := strings.CutPrefix(string(buf[:n]), "report "); ok {
			e.reports <- strings.TrimSpace(text)
			io.WriteString(c, "reported\n")
			io.Copy(io.Discard, c)
			return
		}
		if _, err := c.Write(buf[:n]); err != nil {
			return
		}
	}
}

// report waits for a page's report.
func (e *echoServer) report(t *testing.T) string {
	t.Helper()
	select {
	case text := <-e.reports:
		return text
	case <-time.After(browserPatience):
		t.Fatal("no report came")
		return ""
	}
}
