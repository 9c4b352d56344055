package proxy_test

import (
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tcpctl/tcpctl/proxy"
	"github.com/tcpctl/tcpctl/proxy/proxytest"
)

// comers runs a test over each runner with clients from several addresses: over
// goroutines a trusted proxy speaks for them, over the loop they connect themselves.
func comers(t *testing.T, c proxy.ServiceConfig, test func(t *testing.T, v *visit, from func(addr, name string) *client)) {
	eachRelay(t, func(t *testing.T, relay string) { comersOn(t, relay, c, test) })
}

// comersOn is comers over one runner.
func comersOn(t *testing.T, relay string, c proxy.ServiceConfig, test func(t *testing.T, v *visit, from func(addr, name string) *client)) {
	if c.Relay = relay; relay == "stream" {
		c = behindProxy(c)
	}
	v := start(t, c, newServer(t, "a"))
	v.untilUp()
	if relay == "stream" {
		test(t, v, v.from)
	} else {
		test(t, v, v.dialFrom)
	}
}

// from connects as a client for which a trusted proxy speaks.
func (v *visit) from(addr, name string) *client {
	v.Helper()
	c := v.dial("")
	family, to := "TCP4", "127.0.0.1"
	if netip.MustParseAddr(addr).Is6() {
		family, to = "TCP6", "::1"
	}
	fmt.Fprintf(c, "PROXY %s %s %s 1000 80\r\n%s\n", family, addr, to, name)
	return c
}

func behindProxy(c proxy.ServiceConfig) proxy.ServiceConfig {
	c.AcceptProxy, c.TrustedProxies = true, loopback
	return c
}

// refusedFor is how many clients have been refused with a reason.
func refusedFor(i proxy.ServiceInfo, r proxy.Reason) int64 {
	for _, e := range i.Endings {
		if e.Reason == r && e.By == proxy.ByProxy && e.Phase == proxy.PhaseQueue {
			return e.Count
		}
	}
	return 0
}

// TestRule07aABurstAndThenARate: by the address in a PROXY header, IPv6 by /64; other
// addresses are not affected.
func TestRule07aABurstAndThenARate(t *testing.T) {
	comers(t, proxy.ServiceConfig{NewSessionsPerIP: 1. / 3600, NewSessionsBurst: 3}, func(t *testing.T, v *visit, from func(addr, name string) *client) {
		for n := range 3 {
			c := from("127.0.0.2", fmt.Sprint("client-", n))
			c.hears(fmt.Sprint("a client-", n))
			c.leaves() // each time a new session
		}
		from("127.0.0.2", "").isReset()
		from("127.0.0.3", "another").hears("a another")
		from("127.0.0.2", "").isReset()
		i := v.until("both counted", func(i proxy.ServiceInfo) bool { return i.Sessions.Rejected == 2 })
		if n := refusedFor(i, proxy.ReasonNewPerIP); n != 2 {
			t.Errorf("%d refused for the rate: %+v", n, i.Endings)
		}
		if got, want := i.RefusedText(), "refused 2: new sessions per ip 2"; got != want {
			t.Errorf("%q, want %q", got, want)
		}
	})
}

// TestRule07aTheAddressIsTheClients: not the proxy's; IPv4-mapped or not, and IPv6 by
// /64.
func TestRule07aTheAddressIsTheClients(t *testing.T) {
	t.Parallel()
	v := start(t, behindProxy(proxy.ServiceConfig{NewSessionsPerIP: 1. / 3600, NewSessionsBurst: 2}), newServer(t, "a"))
	v.from("10.0.0.1", "x").hears("a x")
	v.from("::ffff:10.0.0.1", "y").hears("a y")
	v.from("10.0.0.1", "").isReset()
	v.from("2001:db8::1", "x").hears("a x")
	v.from("2001:db8::2", "y").hears("a y")
	v.from("2001:db8::3", "").isReset()
	v.from("2001:db8:0:1::3", "z").hears("a z")
}

// TestRule07aSoManyWait: the limit is for each address, and a waiter that is served or
// goes makes room for the next.
func TestRule07aSoManyWait(t *testing.T) {
	c := oneSlot("")
	c.Queue.MaxPerIP = 2
	comers(t, c, func(t *testing.T, v *visit, from func(addr, name string) *client) {
		first := from("127.0.0.2", "first")
		first.hears("a first")
		second := from("127.0.0.2", "second")
		v.untilWaiting(1)
		third := from("127.0.0.2", "third")
		v.untilWaiting(2)
		from("127.0.0.2", "").isReset()
		if r := v.record(); r.Reason != proxy.ReasonWaitingPerIP || r.By != proxy.ByProxy || r.Phase != proxy.PhaseQueue || !strings.HasPrefix(r.Client, "127.0.0.2:") {
			t.Errorf("%+v", r)
		}
		other := from("127.0.0.3", "other")
		v.untilWaiting(3)
		third.reset()
		v.record() // it is no longer counted
		v.untilWaiting(2)
		fourth := from("127.0.0.2", "fourth")
		v.untilWaiting(3)
		first.leaves()
		second.hears("a second") // and no longer waits
		fifth := from("127.0.0.2", "fifth")
		v.untilWaiting(3)
		from("127.0.0.2", "").isReset()
		second.leaves()
		other.hears("a other")
		other.leaves()
		fourth.hears("a fourth")
		fourth.leaves()
		fifth.hears("a fifth")
		fifth.leaves()
		i := v.untilIdle()
		if n := refusedFor(i, proxy.ReasonWaitingPerIP); n != 2 || i.Sessions.Rejected != 2 || i.Sessions.Failed != 0 {
			t.Errorf("%d refused: %+v", n, i)
		}
	})
}

