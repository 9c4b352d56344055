package config

import (
	"io"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/tcpctl/tcpctl/proxy"
	"github.com/tcpctl/tcpctl/proxy/relay"
)

// plain is the service to which each case adds a line.
const plain = `[services.db]
listen = ["127.0.0.1:0"]
backends = ["10.0.0.11:5432"]
`

func plainConfig() proxy.ServiceConfig {
	return proxy.ServiceConfig{
		Name: "db", Listen: []string{"127.0.0.1:0"}, Balance: "random", Scope: "node",
		ConnectTimeout: 3 * time.Second, ConnectRetries: 2, HalfCloseTimeout: time.Minute,
		Sock: relay.Sock{KeepAlive: time.Minute, Mode: 0o600}, Relay: "auto", NoBackend: "hold",
		Queue:    proxy.QueueConfig{Max: 1000, Timeout: 30 * time.Second, OnClientFin: "verify"},
		Check:    proxy.CheckConfig{Type: "tcp", Path: "/", Method: "GET", Expect: 200, Interval: 5 * time.Second, Timeout: 4 * time.Second, Rise: 2, Fall: 3, OnDown: "keep"},
		Pause:    proxy.PauseConfig{Limit: 30 * time.Second, Then: "abort", Max: 2 * time.Minute, OnMax: "resume"},
		Backends: []proxy.BackendConfig{{Name: "10.0.0.11:5432", Addr: "10.0.0.11:5432", Weight: 1, ReadyTimeout: time.Minute}},
	}
}

type (
	svc  = proxy.ServiceConfig
	edit = func(*svc)
)

