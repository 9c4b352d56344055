package main

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/tcpctl/tcpctl/proxy"
	"github.com/tcpctl/tcpctl/proxy/proxytest"
)

// configured is an instance with a configuration file that the test may change.
type configured struct {
	*running
	path string
}

func runConfigured(t *testing.T, text string) *configured {
	t.Helper()
	path := filepath.Join(t.TempDir(), "tcpctl.toml")
	in := &configured{path: path}
	if !strings.Contains(text, "[history]") { // an unused database would take a third of the start
		text += "\n[history]\nfile = \"off\"\n"
	}
	write(t, path, text)
	in.running = runInstance(t, nil, "run", "-c", path, "--no-ui")
	return in
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// writeProgram writes a file that can be run. No test starts a process meanwhile: that would have a copy of the open file
// for a moment, and what is open for writing cannot be run.
func writeProgram(t *testing.T, path, text string) {
	t.Helper()
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	if err := os.WriteFile(path, []byte(text), 0o700); err != nil {
		t.Fatal(err)
	}
}

// TestReloadsThatNobodyNotices changes one service again and again while another carries dialogues
// and a download: neither loses a byte or a session. TCPCTL_RELOADS=1000 runs it longer.
func TestReloadsThatNobodyNotices(t *testing.T) {
	t.Parallel()
	times, err := strconv.Atoi(os.Getenv("TCPCTL_RELOADS"))
	if err != nil {
		times = 50
	}
	b := startBackend(t, "a")
	d := newDownload(t)
	// Every reload changes the service "changing" in another way.
	text := func(n int) string {
		more := ""
		if n%3 == 1 { // a backend is added, and removed by the next reload
			more = fmt.Sprintf(`, { name = "b", addr = "%s" }`, b.addr)
		}
		return fmt.Sprintf(`[services.changing]
listen = "127.0.0.1:0"
balance = "%s"
idle_timeout = "%ds"
backends = [{ name = "a", addr = "%s", weight = %d }%s]
queue.timeout = "%ds"
[services.calm]
listen = "127.0.0.1:0"
backends = ["%s"]
[services.download]
listen = "127.0.0.1:0"
backends = ["%s"]
`, []string{"random", "roundrobin", "leastconn"}[n%3], 600+n%7, b.addr, 1+n%5, more, 30+n%2, b.addr, d.addr)
	}
	in := runConfigured(t, text(0))
	addr := map[string]string{}
	for _, s := range in.status().Services {
		addr[s.Name] = s.Listen[0]
	}

	stop := make(chan struct{})
	var wg sync.WaitGroup
	talk := func(service string) {
		c, err := dial(addr[service])
		if err != nil {
			t.Error(err)
			return
		}
		wg.Go(func() {
			defer c.Close()
			for n := 0; ; n++ {
				line := fmt.Sprintf("%d in %s", n, service)
				err := c.says(line)
				if err == nil {
					_, line, err = cutName(c)
				}
				if err != nil || line != fmt.Sprintf("%d in %s", n, service) {
					t.Errorf("%s: line %d: %q, %v", service, n, line, err)
					return
				}
				select {
				case <-stop:
					return
				case <-time.After(pace):
				}
			}
		})
	}
	for range 4 {
		talk("calm")
		talk("changing")
	}
	got := make(chan error, 1)
	go func() { got <- d.fetch(addr["download"], stop) }()

	began := time.Now()
	for n := 1; n <= times; n++ {
		write(t, in.path, text(n))
		if out := in.tcpctl("reload"); !strings.Contains(out, `service "changing": `) || strings.Contains(out, `"calm"`) {
			t.Fatalf("reload %d:\n%s", n, out)
		}
	}
	took := time.Since(began)
	after := in.status()
	close(stop)
	wg.Wait()
	if err := <-got; err != nil {
		t.Errorf("download: %v", err)
	}
	for _, s := range after.Services {
		n := map[string]int{"calm": 4, "changing": 4, "download": 1}[s.Name]
		if want := (proxy.SessionCounts{Active: n, Total: int64(n)}); s.Sessions != want || s.Listen[0] != addr[s.Name] {
			t.Errorf("%s on %s: %+v", s.Name, s.Listen, s.Sessions)
		}
	}
	t.Logf("%d reloads in %s, %s each with the command; %d MB downloaded", times, took.Round(time.Millisecond),
		(took / time.Duration(times)).Round(100*time.Microsecond), d.sent.Load()>>20)
}

// cutName reads a line and splits off the backend's name.
func cutName(c *client) (name, line string, err error) {
	text, err := c.r.ReadString('\n')
	name, line, _ = strings.Cut(strings.TrimSuffix(text, "\n"), ": ")
	return name, line, err
}

// download is a backend that sends noise until its client leaves.
type download struct {
	addr string
	sent atomic.Int64
}

func newDownload(t *testing.T) *download {
	d := &download{}
	d.addr = proxytest.Serve(t, d.serve)
	return d
}

// serve sends everything to the one real client. Connections that send nothing are checks.
func (d *download) serve(c net.Conn) {
	c.SetReadDeadline(time.Now().Add(patience))
	if _, err := io.ReadFull(c, make([]byte, 4)); err == nil {
		d.send(c)
	}
}

func (d *download) send(c net.Conn) {
	enough := make(chan struct{})
	go func() { io.Copy(io.Discard, c); close(enough) }()
	noise, b := rand.NewChaCha8([32]byte{7}), make([]byte, 64<<10)
	c.SetDeadline(time.Now().Add(10 * patience))
	for {
		select {
		case <-enough:
			return
		case <-time.After(time.Millisecond): // leaves some processor time to others
		}
		noise.Read(b)
		n, err := c.Write(b)
		d.sent.Add(int64(n))
		if err != nil {
			return
		}
	}
}

// fetch compares what it reads with what was sent.
func (d *download) fetch(addr string, stop <-chan struct{}) error {
	c, err := dial(addr)
	if err != nil {
		return err
	}
	defer c.Close()
	c.says("all")
	c.SetDeadline(time.Now().Add(10 * patience))
	go func() { <-stop; c.CloseWrite() }()
	noise, got := rand.NewChaCha8([32]byte{7}), int64(0)
	b, want := make([]byte, 64<<10), make([]byte, 64<<10)
	for {
		n, err := io.ReadFull(c.r, b)
		noise.Read(want)
		if !bytes.Equal(b[:n], want[:n]) {
			return fmt.Errorf("other bytes after %d", got)
		}
		got += int64(n)
		if err == io.EOF || err == io.ErrUnexpectedEOF {
			break
		}
		if err != nil {
			return fmt.Errorf("after %d bytes: %w", got, err)
		}
	}
	if sent := d.sent.Load(); got == 0 || got != sent {
		return fmt.Errorf("%d of %d bytes arrived", got, sent)
	}
	return nil
}
