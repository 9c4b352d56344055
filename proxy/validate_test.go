package proxy

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/tcpctl/tcpctl/proxy/internal/balance"
	"github.com/tcpctl/tcpctl/proxy/relay"
)

// TestValuesThatCannotBe: the limits of each value of a service are checked here, for a
// file, a command line, the API, saved state and a library user.
func TestValuesThatCannotBe(t *testing.T) {
	t.Parallel()
	const huge, never = math.MaxInt, time.Duration(math.MaxInt64)
	for key, spoil := range map[string]func(*ServiceConfig){
		"":                   func(c *ServiceConfig) { c.Name = "a/b" },
		"listen":             func(c *ServiceConfig) { c.Listen = nil },
		"listen[1]":          func(c *ServiceConfig) { c.Listen = append(c.Listen, "nowhere") },
		"listen[0]":          func(c *ServiceConfig) { c.Listen[0] = strings.Repeat("x", 5000) + ":1" },
		"listeners[0]":       func(c *ServiceConfig) { c.Listeners = []net.Listener{nil} },
		"allow[0]":           func(c *ServiceConfig) { c.Allow = []netip.Prefix{{}} },
		"deny[0]":            func(c *ServiceConfig) { c.Deny = []netip.Prefix{{}} },
		"trusted_proxies[0]": func(c *ServiceConfig) { c.TrustedProxies = []netip.Prefix{{}} },
		"pause.bypass[0]":    func(c *ServiceConfig) { c.Pause.Bypass = []netip.Prefix{{}} },
		"source[0]":          func(c *ServiceConfig) { c.Source = []netip.Addr{{}} },
		"balance":            func(c *ServiceConfig) { c.Balance = "fair" },
		"connect_timeout":    func(c *ServiceConfig) { c.ConnectTimeout = -1 },
		"connect_retries":    func(c *ServiceConfig) { c.ConnectRetries = huge },
		"idle_timeout":       func(c *ServiceConfig) { c.IdleTimeout = never },
		"half_close_timeout": func(c *ServiceConfig) { c.HalfCloseTimeout = never },
		"max_lifetime":       func(c *ServiceConfig) { c.MaxLifetime = never },
		"keepalive":          func(c *ServiceConfig) { c.Sock.KeepAlive = 24 * time.Hour },
		"user_timeout":       func(c *ServiceConfig) { c.Sock.UserTimeout = 60 * 24 * time.Hour },
		"backlog":            func(c *ServiceConfig) { c.Sock.Backlog = huge },
		"relay": func(c *ServiceConfig) {
			c.Relay, c.Dial = "loop", func(context.Context, string, string) (net.Conn, error) { return nil, nil }
		},
		"no_backend":                 func(c *ServiceConfig) { c.NoBackend = "pray" },
		"max_sessions":               func(c *ServiceConfig) { c.MaxSessions = huge },
		"new_sessions_burst":         func(c *ServiceConfig) { c.NewSessionsBurst = 3 },
		"queue.max_per_ip":           func(c *ServiceConfig) { c.Queue.MaxPerIP = huge },
		"max_sessions_per_ip":        func(c *ServiceConfig) { c.MaxSessionsPerIP = huge },
		"new_sessions_per_ip":        func(c *ServiceConfig) { c.NewSessionsPerIP = math.NaN() },
		"rate_limit":                 func(c *ServiceConfig) { c.RateLimit = math.MaxInt64 },
		"sni[1]":                     func(c *ServiceConfig) { c.SNI = []string{"a.org", "10.0.0.1"} },
		"accept_proxy":               func(c *ServiceConfig) { c.AcceptProxy = true },
		"send_proxy":                 func(c *ServiceConfig) { c.SendProxy = 3 },
		"lock.slots":                 func(c *ServiceConfig) { c.Lock.Slots = huge },
		"lock.ttl":                   func(c *ServiceConfig) { c.Lock.TTL = never },
		"queue.max":                  func(c *ServiceConfig) { c.Queue.Max = huge },
		"queue.timeout":              func(c *ServiceConfig) { c.Queue.Timeout = never },
		"queue.on_client_fin":        func(c *ServiceConfig) { c.Queue.OnClientFin = "wave" },
		"check.type":                 func(c *ServiceConfig) { c.Check.Type = "look" },
		"check.port":                 func(c *ServiceConfig) { c.Check.Port = 65536 },
		"check.path":                 func(c *ServiceConfig) { c.Check.Path = "/a\r\nHost: b" },
		"check.method":               func(c *ServiceConfig) { c.Check.Method = "GET /" },
		"check.host":                 func(c *ServiceConfig) { c.Check.Host = "a\nb" },
		"check.expect":               func(c *ServiceConfig) { c.Check.Expect = 99 },
		"check.run":                  func(c *ServiceConfig) { c.Check.Type = "exec" },
		"check.expect_bytes":         func(c *ServiceConfig) { c.Check.Type = "send-expect" },
		"check.interval":             func(c *ServiceConfig) { c.Check.Interval = time.Nanosecond },
		"check.timeout":              func(c *ServiceConfig) { c.Check.Timeout = never },
		"check.rise":                 func(c *ServiceConfig) { c.Check.Rise = -1 },
		"check.fall":                 func(c *ServiceConfig) { c.Check.Fall = huge },
		"check.slow_start":           func(c *ServiceConfig) { c.Check.SlowStart = never },
		"check.on_down":              func(c *ServiceConfig) { c.Check.OnDown = "cry" },
		"pause.limit":                func(c *ServiceConfig) { c.Pause.Limit = never },
		"pause.then":                 func(c *ServiceConfig) { c.Pause.Then = "pray" },
		"pause.max":                  func(c *ServiceConfig) { c.Pause.Max = LongestPause + 1 },
		"pause.on_max":               func(c *ServiceConfig) { c.Pause.OnMax = "keep" },
		"pause.release_rate":         func(c *ServiceConfig) { c.Pause.ReleaseRate = 1e-300 },
		"hooks.before_next.run":      func(c *ServiceConfig) { c.Hooks.BeforeNext.Run = []string{""} },
		"hooks.on_ttl.run":           func(c *ServiceConfig) { c.Hooks.OnTTL.Run = []string{"a\x00b"} },
		"backends[0].restart":        func(c *ServiceConfig) { c.Backends[0].Restart = []string{"", "x"} },
		"hooks.ready":                func(c *ServiceConfig) { c.Hooks.Ready = "soon" },
		"hooks.before_next.on_error": func(c *ServiceConfig) { c.Hooks.BeforeNext.OnError = "cry" },
		"hooks.before_next.every":    func(c *ServiceConfig) { c.Hooks.BeforeNext.Every = huge },
		"hooks.on_ttl.timeout":       func(c *ServiceConfig) { c.Hooks.OnTTL.Timeout = -1 },
		"backends[1]":                func(c *ServiceConfig) { c.Backends = append(c.Backends, c.Backends[0]) },
		"backends[0].addr":           func(c *ServiceConfig) { c.Backends[0].Addr = "10.0.0.1\x1b:80" },
		"backends[0].name":           func(c *ServiceConfig) { c.Backends[0].Name = strings.Repeat("x", 5000) },
		"backends[0].weight":         func(c *ServiceConfig) { c.Backends[0].Weight = huge },
		"backends[0].priority":       func(c *ServiceConfig) { c.Backends[0].Priority = huge },
		"backends[0].max_sessions":   func(c *ServiceConfig) { c.Backends[0].MaxSessions = huge },
		"backends[0].check_port":     func(c *ServiceConfig) { c.Backends[0].CheckPort = 65536 },
		"backends[0].ready_timeout":  func(c *ServiceConfig) { c.Backends[0].ReadyTimeout = never },
	} {
		c := ServiceConfig{Name: "db", Listen: []string{"127.0.0.1:0"}, Backends: []BackendConfig{{Name: "a", Addr: "127.0.0.1:1"}}}
		if found := c.Validate(); len(found) > 0 {
			t.Fatal(found[0])
		}
		spoil(&c)
		found := c.Validate()
		if len(found) != 1 || found[0].Key != key {
			t.Errorf("%q: %+v", key, found)
		}
		if _, err := New(Config{Services: []ServiceConfig{c}}); err == nil || !strings.Contains(err.Error(), key) {
			t.Errorf("%q: New says %v", key, err)
		} else if len(err.Error()) > 400 {
			t.Errorf("%q: New says it in %d bytes", key, len(err.Error()))
		}
	}
	empty := ServiceConfig{Name: "db", Listen: []string{"127.0.0.1:0"}, Check: CheckConfig{Type: "exec", Run: []string{""}}}
	if found := empty.Validate(); len(found) != 1 || found[0].Key != "check.run" {
		t.Errorf("an exec check without a program: %v", found)
	}
	if _, err := New(Config{Services: []ServiceConfig{{Name: strings.Repeat("x", 5000)}}}); err == nil || len(err.Error()) > 400 {
		t.Errorf("a long name: %.500v", err)
	}
	if _, err := New(Config{MaxSessions: huge}); err == nil {
		t.Error("New accepts any max_sessions")
	}
}