// Each key of the file and the engine's field for it, also for the value 0.
var conversions = []struct {
	line string
	want edit
}{
	{``, func(*svc) {}},
	{`listen = "unix:/run/db.sock"`, func(c *svc) { c.Listen = []string{"unix:/run/db.sock"} }},
	{`balance = "leastconn"`, func(c *svc) { c.Balance = "leastconn" }},
	{`connect_timeout = "5s"`, func(c *svc) { c.ConnectTimeout = 5 * time.Second }},
	{`connect_timeout = "0s"`, func(c *svc) { c.ConnectTimeout = 24 * time.Hour }},
	{`connect_retries = 5`, func(c *svc) { c.ConnectRetries = 5 }},
	{`connect_retries = 0`, func(c *svc) { c.ConnectRetries = -1 }},
	{`idle_timeout = "5m"`, func(c *svc) { c.IdleTimeout = 5 * time.Minute }},
	{`idle_timeout = "0s"`, func(c *svc) { c.IdleTimeout = 0 }},
	{`half_close_timeout = "2s"`, func(c *svc) { c.HalfCloseTimeout = 2 * time.Second }},
	{`half_close_timeout = "0s"`, func(c *svc) { c.HalfCloseTimeout = -1 }},
	{`max_lifetime = "12h"`, func(c *svc) { c.MaxLifetime = 12 * time.Hour }},
	{`max_lifetime = "0s"`, func(c *svc) { c.MaxLifetime = 0 }},
	{`keepalive = "15s"`, func(c *svc) { c.Sock.KeepAlive = 15 * time.Second }},
	{`keepalive = "0s"`, func(c *svc) { c.Sock.KeepAlive = -1 }},
	{`user_timeout = "9s"`, func(c *svc) { c.Sock.UserTimeout = 9 * time.Second }},
	{`user_timeout = "0s"`, func(c *svc) { c.Sock.UserTimeout = 0 }},
	{`listen_mode = "0660"`, func(c *svc) { c.Sock.Mode = 0o660 }},
	{`listen_group = "www"`, func(c *svc) { c.Sock.Group = "www" }},
	{`nodelay = true`, func(c *svc) { c.Sock.Delay = false }},
	{`nodelay = false`, func(c *svc) { c.Sock.Delay = true }},
	{`backlog = 64`, func(c *svc) { c.Sock.Backlog = 64 }},
	{"tls.cert = \"c.pem\"\ntls.key = \"c.key\"\ntls.strict_end = true", func(c *svc) { c.TLSStrictEnd = true }},
	{`ws = { hosts = ["a.example"], path = "/desk" }`, func(c *svc) { c.Hosts, c.Path = []string{"a.example"}, "/desk" }},
	{`relay = "stream"`, func(c *svc) { c.Relay = "stream" }},
	{`no_backend = "reject"`, func(c *svc) { c.NoBackend = "reject" }},
	{`max_sessions = 7`, func(c *svc) { c.MaxSessions = 7 }},
	{`max_sessions = 0`, func(c *svc) { c.MaxSessions = 0 }},

	{`sni = ["db.example.com", "*.example.com"]`, func(c *svc) { c.SNI = []string{"db.example.com", "*.example.com"} }},
	{`allow = ["10.0.0.0/8"]`, func(c *svc) { c.Allow = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")} }},
	{`deny = ["10.0.0.1"]`, func(c *svc) { c.Deny = []netip.Prefix{netip.MustParsePrefix("10.0.0.1/32")} }},
	{`max_sessions_per_ip = 4`, func(c *svc) { c.MaxSessionsPerIP = 4 }},
	{`new_sessions_per_ip = "30/m"`, func(c *svc) { c.NewSessionsPerIP = 0.5 }},
	{"new_sessions_per_ip = \"1/s\"\nnew_sessions_burst = 9", func(c *svc) { c.NewSessionsPerIP, c.NewSessionsBurst = 1, 9 }},
	{`new_sessions_per_ip = "0/s"`, func(c *svc) { c.NewSessionsPerIP = 0 }},
	{`rate_limit = "10MiB/s"`, func(c *svc) { c.RateLimit = 10 << 20 }},
	{`rate_limit = "1B/m"`, func(c *svc) { c.RateLimit = 1 }},
	{`rate_limit = "0/s"`, func(c *svc) { c.RateLimit = 0 }},
	{"accept_proxy = true\ntrusted_proxies = [\"10.0.0.5\"]", func(c *svc) {
		c.AcceptProxy, c.TrustedProxies = true, []netip.Prefix{netip.MustParsePrefix("10.0.0.5/32")}
	}},
	{`source = ["10.0.0.5", "fd00::5"]`, func(c *svc) { c.Source = []netip.Addr{netip.MustParseAddr("10.0.0.5"), netip.MustParseAddr("fd00::5")} }},
	{`send_proxy = 2`, func(c *svc) { c.SendProxy = 2 }},
	{`send_proxy = 0`, func(c *svc) { c.SendProxy = 0 }},

	{`lock = {}`, func(c *svc) { c.Lock = proxy.LockConfig{Slots: 1, Scope: "node", Order: "strict"} }},
	{`lock = { slots = 3, ttl = "20s" }`, func(c *svc) {
		c.Lock = proxy.LockConfig{Slots: 3, TTL: 20 * time.Second, Scope: "node", Order: "strict"}
	}},
	{`queue = { max = 5, timeout = "1m", on_client_fin = "drop" }`, func(c *svc) {
		c.Queue = proxy.QueueConfig{Max: 5, Timeout: time.Minute, OnClientFin: "drop"}
	}},
	{`queue.max_per_ip = 3`, func(c *svc) { c.Queue.MaxPerIP = 3 }},
	{`queue = { max = 0, timeout = "0s" }`, func(c *svc) { c.Queue.Max, c.Queue.Timeout = -1, -1 }},

	{`check = { type = "http", port = 81, path = "/up", method = "HEAD", host = "db", expect = 204, interval = "1s", timeout = "2s", rise = 1, fall = 9 }`, func(c *svc) {
		c.Check = proxy.CheckConfig{Type: "http", Port: 81, Path: "/up", Method: "HEAD", Host: "db", Expect: 204, Interval: time.Second, Timeout: 2 * time.Second, Rise: 1, Fall: 9, OnDown: "keep"}
	}},
	{`check = { type = "http", tls = true, slow_start = "1m", on_down = "cut" }`, func(c *svc) {
		c.Check.Type, c.Check.TLS, c.Check.SlowStart, c.Check.OnDown = "http", true, time.Minute, "cut"
	}},
	{`check = { type = "send-expect", send = "PING\r\n", expect_bytes = "+PONG" }`, func(c *svc) {
		c.Check.Type, c.Check.Send, c.Check.Want = "send-expect", "PING\r\n", "+PONG"
	}},
	{`check = { type = "exec", run = ["up", "-q"] }`, func(c *svc) { c.Check.Type, c.Check.Run = "exec", []string{"up", "-q"} }},
	{`check.type = "none"`, func(c *svc) { c.Check.Type = "none" }},
	{`pause = { limit = "1s", then = "cut", max = "3s", on_max = "reject", release_rate = "30/m", bypass = ["10.0.9.9", "fd00::/64"] }`, func(c *svc) {
		c.Pause = proxy.PauseConfig{Limit: time.Second, Then: "cut", Max: 3 * time.Second, OnMax: "reject", ReleaseRate: 0.5,
			Bypass: []netip.Prefix{netip.MustParsePrefix("10.0.9.9/32"), netip.MustParsePrefix("fd00::/64")}}
	}},
	{`drain = { quiet = "500ms", protocol = "redis" }`, func(c *svc) { c.Drain = proxy.DrainConfig{Quiet: 500 * time.Millisecond, Protocol: "redis"} }},
	{`passive = {}`, func(c *svc) {
		c.Passive = proxy.PassiveConfig{Failures: 3, Window: 10 * time.Second, Eject: 30 * time.Second, MaxEjectedPercent: 50}
	}},
	{`passive = { failures = 5, window = "2s", eject = "1m", max_ejected_percent = 0 }`, func(c *svc) {
		c.Passive = proxy.PassiveConfig{Failures: 5, Window: 2 * time.Second, Eject: time.Minute, MaxEjectedPercent: -1}
	}},
	{`pause = { limit = "0s", release_rate = "0/s" }`, func(c *svc) { c.Pause.Limit = -1 }},

	{`backends = [{ name = "a", addr = "[fd00::1]:5432", weight = 3, priority = 1, max_sessions = 9, restart = ["true"], ready_timeout = "5s" }]`, func(c *svc) {
		c.Backends = []proxy.BackendConfig{{Name: "a", Addr: "[fd00::1]:5432", Weight: 3, Priority: 1, MaxSessions: 9,
			Restart: []string{"true"}, ReadyTimeout: 5 * time.Second}}
	}},
	{`backends = [{ addr = "10.0.0.12:5432", tls = true, tls_name = "db", ca = "ca.pem", tls_cert = "c.pem", tls_key = "c.key" }, { addr = "10.0.0.13:5432", tls = true, tls_verify = false }]`, func(c *svc) {
		c.Backends = []proxy.BackendConfig{
			{Name: "10.0.0.12:5432", Addr: "10.0.0.12:5432", Weight: 1, ReadyTimeout: time.Minute, TLS: &proxy.BackendTLS{Name: "db", CA: "ca.pem", Cert: "c.pem", Key: "c.key"}},
			{Name: "10.0.0.13:5432", Addr: "10.0.0.13:5432", Weight: 1, ReadyTimeout: time.Minute, TLS: &proxy.BackendTLS{Insecure: true}}}
	}},
	{`backends = [{ name = "c", dns = "db.internal:5432", tls = true }]`, func(c *svc) {
		c.Backends, c.Discover = nil, []proxy.DiscoverySource{{Name: "backends/c", Kind: "dns", From: "db.internal:5432"}}
	}},
	{`backends = [{ addr = "10.0.0.12:5432", weight = 0 }]`, func(c *svc) {
		c.Backends = []proxy.BackendConfig{{Name: "10.0.0.12:5432", Addr: "10.0.0.12:5432", Weight: -1, ReadyTimeout: time.Minute}}
	}},
	{`backends = []`, func(c *svc) { c.Backends = nil }},
	{`backends = ["10.0.0.11:5432", { name = "c", dns = "db.internal:5432" }]
discover = "srv:_db._tcp.example"`, func(c *svc) {
		c.Discover = []proxy.DiscoverySource{{Name: "backends/c", Kind: "dns", From: "db.internal:5432"}, {Name: "discover", Kind: "srv", From: "_db._tcp.example"}}
	}},

	{`hooks = {}`, func(c *svc) { c.Hooks = proxy.Hooks{Ready: "check"} }},
	{`hooks = { before_next = { run = ["a"], every = 20, timeout = "5s", on_error = "ignore" }, on_ttl = { run = ["b"] }, ready = "connect", exclusive = false }`, func(c *svc) {
		c.Hooks = proxy.Hooks{Ready: "connect", Shared: true,
			BeforeNext: proxy.Hook{Run: []string{"a"}, Every: 20, Timeout: 5 * time.Second, OnError: "ignore"},
			OnTTL:      proxy.Hook{Run: []string{"b"}, Every: 1, Timeout: 30 * time.Second, OnError: "check"}}
	}},
	{`scope = "cluster"
[mesh]
name = "office"
secret_file = "s"
[cluster]
voters = ["edge-1"]`, func(c *svc) { c.Scope = proxy.ScopeCluster }},
	{`lock = { scope = "cluster" }
hooks = { on_expire = { run = ["c"] } }
[mesh]
name = "office"
secret_file = "s"
[cluster]
voters = ["edge-1"]`, func(c *svc) {
		c.Lock = proxy.LockConfig{Slots: 1, Scope: proxy.ScopeCluster, Order: proxy.OrderStrict}
		c.Hooks = proxy.Hooks{Ready: "check", OnExpire: proxy.Hook{Run: []string{"c"}, Every: 1, Timeout: 30 * time.Second, OnError: "check"}}
	}},
	{`lock = { scope = "cluster", order = "shares", slots = 10 }
[mesh]
name = "office"
secret_file = "s"
[cluster]
voters = ["edge-1"]`, func(c *svc) {
		c.Lock = proxy.LockConfig{Slots: 10, Scope: proxy.ScopeCluster, Order: proxy.OrderShares}
	}},
}

func TestProxy(t *testing.T) {
	for _, c := range conversions {
		text := plain + c.line
		if key, _, _ := strings.Cut(c.line, " "); key == "listen" || key == "backends" {
			lines := strings.Split(plain, "\n")
			lines = slices.DeleteFunc(lines, func(l string) bool { return strings.HasPrefix(l, key) })
			text = strings.Join(lines, "\n") + c.line
		}
		want := plainConfig()
		c.want(&want)
		f := lenient(t, "a.toml", text)
		got := f.Services[0].withoutSources(f.Services[0].proxy())
		if diff := cmp.Diff(want, got, cmpopts.EquateComparable(netip.Prefix{}, netip.Addr{}), cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.line, diff)
		}
		// The engine accepts what the file's own check accepts.
		if got.Lock.Scope == proxy.ScopeCluster {
			got.Shared = func(proxy.SharedUser) proxy.Shared { return nil }
		}
		if got.Scope == proxy.ScopeCluster {
			got.Cluster = func(proxy.ClusterUser) io.Closer { return nil }
		}
		if _, err := proxy.New(proxy.Config{Services: []proxy.ServiceConfig{got}}); err != nil {
			t.Errorf("%s: %v", c.line, err)
		}
	}
}

// ours are the fields that no key of the file sets.
var ours = map[string]bool{
	"BackendConfig.FoundBy":   true, // set by the source that found the backend
	"ServiceConfig.Listeners": true, "ServiceConfig.Dial": true, "Hook.Func": true,
	"ServiceConfig.AllowList": true, "ServiceConfig.DenyList": true,
	"ServiceConfig.TLS": true, "ServiceConfig.Protocol": true, // made by internal/protocol
	"BackendConfig.CheckPort": true,
	"ServiceConfig.Cluster":   true,                              // internal/instance sets it
	"ServiceConfig.Shared":    true, "LockConfig.WhenLost": true, // of [cluster]: internal/instance sets them
}

// Every field of the engine must be set by the file, or be in ours.
func TestProxyPassesOnEveryField(t *testing.T) {
	set := map[string]bool{}
	for _, c := range conversions {
		want := plainConfig()
		c.want(&want)
		seen(reflect.ValueOf(want), set)
	}
	for name, was := range set {
		if !was && !ours[name] {
			t.Errorf("proxy.%s: no case of conversions sets it; pass it on in proxy.go, or say in ours that it is not for the file", name)
		}
	}
}

// seen records the fields below v, and whether they are set.
func seen(v reflect.Value, set map[string]bool) {
	switch {
	case v.Kind() == reflect.Slice && v.Type().Elem().Kind() == reflect.Struct:
		for i := range v.Len() {
			seen(v.Index(i), set)
		}
	case v.Kind() == reflect.Struct && strings.Contains(v.Type().PkgPath(), "tcpctl"):
		for i := range v.NumField() {
			name := v.Type().Name() + "." + v.Type().Field(i).Name
			set[name] = set[name] || !v.Field(i).IsZero()
			seen(v.Field(i), set)
		}
	}
}

func TestProxyLimits(t *testing.T) {
	f := lenient(t, "a.toml", "[limits]\nmax_sessions = 12\n"+plain+"[services.web]\nlisten = \"127.0.0.1:0\"\nbackends = []\n")
	c, err := f.Proxy()
	if err != nil || c.MaxSessions != 12 || len(c.Services) != 2 || c.Services[1].Name != "web" {
		t.Errorf("%+v, %v", c, err)
	}
}

// A service has the values of [defaults], wherever that table is; its own take precedence, even a
// zero.
func TestDefaults(t *testing.T) {
	f := lenient(t, "a.toml", plain+`
idle_timeout = "0s"
connect_retries = 0
[services.web]
listen = "127.0.0.1:0"
backends = []
no_backend = "hold"
[defaults]
idle_timeout = "10m"
connect_retries = 4
no_backend = "reject"
nodelay = false
`)
	db, web := f.Service("db"), f.Service("web")
	if db.IdleTimeout != 0 || db.ConnectRetries != 0 || db.NoBackend != "reject" || db.Nodelay {
		t.Errorf("db: %+v", db.Defaults)
	}
	if web.IdleTimeout != 10*time.Minute || web.ConnectRetries != 4 || web.NoBackend != "hold" || web.Nodelay {
		t.Errorf("web: %+v", web.Defaults)
	}
}
