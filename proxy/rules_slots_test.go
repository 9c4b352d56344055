package proxy_test

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pires/go-proxyproto"

	"github.com/tcpctl/tcpctl/proxy"
	"github.com/tcpctl/tcpctl/proxy/proxytest"
)

// fakeShared is a Shared of one engine, which behaves at random within its contract: it
// grants slots to waiters in order of arrival, or lets them wait, takes leases away,
// and requires hooks. It records each call that an engine must not make.
type fakeShared struct {
	mu     sync.Mutex
	rng    *rand.Rand
	user   proxy.SharedUser
	slots  int
	top    uint64
	token  uint64
	gone   map[uint64]bool              // done, or no longer known
	held   map[uint64]proxy.SharedGrant // by arrival
	unable bool
	lost   bool
	checks int  // checks that have asked for a slot
	calm   bool // grant whatever is possible
	wrong  []string
	closed bool

	between chan func() // what the next check calls, which then gets no slot
}

func newFakeShared(seed uint64, slots int) *fakeShared {
	return &fakeShared{rng: rand.New(rand.NewPCG(seed, 1)), slots: slots, gone: map[uint64]bool{}, held: map[uint64]proxy.SharedGrant{}, between: make(chan func(), 1)}
}

func (m *fakeShared) share(u proxy.SharedUser) proxy.Shared {
	m.user = u
	return m
}

func (m *fakeShared) fault(format string, args ...any) {
	m.wrong = append(m.wrong, fmt.Sprintf(format, args...))
}

func (m *fakeShared) chance(percent int) bool { return !m.calm && m.rng.IntN(100) < percent }

func (m *fakeShared) WaitingUpTo(arrival uint64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if arrival < m.top {
		m.fault("arrivals went back to %d from %d", arrival, m.top)
	}
	m.top = arrival
}

func (m *fakeShared) Admit(arrival, ran uint64) (proxy.SharedGrant, proxy.Reason) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if arrival == 0 || arrival > m.top {
		m.fault("arrival %d asked for a slot before it waited", arrival)
	}
	if g, has := m.held[arrival]; has {
		if m.lost {
			return proxy.SharedGrant{}, proxy.ReasonClusterLease
		}
		if ran == g.Token {
			g.Hook, g.Expired = false, false
			m.held[arrival] = g
		}
		return g, ""
	}
	switch {
	case m.gone[arrival]:
		return proxy.SharedGrant{}, proxy.ReasonLeaseLost
	case m.lost:
		return proxy.SharedGrant{}, proxy.ReasonClusterLease
	case len(m.held) >= m.slots, m.chance(30):
		return proxy.SharedGrant{}, proxy.ReasonCluster
	}
	for a := uint64(1); a < arrival; a++ {
		if _, has := m.held[a]; !has && !m.gone[a] {
			return proxy.SharedGrant{}, proxy.ReasonCluster // another client came first
		}
	}
	m.token++
	g := proxy.SharedGrant{Token: m.token, Hook: m.chance(20) || m.token == 1 && !m.calm, Expired: m.chance(20)}
	m.held[arrival] = g
	return g, ""
}

func (m *fakeShared) Able(able bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.unable = !able
}

func (m *fakeShared) Done(arrival uint64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if arrival == 0 || arrival > m.top {
		m.fault("arrival %d is done before it waited", arrival)
	}
	delete(m.held, arrival)
	m.gone[arrival] = true
}

func (m *fakeShared) Requeue(arrival uint64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, has := m.held[arrival]; !has && !m.gone[arrival] {
		m.fault("arrival %d returns a slot that it does not have", arrival)
	}
	delete(m.held, arrival)
}

func (m *fakeShared) State() proxy.SharedState {
	return proxy.SharedState{Slots: m.slots, Lease: time.Second}
}

func (m *fakeShared) Number(arrival uint64) uint64 { return arrival }

// CheckSlot grants each check a slot, except one that is used for betweenChecks, and counts the checks.
func (m *fakeShared) CheckSlot(ctx context.Context, _ time.Duration, _ bool) (context.Context, func(), bool) {
	select {
	case do := <-m.between:
		do()
		return ctx, func() {}, false
	default:
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.checks++
	return ctx, func() {}, true
}

func (m *fakeShared) Close() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.closed = true
}

// act is an event elsewhere: a lease is lost, and its sessions with slots, or regained.
func (m *fakeShared) act() {
	m.mu.Lock()
	var cut []uint64
	switch {
	case m.lost:
		m.lost = false
	case m.chance(20):
		m.lost = true
		for a, g := range m.held {
			if g.Hook || g.Expired {
				delete(m.held, a) // the client waits again
				continue
			}
			cut = append(cut, a)
		}
	}
	m.mu.Unlock()
	m.user.Cut(cut)
	m.user.Ask()
}

