package proxy_test

import (
	"fmt"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/tcpctl/tcpctl/proxy"
	"github.com/tcpctl/tcpctl/proxy/proxytest"
)

// troubled is a listener whose process lacks a resource from time to time.
type troubled struct {
	net.Listener
	mu   sync.Mutex
	errs []error
	said atomic.Int32
}

func (l *troubled) Accept() (net.Conn, error) {
	l.mu.Lock()
	if len(l.errs) > 0 {
		err := l.errs[0]
		l.errs = l.errs[1:]
		l.mu.Unlock()
		l.said.Add(1)
		return nil, &net.OpError{Op: "accept", Net: "tcp", Err: os.NewSyscallError("accept4", err)}
	}
	l.mu.Unlock()
	return l.Listener.Accept()
}

// TestAcceptNeverGivesUp: it continues after each of these errors, and reports them
// once per burst.
func TestAcceptNeverGivesUp(t *testing.T) {
	t.Parallel()
	ln := proxytest.Listen(t)
	l := &troubled{Listener: ln, errs: []error{syscall.ECONNABORTED, syscall.EMFILE, syscall.EMFILE, syscall.ENFILE,
		syscall.ENOBUFS, syscall.ENOMEM, syscall.ECONNABORTED, syscall.EINTR}}
	v := start(t, proxy.ServiceConfig{Relay: "stream", Listeners: []net.Listener{l}}, newServer(t, "a"))
	one := v.dial("one")
	one.hears("a one")
	if l.said.Load() != 8 {
		t.Errorf("%d errors occurred", l.said.Load())
	}
	page, _ := v.Events(0)
	if n := countEvents(page, proxy.EventLimit, "out of descriptors: accept of db"); n != 1 {
		t.Errorf("%d such events", n)
	}
	v.must(v.svc.StopListening("ana", ""))
	if _, err := v.svc.StartListening("ana", ""); err == nil {
		t.Error("a service without an address was opened")
	}
	one.says("still here")
	one.hears("still here")
}

// TestOutOfDescriptors: five times as many clients as the process can hold are all
// served, one after another, and it continues to serve afterwards.
func TestOutOfDescriptors(t *testing.T) {
	eachRelay(t, func(t *testing.T, relay string) {
		const most, clients = 8, 40
		v := startWithin(t, most, proxy.ServiceConfig{Relay: relay}, newServer(t, "a"))
		v.untilUp()
		var all sync.WaitGroup
		for n := range clients {
			all.Go(func() {
				for turn := range 5 {
					if err := visitOnce(v.addr(), "a", fmt.Sprint(n, "-", turn)); err != nil {
						t.Error(err)
					}
				}
			})
		}
		began, over := time.Now(), make(chan struct{})
		go func() { all.Wait(); close(over) }()
		for going := true; going; {
			if i := v.svc.Info(); i.Sessions.Active+i.Queue.Waiting > most {
				t.Fatalf("%d sessions", i.Sessions.Active+i.Queue.Waiting)
			}
			select {
			case <-over:
				going = false
			case <-time.After(time.Millisecond):
			}
		}
		v.dial("after").hears("a after")
		page, _ := v.Events(0)
		if n := countEvents(page, proxy.EventLimit, "of 8; new clients wait"); n < 1 || n > 1+int(time.Since(began)/(10*time.Second)) {
			t.Errorf("%d such events", n)
		}
	})
}

// TestTheBudgetIsGivenBack after every kind of ending, even without a wait.
func TestTheBudgetIsGivenBack(t *testing.T) {
	eachRelay(t, func(t *testing.T, relay string) {
		a := newServer(t, "a")
		c := oneSlot(relay)
		c.Queue.Max = 1
		v := startWithin(t, 4, c, a)
		v.untilUp()
		for turn := range 20 {
			live := v.dial("live")
			live.hears("a live")
			waiting := v.queue("waiting")
			v.turnedAway()
			switch turn % 3 {
			case 0:
				waiting.reset()
				live.leaves()
			case 1:
				live.reset()
				waiting.hears("a waiting")
				waiting.leaves()
			case 2:
				for _, s := range v.Sessions(false) {
					v.Kick("ana", "", s.ID)
				}
				live.isReset()
				waiting.isReset()
			}
			v.untilIdle()
		}
	})
}
