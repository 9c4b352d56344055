package proxy_test

import (
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tcpctl/tcpctl/proxy"
	"github.com/tcpctl/tcpctl/proxy/proxytest"
)

// service is a configuration of one service for reloads.
func service(name, listen string, servers ...*server) proxy.ServiceConfig {
	c := proxy.ServiceConfig{Name: name, Listen: []string{listen}, Check: proxy.CheckConfig{Interval: 50 * time.Millisecond}}
	for _, s := range servers {
		c.Backends = append(c.Backends, s.backend())
	}
	return c
}

func (v *visit) apply(services ...proxy.ServiceConfig) []string {
	v.Helper()
	var all []proxy.ServiceConfig
	for _, c := range services {
		all = append(all, patiently(c))
	}
	changes, err := v.Apply(proxy.Config{Services: all})
	if err != nil {
		v.Fatal(err)
	}
	return changes
}

func TestRule22AReloadLosesNothing(t *testing.T) {
	eachRelay(t, func(t *testing.T, relay string) {
		a, b := newServer(t, "a"), newServer(t, "b")
		c := service("db", "127.0.0.1:0", a)
		c.Relay = relay
		v := start(t, c)
		v.untilUp()
		v.must(v.svc.Backend("a").SetWeight(7, "ana", ""))
		live := v.dial("live")
		live.hears("a live")
		v.must(v.svc.Pause(proxy.PauseOptions{By: "ana", Then: proxy.ThenKeep}))
		waiter := v.dial("waiter")
		v.untilWaiting(1)
		for n := range 50 {
			next := service("db", "127.0.0.1:0", a, b)
			next.Relay = []string{"stream", relay}[n%2]
			next.IdleTimeout = time.Duration(n) * time.Hour
			v.apply(next)
		}
		if changes := v.apply(func() proxy.ServiceConfig { c := service("db", "127.0.0.1:0", a, b); c.Relay = relay; return c }()); len(changes) == 0 {
			t.Error("the last change of idle_timeout was not reported")
		}
		i := v.svc.Info()
		if i.Pause == nil || i.Queue.Waiting != 1 || i.Backends[0].Weight != 7 || len(i.Backends) != 2 {
			t.Errorf("after the reloads: %+v", i)
		}
		fmt.Fprintln(live, "still here")
		live.hears("still here")
		v.must(v.svc.Resume(proxy.ResumeOptions{By: "ana"}))
		if got := waiter.hear(); !strings.HasSuffix(got, "waiter") {
			t.Errorf("the waiter got %q", got)
		}
		v.dial("new").Close()
		if changes := v.apply(func() proxy.ServiceConfig { c := service("db", "127.0.0.1:0", a, b); c.Relay = relay; return c }()); len(changes) != 0 {
			t.Errorf("nothing changed, but: %q", changes)
		}
	})
}

func TestRule22BackendsComeAndGo(t *testing.T) {
	t.Parallel()
	a, b := newServer(t, "a"), newServer(t, "b")
	v := start(t, service("db", "127.0.0.1:0", a))
	live := v.dial("live")
	live.hears("a live")
	v.apply(service("db", "127.0.0.1:0", b))
	v.until("b is up", func(i proxy.ServiceInfo) bool {
		return slices.ContainsFunc(i.Backends, func(b proxy.BackendInfo) bool { return b.Name == "b" && b.Eligible })
	})
	v.dial("next").hears("b next")
	fmt.Fprintln(live, "still here")
	live.hears("still here")
	live.Close()
	v.until("a is gone", func(i proxy.ServiceInfo) bool { return len(i.Backends) == 1 && i.Backends[0].Name == "b" })
}

// TestRule22ChecksReachWhatOperatorsHaveAdded, too.
func TestRule22ChecksReachWhatOperatorsHaveAdded(t *testing.T) {
	t.Parallel()
	a, b := newServer(t, "a"), newServer(t, "b")
	c := service("db", "127.0.0.1:0", a)
	c.Check.Type = "none"
	v := start(t, c)
	v.must(v.svc.Add(b.backend(), "ana", ""))
	b.kill()
	v.untilHealth("b", proxy.StateUp)
	c.Check = proxy.CheckConfig{Interval: 10 * time.Millisecond, Rise: 1, Fall: 1}
	v.apply(c)
	v.untilHealth("b", proxy.StateDown)
	c.Check.Type = "none"
	v.apply(c)
	v.untilHealth("b", proxy.StateUp)
}

func TestRule22AServiceThatIsGoneServesItsOwn(t *testing.T) {
	t.Parallel()
	a := newServer(t, "a")
	v := start(t, service("db", proxytest.FreePort(t), a)) // no other socket gets it once it is closed
	live := v.dial("live")
	live.hears("a live")
	addr := v.addr()
	v.apply(service("other", "127.0.0.1:0", a))
	if c, err := net.Dial("tcp", addr); err == nil {
		c.Close()
		t.Error("it accepts new clients")
	}
	fmt.Fprintln(live, "still here")
	live.hears("still here")
	for _, s := range v.Operator.Services() {
		if s.Removing != (s.Name == "db") {
			t.Errorf("%s is being removed: %v", s.Name, s.Removing)
		}
	}
	live.Close()
	for end := time.Now().Add(patience); v.Service("db") != nil; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("the service was never forgotten")
		}
	}
}

func TestRule22WhatCannotBeOpenedChangesNothing(t *testing.T) {
	t.Parallel()
	a := newServer(t, "a")
	v := start(t, service("db", "127.0.0.1:0", a))
	v.untilUp()
	taken := proxytest.Listen(t)
	next := service("db", "127.0.0.1:0", a)
	next.Balance = "first"
	if _, err := v.Apply(proxy.Config{Services: []proxy.ServiceConfig{next, service("other", taken.Addr().String(), a)}}); err == nil {
		t.Fatal("a taken port was applied")
	}
	if i := v.svc.Info(); i.Balance != "random" {
		t.Errorf("half of it was applied: %+v", i)
	}
	v.dial("x").hears("a x")
}

func TestRule22ListenMoves(t *testing.T) {
	t.Parallel()
	a := newServer(t, "a")
	c := service("db", proxytest.FreePort(t), a) // no other socket gets it once it is closed
	v := start(t, c)
	old := v.addr()
	c.Listen = []string{"[::1]:0"}
	if ln, err := net.Listen("tcp", "[::1]:0"); err != nil {
		t.Skip("no IPv6 here")
	} else {
		ln.Close()
	}
	v.apply(c)
	v.dial("x").hears("a x")
	if conn, err := net.Dial("tcp", old); err == nil {
		conn.Close()
		t.Error("the old address is still open")
	}
}

// TestRule22AnotherServiceIsNotTouched keeps a stream going through reloads of another
// service.
func TestRule22AnotherServiceIsNotTouched(t *testing.T) {
	t.Parallel()
	a := newServer(t, "a")
	v := start(t, service("db", "127.0.0.1:0", a))
	v.untilUp()
	c := v.dial("stream")
	c.hears("a stream")
	done := make(chan error, 1)
	go func() {
		_, err := io.CopyN(io.Discard, c.r, 8<<20)
		done <- err
	}()
	go io.CopyN(c, zeros{}, 8<<20)
	for n := range 100 {
		other := service("other", "127.0.0.1:0", a)
		other.MaxLifetime = time.Duration(n+1) * time.Minute
		v.apply(service("db", "127.0.0.1:0", a), other)
	}
	if err := <-done; err != nil {
		t.Errorf("the stream: %v", err)
	}
}