// TestRule07aAReloadBringsALimit: sessions from before the reload do not count, and
// their end changes no count.
func TestRule07aAReloadBringsALimit(t *testing.T) {
	t.Parallel()
	a := newServer(t, "a")
	v := start(t, behindProxy(proxy.ServiceConfig{}), a)
	var before []*client
	for n := range 3 {
		c := v.from("10.0.0.1", fmt.Sprint(n))
		c.hears(fmt.Sprint("a ", n))
		before = append(before, c)
	}
	c := behindProxy(proxy.ServiceConfig{Name: "db", Listen: []string{"127.0.0.1:0"}, Backends: []proxy.BackendConfig{a.backend()}, MaxSessionsPerIP: 1})
	if _, err := v.Apply(proxy.Config{Services: []proxy.ServiceConfig{c}}); err != nil {
		t.Fatal(err)
	}
	v.from("10.0.0.1", "fourth").hears("a fourth")
	for _, c := range before {
		c.leaves()
	}
	v.until("they have gone", func(i proxy.ServiceInfo) bool { return i.Sessions.Active == 1 })
	v.from("10.0.0.1", "a second one").isReset()
}

// list is a ClientList that a test changes.
type list struct {
	networks atomic.Pointer[[]netip.Prefix]
}

func (l *list) set(all ...string) {
	networks := []netip.Prefix{}
	for _, s := range all {
		networks = append(networks, netip.MustParsePrefix(s))
	}
	l.networks.Store(&networks)
}

func (l *list) Covers(a netip.Addr) bool {
	for _, p := range *l.networks.Load() {
		if p.Contains(a.Unmap()) {
			return true
		}
	}
	return false
}

func (l *list) Info() proxy.ClientListInfo {
	return proxy.ClientListInfo{File: "list", Networks: len(*l.networks.Load()), At: time.Now()}
}

// TestRule07bLists: clients allowed by a list may connect in addition to those allowed
// by the configuration, denied ones may not, and changes apply to later clients.
func TestRule07bLists(t *testing.T) {
	eachRelay(t, func(t *testing.T, relay string) {
		allow, deny := &list{}, &list{}
		allow.set("127.0.0.0/8")
		deny.set()
		comersOn(t, relay, proxy.ServiceConfig{Allow: []netip.Prefix{netip.MustParsePrefix("::ffff:127.0.3.0/120")}, AllowList: allow, DenyList: deny},
			func(t *testing.T, v *visit, from func(addr, name string) *client) {
				allow.set("127.0.1.0/24")
				deny.set("127.0.1.6/32")
				stays := from("127.0.1.1", "stays")
				stays.hears("a stays")
				from("127.0.3.7", "configured").hears("a configured")
				from("127.0.1.6", "").isReset()
				from("127.0.2.1", "").isReset()
				allow.set("127.0.2.0/24")
				from("127.0.2.1", "allowed now").hears("a allowed now")
				from("127.0.1.1", "").isReset()
				stays.says("still here")
				stays.hears("still here")
				i := v.until("all counted", func(i proxy.ServiceInfo) bool { return i.Sessions.Rejected == 3 })
				if n := refusedFor(i, proxy.ReasonDenied); n != 3 || i.AllowList == nil || i.AllowList.Networks != 1 || i.DenyList == nil {
					t.Errorf("%d denied: %+v", n, i)
				}
			})
	})
}

// TestRule07bAnEmptyAllowListLetsNobodyIn: an empty list is still a list.
func TestRule07bAnEmptyAllowListLetsNobodyIn(t *testing.T) {
	t.Parallel()
	allow := &list{}
	allow.set()
	v := start(t, proxy.ServiceConfig{AllowList: allow}, newServer(t, "a"))
	v.turnedAway()
}

// TestRule07aWhoHasEndedIsNotCounted once its session has a record, and its client knows: that may come again at once.
func TestRule07aWhoHasEndedIsNotCounted(t *testing.T) {
	t.Parallel()
	a := newServer(t, "a")
	again := make(chan error, 2)
	c := proxy.ServiceConfig{Name: "db", Relay: "stream", Listen: []string{proxytest.FreePort(t)}, MaxSessionsPerIP: 1, Backends: []proxy.BackendConfig{a.backend()}}
	addr, first := c.Listen[0], sync.OnceFunc(func() { again <- visitOnce(c.Listen[0], "a", "again") })
	e, err := proxy.New(proxy.Config{Services: []proxy.ServiceConfig{c}, OnRecord: func(proxy.Record) { first() }})
	if err == nil {
		err = e.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	again <- visitOnce(addr, "a", "first")
	for range 2 {
		if err := <-again; err != nil {
			t.Error(err)
		}
	}
}
