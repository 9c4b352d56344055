package main

import (
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tcpctl/tcpctl/proxy"
)

// TestRestartsThatNobodyNotices pauses, kills the only backend, starts it and resumes, three times,
// while clients connect again and again.
func TestRestartsThatNobodyNotices(t *testing.T) {
	t.Parallel()
	const clients = 16
	b := startBackend(t, "a")
	in := runInstance(t, nil, "proxy", "--listen", "127.0.0.1:0", "--backend", b.addr+",name=a")
	addr := in.addr()

	stop := make(chan struct{})
	var served atomic.Int64
	var wg sync.WaitGroup
	for n := range clients {
		wg.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-stop:
					return
				case <-time.After(pace):
				}
				if err := oneVisit(addr, fmt.Sprintf("%d of %d", i, n)); err != nil {
					t.Errorf("client %d: %v", n, err)
					return
				}
				served.Add(1)
			}
		})
	}
	for range 3 {
		in.tcpctl("pause", "proxy", "--wait", "--reason", "restart")
		in.until("all are held", func(s *proxy.ServiceInfo) bool { return s.Queue.Waiting == clients })
		if out := in.tcpctl("queue", "proxy"); strings.Count(out, "paused") != clients {
			t.Errorf("queue:\n%s", out)
		}
		b.die()
		if err := b.start(); err != nil {
			t.Fatal(err)
		}
		before := served.Load()
		in.tcpctl("resume", "proxy", "--wait")
		for began := time.Now(); served.Load() < before+2*clients; time.Sleep(time.Millisecond) {
			if time.Since(began) > patience {
				t.Fatal("timeout waiting for the held clients to be served")
			}
		}
	}
	close(stop)
	wg.Wait()
	s := in.service()
	t.Logf("%d sessions in three restarts, %d had to wait, none failed; the longest waits: %.2fs (p99)",
		served.Load(), s.Queue.Granted, s.Queue.WaitP99Seconds)
	if s.Sessions.Failed+s.Sessions.Cut+s.Sessions.Rejected > 0 {
		t.Errorf("%+v", s.Sessions)
	}
}

// oneVisit is one complete session of a client.
func oneVisit(addr, text string) error {
	c, err := dial(addr)
	if err != nil {
		return err
	}
	defer c.Close()
	if err := c.says(text); err != nil {
		return err
	}
	if err := c.hears("a: " + text); err != nil {
		return err
	}
	c.CloseWrite()
	how, err := c.sees()
	if err == nil && how != "fin" {
		err = fmt.Errorf("it got %s", how)
	}
	return err
}
