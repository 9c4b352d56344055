package main

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tcpctl/tcpctl/proxy"
	"github.com/tcpctl/tcpctl/proxy/proxytest"
)

// TestFewDescriptorsAndManyClients: tcpctl has 64 descriptors and 500 concurrent clients.
func TestFewDescriptorsAndManyClients(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" {
		t.Skip("needs ulimit and /proc as on Linux")
	}
	const clients = 500
	b := startBackend(t, "a")
	in := runInstance(t, []string{"sh", "-c", `ulimit -n 64; exec "$@"`, "sh"},
		"proxy", "--listen", "127.0.0.1:0", "--backend", b.addr+",name=a")
	addr := in.addr()

	open := make(chan struct{}) // until it is closed, admitted clients stay
	var wg sync.WaitGroup
	for n := range clients {
		c := mustDial(t, addr)
		c.patience = 4 * patience
		wg.Go(func() {
			defer c.Close()
			c.says("hello")
			if err := c.hears("a: hello"); err != nil {
				t.Errorf("client %d: %v", n, err)
			}
			<-open
		})
	}
	in.until("as many as fit are in", func(s *proxy.ServiceInfo) bool { return s.Sessions.Active >= 15 })
	pid := in.status().Node.PID
	before, began := cpuTime(t, pid), time.Now()
	time.Sleep(2 * time.Second)
	used, waited := cpuTime(t, pid)-before, time.Since(began)
	s := in.service()
	t.Logf("%d sessions with 64 descriptors, %d open; cpu while %d wait: %.1f %%", s.Sessions.Active,
		descriptors(pid), clients-s.Sessions.Active, 100*used.Seconds()/waited.Seconds())
	waitUntil(t, "an event", func() bool { return strings.Contains(in.tcpctl("events"), "raise the descriptor limit (ulimit -n)") })

	close(open)
	wg.Wait()
	for range 20 {
		if err := oneVisit(addr, "afterwards"); err != nil {
			t.Error(err)
		}
	}
	lines := strings.Count(in.log(), "\n")
	t.Logf("%d lines of log", lines)
	if lines > 40 {
		t.Errorf("a flood of %d lines:\n%s", lines, in.log())
	}
	if s := in.service(); s.Sessions.Total != clients+20 || s.Sessions.Failed > 0 {
		t.Errorf("%+v", s.Sessions)
	}
}

// cpuTime returns the CPU time that a process has used so far.
func cpuTime(t *testing.T, pid int) time.Duration {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		t.Fatal(err)
	}
	_, after, _ := strings.Cut(string(text), ") ") // the name may have spaces
	fields := strings.Fields(after)
	user, err := strconv.Atoi(fields[11])
	if err != nil {
		t.Fatal(err)
	}
	system, err := strconv.Atoi(fields[12])
	if err != nil {
		t.Fatal(err)
	}
	tick := 100 // ticks a second
	if out, err := exec.Command("getconf", "CLK_TCK").Output(); err == nil {
		if n, err := strconv.Atoi(strings.TrimSpace(string(out))); err == nil {
			tick = n
		}
	}
	return time.Duration(user+system) * time.Second / time.Duration(tick)
}

func descriptors(pid int) int {
	all, _ := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
	return len(all)
}

// TestIdleConnectionsCannotStarveClients: with hundreds of idle connections to /metrics and to the
// control socket of a process with 256 descriptors, clients are served, and a scrape and a command
// are answered.
func TestIdleConnectionsCannotStarveClients(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" {
		t.Skip("needs ulimit and /proc as on Linux")
	}
	b := startBackend(t, "a")
	metrics := proxytest.FreePort(t)
	path := filepath.Join(t.TempDir(), "tcpctl.toml")
	write(t, path, `[metrics]
listen = "`+metrics+`"
[services.db]
listen = "127.0.0.1:0"
backends = ["`+b.addr+`"]
`)
	in := runInstance(t, []string{"sh", "-c", `ulimit -n 256; exec "$@"`, "sh"}, "run", "--no-ui", "-c", path)
	addr := in.addr()
	for n := range 800 {
		network, to := "tcp", metrics
		if n%2 == 0 {
			network, to = "unix", in.socket
		}
		c, err := net.Dial(network, to)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if n%3 == 0 {
			io.WriteString(c, "GET /") // and nothing more
		}
	}
	for range 200 {
		if err := oneVisit(addr, "hello"); err != nil {
			t.Fatal(err)
		}
	}
	r, err := http.Get("http://" + metrics + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(r.Body)
	r.Body.Close()
	http.DefaultClient.CloseIdleConnections()
	if err != nil || !strings.Contains(string(text), "tcpctl_") {
		t.Errorf("%v: %s", err, text)
	}
	if out := in.tcpctl("status"); !strings.Contains(out, "db") {
		t.Errorf("status: %s", out)
	}
	if s := in.service(); s.Sessions.Total != 200 || s.Sessions.Failed > 0 {
		t.Errorf("%+v", s.Sessions)
	}
	if n := descriptors(in.status().Node.PID); n > 120 {
		t.Errorf("%d descriptors are open", n)
	}
}