// TestSharedAtRandom: whatever a Shared answers and clients do, each client is served
// or ends, no slot is lost, and never more sessions are live than were granted.
func TestSharedAtRandom(t *testing.T) {
	eachRelay(t, func(t *testing.T, relay string) {
		for seed := range uint64(4) {
			t.Run(fmt.Sprint(seed), func(t *testing.T) {
				t.Parallel()
				sharedAtRandom(t, relay, seed)
			})
		}
	})
}

func sharedAtRandom(t *testing.T, relay string, seed uint64) {
	m := newFakeShared(seed, 1+int(seed%3))
	d := &diary{}
	s := newServer(t, "a")
	v := start(t, proxy.ServiceConfig{Relay: relay, Shared: m.share, Lock: proxy.LockConfig{Slots: m.slots, Scope: proxy.ScopeCluster},
		Queue: proxy.QueueConfig{Timeout: time.Minute}, Check: proxy.CheckConfig{Type: "none"},
		Hooks: proxy.Hooks{BeforeNext: proxy.Hook{Func: d.hook}, OnExpire: proxy.Hook{Func: d.hook}, Ready: proxy.ReadyNone, Shared: true}}, s)
	rng := rand.New(rand.NewPCG(seed, 2))
	stop, acting := make(chan struct{}), sync.WaitGroup{}
	acting.Go(func() {
		for {
			select {
			case <-stop:
				return
			case <-time.After(5 * time.Millisecond):
				m.act()
			}
		}
	})
	var wg sync.WaitGroup
	const clients = 60
	for i := range clients {
		gives, pauses, comes := rng.IntN(4) == 0, i == clients/2, time.Duration(rng.IntN(600))*time.Millisecond
		wg.Go(func() {
			time.Sleep(comes)
			if pauses {
				v.svc.Pause(proxy.PauseOptions{By: "ana", Then: proxy.ThenKeep})
				time.Sleep(400 * time.Millisecond)
				v.svc.Resume(proxy.ResumeOptions{By: "ana"})
			}
			c := v.dial(fmt.Sprint("c", i))
			if gives {
				time.Sleep(time.Duration(i) * time.Millisecond)
				c.reset() // a FIN after bytes would be verified
				return
			}
			bufio.NewReader(c).ReadString('\n') // the backend's answer, unless it was cut
			c.Close()
		})
	}
	time.Sleep(1200 * time.Millisecond)
	v.eventually("a hook has run", func() bool { return len(d.counts()) > 0 })
	m.mu.Lock()
	m.calm = true
	m.mu.Unlock()
	wg.Wait()
	v.untilIdle()
	close(stop)
	acting.Wait()
	served := 0
	for range clients {
		r := v.record()
		if r.Served && r.Token == 0 {
			t.Errorf("served without a token: %+v", r)
		}
		if r.Reason == proxy.ReasonFIN {
			served++
		}
	}
	if served < clients/10 || len(d.counts()) == 0 {
		t.Errorf("%d clients were served, %d hooks have run", served, len(d.counts()))
	}
	v.noMore()
	v.eventually("no slot is held", func() bool {
		m.mu.Lock()
		defer m.mu.Unlock()
		return len(m.held) == 0
	})
	if most := s.most.Load(); int(most) > m.slots {
		t.Errorf("%d clients at a time with %d slots", most, m.slots)
	}
	v.Close()
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.wrong) > 0 || !m.closed {
		t.Errorf("closed %t; %q", m.closed, m.wrong[:min(len(m.wrong), 3)])
	}
}

// TestRule25bAPickIsUsed: a policy with state is asked once for each session, however
// often the gate asks for a slot.
func TestRule25bAPickIsUsed(t *testing.T) {
	t.Parallel()
	m := newFakeShared(7, 1)
	a, b := newServer(t, "a"), newServer(t, "b")
	v := start(t, proxy.ServiceConfig{Shared: m.share, Lock: proxy.LockConfig{Slots: 1, Scope: proxy.ScopeCluster}, Balance: "roundrobin", Check: proxy.CheckConfig{Type: "none"}}, a, b)
	m.calm = true
	for i := range 10 {
		first := v.dial("x")
		first.hear()
		second := v.queue("y") // gets no slot until the first has gone
		v.svc.Pause(proxy.PauseOptions{By: "ana", Then: proxy.ThenKeep})
		v.svc.Resume(proxy.ResumeOptions{By: "ana"})
		first.Close()
		second.hear()
		second.Close()
		v.until("all have gone", func(i proxy.ServiceInfo) bool { return i.Sessions.Active == 0 })
		if x, y := len(a.order()), len(b.order()); x != y {
			t.Fatalf("after %d clients a has %d, and b %d", 2*i+2, x, y)
		}
	}
}

// fewerSlots is a Shared that has lost a slot: a session with a failed dial has to wait
// until the one behind it, which was granted the other slot, is done.
type fewerSlots struct {
	*fakeShared
	requeued, done bool
}

