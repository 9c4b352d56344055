package proxy_test

import (
	"context"
	"net"
	"net/netip"
	"os"
	"runtime"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/tcpctl/tcpctl/proxy"
	"github.com/tcpctl/tcpctl/proxy/proxytest"
)

// nobodys is an address that no machine has: connecting from it fails on our side, over
// either runner and in checks.
var nobodys = []netip.Addr{netip.MustParseAddr("192.0.2.77")}

// alarms returns the texts of the events about resources that the process lacks.
func (v *visit) alarms() (all []string) {
	page, _ := v.Events(0)
	for _, ev := range page.Events {
		if ev.Kind == proxy.EventLimit && strings.HasPrefix(ev.Text, "out of ") {
			if ev.Level != proxy.LevelAlarm || ev.Service != "" || ev.Backend != "" {
				v.Errorf("it is not the instance's alarm: %+v", ev)
			}
			all = append(all, ev.Text)
		}
	}
	return all
}

// TestOursIsNobodysFault: with on_down = "cut" and fall = 1, a lack of our own ends no
// session and counts against no backend; a client waits, and is served as soon as
// possible.
func TestOursIsNobodysFault(t *testing.T) {
	eachRelay(t, func(t *testing.T, relay string) {
		a := newServer(t, "a")
		c := proxy.ServiceConfig{Name: "db", Relay: relay, Listen: []string{"127.0.0.1:0"}, Backends: []proxy.BackendConfig{a.backend()}, Check: quick(1, 1)}
		c.Check.OnDown = proxy.OnDownCut
		v := start(t, c)
		v.untilUp()
		live := v.dial("live")
		live.hears("a live")
		c.Source = nobodys
		v.apply(c)
		one, two := v.queue("one"), v.queue("two")
		v.until("they wait for the lacking resource", func(i proxy.ServiceInfo) bool { return i.Reason == proxy.ReasonLocalLimit && i.Sessions.Active == 1 })
		seen := map[time.Time]bool{}
		for range 100 { // enough for ten checks
			seen[v.backend("a").Check.At] = true
			time.Sleep(time.Millisecond)
		}
		// The check in progress may have ended.
		if b := v.backend("a"); b.State != proxy.StateUp || !b.Check.OK || b.Failed != 0 || b.Transitions != 0 || len(seen) > 2 {
			t.Errorf("it counts against the backend: %+v, check %+v; %d checks", b, b.Check, len(seen))
		}
		live.says("still here")
		live.hears("still here")
		if all := v.alarms(); len(all) != 1 || !strings.HasPrefix(all[0], "out of source address: ") {
			t.Errorf("the alarms are %q", all)
		}
		c.Source = nil
		v.apply(c)
		one.hears("a one")
		two.hears("a two")
		if i := v.svc.Info(); i.Sessions.Failed != 0 || i.Sessions.Cut != 0 {
			t.Errorf("counted %+v", i.Sessions)
		}
	})
}

// TestOursUnderReject is reported as our own lack.
func TestOursUnderReject(t *testing.T) {
	eachRelay(t, func(t *testing.T, relay string) {
		c := unchecked(relay)
		c.Source, c.NoBackend = nobodys, proxy.Reject
		v := start(t, c, newServer(t, "a"))
		v.turnedAway()
		if r := v.record(); r.By != proxy.ByProxy || r.Reason != proxy.ReasonLocalLimit || r.Detail != "out of source address" || r.Served {
			t.Errorf("record %+v", r)
		}
		if i := v.untilIdle(); i.Sessions.Rejected != 1 || i.Sessions.Failed != 0 || i.Backends[0].Failed != 0 || i.Backends[0].State != proxy.StateUp {
			t.Errorf("counted %+v", i)
		}
	})
}

// TestOursWhateverItIs, with each of these errors, in a dial and in a check.
func TestOursWhateverItIs(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("its numbers differ")
	}
	for _, lack := range []syscall.Errno{syscall.EADDRNOTAVAIL, syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM} {
		t.Run(lack.Error(), func(t *testing.T) {
			var out atomic.Bool
			a := newServer(t, "a")
			c := proxy.ServiceConfig{Relay: "stream", Check: quick(1, 1), Dial: func(ctx context.Context, network, addr string) (net.Conn, error) {
				if out.Load() {
					return nil, &net.OpError{Op: "dial", Net: network, Err: os.NewSyscallError("connect", lack)}
				}
				return new(net.Dialer).DialContext(ctx, network, addr)
			}}
			v := start(t, c, a)
			v.untilUp()
			out.Store(true)
			one := v.queue("one")
			v.until("it waits", func(i proxy.ServiceInfo) bool { return i.Reason == proxy.ReasonLocalLimit })
			time.Sleep(50 * time.Millisecond)
			if b := v.backend("a"); b.State != proxy.StateUp || b.Failed != 0 || !b.Check.OK {
				t.Errorf("it counts against the backend: %+v", b)
			}
			if _, err := v.svc.Backend("a").Probe(); err == nil || !strings.Contains(err.Error(), "could not be checked: out of ") {
				t.Errorf("the probe returns %v", err)
			}
			if all := v.alarms(); len(all) != 1 {
				t.Errorf("the alarms are %q", all)
			}
			out.Store(false)
			one.hears("a one")
		})
	}
}

// TestOursTriesAnotherBackend: a backend for which we have no port does not keep a
// client from another backend.
func TestOursTriesAnotherBackend(t *testing.T) {
	t.Parallel()
	a, b := newServer(t, "a"), newServer(t, "b")
	c := unchecked("stream")
	c.Dial = func(ctx context.Context, network, addr string) (net.Conn, error) {
		if addr == a.addr() {
			return nil, &net.OpError{Op: "dial", Net: network, Err: os.NewSyscallError("connect", syscall.EADDRNOTAVAIL)}
		}
		return new(net.Dialer).DialContext(ctx, network, addr)
	}
	v := start(t, c, a, b)
	v.dial("one").hears("b one")
	if i := v.backend("a"); i.Failed != 0 || i.State != proxy.StateUp {
		t.Errorf("it counts against the backend: %+v", i)
	}
}

// TestSourceAddressesInTurn: sessions and checks use them in rotation.
func TestSourceAddressesInTurn(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("only Linux has the whole of 127.0.0.0/8")
	}
	eachRelay(t, func(t *testing.T, relay string) {
		ln := proxytest.Listen(t)
		c := unchecked(relay)
		c.Source = []netip.Addr{netip.MustParseAddr("127.0.0.2"), netip.MustParseAddr("127.0.0.3")}
		c.Backends = []proxy.BackendConfig{{Name: "a", Addr: ln.Addr().String()}}
		v := start(t, c)
		from := map[string]int{}
		for range 6 {
			v.dial("x")
			s, err := ln.Accept()
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			from[s.RemoteAddr().(*net.TCPAddr).IP.String()]++
		}
		if from["127.0.0.2"] != 3 || from["127.0.0.3"] != 3 {
			t.Errorf("they came from %v", from)
		}
	})
	c := unchecked("auto")
	c.Name, c.Listen, c.Source = "db", []string{"127.0.0.1:0"}, []netip.Addr{netip.IPv4Unspecified()}
	if _, err := proxy.New(proxy.Config{Services: []proxy.ServiceConfig{c}}); err == nil || !strings.Contains(err.Error(), "cannot be a machine's own address") {
		t.Errorf("0.0.0.0 as a source: %v", err)
	}
}
