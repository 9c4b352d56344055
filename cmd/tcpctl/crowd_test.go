package main

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/tcpctl/tcpctl/proxy"
	"github.com/tcpctl/tcpctl/proxy/proxytest"
)

const (
	orderly  = 200 // send a number and wait for its echo
	resetful = 40  // reset while they wait
	silent   = 20  // end their side without a byte
	abrupt   = 20  // send a number and close
)

// TestACrowdAtTheLock sends all these clients to tcpctl lock with one slot.
func TestACrowdAtTheLock(t *testing.T) {
	t.Parallel()
	soffice := newFragile(t)
	in := runInstance(t, nil, "lock", "-l", "127.0.0.1:0", "-p", soffice.ln.Addr().String(), "-n", "1", "--queue-timeout", "5m")
	addr := in.addr()
	// The first keeps the slot until all have come.
	first := mustDial(t, addr)
	first.says("0")
	in.until("the first is in", func(s *proxy.ServiceInfo) bool { return s.Lock.InUse == 1 && s.Queue.Waiting == 0 })

	var crowd, leaving []*client
	for n := 1; n <= orderly; n++ {
		c := mustDial(t, addr)
		c.says(strconv.Itoa(n))
		crowd = append(crowd, c)
		if n%(orderly/resetful) == 0 {
			c := mustDial(t, addr)
			if n%2 == 0 {
				c.says("reset") // with or without a byte before the reset
			}
			leaving = append(leaving, c)
		}
		if n%(orderly/silent) == 0 {
			mustDial(t, addr).Close()
		}
		if n%(orderly/abrupt) == 0 {
			c := mustDial(t, addr)
			c.says("abrupt")
			c.Close()
		}
	}
	for _, c := range leaving {
		c.resets()
	}
	in.until("those who left are gone", func(s *proxy.ServiceInfo) bool {
		return s.Queue.Abandoned == resetful+silent && s.Queue.Waiting == orderly+abrupt
	})
	in.until("those who closed are being verified", func(*proxy.ServiceInfo) bool {
		waiters, err := in.Queue(context.Background(), "lock")
		if err != nil {
			t.Fatal(err)
		}
		verifying := 0
		for _, w := range waiters {
			if w.State == proxy.WaiterVerifying {
				verifying++
			}
			if w.Reason != "slots" {
				t.Errorf("%+v", w)
			}
		}
		return verifying == abrupt
	})

	began := time.Now()
	first.Close()
	var wg sync.WaitGroup
	for n, c := range crowd {
		wg.Go(func() {
			defer c.Close()
			c.patience = 4 * patience
			if err := c.hears(strconv.Itoa(n + 1)); err != nil {
				t.Errorf("client %d: %v", n+1, err)
			}
		})
	}
	wg.Wait()
	in.until("no client is left", func(s *proxy.ServiceInfo) bool { return s.Queue.Waiting == 0 && s.Sessions.Active == 0 })
	t.Logf("%d served one at a time in %s", orderly+abrupt, time.Since(began).Round(time.Millisecond))

	s := in.service()
	if s.Backends[0].Total > 1+orderly+abrupt || s.Sessions.Failed > 0 || s.Queue.Abandoned < resetful+silent {
		t.Errorf("%+v", s)
	}
	soffice.judge()
}

func mustDial(t *testing.T, addr string) *client {
	t.Helper()
	c, err := dial(addr)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// fragile is a backend for one client at a time, which records its clients.
type fragile struct {
	t  *testing.T
	ln net.Listener
	wg sync.WaitGroup

	mu      sync.Mutex
	here    map[*net.TCPConn]string
	came    []string
	crowded int
}

func newFragile(t *testing.T) *fragile {
	ln := proxytest.Listen(t)
	f := &fragile{t: t, ln: ln, here: map[*net.TCPConn]string{}}
	f.wg.Add(1)
	go f.acceptAll()
	t.Cleanup(func() { ln.Close(); f.wg.Wait() })
	return f
}

func (f *fragile) acceptAll() {
	defer f.wg.Done()
	for {
		c, err := f.ln.Accept()
		if err != nil {
			return
		}
		tc := c.(*net.TCPConn)
		f.mu.Lock()
		for other, who := range f.here {
			if stillThere(other) {
				f.crowded++
				f.t.Errorf("a client comes while %q is there", who)
			}
		}
		f.here[tc] = "?"
		f.mu.Unlock()
		f.wg.Add(1)
		go f.serve(tc)
	}
}

// serve reads a number, waits a little, echoes it, and waits for the end.
func (f *fragile) serve(c *net.TCPConn) {
	defer f.wg.Done()
	for lines := bufio.NewScanner(c); lines.Scan(); {
		f.mu.Lock()
		f.here[c] = lines.Text()
		f.came = append(f.came, lines.Text())
		f.mu.Unlock()
		time.Sleep(5 * time.Millisecond)
		fmt.Fprintln(c, lines.Text())
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.here, c)
	c.Close()
}

// judge checks the order in which clients came.
func (f *fragile) judge() {
	f.t.Helper()
	f.mu.Lock()
	defer f.mu.Unlock()
	next, others := 0, 0
	for _, who := range f.came {
		switch {
		case who == strconv.Itoa(next):
			next++
		case who == "abrupt":
			others++
		default:
			f.t.Errorf("%q came when %d was next", who, next)
		}
	}
	if next != orderly+1 || others > abrupt {
		f.t.Errorf("%d of %d came, and %d that had closed", next, orderly+1, others)
	}
}