func (f *fewerSlots) Admit(arrival, ran uint64) (proxy.SharedGrant, proxy.Reason) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if arrival == 1 && f.requeued && !f.done || arrival == 2 && !f.requeued {
		return proxy.SharedGrant{}, proxy.ReasonCluster
	}
	f.token++
	return proxy.SharedGrant{Token: f.token}, ""
}

func (f *fewerSlots) Requeue(arrival uint64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.requeued = true
}

func (f *fewerSlots) Done(arrival uint64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.done = f.done || arrival == 2
}

// TestRule25bOneThatCameBackHoldsUpNobody that already has a slot.
func TestRule25bOneThatCameBackHoldsUpNobody(t *testing.T) {
	t.Parallel()
	s := newServer(t, "a")
	f := &fewerSlots{fakeShared: newFakeShared(1, 1)}
	waits, fails := make(chan struct{}), true
	c := proxy.ServiceConfig{Check: proxy.CheckConfig{Type: "none"}, Lock: proxy.LockConfig{Slots: 1, Scope: proxy.ScopeCluster},
		Shared: func(u proxy.SharedUser) proxy.Shared { f.user = u; return f },
		Dial: func(ctx context.Context, network, addr string) (net.Conn, error) {
			if fails { // one dial at a time
				<-waits
				fails = false
				return nil, errors.New("not today")
			}
			return (&net.Dialer{}).DialContext(ctx, network, addr)
		}}
	c.ConnectRetries = -1
	v := start(t, c, s)
	back := v.dial("back")
	v.until("it is dialled for", func(i proxy.ServiceInfo) bool { return i.Sessions.Active == 1 })
	next := v.queue("next")
	close(waits)
	next.hears("a next")
	next.leaves()
	v.eventually("the second is done", func() bool {
		f.user.Ask()
		f.mu.Lock()
		defer f.mu.Unlock()
		return f.done
	})
	f.user.Ask()
	back.hears("a back")
}

// TestRule25cTokensWithoutAnAddress: a client of a Unix socket has no address, but a
// token.
func TestRule25cTokensWithoutAnAddress(t *testing.T) {
	t.Parallel()
	ln := proxytest.Listen(t)
	m := newFakeShared(1, 1)
	m.calm, m.token = true, 1<<40
	path := filepath.Join(t.TempDir(), "s")
	start(t, proxy.ServiceConfig{Listen: []string{"unix:" + path}, Shared: m.share, SendProxy: 2, Lock: proxy.LockConfig{Slots: 1, Scope: proxy.ScopeCluster},
		Check: proxy.CheckConfig{Type: "none"}, Backends: []proxy.BackendConfig{{Addr: ln.Addr().String()}}})
	c, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	fmt.Fprintln(c, "hello")
	at, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer at.Close()
	at.SetDeadline(time.Now().Add(patience))
	r := bufio.NewReader(at)
	h, err := proxyproto.Read(r)
	if err != nil {
		t.Fatal(err)
	}
	tlvs, err := h.TLVs()
	i := slices.IndexFunc(tlvs, func(tlv proxyproto.TLV) bool { return tlv.Type == 0xE5 })
	if err != nil || i < 0 || binary.BigEndian.Uint64(tlvs[i].Value) != 1<<40+1 {
		t.Errorf("header %+v, %v, %v", h, tlvs, err)
	}
	if line, err := r.ReadString('\n'); line != "hello\n" {
		t.Errorf("after it %q, %v", line, err)
	}
}

// TestSharedConfigs: what cannot be combined with shared slots.
func TestSharedConfigs(t *testing.T) {
	t.Parallel()
	m := newFakeShared(1, 1)
	base := func() proxy.ServiceConfig {
		return proxy.ServiceConfig{Name: "db", Listen: []string{"127.0.0.1:0"}, Shared: m.share, Lock: proxy.LockConfig{Slots: 1, Scope: proxy.ScopeCluster}}
	}
	for want, change := range map[string]func(*proxy.ServiceConfig){
		"lock.slots":      func(c *proxy.ServiceConfig) { c.Lock.Slots = 0 },
		"lock.scope":      func(c *proxy.ServiceConfig) { c.Lock.Scope = "world" },
		"lock.when_lost":  func(c *proxy.ServiceConfig) { c.Lock.WhenLost = "share" },
		"pause.bypass":    func(c *proxy.ServiceConfig) { c.Pause.Bypass = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")} },
		"Shared is nil":   func(c *proxy.ServiceConfig) { c.Shared = nil },
		"Shared is set":   func(c *proxy.ServiceConfig) { c.Lock.Scope = proxy.ScopeNode },
		"hooks.on_expire": func(c *proxy.ServiceConfig) { c.Shared, c.Lock.Scope, c.Hooks.OnExpire.Run = nil, "", []string{"true"} },
	} {
		c := base()
		change(&c)
		if _, err := proxy.New(proxy.Config{Services: []proxy.ServiceConfig{c}}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
	if _, err := proxy.New(proxy.Config{Services: []proxy.ServiceConfig{base()}}); err != nil {
		t.Error(err)
	}
}
