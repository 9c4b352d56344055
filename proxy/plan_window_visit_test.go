package proxy_test

import (
	"bufio"
	"fmt"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tcpctl/tcpctl/proxy"
)

// TestNobodyFailsInAMaintenanceWindow: pause, kill the backend, start it, and resume,
// three times, with 16 clients that reconnect for ever.
func TestNobodyFailsInAMaintenanceWindow(t *testing.T) {
	eachRelay(t, func(t *testing.T, relay string) {
		const clients = 16
		a := newServer(t, "a")
		v := start(t, proxy.ServiceConfig{Relay: relay, Check: quick(1, 2)}, a)
		v.untilUp()
		var (
			served atomic.Int64
			stop   atomic.Bool
			all    sync.WaitGroup
		)
		defer all.Wait()
		defer stop.Store(true)
		for n := range clients {
			all.Go(func() {
				for turn := 0; !stop.Load(); turn++ {
					if err := visitOnce(v.addr(), "a", fmt.Sprint(n, "-", turn)); err != nil {
						t.Errorf("client %d, turn %d: %v", n, turn, err)
						return
					}
					served.Add(1)
				}
			})
		}
		for range 3 {
			before := served.Load()
			v.eventually("clients are served", func() bool { return served.Load() > before+clients || t.Failed() })
			v.must(v.svc.Pause(proxy.PauseOptions{By: "ana", Then: proxy.ThenAbort}))
			i := v.until("all are held", func(i proxy.ServiceInfo) bool {
				return i.State == proxy.StatePaused && i.Queue.Waiting == clients || t.Failed()
			})
			if i.Pause == nil || i.Pause.Held != clients || len(v.svc.Waiters()) != clients {
				t.Errorf("while held: %+v", i)
			}
			a.kill()
			v.untilHealth("a", proxy.StateDown)
			a.restart(t)
			v.must(v.svc.Resume(proxy.ResumeOptions{By: "ana", Rate: 1000}))
		}
		v.untilState(proxy.StateOpen)
		stop.Store(true)
		all.Wait()
		i := v.untilIdle()
		if i.Sessions.Failed+i.Sessions.Cut+i.Sessions.Rejected != 0 || i.Sessions.Total != served.Load() {
			t.Errorf("%d served, counted %+v", served.Load(), i)
		}
	})
}

// visitOnce connects, sends a line, reads it and disconnects.
func visitOnce(addr, from, name string) error {
	network := "tcp"
	if path, ok := strings.CutPrefix(addr, "unix:"); ok {
		network, addr = "unix", path
	}
	c, err := net.Dial(network, addr)
	if err != nil {
		return err
	}
	return converse(c, from, name)
}

// converse sends a name, reads it from the expected backend ("": any), and closes.
func converse(c net.Conn, from, name string) error {
	defer c.Close()
	c.SetDeadline(time.Now().Add(patience))
	if _, err := fmt.Fprintln(c, name); err != nil {
		return err
	}
	r := bufio.NewReader(c)
	got, err := r.ReadString('\n')
	if err != nil {
		return fmt.Errorf("after %q: %w", got, err)
	}
	who, rest, _ := strings.Cut(got, " ")
	if rest != name+"\n" || from != "" && who != from {
		return fmt.Errorf("got %q, want %q from %q", got, name, from)
	}
	c.(interface{ CloseWrite() error }).CloseWrite()
	if n, err := r.Read(make([]byte, 1)); n != 0 || err == nil {
		return fmt.Errorf("after the end: %d bytes, %v", n, err)
	}
	return nil
}