// TestActsWithValuesThatCannotBe are refused as such, and change nothing.
func TestActsWithValuesThatCannotBe(t *testing.T) {
	t.Parallel()
	e := engineOf(t, pool(func(c *ServiceConfig) {
		for i := range c.Backends {
			c.Backends[i].Restart = []string{"true"}
		}
	}))
	if err := e.Start(); err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	s := e.Service("db")
	b := s.Backend("a")
	long := strings.Repeat("x", 5000)
	just := func(_ string, err error) error { return err }
	plan := func(_ *Plan, err error) error { return err }
	for what, err := range map[string]error{
		"weight":          just(b.SetWeight(math.MaxInt, "", "")),
		"negative weight": just(b.SetWeight(-1, "", "")),
		"weight's reason": just(b.SetWeight(1, "", long)),
		"drain limit":     just(b.Drain(DrainOptions{Limit: math.MaxInt64})),
		"negative limit":  just(b.Drain(DrainOptions{Limit: -1})),
		"drain then":      just(b.Drain(DrainOptions{Then: "pray"})),
		"drain reason":    just(b.Drain(DrainOptions{Reason: long})),
		"maint reason":    just(b.Maint(DrainOptions{Reason: long})),
		"ready reason":    just(b.Ready("", long)),
		"remove limit":    just(b.Remove(DrainOptions{Limit: math.MaxInt64})),
		"pause max":       just(s.Pause(PauseOptions{Max: LongestPause + 1})),
		"negative max":    just(s.Pause(PauseOptions{Max: -1})),
		"pause limit":     just(s.Pause(PauseOptions{Limit: math.MaxInt64})),
		"resume rate":     just(s.Resume(ResumeOptions{Rate: math.Inf(1)})),
		"rate of no use":  just(s.Resume(ResumeOptions{Rate: 1e-12})),
		"negative rate":   just(s.Resume(ResumeOptions{Rate: -1})),
		"add weight":      just(s.Add(BackendConfig{Addr: "127.0.0.1:2", Weight: math.MaxInt}, "", "")),
		"add slash":       just(s.Add(BackendConfig{Addr: "127.0.0.1:2", Name: "a/b"}, "", "")),
		"add escape":      just(s.Add(BackendConfig{Addr: "127.0.0.1:2", Name: "a\x1b[2J"}, "", "")),
		"add bidi":        just(s.Add(BackendConfig{Addr: "127.0.0.1:2", Name: "a\u202eb"}, "", "")),
		"add not UTF-8":   just(s.Add(BackendConfig{Addr: "127.0.0.1:2", Name: "a\xff"}, "", "")),
		"add long":        just(s.Add(BackendConfig{Addr: "127.0.0.1:2", Name: long}, "", "")),
		"add flag":        just(s.Add(BackendConfig{Addr: "127.0.0.1:2", Name: "-x"}, "", "")),
		"window max":      plan(s.StartWindow(PlanOptions{Max: LongestPause + 1})),
		"restart max":     plan(b.StartRestart(PlanOptions{Max: math.MaxInt64})),
		"roll wait":       plan(s.StartRoll(PlanOptions{MaxWait: math.MaxInt64})),
		"roll min-up":     plan(s.StartRoll(PlanOptions{MinUp: -1})),
		"roll rate":       plan(s.StartRoll(PlanOptions{Rate: math.NaN()})),
		"close reason":    just(s.StopListening("", long)),
		"open reason":     just(s.StartListening("", long)),
		"kick at no rate": e.Operator().KickSlowly("", "", 0, "s1"),
		"kick at NaN":     e.Operator().KickSlowly("", "", math.NaN(), "s1"),
		"kick's reason":   e.Operator().KickSlowly("", long, 1, "s1"),
	} {
		if bad, ok := errors.AsType[*ValueError](err); !ok || bad.Key == "" || bad.Text == "" {
			t.Errorf("%s: %v", what, err)
		}
	}
	if i := s.Info(); i.State != StateOpen || len(HandoverOf(e).Save()) != 0 {
		t.Errorf("something has changed: %s, %v", i.State, HandoverOf(e).Save())
	}
}

// TestTheGreatestWeights of many backends have sums that every policy can handle.
func TestTheGreatestWeights(t *testing.T) {
	t.Parallel()
	conn, other := net.Pipe()
	defer conn.Close()
	defer other.Close()
	for _, policy := range balance.Names {
		c := ServiceConfig{Name: "db", Listen: []string{"127.0.0.1:0"}, Balance: policy, Check: CheckConfig{Type: "none"}}
		for n := range 1000 {
			c.Backends = append(c.Backends, BackendConfig{Name: fmt.Sprint(n), Addr: "127.0.0.1:1", Weight: maxWeight, Priority: maxWeight})
		}
		e := engineOf(t, c)
		s := e.Service("db")
		s.queue.Do(func() {
			for _, b := range s.backends.all {
				b.tracker.Add(true)
				b.active = maxCount
			}
			sess := &Session{service: s, client: relay.NewSide(conn)}
			for range 10 {
				if s.backends.chooseLocked(sess) == nil {
					t.Errorf("%s picks none", policy)
				}
			}
		})
		e.Close()
	}
}
