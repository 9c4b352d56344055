package proxy_test

import (
	"crypto/tls"
	"fmt"
	"net"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/tcpctl/tcpctl/proxy"
)

// TestRule04WhoHasLeftGetsNoSlot: of a queue of 100, 40 reset and 20 end without a
// byte, at random places. None of them reaches the backend.
func TestRule04WhoHasLeftGetsNoSlot(t *testing.T) {
	eachRelay(t, func(t *testing.T, relay string) {
		a := newServer(t, "a")
		v := start(t, oneSlot(relay), a)
		v.untilUp()
		first := v.dial("first")
		first.hears("a first")
		want := []string{"first"}
		var stay, silent, rude []*client
		for i := range 100 {
			switch i % 5 {
			case 0, 1:
				rude = append(rude, v.dial(fmt.Sprint("rude-", i)))
			case 2:
				silent = append(silent, v.dial(""))
			default:
				name := fmt.Sprint("stay-", i)
				want = append(want, name)
				stay = append(stay, v.dial(name))
			}
		}
		v.untilWaiting(100)
		for i := range 40 {
			rude[i].reset()
			silent[i/2].Close()
		}
		v.until("60 have left", func(i proxy.ServiceInfo) bool { return i.Queue.Abandoned == 60 && i.Queue.Waiting == 40 })
		first.leaves()
		for _, c := range stay {
			if got := c.hear(); !slices.Contains(want, got[2:]) {
				t.Fatalf("got %q", got)
			}
			c.leaves()
		}
		i := v.untilIdle()
		if got := a.order(); !slices.Equal(got, want) {
			t.Errorf("reached the backend: %v", got)
		}
		if i.Queue.Granted != 40 || i.Sessions.Failed != 0 || i.Sessions.Total != 101 || a.most.Load() != 1 {
			t.Errorf("counted %+v", i)
		}
		ends := map[string]int{}
		for range 101 {
			r := v.record()
			ends[r.Phase+" "+r.By+" "+r.Cause()]++
		}
		if ends["queue client abandoned: reset"] != 40 || ends["queue client abandoned: fin"] != 20 || ends["relay client fin"]+ends["relay backend fin"] != 41 {
			t.Errorf("records %v", ends)
		}
		v.noMore()
	})
}

// TestRule04WhoEndsAfterBytesIsVerified: they keep their place; their data is delivered
// and, if they only shut down writing, they get the answer.
func TestRule04WhoEndsAfterBytesIsVerified(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("only Linux shows an end of stream after bytes")
	}
	eachRelay(t, func(t *testing.T, relay string) {
		a := newServer(t, "a")
		v := start(t, oneSlot(relay), a)
		v.untilUp()
		first := v.dial("first")
		first.hears("a first")
		want := []string{"first"}
		var half []*client
		for i := range 20 {
			name := fmt.Sprint("half-", i)
			want = append(want, name)
			c := v.queue(name)
			c.fin()
			half = append(half, c)
		}
		want = append(want, "last")
		last := v.queue("last")
		v.until("all are verified", func(proxy.ServiceInfo) bool {
			n := 0
			for _, w := range v.svc.Waiters() {
				if w.State == proxy.WaiterVerifying {
					n++
				}
			}
			return n == 20
		})
		if w := v.svc.Waiters(); w[20].State != proxy.WaiterWaiting || w[0].Position != 1 {
			t.Errorf("waiters %+v", w)
		}
		first.leaves()
		for i, c := range half {
			c.hears(fmt.Sprint("a half-", i))
			c.isClosed()
		}
		last.hears("a last")
		last.leaves()
		if got := a.order(); !slices.Equal(got, want) || a.most.Load() != 1 {
			t.Errorf("%d at a time, in order %v", a.most.Load(), got)
		}
	})
}

// TestRule04ClosedAfterBytes: a client that has sent something and closed keeps its
// place, too, since that cannot be known; it is served in its turn, and delays no
// other.
func TestRule04ClosedAfterBytes(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("only Linux shows an end of stream after bytes")
	}
	eachRelay(t, func(t *testing.T, relay string) {
		a := newServer(t, "a")
		v := start(t, oneSlot(relay), a)
		v.untilUp()
		first := v.dial("first")
		first.hears("a first")
		for i := range 20 {
			v.queue(fmt.Sprint("gone-", i)).Close()
		}
		last := v.queue("last")
		first.leaves()
		last.hears("a last")
		last.leaves()
		if i := v.untilIdle(); i.Queue.Abandoned+i.Queue.Granted != 21 || i.Sessions.Failed != 0 {
			t.Errorf("counted %+v", i)
		}
		if a.most.Load() != 1 {
			t.Errorf("%d at a time", a.most.Load())
		}
	})
}

// TestRule04OnClientFin: drop abandons them at once, keep does not verify them.
func TestRule04OnClientFin(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("only Linux shows an end of stream after bytes")
	}
	eachRelay(t, func(t *testing.T, relay string) {
		for _, how := range []string{proxy.FinDrop, proxy.FinKeep} {
			t.Run(how, func(t *testing.T) {
				c := oneSlot(relay)
				c.Queue.OnClientFin = how
				v := start(t, c, newServer(t, "a"))
				first := v.dial("first")
				first.hears("a first")
				half := v.queue("half")
				half.fin()
				if how == proxy.FinDrop {
					v.untilWaiting(0)
					half.isReset() // it was not served
					if r := v.record(); r.By != proxy.ByClient || r.Phase != proxy.PhaseQueue || r.Cause() != "abandoned: half-fin" {
						t.Errorf("record %+v", r)
					}
					return
				}
				silent := v.queue("")
				silent.fin() // without a byte: abandoned, whatever on_client_fin says
				v.untilWaiting(1)
				if w := v.svc.Waiters(); w[0].State != proxy.WaiterNext {
					t.Errorf("waiter %+v", w[0])
				}
				first.leaves()
				half.hears("a half")
				half.isClosed()
			})
		}
	})
}

// TestRule04OverTLS: a client that leaves sends close_notify first, which does not
// count as data; what it sends before does.
func TestRule04OverTLS(t *testing.T) { onEach(t, testRule04OverTLS) }

func testRule04OverTLS(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("only Linux shows an end of stream after bytes")
	}
	for name, version := range map[string]uint16{"TLS 1.2": tls.VersionTLS12, "TLS 1.3": tls.VersionTLS13} {
		t.Run(name, func(t *testing.T) {
			c := oneSlot("")
			c.Relay, c.Queue.OnClientFin = onRunner(t), proxy.FinKeep // without verification afterwards
			c.TLS = &tls.Config{Certificates: []tls.Certificate{certificate(t)}, MaxVersion: version}
			v := start(t, c, newServer(t, "a"))
			v.untilUp()
			first := v.speaks(nil, nil)
			first.says("first")
			first.hears("a first")
			silent := v.speaks(nil, nil)
			v.untilWaiting(1)
			half := v.speaks(nil, nil)
			half.says("half")
			v.untilWaiting(2)
			records := func(cause string) {
				if r := v.record(); r.By != proxy.ByClient || !strings.HasPrefix(r.Cause(), cause) {
					t.Errorf("record %+v, want %s", r, cause)
				}
			}
			silent.Close()
			records("abandoned: fin")
			half.fin()
			half.Conn.(*tls.Conn).NetConn().(*net.TCPConn).CloseWrite()
			late := v.speaks(nil, nil)
			v.untilWaiting(2)
			late.Close()
			records("abandoned: fin")
			first.Close()
			half.hears("a half")
			half.isClosed()
			records("fin")
			records("fin")
		})
	}
}
