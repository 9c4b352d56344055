//go:build unix

package main

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/tcpctl/tcpctl/proxy"
	"github.com/tcpctl/tcpctl/proxy/proxytest"
)

// TestRule09AThousandWaitForABackendThatDies: it is killed five times while it has a client, which
// is cut; no other client fails, and all are served in order.
func TestRule09AThousandWaitForABackendThatDies(t *testing.T) {
	t.Parallel()
	const crowd, kills = 1000, 5
	m := &mortal{heard: make(chan int)}
	addr := proxytest.FreePort(t)
	m.start(t, addr)
	t.Cleanup(func() { m.die() })
	in := runInstance(t, nil, "lock", "-l", "127.0.0.1:0", "-p", addr, "-n", "1", "--queue-timeout", "5m")
	front := in.addr()
	var clients sync.WaitGroup
	for n := range crowd {
		c := mustDial(t, front)
		c.says(strconv.Itoa(n))
		if n == 0 { // the only one that does not wait
			in.until("the first is in", func(s *proxy.ServiceInfo) bool { return s.Lock.InUse == 1 })
		}
		clients.Go(func() {
			defer c.Close()
			c.patience = 4 * patience
			err := c.hears(strconv.Itoa(n))
			if dies := n%(crowd/kills) == crowd/kills/2; dies != (err != nil) {
				t.Errorf("client %d: %v", n, err)
			}
		})
	}
	in.until("all wait", func(s *proxy.ServiceInfo) bool { return s.Queue.Waiting == crowd-1 })
	for n := range crowd {
		if got := <-m.heard; got != n {
			t.Fatalf("%d came when %d was next", got, n)
		}
		if n%(crowd/kills) == crowd/kills/2 {
			m.die()
			m.start(t, addr)
			continue
		}
		m.answer(n)
	}
	clients.Wait()
	in.until("no session is left", func(s *proxy.ServiceInfo) bool { return s.Sessions.Active == 0 })
	if s := in.service(); s.Sessions.Failed != 0 || s.Sessions.Cut != kills || s.Lock.InUse != 0 {
		t.Errorf("%+v %+v", s.Sessions, s.Queue)
	}
}

// mortal is a backend that reports its clients to the test, and answers when the test says so.
type mortal struct {
	heard chan int

	mu sync.Mutex
	ln net.Listener
	c  *net.TCPConn
	wg sync.WaitGroup
}

func (m *mortal) start(t *testing.T, addr string) {
	t.Helper()
	ln, err := net.Listen("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	m.mu.Lock()
	m.ln = ln
	m.mu.Unlock()
	m.wg.Add(1)
	go m.acceptAll(ln)
}

func (m *mortal) acceptAll(ln net.Listener) {
	defer m.wg.Done()
	for {
		c, err := ln.Accept()
		if err != nil {
			return
		}
		m.wg.Add(1)
		go m.serve(c.(*net.TCPConn))
	}
}

func (m *mortal) serve(c *net.TCPConn) {
	defer m.wg.Done()
	defer c.Close()
	line, err := bufio.NewReader(c).ReadString('\n')
	if err != nil {
		return // a check
	}
	n, _ := strconv.Atoi(strings.TrimSpace(line))
	m.mu.Lock()
	m.c = c
	m.mu.Unlock()
	m.heard <- n
	buf := make([]byte, 1)
	c.Read(buf) // until the client leaves, or the backend is killed
}

func (m *mortal) answer(n int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	fmt.Fprintln(m.c, n)
}

// die is kill -9.
func (m *mortal) die() {
	m.mu.Lock()
	proxytest.StopListening(m.ln)
	if m.c != nil {
		m.c.SetLinger(0)
		m.c.Close()
	}
	m.mu.Unlock()
	m.wg.Wait()
}

// TestHooksThatMisbehave: whatever a hook does, clients are served, and no slot is lost.
func TestHooksThatMisbehave(t *testing.T) {
	t.Parallel()
	for name, script := range map[string]string{
		"sleeps":  "sleep 1000",
		"fails":   "echo no disk >&2; exit 1",
		"forks":   "sleep 1000 & echo $! >> PIDS",
		"floods":  "yes | head -c 100000000",
		"ignores": "trap '' TERM; sleep 0.01; exit 3",
	} {
		t.Run(name, func(t *testing.T) {
			b := startBackend(t, "a")
			pids := t.TempDir() + "/pids"
			script := strings.ReplaceAll(script, "PIDS", pids)
			t.Cleanup(func() { killListed(pids) })
			in := runConfigured(t, fmt.Sprintf(`
[services.office]
listen = "127.0.0.1:0"
backends = [%q]
  [services.office.lock]
  slots = 1
  [services.office.hooks]
  before_next = { run = ["sh", "-c", %q], timeout = "300ms", on_error = "ignore" }
  ready = "none"
`, b.addr, script))
			for n := range 3 {
				if err := oneVisit(in.addr(), fmt.Sprint(n)); err != nil {
					t.Errorf("client %d: %v", n, err)
				}
			}
			in.until("the slot is free", func(s *proxy.ServiceInfo) bool { return s.Lock.InUse == 0 && s.Hook.Runs == 3 })
		})
	}
}

// killListed kills the processes that a test's script has listed in a file.
func killListed(file string) {
	text, _ := os.ReadFile(file)
	for _, line := range strings.Fields(string(text)) {
		if pid, err := strconv.Atoi(line); err == nil {
			syscall.Kill(pid, syscall.SIGKILL)
		}
	}
}

// TestAHookEveryTwentiethTime: the hook records before which clients it ran.
func TestAHookEveryTwentiethTime(t *testing.T) {
	t.Parallel()
	b := startBackend(t, "a")
	diary := t.TempDir() + "/diary"
	in := runInstance(t, nil, "lock", "-l", "127.0.0.1:0", "-p", b.addr, "--check", "none", "--every", "20",
		"--before", `sh -c 'echo $TCPCTL_COUNT $TCPCTL_REASON $TCPCTL_SERVICE $TCPCTL_BACKEND >> `+diary+`'`)
	for n := range 61 {
		if err := oneVisit(in.addr(), fmt.Sprint(n)); err != nil {
			t.Fatal(err)
		}
	}
	want := ""
	for _, n := range []int{20, 40, 60} {
		want += fmt.Sprintf("%d before_next lock %s\n", n, b.addr)
	}
	if got := readFile(t, diary); got != want {
		t.Errorf("it ran before\n%s", got)
	}
}
