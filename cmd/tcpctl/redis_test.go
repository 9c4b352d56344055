package main

import (
	"net"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/tcpctl/tcpctl/proxy"
	"github.com/tcpctl/tcpctl/proxy/proxytest"
)

// TestRedisDiesUnderLoad runs two redis-servers behind tcpctl proxy, and kills one of them while it
// is busy.
func TestRedisDiesUnderLoad(t *testing.T) {
	t.Parallel()
	for _, program := range []string{"redis-server", "redis-benchmark"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skip(program + " is not installed")
		}
	}
	addrA, _ := startRedis(t)
	addrB, redisB := startRedis(t)
	in := runInstance(t, nil, "proxy", "--listen", "127.0.0.1:0", "--backend", addrA+",name=a", "--backend", addrB+",name=b")
	_, port, _ := net.SplitHostPort(in.addr())

	out, err := exec.Command("redis-benchmark", "-h", "127.0.0.1", "-p", port, "-n", "10000", "-c", "20", "-q", "-t", "set,get").CombinedOutput()
	if err != nil || strings.Count(string(out), "requests per second") != 2 {
		t.Fatalf("redis-benchmark: %v\n%s", err, out)
	}
	for _, line := range strings.Split(strings.ReplaceAll(string(out), "\r", "\n"), "\n") {
		if strings.Contains(line, "requests per second") {
			t.Log(strings.TrimSpace(line))
		}
	}
	if s := in.service(); s.Backends[0].Total == 0 || s.Backends[1].Total == 0 || s.Sessions.Failed > 0 {
		t.Errorf("not both backends had sessions: %+v", s)
	}

	var served, failed atomic.Int64
	var killed atomic.Bool
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				case <-time.After(pace):
				}
				before := !killed.Load()
				err := ping(in.addr())
				switch {
				case err == nil:
					served.Add(1)
				case !before:
					failed.Add(1)
					t.Errorf("a client that came after the kill: %v", err)
				}
			}
		})
	}
	enough := func(n int64) {
		for began := time.Now(); served.Load() < n && time.Since(began) < patience; {
			time.Sleep(time.Millisecond)
		}
	}
	enough(200)
	redisB.Process.Signal(syscall.SIGKILL)
	redisB.Wait()
	killed.Store(true)
	in.until("b is down", func(s *proxy.ServiceInfo) bool { return s.Backends[1].State == proxy.StateDown })
	enough(served.Load() + 200)
	close(stop)
	wg.Wait()
	t.Logf("%d connections served, %d failed after the kill", served.Load(), failed.Load())

	if out := in.tcpctl("status"); !strings.Contains(out, "! down") || !strings.Contains(out, "connection refused (3 of 3 checks failed)") {
		t.Errorf("status:\n%s", out)
	}
	if out := in.tcpctl("events"); !strings.Contains(out, "backend proxy/b is down: connection refused (3 of 3 checks failed)") {
		t.Errorf("events:\n%s", out)
	}
}

// ping opens a connection and sends one command.
func ping(addr string) error {
	c, err := dial(addr)
	if err != nil {
		return err
	}
	defer c.Close()
	if err := c.says("PING\r"); err != nil {
		return err
	}
	return c.hears("+PONG\r")
}

// startRedis runs a redis-server on a free loopback port.
func startRedis(t *testing.T) (addr string, cmd *exec.Cmd) {
	t.Helper()
	addr = proxytest.FreePort(t)
	_, port, _ := net.SplitHostPort(addr)
	cmd = exec.Command("redis-server", "--port", port, "--bind", "127.0.0.1", "--save", "", "--dir", t.TempDir())
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait() // fails if the test has already waited for it
	})
	for began := time.Now(); ping(addr) != nil; restSince(began) {
		if time.Since(began) > patience {
			t.Fatal("redis-server does not start")
		}
	}
	return addr, cmd
}
