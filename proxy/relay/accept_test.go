package relay_test

import (
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/tcpctl/tcpctl/proxy/relay"
)

// TestClientsBeginInTheOrderOfArrival, one at a time.
func TestClientsBeginInTheOrderOfArrival(t *testing.T) {
	eachRunner(t, func(t *testing.T, r relay.Runner) {
		h := open(t, r, "tcp", newBackend(t).echo().addr())
		var came []string
		var clients []*net.TCPConn
		for range 300 {
			c := h.come()
			came = append(came, c.LocalAddr().String())
			clients = append(clients, c)
		}
		defer func() { // a runner may only be shut down after its tasks
			for _, c := range clients {
				reset(c)
			}
			for range clients {
				next(t, h.over)
			}
		}()
		for i, want := range came {
			if got := next(t, h.begun).client.Name(); got != want {
				t.Fatalf("client %d is %s, not %s", i, got, want)
			}
		}
	})
}

// TestManyOpenAndCloseAtOnce, in every way, and none gets the bytes of another:
// descriptors are reused at once. TCPCTL_VISITS=10000 makes it long.
func TestManyOpenAndCloseAtOnce(t *testing.T) {
	eachRunner(t, func(t *testing.T, r relay.Runner) {
		const threads = 100
		visits := visits()
		h := open(t, r, "tcp", newBackend(t).echo().addr())
		var number atomic.Int32
		var all sync.WaitGroup
		for range threads {
			all.Go(func() {
				for {
					n := number.Add(1)
					if int(n) > visits {
						return
					}
					c, err := net.Dial("tcp", h.l.Addr().String())
					if err != nil {
						t.Error(err)
						return
					}
					visit(t, c.(*net.TCPConn), int(n))
				}
			})
		}
		all.Wait()
		for range visits {
			next(t, h.over)
		}
	})
}

// visits is the number of visits of a test that makes as many as it can.
func visits() int {
	n, err := strconv.Atoi(os.Getenv("TCPCTL_VISITS"))
	if err != nil {
		n = 1000
	}
	return n
}

func visit(t *testing.T, c *net.TCPConn, n int) {
	if n%5 == 0 { // never sends a byte
		reset(c)
		return
	}
	words := fmt.Sprintf("this is visitor %d", n)
	buf := make([]byte, len(words))
	c.Write([]byte(words))
	if n%5 == 1 { // does not wait for the answer
		reset(c)
		return
	}
	for got := 0; got < len(buf); {
		m, err := c.Read(buf[got:])
		if err != nil {
			t.Errorf("%s, after %d bytes: %v", words, got, err)
			break
		}
		got += m
	}
	if string(buf) != words {
		t.Errorf("%q came back as %q", words, buf)
	}
	if n%10 == 2 {
		c.Close()
		return
	}
	reset(c)
}

// TestABudgetLeavesClientsOutside until a session ends, and that is reported.
func TestABudgetLeavesClientsOutside(t *testing.T) {
	eachRunner(t, func(t *testing.T, r relay.Runner) {
		trouble := make(chan error, 100)
		h := open(t, r, "tcp", newBackend(t).echo().addr(), func(h *harness) {
			h.l.Share = relay.NewBudget(2).NewShare()
			h.l.OnError = func(err error) { trouble <- err }
		})
		var all []*net.TCPConn
		for range 5 {
			all = append(all, h.come())
		}
		for i, c := range all {
			say(t, c, "hello")
			hear(t, c, "hello")
			if used := h.l.Share.Used(); used > 2 {
				t.Errorf("%d sessions are admitted", used)
			}
			if i == 0 {
				if err := receive(t, trouble); !errors.Is(err, relay.ErrBudget) {
					t.Error(err)
				}
			}
			reset(c)
			next(t, h.over)
		}
		within(t, "all sessions are released", func() bool { return h.l.Share.Used() <= 1 })
	})
}

// TestAListenerCanBeHandedOn: clients in the backlog are accepted by the next listener,
// of either runner.
func TestAListenerCanBeHandedOn(t *testing.T) {
	eachRunner(t, func(t *testing.T, r relay.Runner) {
		h := open(t, r, "tcp", newBackend(t).echo().addr())
		first := h.l
		again, err := first.Dup(relay.Sock{})
		if err != nil {
			t.Fatal(err)
		}
		if err := first.Close(); err != nil {
			t.Error(err)
		}
		c := dialTo(t, first.Addr().String())
		h.l = again
		r.Serve(again, h.accept)
		say(t, c, "still here")
		hear(t, c, "still here")
		reset(c)
		next(t, h.over)
	})
}
